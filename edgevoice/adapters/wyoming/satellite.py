"""The device as a satellite: Home Assistant's pipeline hears its microphone after the wake word, and is heard through its loudspeaker.

Theory: while a client has said ``run-satellite``, it leads the conversation (``pipeline.elsewhere``).  A wake word starts its pipeline:
what the microphone hears from that word's end on is sent until the client has what it needs (``voice-stopped``, ``transcript``, ``error``),
the microphone is muted, or ``LISTEN_S`` are over.  What it sends as sound is said.  When it goes, by whatever way, the conversation is the
device's own again.

Threads: ``hear`` on the ears', ``woken`` and ``unheard`` on the device's loop, everything else on the edge's.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import numpy as np

from edgevoice.adapters.wyoming.wire import Event, Float32, Malformed, Sounds, form_of
from edgevoice.audio import to_int16
from edgevoice.pipeline.elsewhere import Leader, Sound
from edgevoice.pipeline.lending import HEARD_RATE

LISTEN_S = 30.0
"""of one utterance: a pipeline that has said nothing by then has lost it"""
RECENT_S = 2.0
"""kept of the microphone: from the wake word to the moment that it is known here"""
BEHIND_S = 10.0
"""of sound that may wait for the network; what comes then is lost"""
FORM = {"rate": HEARD_RATE, "width": 2, "channels": 1}


class Stage(Protocol):
    """``pipeline.session.Session``; on the device's loop."""

    def led_by(self, leader: Leader | None) -> None: ...

    def listen_microphone(self, listener: Callable[[int, Float32], None]) -> None: ...

    def play(self, sound: Sound) -> None: ...

    def ring(self) -> None: ...


