"""One life of the daemon, seen from updates: what goes into force as it begins, the watch over what is on probation, and the change to
something else at a pause.

Theory: the state on the disk says what should be in force; the daemon compares it with what it runs, whoever wrote it, and changes when
nobody speaks: without a restart where only settings differ that a running device can take, otherwise by ending in order and being started
again.  A life is counted as a crash when it begins, and no more when it ends in order: so a crash, a kill, the watchdog and a loss of
power are counted by whoever comes next.

Laws: nothing here keeps the conversation from starting or going on: a disk that takes nothing is told of.  Going back needs nothing but
one write.  On the loop's thread, but for what says otherwise; the disk is written to on other threads.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevoice import journal
from edgevoice.checks.models import names
from edgevoice.errors import EXIT_RESTART, EdgeVoiceError, StorageError
from edgevoice.models import manifest as model_json
from edgevoice.models.releases import State, version_of
from edgevoice.models.store import Store, default_root
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.care import EngineState
from edgevoice.pipeline.engines import NAMES
from edgevoice.settings import Settings
from edgevoice.update import in_force, status

LOOK_S = 0.5
"""how often the daemon looks at the state's file (one stat) and at the engines"""
PAUSE_S = 3.0
"""nobody spoke, nothing rang and nothing was done for so long: a pause"""
PATIENCE_S = 30.0
"""after which what was taken back for its failing engines is left even if somebody speaks: he gets no answers anyway"""
HANGS = 3
"""of one engine in one probation; failures in a row are the breaker's to count"""

Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Ways:
    """What the daemon lets be seen and done.  ``take`` applies settings to a running device and returns what it could not."""

    quiet: Callable[[], bool]
    engines: Callable[[], Sequence[EngineState]]
    take: Callable[[Settings], Awaitable[Sequence[str]]]
    restart: Callable[[], None]
    emit: Callable[..., None]


