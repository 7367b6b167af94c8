"""The recognizer's thread: an utterance's audio in, provisional and final words out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgevoice.dialog.machine import Event
from edgevoice.dialog.stop import is_stop
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import Float32, Stt, SttStream
from edgevoice.pipeline.worker import Worker
from edgevoice.trace import Trace

QUEUE = 2048
"""frames of 32 ms that may wait: over a minute, more than the longest utterance"""

_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do, in order.  ``sample`` is a device frame."""

    do: Literal["open", "audio", "settle", "finish", "drop"]
    turn: int
    samples: Float32
    sample: int = 0
    carry: str = ""


class Recognizer(Worker[Task]):
    """Posts TURN_ENDED, TURN_STOP or TURN_EMPTY for each turn that was opened and finished, FAILED where the engine raised."""

    name = "recognizer"

    def __init__(self, stt: Stt, post: Callable[[Event], None], trace: Trace) -> None:
        super().__init__(QUEUE)
        self._stt = stt
        self._post = post
        self._trace = trace
        self._stream: SttStream | None = None
        self._turn = 0
        self._carry = ""
        self._last = ""

    def open(self, turn: int, carry: str) -> None:
        self.submit(Task("open", turn, _NOTHING, carry=carry))

    def audio(self, turn: int, samples: Float32) -> None:
        self.submit(Task("audio", turn, samples))

    def settle(self, turn: int) -> None:
        """A pause: decode what there is, in the hope that no more comes."""
        self.submit(Task("settle", turn, _NOTHING))

    def finish(self, turn: int, sample: int) -> None:
        self.submit(Task("finish", turn, _NOTHING, sample))

    def drop(self, turn: int) -> None:
        self.submit(Task("drop", turn, _NOTHING))

    def work(self, job: Task) -> None:
        if job.do == "open":
            self._stream = self._stt.open()
            self._turn, self._carry, self._last = job.turn, job.carry, ""
            return
        if self._stream is None or job.turn != self._turn:
            return
        if job.do == "audio":
            self._stream.accept(job.samples)
            if self._jobs.empty():
                self._show(self._stream)
        elif job.do == "settle":
            self._show_settled(self._stream.settle())
        elif job.do == "finish":
            text = " ".join(part for part in (self._carry, self._stream.finish().strip()) if part)
            self._stream = None
            self._trace.emit("stt_final", sample=job.sample, turn=job.turn, text=text)
            kind = Kind.TURN_EMPTY if not text else Kind.TURN_STOP if is_stop(text) else Kind.TURN_ENDED
            self._post(Event(kind, sample=job.sample, turn=job.turn, text=text))
        else:
            self._stream = None

    def failed(self, job: Task, error: Exception) -> None:
        self._stream = None
        self._trace.emit("error", turn=job.turn, stage="stt", message=str(error))
        self._post(Event(Kind.FAILED, turn=job.turn, text=f"speech recognition failed: {error}"))

    def _show(self, stream: SttStream) -> None:
        partial = stream.partial()
        if partial.text and partial.text != self._last:
            self._last = partial.text
            self._trace.emit("stt_partial", turn=self._turn, text=partial.text, stable=partial.stable)

    def _show_settled(self, text: str) -> None:
        if text and text != self._last:
            self._last = text
            self._trace.emit("stt_partial", turn=self._turn, text=text, stable=len(text))
