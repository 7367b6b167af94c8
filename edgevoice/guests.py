"""Conversations of clients over the network: each is a ``Session`` like the device's own, on a network device, in a thread of its own.

Theory: turn-taking, barge-in and the reply stream are the same code as for the sound card, since nothing behind the device knows where the
microphone is.  Engines keep state, so that each conversation has its own set; they are loaded at the first use, kept for the next one and
dropped after a while.  A thread's niceness is inherited by those it starts, also by those inside an engine: the one that begins a
conversation is made nicer first, and so all of it comes after the device's own.

Such a conversation knows what every device knows, but not the house, the timers and the tools: who may speak here need not be at home.

Threads: ``Guests`` on the loop of whoever opens; a ``Guest`` has a loop of its own, and is called from any thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgevoice import app, waterfall
from edgevoice.adapters.house import VERBS, Failed
from edgevoice.audio import Resampler, to_float32, to_int16
from edgevoice.controls import present, resume
from edgevoice.errors import EdgeVoiceError
from edgevoice.host import be_nice, name_thread
from edgevoice.pipeline.engines import Engines
from edgevoice.pipeline.network import NetworkDevice
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Session
from edgevoice.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
Int16 = NDArray[np.int16]

NICER = 10
"""than the device's own conversation: a tenth of its share where both want the processor"""
STOP_S = 2.0
"""for a conversation to end"""
LOOK_S = 0.05
"""between two looks whether one that ends has ended"""


def of_guest(settings: Settings, *, echo: bool) -> Settings:
    """The device's settings as a private conversation has them: nobody says a wake word to a page, and its volume is the client's."""
    audio = dataclasses.replace(settings.audio, cancel_echo=echo, muted=False, volume=1.0, voice_volume=1.0)
    return dataclasses.replace(settings, audio=audio, wake=dataclasses.replace(settings.wake, enabled=False),
                               dialog=dataclasses.replace(settings.dialog, barge_in="speech", earcons=False))


