"""The recognizer's thread: an utterance's audio in, provisional and final words out.

Theory: what was said so far is told as it grows, so that the model can read it meanwhile: what is stable, and what is likely to stay, which
is all but the newest word; what changes after all costs the model those words once more.  At a pause all of it is decoded and told, since
the turn may be over.  Neither is the turn's end.

A recognizer that raises or hangs while it streams is given the whole utterance once more, in one piece: an engine that is thrown by a
state of its own may still know the words, and a turn that was spoken is worth a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgevoice.dialog.commands import Event
from edgevoice.dialog.stop import is_again, is_stop
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Stt, SttStream
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.worker import Worker
from edgevoice.settings import FaultSettings
from edgevoice.trace import Trace

QUEUE = 2048
"""frames of 32 ms that may wait: over a minute, more than the longest utterance"""

SHARE = 0.25
"""of an utterance's length, by which a decode of it may take longer"""

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

    def __init__(self, slot: Slot[Stt], post: Callable[[Event], None], trace: Trace, limits: FaultSettings) -> None:
        super().__init__(QUEUE)
        self.settled: Callable[[int, int, str], None] = lambda turn, sample, text: None
        """told (turn, device frame of the pause, all that was said before it); on this thread"""
        self._slot, self._limit_s = slot, limits.stt_s
        self._post = post
        self._trace = trace
        self._stream: SttStream | None = None
        self._pieces: list[Float32] = []
        """all of the utterance so far"""
        self._seconds = 0.0
        self._whole_only = False
        """streaming failed: the utterance is decoded in one piece"""
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
            self._turn, self._carry, self._last, self._likely = job.turn, job.carry, "", ""
            self._pieces, self._seconds, self._whole_only = [], 0.0, False
            stt = self._slot.get()
            with self.watch.call("the recognizer did not begin", self._limit_s):
                self._stream = stt.open(eager=job.eager)
            return
        if self._stream is None or job.turn != self._turn:
            return
        if job.do == "drop":
            self._stream = None
            return
        if job.do == "audio":
            self._pieces.append(job.samples)
            self._seconds += len(job.samples) / SPEECH_RATE
        try:
            self._decode(self._stream, job)
        except Exception as error:
            if self._whole_only or not self.on_duty:
                raise
            self._tell_stalled(job, error)
            self._in_one_piece(job)

    def timed_out(self, job: Task, error: Exception) -> bool:
        self._tell_stalled(job, error)
        return True

    def salvage(self, job: Task) -> None:
        if job.do == "open":
            self.work(job)
        elif job.turn == self._turn and self._stream is not None:
            self._in_one_piece(job)

    def failed(self, job: Task, error: Exception) -> None:
        self._stream = None
        self._trace.emit("error", turn=job.turn, stage="stt", message=str(error))
        self._post(Event(Kind.FAILED, turn=job.turn, text=f"speech recognition failed: {error}"))

    def _tell_stalled(self, job: Task, error: Exception) -> None:
        self._trace.emit("error", turn=job.turn, stage="stt", message=f"{error}; the utterance is decoded in one piece")

    def _in_one_piece(self, job: Task) -> None:
        """Begin anew with all that was said, and do ``job`` there."""
        self._whole_only = True
        stt = self._slot.get()
        with self.watch.call("the recognizer did not begin anew", self._limit_s):
            stream = stt.open()
            for samples in self._pieces:
                stream.accept(samples)
        self._stream = stream
        if job.do != "audio":
            self._decode(stream, job)

    def _decode(self, stream: SttStream, job: Task) -> None:
        watch, limit_s = self.watch, self._limit_s + SHARE * self._seconds
        if job.do == "audio":
            with watch.call("no words", limit_s):
                stream.accept(job.samples)
                if self._jobs.empty() and not self._whole_only:
                    self._show(stream)
        elif job.do == "settle":
            with watch.call("no words at a pause", limit_s):
                text = stream.settle().strip()
            self._show_settled(text, job.sample)
        else:
            with watch.call("no final words", limit_s):
                text = self._whole(stream.finish().strip())
            if not self.on_duty:
                return
            self._stream = None
            self._trace.emit("stt_final", sample=job.sample, turn=job.turn, text=text)
            kind = Kind.TURN_EMPTY if not text else Kind.TURN_STOP if is_stop(text) else Kind.TURN_ENDED
            self._post(Event(kind, sample=job.sample, turn=job.turn, text=text))

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
        if text and not is_stop(said) and not is_again(said):
            self._post(Event(Kind.LIKELY_END, sample=sample, turn=self._turn, text=said))

    def _whole(self, text: str) -> str:
        """With what the user had said of this turn before."""
        return " ".join(part for part in (self._carry, text) if part)