class Life:
    """``begin`` before all else, ``watch`` while it listens, ``end`` where it ends in order, ``failed`` where it does not."""

    def __init__(self, own_file: Path | None, tell: Tell, *, clock: Callable[[], float] = time.monotonic,
                 leave: Callable[[], None] | None = None) -> None:
        self.switching = False
        """it ends so that something else is in force when it is started again"""
        self._file, self._tell, self._clock = own_file, tell, clock
        self._leave = leave or (lambda: os._exit(EXIT_RESTART))
        self._timer: threading.Timer | None = None
        self._news: list[dict[str, Any]] = []
        self._state = State()
        self._runs = ""
        self._ready_at: float | None = None
        self._answers: set[int | None] = set()
        """generations that were begun as answers"""
        self._turns = 0
        self._lock = threading.Lock()
        """over the way from "not ready" to "ready" or "given up", which a timer may go too"""

    def begin(self) -> Settings:
        """The settings in force now.  ``ConfigError`` if the device's own are wrong."""
        self._mine = in_force.own(self._file)
        self._limits = self._mine.update
        self._releases = in_force.releases_of(self._mine)
        self._state = self._releases.state()
        self._activate()
        trial = self._state.probation
        if trial is not None and trial.crashes >= self._limits.crashes:
            self._undo(f"it crashed, was killed or lost its power {trial.crashes} times")
        settings = self._in_force()
        if self._state.probation is not None:
            self._change(State.begin)
            self._timer = threading.Timer(self._limits.ready_s, self._too_late)
            self._timer.daemon = True
            self._timer.start()
        self._mark = self._releases.mark()
        self._runs = self._state.current
        self._models = self._models_of(settings)
        return settings

    def failed(self, error: BaseException) -> bool:
        """It ends by ``error``.  True if that is what is on probation, which never listened: then it was taken back."""
        with self._lock:
            first = self._state.probation is not None and self._ready_at is None
            self._stop_timer()
            if first:
                self._undo(f"it did not start: {error}")
            return first and self._state.probation is None

    def ready(self) -> None:
        """A wake word would be heard from now on."""
        with self._lock:
            if self._ready_at is None:
                self._ready_at = self._clock()
                self._stop_timer()

    def end(self) -> None:
        """In order; any thread."""
        with self._lock:
            self._stop_timer()
        if self._state.probation is not None:
            lived = 0.0 if self._ready_at is None else self._clock() - self._ready_at
            self._change(lambda state: state.end(lived, self._turns))

    def on_event(self, row: dict[str, Any]) -> None:
        """A row of the trace, on any thread: answers are counted, not what the device says unasked."""
        generation = row.get("generation")
        if row["event"] in ("routed", "llm_first_token"):
            self._answers.add(generation)
        elif row["event"] == "playback_first_sample" and generation in self._answers:
            self._answers.clear()  # those before it were speculation, or nobody listened to them
            self._turns += 1

    async def watch(self, ways: Ways) -> None:
        """Until cancelled."""
        quiet_since: float | None = None
        undone_at: float | None = None
        refused: str | None = None
        while True:
            self._tell_news(ways)
            await asyncio.sleep(LOOK_S)
            now = self._clock()
            quiet_since = (quiet_since if quiet_since is not None else now) if ways.quiet() else None
            if self._state.probation is not None and self._runs == self._state.current and self._ready_at is not None:
                if (why := trouble(ways.engines())) is not None:
                    await asyncio.to_thread(self._undo, why)
                    undone_at = now
                elif self._passed(now):
                    await asyncio.to_thread(self._settle)
            if (mark := self._releases.mark()) != self._mark:
                self._mark, refused = mark, None
                self._state = await asyncio.to_thread(self._releases.state)
            wanted = self._state.staged or self._state.current
            if wanted in (self._runs, refused) or self.switching:
                continue
            if (quiet_since is not None and now - quiet_since >= PAUSE_S) or (undone_at is not None and now - undone_at >= PATIENCE_S):
                refused = wanted  # whatever keeps it from being taken is not tried twice a second
                await self._switch(ways)

    def health(self) -> tuple[dict[str, Any], list[Alert]]:
        """From what is known already; the disk is not asked."""
        state = self._state
        trial = state.probation
        lived = trial.lived_s + (self._clock() - self._ready_at if self._ready_at is not None else 0.0) if trial is not None else 0.0
        document = {"phase": status.phase(state), "release": version_of(state.current), "previous": version_of(state.previous),
                    "staged": version_of(state.staged), "lived_s": round(lived, 1), "turns": (trial.turns + self._turns) if trial else 0,
                    "undone": [version_of(one.id) for one in state.undone]}
        last = state.undone[-1] if state.undone else None
        return document, [] if last is None else [Alert(
            "update_undone", f"the update {version_of(last.id)} was taken back: {last.why}; `edgevoice update status`")]

    # How.

    def _in_force(self) -> Settings:
        """Settings with what the release brings; what cannot be understood is taken back, or, past its probation, left out."""
        while True:
            try:
                self._check(self._state.current)
                return in_force.over(self._file, self._mine, self._releases.config(self._state.current))
            except EdgeVoiceError as error:
                if self._state.probation is not None:
                    before = self._state
                    self._undo(f"it cannot be in force: {error}")
                    if self._state != before:
                        continue
                self._tell(f"update {version_of(self._state.current)}: its settings are left out: {error}", journal.ERROR)
                return self._mine

    def _check(self, id: str) -> None:
        """``EdgeVoiceError`` unless what a release should have is there."""
        folder = self._releases.folder(id)
        if not id:
            return
        if not folder.is_dir():
            raise StorageError(f"{folder} is not there")
        for model in sorted((folder / "models").iterdir()) if (folder / "models").is_dir() else []:
            record = model_json.read(model)
            faults = ["no model.json"] if record is None else model_json.quick_faults(model, record)
            if faults:
                raise StorageError(f"{model} is damaged ({'; '.join(faults)})")

    def _activate(self) -> None:
        """What waits goes into force."""
        if not self._state.staged:
            return
        try:
            self._check(self._state.staged)
        except EdgeVoiceError as error:
            gone = version_of(self._state.staged)
            self._change(State.unstage)
            self._told("refused", gone, str(error), journal.ERROR)
            return
        if self._change(State.activate):
            self._told("probation", version_of(self._state.current), "", journal.NOTICE)

    def _passed(self, now: float) -> bool:
        trial = self._state.probation
        assert trial is not None and self._ready_at is not None
        return (trial.lived_s + now - self._ready_at >= self._limits.probation_s
                and trial.turns + self._turns >= self._limits.probation_turns)

    def _settle(self) -> None:
        before = self._state.previous
        if self._change(State.settle):
            self._told("settled", version_of(self._state.current), "", journal.NOTICE)
            self._releases.remove(before)

    def _undo(self, why: str) -> None:
        gone = self._state.current
        if self._change(lambda state: state.undo(why, time.time())):
            self._told("undone", version_of(gone), why, journal.ERROR)
            self._releases.remove(gone)

    def _too_late(self) -> None:
        """On the timer's thread: it has not come to listen, and may never do."""
        with self._lock:
            if self._ready_at is not None or self._timer is None:
                return
            self._timer = None
            self._undo(f"it did not listen within {self._limits.ready_s:g} s")
        if self._state.probation is None:
            self._leave()

    async def _switch(self, ways: Ways) -> None:
        """To what should be in force, without a restart if that can be."""
        await asyncio.to_thread(self._activate)
        if self._state.current == self._runs:
            return
        settings = await asyncio.to_thread(self._in_force)
        models = await asyncio.to_thread(self._models_of, settings)
        rest: Sequence[str] = ["models"] if models != self._models else await ways.take(settings)
        if rest:
            self._tell(f"{self._named()}: ends to be started with it ({', '.join(rest)})", journal.NOTICE)
            self.switching = True
            ways.restart()
            return
        self._runs, self._turns = self._state.current, 0
        self._ready_at = self._clock()
        await asyncio.to_thread(self._change, State.begin)
        self._mark = self._releases.mark()
        self._tell(f"{self._named()}: in force without a restart", journal.NOTICE)

    def _models_of(self, settings: Settings) -> dict[str, bytes | None]:
        """What each model that is used by name is, by its list of files and hashes."""
        store = Store(default_root(settings.paths))
        found: dict[str, bytes | None] = {}
        for name in names(settings).values():
            try:
                found[name] = (store.home(name) / model_json.FILENAME).read_bytes()
            except (OSError, EdgeVoiceError):
                found[name] = None  # a path of the owner's: another path is another name
        return found

    def _named(self) -> str:
        return f"update {version_of(self._state.current)}" if self._state.current else "no update"

    def _change(self, change: Callable[[State], State]) -> bool:
        """Whether the state is another one now, on the disk too."""
        try:
            before, self._state = self._state, self._releases.change(change)
        except StorageError as error:
            self._tell(f"updates: what is in force cannot be written down: {error}", journal.ERROR)
            return False
        return self._state != before

    def _told(self, phase: str, release: str, why: str, priority: int) -> None:
        said = {"probation": "is in force, on probation", "settled": "has passed its probation", "undone": "was taken back",
                "refused": "is not taken"}[phase]
        self._tell(f"update {release} {said}{f': {why}' if why else ''}", priority)
        self._news.append({"state": phase, "version": release, "message": why})

    def _tell_news(self, ways: Ways) -> None:
        while self._news:
            ways.emit("update", **self._news.pop(0))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def trouble(engines: Sequence[EngineState]) -> str | None:
    """Why a release does not do well; ``None`` while it does."""
    for engine in engines:
        if engine.breaker == "open":
            return f"{NAMES[engine.name]} failed again and again"
        if engine.hung >= HANGS:
            return f"{NAMES[engine.name]} hung {engine.hung} times"
    return None


def again() -> int:
    """The end of a process that wants to be started again: its exit code where systemd sees to that; elsewhere it begins anew by itself
    and this does not return."""
    if not os.environ.get("NOTIFY_SOCKET"):
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return EXIT_RESTART


