"""The engines on loan: what else is on the network may hear, speak and write with them, and the conversation does not feel it.

Theory.  Each kind of engine has a desk: one thread, one instance that is loaded when somebody first asks and dropped when nobody has
for a while, and a queue.  Whoever asks takes turns with the others (``who``), not with his own requests; one too many is refused at once.
The work yields in two ways.  Its threads, and those that the engine starts from them, run at the lowest priority, so the scheduler gives
the conversation nearly all of a contended core.  And while the device owes somebody a first sound (``wanted``), nothing new is begun
here: between two tokens, two pieces of sound, two windows of a recording the work stands still, which leaves caches and memory to the
conversation too.

Laws
- Closing an iterator cancels its work, within a token, a piece, or one decode.  Close it: ``contextlib.aclosing``.
- A consumer that takes nothing holds its desk for ``HELD_S`` at most.
- An engine that failed is dropped and loaded anew for the next request; the device's own engines are others and are not touched.

Threads: the methods of ``Lender`` on any asyncio loop, several at once; what they yield was made on the desk's thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from edgevoice.dialog.chunker import Chunker
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Llm, Stt, SttStream, Tts
from edgevoice.events import Partial
from edgevoice.pipeline.desk import Busy, Desk, Job, Unfit
from edgevoice.pipeline.writing import Delta, Offered, Writer, Writing
from edgevoice.settings import LendSettings, Settings

__all__ = ["Busy", "Delta", "Lender", "Loans", "Offered", "Unfit", "Writing"]

HEARD_RATE = SPEECH_RATE
"""Hz of what is to be heard"""
WINDOW_S = 4.0
"""of a recording, between two looks at what has come of it; a decode of it is the longest that a cancel waits for"""


@dataclass(frozen=True, slots=True)
class Loans:
    """How to get an engine, on the thread that will use it; ``ModelError`` and ``EngineError`` go to whoever asked."""

    stt: Callable[[], Stt]
    llm: Callable[[], Llm]
    tts: Callable[[], Tts]


class Lender:
    """``wanted``: whether the device owes somebody a sound just now; any thread."""

    def __init__(self, loans: Loans, settings: Settings, wanted: Callable[[], bool]) -> None:
        lend: LendSettings = settings.lend
        self._stt: Desk[Stt] = Desk("hears", loans.stt, lend, wanted)
        self._llm: Desk[Llm] = Desk("writes", loans.llm, lend, wanted)
        self._tts: Desk[Tts] = Desk("speaks", loans.tts, lend, wanted)
        self._writer = Writer()
        self._words = settings.dialog.first_chunk_words, settings.tts.max_chunk_words

    async def transcribe(self, samples: Float32, who: str) -> str:
        """The text of a recording: float32, mono, 16 kHz."""
        text = ""
        async with contextlib.aclosing(self.read(samples, who)) as heard:
            async for partial in heard:
                text = partial.text
        return text

    def read(self, samples: Float32, who: str) -> AsyncGenerator[Partial, None]:
        """The same, told as it is read; the last one is the whole text."""
        def work(stt: Stt, job: Job) -> None:
            stream, step = stt.open(), int(WINDOW_S * SPEECH_RATE)
            for at in range(0, len(samples), step):
                job.rest()
                stream.accept(samples[at:at + step])
                if at + step < len(samples):
                    job.put(stream.partial())
            job.rest()
            text = stream.finish()
            job.put(Partial(text, len(text)))
        return self._stt.ask(who, work)

    async def hear(self, blocks: AsyncIterator[Float32], who: str) -> AsyncGenerator[tuple[str, bool], None]:
        """Speech as it comes, in blocks of any length: (the text so far, whether it is final).  Nothing is told twice; the final one
        ends it."""
        opened: list[SttStream] = []

        def take(block: Float32) -> Callable[[Stt, Job], None]:
            def work(stt: Stt, job: Job) -> None:
                if not opened:
                    opened.append(stt.open())
                opened[0].accept(block)
                job.put(opened[0].partial().text)
            return work

        def finish(stt: Stt, job: Job) -> None:
            job.put(opened[0].finish() if opened else "")

        told = ""
        with self._stt.kept():
            async for block in blocks:
                if len(block):
                    text = str(await self._stt.once(who, take(np.ascontiguousarray(block, np.float32))))
                    if text != told:
                        told = text
                        yield text, False
            yield str(await self._stt.once(who, finish)), True

    def speak(self, text: str, who: str, speed: float = 1.0) -> AsyncGenerator[tuple[Float32, int], None]:
        """Sound, piece by piece as it is made, and its rate in Hz; ``speed`` times as fast as the device speaks.  Nothing for a
        text without a speakable character."""
        def work(tts: Tts, job: Job) -> None:
            chunker = Chunker(*self._words)
            for chunk in (*chunker.feed(text, 0.0), *chunker.flush()):
                job.rest()
                tts.synthesize(chunk.spoken, lambda samples: job.put((samples, tts.rate)), job, speed=speed)
        return self._tts.ask(who, work)

    def write(self, writing: Writing, who: str) -> AsyncGenerator[Delta, None]:
        """A reply as it is written; the last delta has ``finish`` and ``usage``.  ``Unfit`` for one that does not fit into the context."""
        return self._llm.ask(who, lambda llm, job: self._writer.write(llm, writing, job))

    @property
    def facts(self) -> dict[str, int]:
        """Engines in memory, and requests that wait or are worked on."""
        desks = (self._stt, self._llm, self._tts)
        return {"loaded": sum(desk.loaded for desk in desks), "waiting": sum(desk.pending for desk in desks)}

    def close(self, timeout_s: float = 3.0) -> bool:
        """Cancel everything and give the engines back; what is asked afterwards is refused.  False if an engine did not come back in time:
        a process that ends while a thread of its own is inside one may crash on the way."""
        desks = (self._stt, self._llm, self._tts)
        for desk in desks:
            desk.close()
        until = time.monotonic() + timeout_s
        ended = [desk.join(max(0.0, until - time.monotonic())) for desk in desks]
        return all(ended)
