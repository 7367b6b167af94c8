"""Speech to text, text to speech and wake words for a client, each for as long as one request.

Theory: a client sends sound as it comes, or as fast as the network takes it.  What it sends is put into an ``Utterance`` without waiting,
so that its connection stays read; the utterance is bounded, and whoever sends more than may wait is told so.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevoice.adapters.wyoming.wire import Float32, Malformed
from edgevoice.audio import to_int16
from edgevoice.dialog.chunker import Chunker
from edgevoice.pipeline.lending import HEARD_RATE

Send = Callable[..., Awaitable[None]]
"""An event's type, its data and its payload, to the client"""

BLOCK_S = 4.0
"""most sound that is handed to an engine at once"""
PIECE = 2048
"""frames of an ``audio-chunk`` that is sent"""
EMPTY_RATE = 16_000
"""of the sound of a text without a speakable character"""


class Engines(Protocol):
    """``pipeline.lending.Lender``."""

    def hear(self, blocks: AsyncIterator[Float32], who: str) -> AsyncGenerator[tuple[str, bool], None]: ...

    def speak(self, text: str, who: str, speed: float = 1.0) -> AsyncGenerator[tuple[Float32, int], None]: ...


class Hit(Protocol):
    @property
    def model(self) -> str: ...

    @property
    def sample(self) -> int: ...


class Detector(Protocol):
    """Of wake words (``engines.protocols.WakeWord``); one thread at a time."""

    def process(self, samples: NDArray[np.int16]) -> Sequence[Hit]: ...

    def close(self) -> None: ...


class Utterance:
    """Sound that comes, on the edge's loop.  ``waiting_s`` of it may wait for whoever reads, ``whole_s`` may come in all (0: any)."""

    def __init__(self, *, waiting_s: float, whole_s: float = 0.0) -> None:
        self._waiting, self._whole = int(waiting_s * HEARD_RATE), int(whole_s * HEARD_RATE)
        self._blocks: collections.deque[Float32] = collections.deque()
        self._length = self._came = 0
        self._ended = False
        self._changed = asyncio.Event()

    def put(self, samples: Float32) -> None:
        """``Malformed`` where it is too much."""
        self._came += len(samples)
        self._length += len(samples)
        if self._length > self._waiting or (self._whole and self._came > self._whole):
            raise Malformed(f"more than {(self._whole or self._waiting) / HEARD_RATE:g} s of sound")
        self._blocks.append(samples)
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def blocks(self) -> AsyncGenerator[Float32, None]:
        """What has come, joined, to its end."""
        while self._blocks or not self._ended:
            if not self._blocks:
                self._changed.clear()
                await self._changed.wait()
                continue
            taken, length = [], 0
            while self._blocks and length < BLOCK_S * HEARD_RATE:
                taken.append(self._blocks.popleft())
                length += len(taken[-1])
            self._length -= length
            yield np.concatenate(taken)


async def transcribe(engines: Engines, utterance: Utterance, who: str, send: Send, language: str) -> None:
    """Heard while it comes, so that only its last part is waited for."""
    text = ""
    async with contextlib.aclosing(engines.hear(utterance.blocks(), who)) as heard:
        async for so_far, _ in heard:
            text = so_far
    await send("transcript", {"text": text, "language": language})


async def detect(load: Callable[[], Detector], names: Collection[str], utterance: Utterance, send: Send) -> None:
    """Tells each of ``names`` (or any, if there are none) that is said, and in the end if none was."""
    found = False
    detector = await asyncio.to_thread(load)
    try:
        async for block in utterance.blocks():
            for hit in await asyncio.to_thread(detector.process, to_int16(block)):
                if not names or hit.model in names:
                    found = True
                    await send("detection", {"name": hit.model, "timestamp": hit.sample * 1000 // HEARD_RATE})
    finally:
        await asyncio.shield(asyncio.to_thread(detector.close))
    if not found:
        await send("not-detected")


async def speak(engines: Engines, texts: AsyncIterator[str], who: str, send: Send) -> None:
    """The sound of ``texts``, one after another, as one."""
    form: dict[str, Any] | None = None
    async for text in texts:
        async with contextlib.aclosing(engines.speak(text, who)) as pieces:
            async for samples, rate in pieces:
                if form is None:
                    form = {"rate": rate, "width": 2, "channels": 1}
                    await send("audio-start", form)
                sound = to_int16(samples)
                for at in range(0, len(sound), PIECE):
                    await send("audio-chunk", form, sound[at:at + PIECE].astype("<i2", copy=False).tobytes())
    if form is None:
        await send("audio-start", {"rate": EMPTY_RATE, "width": 2, "channels": 1})
    await send("audio-stop")


class Writing:
    """A text that comes in pieces, cut where the voice may begin with what there is."""

    def __init__(self, most: int, words: tuple[int, int]) -> None:
        """``most`` characters; ``words`` of the first piece, and of the longest."""
        self._left = most
        self._chunker = Chunker(*words)
        self._ready: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, text: str) -> None:
        """``Malformed`` where it is too much."""
        self._left -= len(text)
        if self._left < 0:
            raise Malformed("synthesize-chunk: too much text")
        for chunk in self._chunker.feed(text, 0.0):
            self._ready.put_nowait(chunk.shown)

    def end(self) -> None:
        for chunk in self._chunker.flush():
            self._ready.put_nowait(chunk.shown)
        self._ready.put_nowait(None)

    async def texts(self) -> AsyncGenerator[str, None]:
        while (text := await self._ready.get()) is not None:
            yield text


async def whole(text: str) -> AsyncGenerator[str, None]:
    yield text
