"""Timers, alarms, reminders and lists: the agenda on a running device.  It waits, rings, is told what to do, and is kept on the disk.

Theory: ``skills.agenda`` decides and this carries out.  One task sleeps until the next thing is due, or for ever where nothing is; the
clock on the wall may be set meanwhile, so that it looks again at least every ``LOOK_S`` while something is pending.  An order is a deed,
and is on the disk before its answer is spoken.  What rings sounds over speech, then says what it is; that is an announcement, after which
the microphone is open for a while, so that "stop" needs no wake word.  A wake word, a stop from anywhere, or "okay" silences it; what is
said just after that ("stop the timer", "snooze") is still about what rang, and about no other timer.

Laws: the file holds all of the agenda of some moment, or is not there; nothing is written unless something changed.  A file that cannot be
read is put aside, and said so.  A disk that fails costs what a restart would lose, and nothing before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from edgevoice import files
from edgevoice.clock import Clock
from edgevoice.dialog.table import Kind
from edgevoice.errors import StorageError
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.earcons import RING_S
from edgevoice.pipeline.session import Session
from edgevoice.skills import agenda_words, lists, orders
from edgevoice.skills.agenda import Agenda, Item, Now, Ring, clock_moved, next_look, silenced, step
from edgevoice.skills.agenda_file import document, loaded
from edgevoice.skills.agenda_told import missed, rings
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import Asked, Found, Skill
from edgevoice.trace import Trace

LOOK_S = 30.0
"""at least so often the wall's clock is looked at while something is pending"""
JUMP_S = 60.0
"""by which it was set, or it only drifted"""
ANSWER_S = 30.0
"""within which an answer belongs to the question before it"""

HUSHED_S = 15.0
"""after it was silenced by a wake word, what rang may still be spoken of"""

AGENDA, LISTS = "agenda", "lists"
"""kinds of deeds"""
NOT_KEPT = "I can't write that down, so it is lost when I restart."

_SILENCING = frozenset({Kind.WAKE, Kind.LISTEN, Kind.STOP, Kind.TURN_STOP})


