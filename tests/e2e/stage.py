"""A conversation for tests: real engines loaded once, the virtual device stepped or in real time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from edgevoice import app
from edgevoice.engines.never import Never
from edgevoice.engines.protocols import Tts
from edgevoice.pipeline.session import Engines, Session
from edgevoice.rt import ScriptedDevice
from edgevoice.settings import Settings


def spoken(tts: Tts, text: str, rate: int):  # type: ignore[no-untyped-def]
    """int16 at ``rate``: ``text`` by the synthesizer, dry."""
    import numpy as np

    from edgevoice import audio

    pieces: list[np.ndarray] = []
    tts.synthesize(text, pieces.append, Never())
    return audio.to_int16(audio.resample(np.concatenate(pieces), tts.rate, rate))


def open_mic(settings: Settings) -> Settings:
    """Every utterance is meant for the device, and no tone is mixed into the recording."""
    return dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=False),
                               dialog=dataclasses.replace(settings.dialog, earcons=False))


class Stage:
    """``async with Stage(settings, engines) as stage``: a started session on a stepped device."""

    def __init__(self, settings: Settings, engines: Engines, seconds: int = 600) -> None:
        self.settings = settings
        self.trace, clock = app.make_trace(settings)
        self.core = app.make_core(settings)
        self.session = Session(self.core, engines, settings, self.trace, clock)
        self.device = ScriptedDevice(self.core, realtime=False, max_seconds=seconds)
        self.stuck: list[str] = []

    async def __aenter__(self) -> Stage:
        await self.session.start()
        app.announce(self.trace, self.settings, 0)
        self.device.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.device.stop()
        self.stuck = await self.session.stop()

    async def until(self, done: Callable[[], bool], within_s: float = 30.0) -> bool:
        """Step the device, only while everything is at rest, until ``done``."""
        limit = self.device.position + int(within_s * self.settings.audio.rate)
        while not done():
            if self.device.position >= limit:
                return False
            if self.session.at_rest:
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