class Guests:
    """``load`` gets a set of engines, which takes seconds."""

    def __init__(self, settings: Settings, load: Callable[[Settings], Engines]) -> None:
        self._settings, self._load = settings, load
        self._open: set[Guest] = set()
        self._spare: list[Engines] = []
        self._dropping: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def most(self) -> int:
        return self._settings.http.conversations

    def health(self) -> dict[str, Any]:
        """Any thread."""
        return {"open": len(self._open), "most": self.most, "engines": len(self._open) + len(self._spare),
                **_added(guest.health() for guest in tuple(self._open))}

    async def open(self, *, echo: bool, told: Callable[[dict[str, Any]], None], replied: Callable[[ReplyStream], None],
                   sounded: Callable[[int, Int16], None]) -> Guest:
        self._loop = asyncio.get_running_loop()
        last = time.monotonic() + STOP_S
        while len(self._open) >= self.most and any(guest.ending for guest in self._open) and time.monotonic() < last:
            await asyncio.sleep(LOOK_S)
        if len(self._open) >= self.most:
            raise Failed("busy", f"there may be {self.most} at once (http.conversations)")
        if self._dropping is not None:
            self._dropping.cancel()
        engines = self._spare.pop() if self._spare else None
        guest = Guest(of_guest(self._settings, echo=echo), engines, self._load, told, replied, sounded, self._ended)
        self._open.add(guest)
        try:
            await asyncio.shield(asyncio.wrap_future(guest.begun))
        except asyncio.CancelledError:
            guest.close()
            raise
        except EdgeVoiceError as error:
            self._open.discard(guest)
            raise Failed("failed", str(error)) from error
        return guest

    async def close(self) -> None:
        """End them all; an engine that hangs is left to the end of the process."""
        guests = tuple(self._open)
        for guest in guests:
            guest.close()
        await asyncio.gather(*(asyncio.to_thread(guest.join) for guest in guests))
        await asyncio.sleep(0)  # so that their engines are here
        spare, self._spare = self._spare, []
        for engines in spare:
            await asyncio.to_thread(engines.close)

    def _ended(self, guest: Guest, engines: Engines | None) -> None:
        """On the guest's thread, the last that it does."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._take_back, guest, engines)
        except RuntimeError:  # the edge has ended
            if engines is not None:
                engines.close()

    def _take_back(self, guest: Guest, engines: Engines | None) -> None:
        self._open.discard(guest)
        if engines is not None:
            self._spare.append(engines)
        if self._dropping is not None:
            self._dropping.cancel()
        self._dropping = asyncio.get_running_loop().call_later(self._settings.http.conversation_idle_s, self._drop)

    def _drop(self) -> None:
        """Give the engines back that nobody uses."""
        spare, self._spare = self._spare, []
        for engines in spare:
            threading.Thread(target=engines.close, name="edgevoice-drop", daemon=True).start()


class Guest:
    """One conversation.  ``begun`` is done when it can be spoken to, or with why it cannot."""

    def __init__(self, settings: Settings, engines: Engines | None, load: Callable[[Settings], Engines],
                 told: Callable[[dict[str, Any]], None], replied: Callable[[ReplyStream], None], sounded: Callable[[int, Int16], None],
                 ended: Callable[[Guest, Engines | None], None]) -> None:
        self._settings, self._engines, self._load = settings, engines, load
        self._told, self._replied, self._sounded, self._ended = told, replied, sounded, ended
        self.begun: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.rate = settings.audio.rate
        self.ending = False
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._session: Session | None = None
        self._device: NetworkDevice | None = None
        self._resampler: Resampler | None = None
        self._microphone = self.rate
        self._expected: int | None = None
        self._position = 0
        self._thread = threading.Thread(target=self._run, name="edgevoice-guest", daemon=True)
        self._thread.start()

    # Any thread.

    def listen(self, on: bool, rate: int) -> None:
        assert self._device is not None
        if not on:
            self._device.shut()
            return
        self._microphone, self._expected = rate, None
        self._device.open()

    def hear(self, sample: int, samples: Int16) -> None:
        """One thread at a time."""
        assert self._device is not None
        if self._microphone == self.rate:
            self._device.put(sample, samples)
            return
        if sample != self._expected:
            self._resampler = Resampler(self._microphone, self.rate)
            self._position = sample * self.rate // self._microphone
        assert self._resampler is not None
        self._expected = sample + len(samples)
        made = to_int16(self._resampler.process(to_float32(samples)))
        self._device.put(self._position, made)
        self._position += len(made)

    async def do(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._there(self._do(verb, arguments))

    async def state(self) -> dict[str, Any]:
        return await self._there(self._state())

    def timing(self, turn: int) -> dict[str, Any] | None:
        session = self._session
        return None if session is None else waterfall.brief(self._trace.events(), turn, self.rate)

    def health(self) -> dict[str, int]:
        return {} if self._device is None else self._device.counts

    def close(self) -> None:
        self.ending = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._over.set)

    def join(self) -> None:
        self._thread.join(STOP_S)

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise Failed("unavailable", "the conversation is over") from None
        return await asyncio.shield(asyncio.wrap_future(future))

    # The conversation's own thread.

    def _run(self) -> None:
        name_thread()
        be_nice(NICER)
        engines = None
        try:
            engines = self._engines or self._load(self._settings)
            if not self._loop.run_until_complete(self._converse(engines)):
                log.warning("a private conversation's engines hung: they are given up")
                engines = None
        except Exception as error:
            if not self.begun.done():
                self.begun.set_exception(error)
            else:
                log.exception("a private conversation ended")
        finally:
            self._loop.close()
            self._ended(self, engines)

    async def _converse(self, engines: Engines) -> bool:
        """Until it is over; whether the engines are as they were."""
        settings = self._settings
        core = app.make_core(settings)
        self._trace, clock = app.make_trace(settings, kept=False)
        self._trace.listen(self._told)
        session = self._session = Session(core, engines, settings, self._trace, clock, may_rest=True, loaders=app.loaders(settings))
        session.listen_replies(self._replied)
        session.listen_sound(self._sounded)
        device = self._device = NetworkDevice(core)
        stuck: list[str] = []
        try:
            await session.start()
            with app.running(device):
                if not self.begun.cancelled():
                    self.begun.set_result(None)
                while not self._over.is_set() and session.failure is None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._over.wait(), 1.0)
        finally:
            stuck = await session.stop()
            self._session = None
            core.close()
        return not stuck and not any(engine.loaded_anew or engine.hung for engine in session.engines)

    async def _do(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        session = self._session
        if session is None:
            raise Failed("unavailable", "the conversation is over")
        match verb:
            case "ask":
                session.ask(arguments["text"], origin=arguments.get("origin", ""))
            case "stop":
                session.stop_speaking()
            case "cancel":
                present(session, arguments)
                session.stop_speaking()
            case "barge_in" | "listen":
                session.listen()
            case "resume":
                resume(session)
            case _:
                raise Failed("unavailable", f"a conversation of one's own knows {', '.join(VERBS)}")
        await asyncio.sleep(0)
        return {"turn": session.machine.turn}

    async def _state(self) -> dict[str, Any]:
        session = self._session
        if session is None:
            raise Failed("unavailable", "the conversation is over")
        return {"state": session.machine.state.value, "turn": session.machine.turn, "time": round(time.time(), 3)}


def _added(counts: Any) -> dict[str, int]:
    made: dict[str, int] = {"late": 0, "concealed": 0, "reordered": 0}
    for each in counts:
        for name, value in each.items():
            made[name] += value
    return made