class Timekeeper:
    """On the loop's thread, but for the file.  ``local``: what the wall's clock shows (aware); ``clock``: the monotonic one."""

    def __init__(self, path: Path, local: Callable[[], datetime], clock: Clock, trace: Trace, told: Callable[[str], None]) -> None:
        self._path, self._local, self._clock, self._trace, self._told = path, local, clock, trace, told
        self._agenda = Agenda()
        self._written: tuple[object, ...] = self._state()
        self._asked: tuple[orders.Order, float] | None = None
        self._session: Session | None = None
        self._hushed: tuple[tuple[Ring, ...], float] = (), 0.0
        """what was silenced last, and until when it is spoken of as if it still rang"""
        self._saying = ""
        """words of what rings"""
        self._ahead_s = 0.0
        """the wall's clock over the monotonic one"""
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._problem = ""

    @property
    def skills(self) -> tuple[Skill, ...]:
        return (Skill("timers", "timers, alarms and reminders", self._order, "set timers and alarms, and remind you of things"),
                Skill("lists", "shopping and other lists", self._list, "keep lists"))

    def register(self, deeds: Deeds) -> None:
        deeds.register(AGENDA, self._obey)
        deeds.register(LISTS, self._obey_list)

    def load(self) -> None:
        """What an earlier process left.  Before ``running``."""
        now = self._now()
        self._ahead_s = now.wall - now.mono
        try:
            self._agenda = loaded(json.loads(self._path.read_bytes()), now)
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            self._told(f"{self._path}: timers and lists cannot be read ({error}); the file is put aside, and they begin empty")
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".unreadable"))
            return
        self._written = self._state()

    @contextlib.asynccontextmanager
    async def running(self, session: Session) -> AsyncIterator[None]:
        """Ring and be told, while the block runs."""
        self._session = session
        unwatch = session.watch(self._happened)
        task = asyncio.create_task(self._wait())
        try:
            yield
        finally:
            unwatch()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._save()

    def pending(self) -> dict[str, Any]:
        """Counts, and the next moment in Unix seconds; no names, which are private."""
        now, items = self._now(), self._agenda.items
        due = [item.due(now) for item in items if item.left_s is None]
        counts = {f"{sort}s": sum(item.sort == sort for item in items) for sort in ("timer", "alarm", "reminder")}
        return {**counts, "ringing": len(self._agenda.ringing), "next_due": round(min(due), 1) if due else None}

    def health(self) -> tuple[dict[str, Any], list[Alert]]:
        """``pending``, and whether a restart would lose it."""
        found = [Alert("timers_not_kept", f"timers and lists would be lost by a restart: {self._problem}")] if self._problem else []
        return self.pending(), found

    # What is asked of it.

    def _order(self, asked: Asked) -> Deed | Found | None:
        question = self._asked
        open_question = question[0] if question is not None and self._clock.now() < question[1] else None
        found = agenda_words.order(asked.words, asked.now(), self._spoken_of(), open_question)
        if found is None and agenda_words.wanted(asked.words):
            return Found(agenda_words.NOT_UNDERSTOOD, confidence=0.6, why="an order whose time was not understood")
        return None if found is None else Deed(AGENDA, {"order": found})

    def _list(self, asked: Asked) -> Deed | None:
        found = lists.order(asked.text, self._agenda.lists)
        return None if found is None else Deed(LISTS, {"order": found})

    async def _obey(self, deed: Deed) -> str:
        now, before = self._now(), self._spoken_of()
        obeyed = orders.obey(before, deed.arguments["order"], now)
        self._asked = None if obeyed.asked is None else (obeyed.asked, now.mono + ANSWER_S)
        self._become(obeyed.agenda if self._agenda.ringing else silenced(obeyed.agenda))
        answer = obeyed.answer + await self._kept()
        known = {item.id for item in before.items}
        for item in obeyed.agenda.items:
            if item.id not in known:
                self._trace.emit("timer_set", sort=item.sort, seconds=round(item.left(now), 1))
        return answer

    async def _obey_list(self, deed: Deed) -> str:
        entries, answer = lists.obey(self._agenda.lists, deed.arguments["order"])
        self._become(replace(self._agenda, lists=entries))
        return answer + await self._kept()

    async def _kept(self) -> str:
        await self._save()
        return f" {NOT_KEPT}" if self._problem else ""

    # As time goes on.

    async def _wait(self) -> None:
        while True:
            now = self._now()
            self._look_at_clock(now)
            self._step(now)
            await self._save()
            self._changed.clear()
            wait = next_look(self._agenda, self._now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if wait is None else min(wait, LOOK_S))

    def _step(self, now: Now) -> None:
        rung = {ring.item.id for ring in self._agenda.ringing}
        stepped = step(self._agenda, now)
        self._become(stepped.agenda)
        for item in (*stepped.sound, *stepped.missed):
            if item.id not in rung:
                self._trace.emit("timer_done", sort=item.sort, missed=item in stepped.missed)
        assert self._session is not None
        for item in stepped.missed:
            self._session.say(missed(item, now))
        if stepped.sound:
            self._ring(stepped.sound, now)

    def _ring(self, items: tuple[Item, ...], now: Now) -> None:
        assert self._session is not None
        self._session.stop_ringing(self._saying)  # where the last time still waits to be said
        self._saying = " ".join(dict.fromkeys(rings(item, now) for item in items))
        self._session.ring()
        asyncio.get_running_loop().call_later(RING_S, self._say, self._saying)

    def _say(self, text: str) -> None:
        if self._agenda.ringing and text == self._saying and self._session is not None:
            self._session.say(text, channel="alarm")

    def _happened(self, kind: Kind) -> None:
        if kind in _SILENCING and self._agenda.ringing:
            self._hushed = self._agenda.ringing, self._clock.now() + HUSHED_S
            self._become(silenced(self._agenda))

    def _spoken_of(self) -> Agenda:
        """The agenda as the user sees it."""
        rings, until = self._hushed
        return self._agenda if self._agenda.ringing or self._clock.now() > until else replace(self._agenda, ringing=rings)

    def _look_at_clock(self, now: Now) -> None:
        ahead_s = now.wall - now.mono
        if abs(ahead_s - self._ahead_s) > JUMP_S:
            self._ahead_s = ahead_s
            self._become(clock_moved(self._agenda, now))
            self._written = () if self._agenda.kept else self._written  # durations are kept as moments on that clock

    def _become(self, agenda: Agenda) -> None:
        falls_silent = bool(self._agenda.ringing) and not agenda.ringing
        self._agenda = agenda
        if falls_silent and self._session is not None:
            self._session.stop_ringing(self._saying)
            self._trace.emit("timer_silenced")
        self._changed.set()

    # The file.

    def _state(self) -> tuple[object, ...]:
        return (self._agenda.kept, self._agenda.lists)

    async def _save(self) -> None:
        """If something changed since it was written."""
        async with self._writing:
            state = self._state()
            if state == self._written:
                return
            text = json.dumps(document(self._agenda, self._now()), ensure_ascii=False, indent=1) + "\n"
            try:
                await asyncio.to_thread(self._write, text)
            except StorageError as error:
                if not self._problem:
                    self._told(str(error))
                self._problem = str(error)
            else:
                self._written, self._problem = state, ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the file's own error says more
            self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(self._path, text)

    def _now(self) -> Now:
        return Now(self._clock.now(), self._local())
