"""The service in a machine of its own (``machine.py``), installed as a person would, and a user in the room who asks the same again and
again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice import app, audio, demo
from edgevoice.models import default_root
from edgevoice.settings import PathSettings, Settings
from tests.fakes import frozen
from tests.fakes.machine import MOUNTED, Machine, prepared_root

ROOT = Path(__file__).resolve().parents[2]
UNIT = "edgevoice.service"
ASKED_EVERY_S = 12
LEAD_S = 0.5
"""from the moment that it listens to the first word"""
PATIENCE_S = 60.0
"""on two busy cores; how fast it is in truth is the business of `bench service`"""
LOOK_S = 0.25
"""between two looks, which shall not slow down what they look at"""
CONFIG = f"""\
[audio]
backend = "virtual"
input = "{MOUNTED}/test/user.wav"

[llm]
max_tokens = 16

[health]
json_file = "/run/edgevoice/health.json"
every_s = 0.5
"""


def write_user(path: Path) -> None:
    """A room in which somebody says the wake word and asks, and then nothing until the file is over and begins again."""
    settings = Settings()
    tts, wake = app.load_tts(settings), app.load_wake(settings)
    try:
        lines, noise = demo.lines(tts, settings.audio.rate, wake)
    finally:
        tts.close()
        wake.close()
    heard = noise[:ASKED_EVERY_S * settings.audio.rate].copy()
    begin = round(LEAD_S * settings.audio.rate)
    heard[begin:begin + len(lines[0].samples)] += lines[0].samples
    audio.write_wav(path, heard.astype(np.int16), settings.audio.rate)


class Service:
    """The service in the machine, as an engineer would look at it."""

    def __init__(self, machine: Machine, command: Path = Path(sys.prefix) / "bin" / "edgevoice") -> None:
        self.machine = machine
        self.frozen: list[subprocess.Popen[bytes]] = []
        self.command = command

    def install(self) -> None:
        self.machine.run(self.command, "service", "install", "--config", f"{MOUNTED}/test/edgevoice.toml", "--models", f"{MOUNTED}/models")

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.machine.run(self.command, "service", "status", "--json")))

    def pid(self) -> int:
        return int(self.machine.run("systemctl", "show", "--property=MainPID", "--value", UNIT))

    def now(self) -> float:
        """Seconds of the clock that systemd and the journal tell by."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def ready_at(self) -> float:
        """When it last became ready, on that clock."""
        shown = self.machine.run("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "--value", UNIT)
        return int(shown) / 1e6

    def signal(self, name: str) -> None:
        self.machine.run("kill", f"-{name}", str(self.pid()))

    def journal(self, *fields: str) -> list[dict[str, Any]]:
        rows = self.machine.run("journalctl", "--unit", UNIT, "--output=json", "--no-pager", *fields).splitlines()
        return [json.loads(row) for row in rows]

    def said(self) -> str:
        return self.machine.run("journalctl", "--unit", UNIT, "--output=cat", "--no-pager")

    def turns(self, pid: int) -> list[dict[str, Any]]:
        """Questions that this very process answered, with sound at the device."""
        return self.journal("EDGEVOICE_EVENT=turn", f"_PID={pid}")

    def until(self, true: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
        limit = time.monotonic() + within_s
        while not (found := true()):
            assert time.monotonic() < limit, f"not within {within_s:g} s: {what}\n{self.said()[-3000:]}"
            time.sleep(LOOK_S)
        return found

    def until_well(self, other_than: int = 0) -> int:
        """The process that is ready and has answered the user."""
        def well() -> int:
            shown = self.machine.run("systemctl", "show", "--property=ActiveState,MainPID", UNIT)  # cheaper than ``status``
            facts = dict(line.split("=", 1) for line in shown.splitlines())
            pid = int(facts["MainPID"])
            return pid if facts["ActiveState"] == "active" and pid != other_than and self.turns(pid) else 0
        return int(self.until(well, "ready, and the user's question is answered"))

    def until_down(self) -> dict[str, Any]:
        def down() -> dict[str, Any] | None:
            facts = self.status()
            return facts if facts["state"] in ("failed", "inactive") else None
        return dict(self.until(down, "it is down"))

    def restart(self) -> int:
        self.machine.run("systemctl", "reset-failed", UNIT)
        self.machine.run("systemctl", "restart", UNIT)
        return self.until_well()

    def configure(self, text: str) -> None:
        self.machine.run("sh", "-c", f"cat >/etc/edgevoice/edgevoice.toml <<'END'\n{text}\nEND")

    def freeze(self, name: str) -> None:
        """One thread of it stands still, as if it were stuck in a call for ever; "" for the loop's."""
        process = self.machine.process(self.pid())
        threads = {thread.name: (thread / "comm").read_text().strip() for thread in Path(f"/proc/{process}/task").iterdir()}
        thread = str(process) if not name else next(number for number, called in threads.items() if called == name)
        holding = subprocess.Popen([sys.executable, frozen.__file__, thread], stdout=subprocess.PIPE)
        self.frozen.append(holding)
        assert holding.stdout is not None and holding.stdout.readline() == b"frozen\n"

    def let_go(self) -> None:
        """Wait for those who hold threads: they end with the process they hold."""
        for holding in self.frozen:
            holding.communicate(timeout=PATIENCE_S)
        self.frozen.clear()

@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """A machine that sees the checkout, the models, and in ``folder`` the configuration and the user's voice."""
    folder.chmod(0o755)
    write_user(folder / "user.wav")
    (folder / "edgevoice.toml").write_text(CONFIG, encoding="utf-8")
    shown = {str(ROOT): ROOT, f"{MOUNTED}/models": default_root(PathSettings()), f"{MOUNTED}/test": folder}
    with Machine(prepared_root(), folder / "console.log", shown) as machine:
        yield machine
