"""The recognizer's thread: an utterance's audio in, provisional and final words out.

Theory: what was said so far is told as it grows, so that the model can read it meanwhile: what is stable, and what is likely to stay, which
is all but the newest word; what changes after all costs the model those words once more.  At a pause all of it is decoded and told, since
the turn may be over.  Neither is the turn's end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgevoice.dialog.commands import Event
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
    eager: bool = False


class Recognizer(Worker[Task]):
    """Posts WORDS, PARTIAL and LIKELY_END while an utterance is heard; for each turn that was opened and finished TURN_ENDED, TURN_STOP or
    TURN_EMPTY, and FAILED where the engine raised."""

    name = "recognizer"

    def __init__(self, stt: Stt, post: Callable[[Event], None], trace: Trace) -> None:
        super().__init__(QUEUE)
        self.settled: Callable[[int, int, str], None] = lambda turn, sample, text: None
        """told (turn, device frame of the pause, all that was said before it); on this thread"""
        self._stt = stt
        self._post = post
        self._trace = trace
        self._stream: SttStream | None = None
        self._turn = 0
        self._carry = ""
        self._last = ""
        self._likely = ""

    def open(self, turn: int, carry: str, *, eager: bool = False) -> None:
        """``eager``: tell the first words as soon as there are any."""
        self.submit(Task("open", turn, _NOTHING, carry=carry, eager=eager))

    def audio(self, turn: int, samples: Float32) -> None:
        self.submit(Task("audio", turn, samples))

    def settle(self, turn: int, sample: int) -> None:
        """A pause, at ``sample``: decode what there is, in the hope that no more comes."""
        self.submit(Task("settle", turn, _NOTHING, sample))

    def finish(self, turn: int, sample: int) -> None:
        self.submit(Task("finish", turn, _NOTHING, sample))

    def drop(self, turn: int) -> None:
        self.submit(Task("drop", turn, _NOTHING))

    def work(self, job: Task) -> None:
        if job.do == "open":
            self._stream = self._stt.open(eager=job.eager)
            self._turn, self._carry, self._last, self._likely = job.turn, job.carry, "", ""
            return
        if self._stream is None or job.turn != self._turn:
            return
        if job.do == "audio":
            self._stream.accept(job.samples)
            if self._jobs.empty():
                self._show(self._stream)
        elif job.do == "settle":
            self._show_settled(self._stream.settle().strip(), job.sample)
        elif job.do == "finish":
            text = self._whole(self._stream.finish().strip())
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
            self._post(Event(Kind.WORDS, turn=self._turn, text=self._whole(partial.text)))
        likely = max(partial.text[:partial.stable], partial.text.rpartition(" ")[0], key=len)
        if likely != self._likely:
            self._likely = likely
            self._post(Event(Kind.PARTIAL, turn=self._turn, text=self._whole(likely)))

    def _show_settled(self, text: str, sample: int) -> None:
        if text and text != self._last:
            self._last = text
            self._trace.emit("stt_partial", turn=self._turn, text=text, stable=len(text))
        said = self._whole(text)
        self._post(Event(Kind.WORDS, sample=sample, turn=self._turn, text=said, over=True))
        self.settled(self._turn, sample, said)
        if text and not is_stop(said):
            self._post(Event(Kind.LIKELY_END, sample=sample, turn=self._turn, text=said))

    def _whole(self, text: str) -> str:
        """With what the user had said of this turn before."""
        return " ".join(part for part in (self._carry, text) if part)
