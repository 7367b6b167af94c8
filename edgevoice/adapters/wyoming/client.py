"""One connection: what it asks is begun here, in order, and ends with it.

Laws: the connection is read all the time, whatever is being worked on, so that one that is gone is noticed and a ping is answered.  A
request that fails is told as ``error``, and the connection ends: clients wait for their answer, and not all of them know that event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from edgevoice.adapters.verbs import Refused
from edgevoice.adapters.wyoming import services, wire
from edgevoice.adapters.wyoming.offered import Offered
from edgevoice.adapters.wyoming.satellite import Satellite
from edgevoice.adapters.wyoming.services import Detector, Engines, Utterance, Writing
from edgevoice.adapters.wyoming.wire import Event, Malformed, Sounds
from edgevoice.errors import EdgeVoiceError
from edgevoice.pipeline.lending import Busy

log = logging.getLogger(__name__)

SEND_S = 10.0
"""for a client to take what is sent to it"""
LINGER_S = 0.5
"""for a client to take an error before its connection is closed"""
PENDING = 4
"""requests of one connection that may wait for each other"""
MOST_TEXT = 20_000
"""characters to be spoken"""
DETECT_S = 30.0
"""of sound that may wait for the wake words"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a connection may use."""

    offered: Offered
    engines: Engines | None
    detector: Callable[[], Detector]
    """a new one; takes some tenths of a second"""
    satellite: Satellite | None
    audio_s: float
    """of an utterance that is written down"""
    words: tuple[int, int]
    """of the first piece of speech, and of the longest"""
    count: Callable[[str], None]
    """told of each request, and as ``refused`` of each that failed"""


