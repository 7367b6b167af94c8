"""A conversation on the virtual device: recorded users, the real callback, the real engines, a recording of both sides.

Theory: a ``Line`` is something the user says and the moment to say it.  The device runs in real time, or stepped: then its clock moves on
only while everything is at rest, so that a slow machine changes nothing in the recording.  All moments are device frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevoice import app
from edgevoice.dialog.table import State
from edgevoice.events import ReplyFrame
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Engines, Session
from edgevoice.rt import Hops, ScriptedDevice
from edgevoice.settings import Settings

Int16 = NDArray[np.int16]

Moment = Literal["start", "after_reply", "over_reply"]

REPLY_WITHIN_S = 90.0
"""device time after a line within which the conversation has to come to rest; then the next line is said all the same"""

TAIL_S = 0.6
"""recorded after the conversation has come to rest"""

SETTLE_S = 0.2
"""after a line's last sample, the time in which its end is surely noticed"""

POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Line:
    """``samples`` at the device's rate, said ``delay_s`` after the moment that ``when`` names.

    ``start``: the recording's start.  ``after_reply``: the conversation's coming to rest.  ``over_reply``: the reply's first sound.
    """

    samples: Int16
    when: Moment = "after_reply"
    delay_s: float = 0.8


@dataclass(frozen=True, slots=True)
class Recording:
    """What there was: ``mic`` and ``speaker`` are int16 at ``rate`` and share sample 0."""

    rate: int
    mic: Int16
    speaker: Int16
    events: list[dict[str, Any]]
    replies: list[list[ReplyFrame]]
    """the frames of each generation"""
    starts: list[int]
    """device frame at which each line began"""
    stuck: list[str]
    """threads that did not end in time"""


class Conversation:
    """One run.  ``engines`` stay the caller's."""

    def __init__(self, settings: Settings, engines: Engines, *, realtime: bool = True, noise: Int16 | None = None,
                 echo: NDArray[np.float32] | None = None, listener: Callable[[dict[str, Any]], None] | None = None,
                 tap: Callable[[Hops], None] | None = None) -> None:
        self.settings, self._realtime = settings, realtime
        self._noise, self._echo = noise, echo
        self.trace, self._clock = app.make_trace(settings)
        if listener is not None:
            self.trace.listen(listener)
        self.core = app.make_core(settings)
        self.session = Session(self.core, engines, settings, self.trace, self._clock, tap=tap)
        self._first_sound: dict[int, int] = {}
        self._before = 0
        self.trace.listen(self._watch)
        self.device: ScriptedDevice

    async def run(self, lines: Sequence[Line]) -> Recording:
        rate = self.settings.audio.rate
        seconds = sum(len(line.samples) / rate + line.delay_s + REPLY_WITHIN_S for line in lines) + TAIL_S + 5.0
        self.device = ScriptedDevice(self.core, realtime=self._realtime, noise=self._noise, echo=self._echo, max_seconds=int(seconds) + 1)
        replies: list[ReplyStream] = []
        self.session.listen_replies(replies.append)
        await self.session.start()
        app.announce(self.trace, self.settings, 0)
        self.device.start()
        starts = []
        try:
            for line in lines:
                starts.append(await self._say(line))
            await self._until(self._at_rest, REPLY_WITHIN_S)
            await self._pass(TAIL_S)
        finally:
            self.device.stop()
            stuck = await self.session.stop()
            mic, speaker = self.device.recording()
            self.core.close()
        return Recording(rate, mic, speaker, self.trace.events(), [reply.read().poll() for reply in replies], starts, stuck)

    async def _say(self, line: Line) -> int:
        """Say a line and let the conversation come to rest after it, unless the next line is to be said over the reply."""
        rate = self.settings.audio.rate
        delay = int(line.delay_s * rate)
        if line.when == "over_reply":
            await self._until(lambda: self._new_sound() is not None, REPLY_WITHIN_S)
            start = self.device.say(line.samples, max(delay + (self._new_sound() or 0), self.device.position))
        elif line.when == "start":
            start = self.device.say(line.samples, delay)
        else:
            await self._until(self._at_rest, REPLY_WITHIN_S)
            start = self.device.say(line.samples, self.device.position + delay)
        self._before = self.session.machine.generation
        end = start + len(line.samples)
        self.trace.emit("user_audio", sample=start, end=end)
        await self._until(lambda: self.device.position >= end, end / rate + REPLY_WITHIN_S)
        await self._pass(SETTLE_S)
        return start

    def _new_sound(self) -> int | None:
        """The device frame at which the reply to the last line began to sound, if it did."""
        generation = self.session.machine.generation
        return self._first_sound.get(generation) if generation > self._before else None

    def _at_rest(self) -> bool:
        return self.session.machine.state in (State.IDLE, State.FOLLOWUP)

    def _watch(self, row: dict[str, Any]) -> None:
        if row["event"] == "playback_first_sample":
            self._first_sound[row["generation"]] = row["sample"]

    async def _pass(self, seconds: float) -> None:
        until = self.device.position + int(seconds * self.settings.audio.rate)
        await self._until(lambda: self.device.position >= until, seconds + 1.0)

    async def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        """Let device time pass until ``done``; False if ``within_s`` of it passed before that."""
        limit = self.device.position + int(within_s * self.settings.audio.rate)
        while not done():
            if self.device.position >= limit or self.device.error is not None:
                return False
            if self._realtime:
                await asyncio.sleep(POLL_S)
            elif self.session.at_rest:
                self.device.step(self.core.hop)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0.0005)
        return True
