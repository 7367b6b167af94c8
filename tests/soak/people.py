"""The people of a soak, and what breaks around them: each conversation is held, looked at, and what it left behind is told.

Law: whoever asks hears something, whatever is broken; a conversation comes to its end; what broke heals.  All within bounds of device time.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.soak.clock import WallClock
from tests.soak.faults import Faults
from tests.soak.quick import Quick
from tests.soak.room import Room, View
from tests.soak.script import INTERRUPTION, Conversation, conversations

SOUND_S = 15.0
"""device time from the end of what somebody said to a sound, whatever is broken; the bench wants 5"""
REST_S = 60.0
"""device time within which a conversation is over"""
HEAL_S = 30.0
"""device time after a mishap is over, within which all is as before"""
BROKER_S = 70.0
"""real time within which a broker that is back is found again: the longest pause between two attempts and a connect"""
SLOW_S = 0.3
"""real time that engines may take before the device's clock goes on without them, as a real one would"""
IDLE_HOPS = 4
"""of device time at once while nothing goes on"""
HANGING_PACE_S = 0.001
"""real time for a hop while an engine hangs: ten times as fast as life"""


def tell(row: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"row": row, **facts}) + "\n")
    sys.stdout.flush()


def found(what: str, **facts: Any) -> None:
    """Something that should not have happened."""
    tell("finding", what=what, **facts)