class Client:
    """``run`` it once.  ``who`` it is: its address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str, desk: Desk, idle_s: float) -> None:
        self._reader, self._writer, self._who, self._desk, self._idle_s = reader, writer, who, desk, idle_s
        self._work: asyncio.Task[None] | None = None
        self._pending = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._names: tuple[str, ...] | None = None
        """wake words that are asked for; ``None`` where sound is to be written down"""
        self._utterance: Utterance | None = None
        self._sounds = Sounds()
        self._writing: Writing | None = None

    async def run(self) -> None:
        listening = asyncio.create_task(self._listen())
        pinging = asyncio.create_task(self._ping())
        try:
            await asyncio.wait((listening, self._failed), return_when=asyncio.FIRST_COMPLETED)
            for ended in (listening, self._failed):
                if ended.done():
                    ended.result()
        except (Malformed, Refused, Busy, EdgeVoiceError) as error:
            self._desk.count("refused")
            code = "malformed" if isinstance(error, Malformed) else "busy" if isinstance(error, Busy) else \
                error.reason if isinstance(error, Refused) else "failed"
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._farewell({"text": str(error), "code": code})
        except (ConnectionError, TimeoutError):
            pass  # it is gone, or as good as gone
        finally:
            if self._desk.satellite is not None:
                self._desk.satellite.left(self)
            tasks = [task for task in (listening, pinging, self._work) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._failed.done():
                self._failed.exception()
            self._writer.close()

    async def send(self, type: str, data: Mapping[str, Any] | None = None, payload: bytes = b"") -> None:
        """``TimeoutError`` where the client does not take it, ``ConnectionError`` where it is gone."""
        self._writer.write(wire.written(type, data, payload))
        async with asyncio.timeout(SEND_S):
            await self._writer.drain()

    async def _farewell(self, error: Mapping[str, Any]) -> None:
        """What was not read when a socket is closed takes back what was last sent: so it is read, for a moment."""
        with contextlib.suppress(OSError, TimeoutError):
            await self.send("error", error)
            self._writer.write_eof()
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(wire.MOST_LINE):
                    pass

    def close(self) -> None:
        if not self._failed.done():
            self._failed.set_result(None)

    async def _listen(self) -> None:
        event: Event | None = Event("")
        while event is not None:
            await self._take(event)
            reading = asyncio.create_task(wire.read(self._reader))
            try:
                while not (await asyncio.wait((reading,), timeout=self._idle_s))[0]:
                    if not self._owes:
                        raise TimeoutError("nothing came")
            finally:
                reading.cancel()
            event = await reading

    @property
    def _owes(self) -> bool:
        """Whether it is we who have something to do before the client has."""
        return self._pending > 0 and self._utterance is None and self._writing is None

    async def _ping(self) -> None:
        """One that leads the conversation must not be taken for alive when it is not."""
        while True:
            await asyncio.sleep(self._idle_s / 3)
            if self._leads:
                with contextlib.suppress(ConnectionError, TimeoutError):
                    await self.send("ping", {"text": ""})

    @property
    def _leads(self) -> bool:
        return self._desk.satellite is not None and self._desk.satellite.belongs(self)

    async def _take(self, event: Event) -> None:
        match event.type:
            case "describe":
                await self.send("info", self._desk.offered.info())
            case "ping":
                await self.send("pong", {"text": event.text("text", 1000)})
            case "run-satellite" | "pause-satellite":
                satellite = self._desk.satellite
                if satellite is None:
                    raise Refused("unavailable", "it is no satellite: set wyoming.satellite = true")
                satellite.run(self) if event.type == "run-satellite" else satellite.pause(self)
            case _ if self._leads:
                assert self._desk.satellite is not None
                self._desk.satellite.take(event)
            case "transcribe":
                self._names = None
            case "detect":
                self._names = self._wanted(event)
            case "audio-start":
                wire.form_of(event)
                self._begin_sound()
            case "audio-chunk":
                if self._utterance is None:
                    self._begin_sound()
                assert self._utterance is not None
                self._utterance.put(self._sounds.take(event))
            case "audio-stop":
                if self._utterance is not None:
                    self._utterance.end()
                    self._utterance = None
            case "synthesize":
                if self._writing is None:  # otherwise it is the whole text once more, for who does not stream
                    self._desk.count("synthesize")
                    self._speak(services.whole(event.text("text", MOST_TEXT)))
            case "synthesize-start":
                if self._writing is not None:
                    raise Malformed("synthesize-start: the text before it has not ended")
                self._desk.count("synthesize")
                self._writing = Writing(MOST_TEXT, self._desk.words)
                self._speak(self._writing.texts(), streamed=True)
            case "synthesize-chunk" if self._writing is not None:
                self._writing.put(event.text("text", MOST_TEXT))
            case "synthesize-stop" if self._writing is not None:
                self._writing.end()
                self._writing = None
            case "synthesize-chunk" | "synthesize-stop":
                raise Malformed(f"{event.type}: wants a synthesize-start before it")
            case _:
                pass  # of a service that is none of ours, or of a later version

    def _wanted(self, event: Event) -> tuple[str, ...]:
        names = event.data.get("names") or []
        if not isinstance(names, list) or len(names) > 64 or not all(isinstance(name, str) for name in names):
            raise Malformed("detect.names: wants a list of names")
        known = self._desk.offered.words
        if not known:
            raise Refused("unavailable", "wake words are switched off here (wake.enabled)")
        if names and not set(names) & set(known):
            raise Refused("unknown", f"there is none of these wake words; there are {', '.join(known)}")
        return tuple(names)

    def _begin_sound(self) -> None:
        if self._utterance is not None:
            self._utterance.end()
        desk, send, who = self._desk, self.send, self._who
        self._sounds = Sounds()
        if self._names is not None:
            desk.count("detect")
            self._utterance = Utterance(waiting_s=DETECT_S)
            self._do(services.detect(desk.detector, self._names, self._utterance, send))
        else:
            engines = self._lent()
            desk.count("transcribe")
            self._utterance = Utterance(waiting_s=desk.audio_s, whole_s=desk.audio_s)
            language = desk.offered.stt.languages[0] if desk.offered.stt else ""
            self._do(services.transcribe(engines, self._utterance, who, send, language))

    def _speak(self, texts: Any, *, streamed: bool = False) -> None:
        async def speak() -> None:
            await services.speak(engines, texts, self._who, self.send)
            if streamed:
                await self.send("synthesize-stopped")

        engines = self._lent()
        self._do(speak())

    def _lent(self) -> Engines:
        if self._desk.engines is None:
            raise Refused("unavailable", "the engines are not lent here: set lend.enabled = true")
        return self._desk.engines

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """After what was asked for before."""
        if self._pending >= PENDING:
            work.close()
            raise Refused("busy", f"{PENDING} requests of this connection wait already")
        self._pending += 1
        self._work = asyncio.create_task(self._after(self._work, work))

    async def _after(self, before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
        try:
            if before is not None:
                try:
                    await before
                except BaseException:
                    work.close()
                    raise
            await work
        except Exception as error:
            if not isinstance(error, (Malformed, Refused, Busy, EdgeVoiceError, ConnectionError, TimeoutError)):
                log.exception("a request by Wyoming failed")
                error = Refused("failed", "it could not be done")
            if not self._failed.done():
                self._failed.set_exception(error)
        finally:
            self._pending -= 1
