"""A device whose process is killed again and again while it writes: installs, changes of what is in force, pulls, timers, events for the
broker.  A program of its own, since it forks, and one thread alone may do that.

``killed.py FOLDER COUNT SEED``: after each kill everything must be as it was before or after some step, never between.  Half the kills come
at a moment, the others at a call of the operating system that changes something, so that none is too short to be hit.  Prints how many.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgevoice import files
from edgevoice.adapters.mqtt.store import EventStore, Kept
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import manifest as model_json
from edgevoice.models import pull, trial
from edgevoice.models.manifest import hash_file
from edgevoice.models.releases import State
from edgevoice.models.store import find
from edgevoice.settings import PathSettings
from edgevoice.update import bundle, in_force, install
from edgevoice.update import manifest as manifests
from edgevoice.update.life import Life
from tests.fakes.maker import PARTS, Maker, no_trial

LONGEST_S = 0.12
"""until a kill: several steps' time"""
MOST_CALLS = 400
"""until a kill: as many calls as several steps have"""
CHANGING = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.utime", "fcntl.flock",
                      "sqlite3.connect"})
PULLED = (b"one pulled" * 3000, b"another pulled" * 3000)
BIG = 60_000
"""bytes of a model, so that writing it takes a while"""


class Device:
    def __init__(self, folder: Path) -> None:
        self.maker = Maker(folder)
        self.maker.configure(update="probation_s = 0.0\nprobation_turns = 0\ncrashes = 3\nready_s = 3600.0")
        self.bundles = [self.maker.bundle(f"1.{k}", self._models(k), f"[llm]\nmax_tokens = {20 + k}\n") for k in range(6)]
        self.agenda = folder / "agenda.json"
        self.agendas = {json.dumps({"timers": list(range(k * 50))}) for k in range(20)}
        for k, contents in enumerate(PULLED):
            (folder / f"source-{k}").mkdir()
            (folder / f"source-{k}" / "model.gguf").write_bytes(contents)
        self.folder = folder
        self.pulled = False
        """it was there once, and nobody removes it"""

    def _models(self, k: int) -> dict[str, bytes]:
        """All bring a language model, some a voice too: the others carry over what an earlier one brought."""
        return {"llm": f"llm {k}".encode() * (BIG // 5), **({"tts": f"tts {k}".encode()} if k % 2 else {})}

    # What it does.

    def work(self, choose: random.Random) -> None:
        """For ever, one kind of step more than the others."""
        steps: list[Callable[[random.Random], Any]] = [self._install, self._live, self._give_up, self._pull, self._timers, self._events]
        mostly = choose.choice(steps)
        while True:
            try:
                (mostly if choose.random() < 0.6 else choose.choice(steps))(choose)
            except EdgeVoiceError:
                continue  # such as an update while one is on probation

    def _install(self, choose: random.Random) -> None:
        self.maker.install(choose.choice(self.bundles), downgrade=True, again=True)

    def _live(self, choose: random.Random) -> None:
        life = Life(self.maker.config, lambda text, priority: None)
        life.begin()
        if choose.random() < 0.3:
            life.failed(RuntimeError("an engine"))
            return
        life.ready()
        if choose.random() < 0.5 and life.health()[0]["phase"] == "probation":
            life._settle()
        if choose.random() < 0.8:
            life.end()
        life._stop_timer()

    def _give_up(self, choose: random.Random) -> None:
        if choose.random() < 0.3:
            install.roll_back(self.maker.store.releases, time.time())

    def _pull(self, choose: random.Random) -> None:
        k = choose.randrange(2)
        pull(self.maker.store, ["pulled"], sources=[str(self.folder / f"source-{k}")], again=True,
                     given={"model.gguf": hashlib.sha256(PULLED[k]).hexdigest()})

    def _timers(self, choose: random.Random) -> None:
        files.write_text(self.agenda, choose.choice(sorted(self.agendas)))

    def _events(self, choose: random.Random) -> None:
        store = EventStore(self.folder / "events.sqlite", 100)
        store.add([Kept(f"{time.monotonic_ns()}-{k}", "wake", b"{}") for k in range(5)])
        store.close()

    # How it must be found.

    def look(self) -> None:
        """``AssertionError`` for whatever is neither as before nor as after."""
        releases = self.maker.store.releases
        if (file := releases.root / "state.json").exists():
            json.loads(file.read_bytes())
        for id in releases.state().named:
            self._whole(releases.folder(id))
        self._consistent()
        Life(self.maker.config, lambda text, priority: None).begin()  # as the next start would
        self._consistent()
        if self.pulled or (self.maker.store.root / "pulled").exists():
            self.pulled = True
            found = find(PathSettings(models=str(self.maker.store.root)), "pulled")
            assert (found / "model.gguf").read_bytes() in PULLED, found
        assert not self.agenda.exists() or self.agenda.read_text() in self.agendas
        store_ = EventStore(self.folder / "events.sqlite", 100)
        assert store_.problem is None, store_.problem
        store_.close()

    def _whole(self, folder: Path) -> None:
        opened = manifests.parse((folder / "manifest.json").read_bytes())
        bundle.keys.verify([self.maker.public], (folder / "manifest.json").read_bytes(), (folder / "manifest.sig").read_bytes())
        for path, file in opened.files.items():
            assert hash_file(folder / path) == file.sha256, folder / path

    def _consistent(self) -> None:
        """Models and settings in force come from one release, and every model is found and whole."""
        settings = in_force.load(self.maker.config)
        for name in PARTS:
            folder = find(settings.paths, name)
            record = model_json.read(folder)
            assert record is not None and hash_file(folder / "model.gguf") == record.files["model.gguf"].sha256, folder
        text = self.maker.reads("llm")[:5].decode()
        tokens = settings.llm.max_tokens
        assert text == ("llm o" if tokens == 96 else f"llm {tokens - 20}"), (text, tokens)


def main(folder: Path, count: int, seed: int) -> None:
    choose = random.Random(seed)
    logging.disable(logging.CRITICAL)
    trial.attempt = no_trial  # type: ignore[assignment]  # what nobody can run is not tried
    device = Device(folder)
    device.look()
    reached: dict[str, int] = {}
    for k in range(count):
        number, calls, seconds = choose.randrange(1 << 30), choose.randrange(1, MOST_CALLS), choose.uniform(0, LONGEST_S)
        child = os.fork()
        if child == 0:
            if k % 2:
                _killed_at(calls)
            try:
                device.work(random.Random(number))
            except BaseException:  # noqa: BLE001 - the parent must not go on in the child
                import traceback

                traceback.print_exc()
            os._exit(1)
        if k % 2 == 0:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        _, how = os.waitpid(child, 0)
        assert os.WIFSIGNALED(how) and os.WTERMSIG(how) == signal.SIGKILL, f"kill {k}: it ended by itself"
        try:
            device.look()
        except Exception as error:
            raise AssertionError(f"after kill {k} of seed {seed}: {error}") from error
        state: State = device.maker.store.releases.state()
        phase = "probation" if state.probation else "settled" if state.current else "none"
        reached[phase] = reached.get(phase, 0) + 1
    print(json.dumps({"kills": count, "phases": reached}))


def _killed_at(calls: int) -> None:
    """End at the so-many-th call that changes something on the disk, before it does."""
    left = calls

    def hook(event: str, args: Any) -> None:
        nonlocal left
        if event in CHANGING:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
