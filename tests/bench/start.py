"""Start: from a new process to a wake word that would be heard, and to answers that are as fast as later ones.

It is the daemon itself, ``edgevoice run``, on the virtual card, and READY is what systemd is told; it comes a second after the ears began
to listen, since a detector that has just begun is deaf for about so long.  The baseline loads the same engines one after another.  "Not in
memory" means that the kernel was asked to forget the files of models and packages (those that no other process has open).  In the first
process a user asks every 12 s: the first answer is compared with the third.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgevoice import waterfall
from edgevoice.benchmarks import Result, median, progress, run_child
from edgevoice.models import default_root
from edgevoice.settings import PathSettings
from tests.fakes.appliance import write_user

ROOT = Path(__file__).resolve().parents[2]
TARGET_S = 4.0
STARTS, STARTS_QUICK = 9, 3
QUESTIONS = 3
START_S, TALK_S = 120.0, 90.0
"""no start and no conversation of three questions takes so long"""


def run(quick: bool) -> list[Result]:
    starts = STARTS_QUICK if quick else STARTS
    with tempfile.TemporaryDirectory(prefix="edgevoice-bench-") as name:
        folder = Path(name)
        write_user(folder / "user.wav")
        (folder / "config.toml").write_text(f'[audio]\nbackend = "virtual"\ninput = "{folder}/user.wav"\n[llm]\nmax_tokens = 16\n')
        progress("a start, and three questions")
        with _daemon(folder) as (ready, daemon):
            answers = _answers(daemon)
        readies, loaded = [ready["READY"]], [ready["STATUS=beginning"]]
        for number in range(2, starts + 1):
            progress(f"start {number} of {starts}")
            with _daemon(folder) as (ready, _):
                readies.append(ready["READY"])
                loaded.append(ready["STATUS=beginning"])
        progress("starts with nothing in memory")
        cold = []
        for _ in range(1 if quick else 3):
            _forget()
            with _daemon(folder) as (ready, _):
                cold.append(ready["READY"])
        progress("engines one after another")
        before = time.monotonic()
        run_child([sys.executable, "-m", "tests.bench.start"], timeout_s=START_S, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        after = time.monotonic() - before
    return [
        Result("new process to READY, p50", median(readies), "s", f"<= {TARGET_S:g}"),
        Result("new process to READY, longest", max(readies), "s"),
        Result("new process to engines loaded, p50", median(loaded), "s", None, "one after another", after),
        Result("new process to READY, files not in memory, p50", median(cold), "s"),
        Result("first question: voice to voice", 1000 * answers[0] if answers else None, "ms", None, "third question",
               1000 * answers[-1] if len(answers) == QUESTIONS else None)]


@contextmanager
def _daemon(folder: Path) -> Iterator[tuple[dict[str, float], subprocess.Popen[str]]]:
    """A daemon that is ready, and the seconds at which it said what to systemd; ended after the block."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(START_S)
        begun = time.monotonic()
        daemon = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", folder / "config.toml"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": str(address)})
        try:
            said: dict[str, float] = {}
            while "READY" not in said:
                line = systemd.recv(4096).decode()
                said.setdefault("READY" if line == "READY=1" else line.split(" ")[0], time.monotonic() - begun)
            yield said, daemon
        finally:
            daemon.terminate()
            daemon.communicate(timeout=30.0)


def _answers(daemon: subprocess.Popen[str]) -> list[float]:
    """Seconds from voice to voice of each question."""
    rows: list[dict[str, Any]] = []
    found: dict[int, float] = {}
    limit = time.monotonic() + TALK_S
    assert daemon.stdout is not None
    while len(found) < QUESTIONS and time.monotonic() < limit and (line := daemon.stdout.readline()):
        rows.append(json.loads(line))
        if rows[-1]["event"] == "playback_first_sample":
            found |= {one.turn: one.v2v_s for one in waterfall.stages(rows) if one.turn is not None and one.v2v_s is not None}
    return list(found.values())


def _forget() -> None:
    """Let the kernel drop what it keeps of the files; nobody's rights are needed, and nobody else's files are touched."""
    for folder in (default_root(PathSettings()), Path(sys.prefix)):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size > 1 << 16:
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    from edgevoice import app
    from edgevoice.settings import Settings

    for load in (app.load_tts, app.load_llm, app.load_stt, app.load_vad, app.load_wake, app.load_wake, app.load_turn_end):
        load(Settings())
