"""A conversation for tests: real engines loaded once, the virtual device stepped or in real time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgevoice import app
from edgevoice.clock import wall_clock
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Int16, Tts
from edgevoice.pipeline.care import Loader
from edgevoice.pipeline.session import Engines, Session
from edgevoice.pipeline.toolbox import Toolbox
from edgevoice.rt import ScriptedDevice
from edgevoice.settings import Settings
from edgevoice.skills.router import Skill
from edgevoice.timekeeper import Timekeeper

TRIES = 6
POLL_S = 0.005


def spoken(tts: Tts, text: str, rate: int):  # type: ignore[no-untyped-def]
    """int16 at ``rate``: ``text`` by the synthesizer, dry."""
    from edgevoice import audio
    from edgevoice.engines.whole import speech

    return audio.to_int16(speech(tts, text, rate))


def clearly(engines: Engines, text: str, rate: int):  # type: ignore[no-untyped-def]
    """``spoken``, so that the recognizer by itself understands it: the synthesizer speaks a text a little differently each time, and
    of some of its words another is made."""
    from edgevoice import audio

    for _ in range(TRIES):
        samples = spoken(engines.tts, text, rate)
        stream = engines.stt.open()
        stream.accept(audio.resample(audio.to_float32(samples), rate, SPEECH_RATE))
        if plain(stream.finish()) == plain(text):
            break
    return samples


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def alike(text: str, expected: str) -> bool:
    """The same sentence, but for a word that sounds like another."""
    return difflib.SequenceMatcher(None, " ".join(plain(text)), " ".join(plain(expected))).ratio() > 0.75


def open_mic(settings: Settings) -> Settings:
    """Every utterance is meant for the device, and no tone is mixed into the recording."""
    return dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=False),
                               dialog=dataclasses.replace(settings.dialog, earcons=False))


class Stage:
    """``async with Stage(settings, engines) as stage``: a started session on a device that is stepped, or runs in real time."""

    def __init__(self, settings: Settings, engines: Engines, seconds: int = 600, *, realtime: bool = False,
                 noise: Int16 | None = None, echo: Float32 | None = None,
                 loaders: Mapping[str, Loader] | None = None, skills: Sequence[Skill] = (), agenda: Path | None = None,
                 tools: Toolbox | None = None, root: Path = Path("/")) -> None:
        """``agenda``: where timers are kept, if there shall be any."""
        self.settings = settings
        self.trace, clock = app.make_trace(settings)
        self.core = app.make_core(settings)
        self.told: list[str] = []
        self.timekeeper: Timekeeper | None = None
        if agenda is not None:
            self.timekeeper = Timekeeper(agenda, wall_clock("Europe/Berlin"), clock, self.trace, self.told.append)
            self.timekeeper.load()
            skills = (*skills, *self.timekeeper.skills)
        self.session = Session(self.core, engines, settings, self.trace, clock, loaders=loaders, skills=skills, tools=tools, root=root)
        if self.timekeeper is not None:
            self.timekeeper.register(self.session.deeds)
        self._edges = contextlib.AsyncExitStack()
        self.device = ScriptedDevice(self.core, realtime=realtime, noise=noise, echo=echo, max_seconds=seconds)
        self.stuck: list[str] = []

    async def __aenter__(self) -> Stage:
        await self.session.start()
        app.announce(self.trace, self.settings, 0)
        self.device.start()
        if self.timekeeper is not None:
            await self._edges.enter_async_context(self.timekeeper.running(self.session))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._edges.aclose()
        self.device.stop()
        self.stuck = await self.session.stop()

    async def until(self, done: Callable[[], bool], within_s: float = 30.0) -> bool:
        """Let device time pass until ``done``; a stepped device only while everything is at rest."""
        limit = self.device.position + int(within_s * self.settings.audio.rate)
        while not done():
            if self.device.position >= limit:
                return False
            if self.device.realtime:
                await asyncio.sleep(POLL_S)
            elif self.session.at_rest:
                self.device.step(self.core.hop)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0.0005)
        return True

    async def step(self, seconds: float) -> None:
        """Let device time pass whatever the engines do."""
        for _ in range(max(1, round(seconds * self.settings.audio.rate / self.core.hop))):
            self.device.step(self.core.hop)
            await asyncio.sleep(0)