class Soak:
    """Of one process."""

    def __init__(self, room: Room, view: View, faults: Faults, quick: Quick | None, wall: WallClock, *, seconds: float, seed: int,
                 sabotage: str = "") -> None:
        self._sabotage = sabotage
        self._leaked: list[Any] = []
        self.room, self.view, self.faults, self.quick, self.wall = room, view, faults, quick, wall
        self.seconds, self.seed = seconds, seed
        self.session: Any = None
        self._mqtt: Any = None
        self._held = 0
        """what the device's clock waits for outside the process"""
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._orders = 0
        self._unheard = 0

    @contextlib.asynccontextmanager
    async def edges(self, real: Callable[..., Any], session: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        """In place of the daemon's: those, and the soak."""
        self.session = session
        async with real(session, *arguments, **named) as made:
            self._mqtt = made.mqtt
            tasks = [asyncio.create_task(self._run(made))]
            if self.room.compressed:
                tasks.append(asyncio.create_task(self._drive()))
            threading.Thread(target=self._listen, args=(asyncio.get_running_loop(),), name="soak-stdin", daemon=True).start()
            try:
                yield made
            finally:
                for task in tasks:
                    task.cancel()
                for error in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(error, Exception):
                        found("the soak itself failed", error=repr(error))

    # The people.

    async def _run(self, made: Any) -> None:
        try:
            while made.http is not None and not made.http.port:
                await self._pass(0.1)
            begun = self._now()
            tell("begun", seed=self.seed, http=made.http.port if made.http else 0)
            await self._until(lambda: self.session._mouth.phrases.missing is None and self.session._mouth.idle, REST_S)
            for one in conversations(self.seed):
                if self._now() - begun >= self.seconds:
                    break
                await self._converse(one, begun)
        finally:
            self._heal()
            os.kill(os.getpid(), signal.SIGTERM)

    async def _converse(self, one: Conversation, begun: float) -> None:
        await self._pass(one.quiet_s)
        if self.quick is not None:
            self.quick.set(one.line.text)
        heard, wakes = self.view.counts["playback_first_sample"], self.view.counts["wake"]
        mishap = asyncio.create_task(self._break(one, heard)) if one.mishap else None
        started = self._now()
        said_s = await self._open(one)
        await self._pass(said_s)
        sounded = await self._until(lambda: self.view.counts["playback_first_sample"] > heard, SOUND_S)
        answered_s = self._now() - started - said_s
        if mishap is not None:
            await mishap
        cut_off = one.opening == "announcement" and (one.mishap or "").startswith("broker")
        spoiled = cut_off or one.mishap in ("unplug", "mute", "client gone", "stop")
        if not sounded and not spoiled:
            # A wake word that goes unheard, or is heard in a question that needs none, is a matter of degree.
            if (one.opening, self.view.counts["wake"] == wakes) in (("voice", True), ("listen", False)):
                self._unheard += 1
            else:
                found("nobody answered", **_facts(one), state=self._state())
        if not await self._until(self._rests, REST_S):
            found("the conversation does not come to rest", **_facts(one), state=self._state())
        self._heal()
        if not await self._until(self._healed, HEAL_S):
            found("what broke does not heal", **_facts(one), state=self._state())
        self._leak()
        tell("conversation", **_facts(one), answered_s=round(answered_s, 3) if sounded else None, sample=self._sample(begun))

    async def _open(self, one: Conversation) -> float:
        """Begin it; seconds until it is all said."""
        match one.opening:
            case "voice":
                return self.room.say(f"wake {one.line.name}")
            case "listen":
                self.session.listen()
                await self._pass(0.2)
                return self.room.say(one.line.name)
            case "asked":
                self.session.ask(one.line.text)
            case "http":
                await self._outside("ask", text=one.line.text, leave=one.mishap == "client gone")
            case "announcement":
                await self._connected()
                await self._outside("say", text="The door is open.")
        return 0.0

    async def _connected(self) -> None:
        """Wait until the device has found the broker again; the network keeps to real time, so the device's clock does, too."""
        limit = time.monotonic() + BROKER_S
        self._held += 1
        try:
            while not self._mqtt.connected:
                if time.monotonic() > limit:
                    found("the broker is not found again", state=self._state())
                    return
                await asyncio.sleep(0.02)
        finally:
            self._held -= 1

    async def _break(self, one: Conversation, heard: int) -> None:
        """The mishap, and its end."""
        assert one.mishap is not None
        place, _, how = one.mishap.rpartition(" ")
        if how in ("hang", "raise"):
            self.faults.arm(place, how)  # type: ignore[arg-type]
            return
        if one.mishap in ("barge-in", "stop"):
            await self._until(lambda: self.view.counts["playback_first_sample"] > heard, SOUND_S)
        await self._pass(one.after_s)
        match one.mishap:
            case "barge-in":
                if self.quick is not None:
                    self.quick.set(INTERRUPTION.text)
                await self._pass(self.room.say(INTERRUPTION.name))
            case "stop":
                self.session.stop_speaking()
            case "mute":
                self.session.mute(True)
                await self._pass(one.lasts_s)
                self.session.mute(False)
            case "unplug":
                self.room.unplug()
                await self._pass(one.lasts_s)
                self.room.plugged = True
            case "broker cut" | "broker gone" | "broker swallows":
                await self._outside(one.mishap)
                await self._pass(one.lasts_s)
            case "disk full":
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
                await self._pass(one.lasts_s)
            case "clock jump":
                self.wall.jump_s += (one.after_s - 2.0) * 3600.0  # an hour or two, either way

    def _heal(self) -> None:
        """Everything is well again."""
        self.faults.disarm()
        self.faults.free()
        self.room.plugged = True
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if self.session is not None and self.session.muted:
            self.session.mute(False)
        self._order("broker back")

    def _rests(self) -> bool:
        from edgevoice.dialog.table import State

        return self.session.machine.state is State.IDLE and not self.session.machine.waiting

    def _healed(self) -> bool:
        card, session = self.room.card, self.session
        slots = session._slots
        whole = all(slot is None or slot._engine is not None for slot in (slots.stt, slots.llm, slots.tts, slots.turn_end))
        return (card is not None and card.running and self.faults.hanging == 0 and whole and self._rests() and session.at_rest
                and session.failure is None and all(ward.loading is None for ward in session._care._wards) and not _left_threads(session))

    def _leak(self) -> None:
        """What the soak has to find, where a test wants to know whether it does."""
        match self._sabotage:
            case "memory":
                self._leaked.append(np.ones(1 << 17))  # a MiB
            case "files":
                self._leaked.append(os.open(os.devnull, os.O_RDONLY))
            case "threads":
                self._leaked.append(threading.Thread(target=threading.Event().wait, daemon=True))
                self._leaked[-1].start()

    # The device's time.

    async def _drive(self) -> None:
        """Let device time pass whenever nothing would happen without it."""
        from edgevoice.dialog.table import State

        session, hop = self.session, self.room.core.hop
        stepped = since = time.monotonic()
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            card = self.room.card
            if card is None or not card.running:  # the stand-in's thread keeps time
                time.sleep(0.001)
                since = now
                continue
            if self._held or any(ward.loading is not None for ward in session._care._wards):
                wait = hop / self.room.core.rate
            elif session.at_rest:
                wait, since = 0.0, now
            elif self.faults.hanging:
                wait = HANGING_PACE_S
            elif now - since >= SLOW_S:
                wait = hop / self.room.core.rate
            else:
                time.sleep(0.0002)
                continue
            if now - stepped < wait:
                time.sleep(0.0002)
                continue
            # As a card with a long period would, while nobody is there.
            card.inner.step(IDLE_HOPS * hop if wait == 0.0 and session.machine.state is State.IDLE else hop)
            stepped = now

    def _now(self) -> float:
        return float(asyncio.get_running_loop().time())

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        limit = self._now() + within_s
        while not done():
            if self._now() >= limit:
                return False
            await asyncio.sleep(0.02)
        return True

    # The world outside.

    def _order(self, what: str, **facts: Any) -> asyncio.Future[None]:
        self._orders += 1
        answer = self._answers[self._orders] = asyncio.get_running_loop().create_future()
        tell("outside", number=self._orders, do=what, **facts)
        return answer

    async def _outside(self, what: str, **facts: Any) -> None:
        """Have it done, and wait until it is: in real time."""
        self._held += 1
        try:
            await self._order(what, **facts)
        finally:
            self._held -= 1

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._answered, int(line))

    def _answered(self, number: int) -> None:
        answer = self._answers.pop(number)
        if not answer.done():
            answer.set_result(None)

    # What the process holds.

    def _sample(self, begun: float) -> dict[str, Any]:
        counters = self.room.core.counters()
        for _ in range(100):  # in real time frames come while they are counted
            if counters.captured == counters.consumed + counters.dropped + counters.depth:
                break
            counters = self.room.core.counters()
        return {"t": round(self._now() - begun, 2), "real_s": round(time.monotonic(), 2), "rss_mib": round(rss_mib(), 2),
                "threads": len(os.listdir("/proc/self/task")), "files": len(os.listdir("/proc/self/fd")), "tasks": len(asyncio.all_tasks()),
                "captured": counters.captured, "consumed": counters.consumed, "dropped": counters.dropped, "depth": counters.depth,
                "underruns": counters.underruns, "unheard": self._unheard}

    def _state(self) -> dict[str, Any]:
        session = self.session
        return {"state": session.machine.state.value, "queues": session.queues, "failure": session.failure, "hanging": self.faults.hanging,
                "engines": [dataclasses.asdict(state) for state in session.engines], "left": _left_threads(session),
                "deeds": not session.deeds.idle, "card": self.room.card is not None and self.room.card.running,
                "at_rest": session.at_rest, "rests": self._rests(), "trace": list(self.view.last)}


def _facts(one: Conversation) -> dict[str, Any]:
    return {"number": one.number, "opening": one.opening, "line": one.line.name, "mishap": one.mishap}


def _left_threads(session: Any) -> list[str]:
    """Threads of workers that were given up and have not ended."""
    workers = (session._recognizer, session._brain, session._mouth, session._ears.turn_ends)
    mine = {worker._thread for worker in workers if worker is not None}
    names = {thread.name for thread in mine if thread is not None}
    return [thread.name for thread in threading.enumerate() if thread.name in names and thread not in mine]


def rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20