class Client(Protocol):
    """A connection, as far as a satellite needs it."""

    async def send(self, type: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> None: ...

    def close(self) -> None: ...


class Microphone:
    """The last of what was heard, and what is to be sent of it."""

    def __init__(self, came: Callable[[], None]) -> None:
        self._came = came
        self._lock = threading.Lock()
        self._recent: collections.deque[tuple[int, Float32]] = collections.deque()
        self._waiting: collections.deque[Float32] | None = None
        self._length = 0
        self.lost = 0
        """samples that the network was too slow for"""

    def hear(self, index: int, samples: Float32) -> None:
        with self._lock:
            self._recent.append((index, samples))
            while self._recent[0][0] < index - RECENT_S * HEARD_RATE:
                self._recent.popleft()
            if self._waiting is None:
                return
            self._queue(samples)
        self._came()

    def open(self, since: int) -> None:
        """Send what was heard from sample ``since`` on."""
        with self._lock:
            self._waiting, self._length = collections.deque(), 0
            for index, samples in self._recent:
                if index + len(samples) > since:
                    self._queue(samples[max(0, since - index):])
        self._came()

    def shut(self) -> None:
        with self._lock:
            self._waiting = None

    def take(self) -> bytes:
        """All that waits, 16 bit."""
        with self._lock:
            if not self._waiting:
                return b""
            samples = np.concatenate(tuple(self._waiting))
            self._waiting.clear()
            self._length = 0
        return to_int16(samples).astype("<i2", copy=False).tobytes()

    def _queue(self, samples: Float32) -> None:
        assert self._waiting is not None
        if self._length + len(samples) > BEHIND_S * HEARD_RATE:
            self.lost += len(samples)
            return
        self._waiting.append(samples)
        self._length += len(samples)


class Satellite:
    """One client at a time: a newer one takes the place of the one before, which may be dead."""

    def __init__(self, stage: Stage, there: Callable[[Callable[[], None]], None], listen_s: float = LISTEN_S) -> None:
        """``there`` has something done on the device's loop."""
        self._stage, self._there, self._listen_s = stage, there, listen_s
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._microphone = Microphone(lambda: self._here(self._came.set))
        self._client: Client | None = None
        self._running = self._listens = False
        self._sending: asyncio.Task[None] | None = None
        self._sound: Sound | None = None
        self._sounds: Sounds | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self.pipelines = 0
        """begun"""
        there(lambda: stage.listen_microphone(self._microphone.hear))

    @property
    def led(self) -> bool:
        """Whether the conversation is led by a client."""
        return self._running

    @property
    def lost_s(self) -> float:
        """Of what was heard, too much for the network."""
        return self._microphone.lost / HEARD_RATE

    def run(self, client: Client) -> None:
        """``client`` is ready to lead."""
        if self._client is not client:
            before, self._client = self._client, None
            if before is not None:
                self._leave()
                before.close()
            self._client = client
        self._running = True
        self._there(lambda: self._stage.led_by(self))

    def pause(self, client: Client) -> None:
        """It does not lead for now; what it says is still heard."""
        if client is self._client:
            self._stop_listening(told=True)
            self._running = False
            self._there(lambda: self._stage.led_by(None))

    def left(self, client: Client) -> None:
        """Its connection is gone."""
        if client is self._client:
            self._client = None
            self._leave()

    def belongs(self, client: Client) -> bool:
        return client is self._client

    def take(self, event: Event) -> None:
        """What the leading client says.  ``Malformed``."""
        match event.type:
            case "voice-stopped" | "transcript" | "error":
                self._stop_listening(told=False)
            case "audio-start":
                rate, _ = form_of(event)
                self._end_sound()
                self._sound, self._sounds = Sound(rate, lambda: self._here(self._played)), Sounds(rate)
                sound = self._sound
                self._there(lambda: self._stage.play(sound))
            case "audio-chunk":
                if self._sound is None or self._sounds is None:
                    raise Malformed("audio-chunk: wants an audio-start before it")
                self._sound.put(to_int16(self._sounds.take(event)))
            case "audio-stop":
                self._end_sound()
            case "timer-finished":
                self._there(self._stage.ring)

    # The device's loop.

    def woken(self, word: str, sample: int) -> None:
        self._here(lambda: self._begin(word, sample))

    def unheard(self) -> None:
        self._here(lambda: self._stop_listening(told=True))

    # The edge's loop.

    def _here(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the edge has ended
            self._loop.call_soon_threadsafe(act)

    def _begin(self, word: str, sample: int) -> None:
        if self._client is None or not self._running:
            return
        if self._sending is not None:
            self._sending.cancel()
        self.pipelines += 1
        self._listens = True
        self._microphone.open(sample)
        self._sending = self._loop.create_task(self._send(self._client, word))

    async def _send(self, client: Client, word: str) -> None:
        """A pipeline's sound, until it is not wanted any more; a client that is gone is somebody else's to notice."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            name = {"name": word} if word else {}
            await client.send("run-pipeline", {"start_stage": "asr", "end_stage": "tts", "restart_on_end": False,
                                               **({"wake_word_name": word} if word else {})})
            await client.send("detection", name)
            await client.send("streaming-started")
            sent, until = 0, self._loop.time() + self._listen_s
            while self._listens and self._loop.time() < until:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), 0.5)
                self._came.clear()
                if payload := self._microphone.take():
                    await client.send("audio-chunk", {**FORM, "timestamp": sent * 1000 // HEARD_RATE}, payload)
                    sent += len(payload) // 2
            if self._listens:
                self._stop_listening(told=True)
            await client.send("streaming-stopped")

    def _stop_listening(self, *, told: bool) -> None:
        """``told``: the client does not know that no more comes."""
        if not self._listens:
            return
        self._listens = False
        self._microphone.shut()
        self._came.set()
        if told:
            self._tell("audio-stop")

    def _end_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()
        self._sound = self._sounds = None

    def _played(self) -> None:
        self._tell("played")

    def _tell(self, type: str) -> None:
        client = self._client
        if client is not None:
            task = self._loop.create_task(_quietly(client.send(type)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def _leave(self) -> None:
        """What of its was to be said is said as far as it came; the rest is the device's own."""
        self._stop_listening(told=False)
        self._end_sound()
        self._running = False
        self._there(lambda: self._stage.led_by(None))


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(ConnectionError, TimeoutError):
        await work
