"""The mouth's thread: a reply's frames in, chunks to the synthesizer, its samples into the playback ring.

Theory: the mouth pulls.  While it waits for ring space or for the synthesizer, frames wait in the reply stream, and when that is too
far ahead the model waits: a slow loudspeaker holds the whole line, and nothing grows.  Synthesis of the next chunk goes on while
the ring plays the last; only the first chunk, for which somebody waits, has the processor to itself: the model is held meanwhile.  How
late its samples came decides how the loudspeaker hides it (``playout.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgevoice.audio import Resampler, to_int16
from edgevoice.clock import Clock
from edgevoice.dialog.chunker import Chunk, Chunker
from edgevoice.dialog.commands import Event
from edgevoice.dialog.ledger import Ledger
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import Cancel, Float32, Tts
from edgevoice.errors import EngineError
from edgevoice.pipeline.playout import Ahead
from edgevoice.pipeline.playout_health import PlayoutHealth, PlayoutMeter, alerts
from edgevoice.pipeline.reply import HOLD_DEPTH, TIGHT_DEPTH, Reader
from edgevoice.pipeline.speculation import Effort
from edgevoice.pipeline.worker import Worker
from edgevoice.rt.contract import Core
from edgevoice.settings import AudioSettings, DialogSettings, TtsSettings
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

QUEUE = 8
"""replies that may wait; all but the last are cancelled ones that end at once"""

IDLE_FLUSH_S = 0.35
"""a model that pauses this long gets what it has written so far spoken"""

_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Utter:
    """Speak what ``reader`` gives, as it is written.  ``fixed`` text is ours, not the model's: silence for it is no failure."""

    generation: int
    turn: int
    reader: Reader
    """a holding one, made before the model begins, so that it never runs ahead unheld"""
    cancel: Cancel
    ledger: Ledger
    fixed: bool = False
    effort: Effort | None = None
    """what it costs is added here"""


class Mouth(Worker[Utter]):
    """Posts REPLY_EMPTY for a reply without a speakable word, FAILED where the synthesizer raised."""

    name = "mouth"

    def __init__(self, tts: Tts, core: Core, post: Callable[[Event], None], trace: Trace, clock: Clock, *, tts_settings: TtsSettings,
                 dialog: DialogSettings, audio: AudioSettings) -> None:
        super().__init__(QUEUE)
        self._tts, self._core, self._post, self._trace, self._clock = tts, core, post, trace, clock
        self._max_words = tts_settings.max_chunk_words
        self._first_words = dialog.first_chunk_words
        self._threads = tts_settings.threads
        self._playout = Ahead(core.rate, audio.hold_ms / 1000)
        self._meter = PlayoutMeter(core, clock)
        self._stretches = audio.stretch
        self._estimated = (self._playout.target_s, self._playout.jitter_s)
        self._alarmed = False
        self.writing = False
        """true while only ring space is waited for: time has to pass, not work to be done"""

    def work(self, job: Utter) -> None:
        speech = _Speech(self, job)
        self._playout.begin()
        self._order()
        chunker = Chunker(self._first_words, self._max_words)
        try:
            while not job.cancel.cancelled():
                frame = job.reader.get(IDLE_FLUSH_S)
                if frame is None and job.reader.complete:
                    break
                if frame is None:
                    speech.say(chunker.idle(self._clock.now()))
                elif frame.finish is not None:
                    break
                elif frame.delta:
                    speech.say(chunker.feed(frame.delta, self._clock.now()))
        finally:
            job.reader.close()
        if job.cancel.cancelled():
            return
        speech.say(chunker.flush())
        if speech.frames == 0 and not job.fixed:
            self._post(Event(Kind.REPLY_EMPTY, turn=job.turn, generation=job.generation))
            return
        speech.finish()
        self._tell()

    @property
    def playout(self) -> PlayoutHealth:
        """How playback does.  Any thread."""
        return self._meter.health(self._playout.mode, *self._estimated)

    def _order(self) -> None:
        """Let the loudspeaker know what was concluded so far."""
        if self._stretches:
            self._core.set_playout(*self._playout.orders)

    def _heard_of(self, frames: int, queued: int) -> None:
        """Sound came."""
        self._playout.arrived(self._clock.now(), frames, queued)
        self._estimated = (self._playout.target_s, self._playout.jitter_s)
        self._meter.note()
        self._order()

    def _tell(self) -> None:
        """Say that the sound suffers when it begins to, not with every reply."""
        found = alerts(self.playout)
        if found and not self._alarmed:
            log.warning("playback: %s", "; ".join(found))
        self._alarmed = bool(found)

    def failed(self, job: Utter, error: Exception) -> None:
        self._trace.emit("error", turn=job.turn, generation=job.generation, stage="tts", message=str(error))
        self._post(Event(Kind.FAILED, turn=job.turn, generation=job.generation, text=f"speech synthesis failed: {error}"))


class _Speech:
    """One reply on its way from chunks to frames."""

    def __init__(self, mouth: Mouth, job: Utter) -> None:
        self.frames = 0
        self._frames_of_chunk = 0
        self._mouth, self._job = mouth, job
        self._resampler = Resampler(mouth._tts.rate, mouth._core.rate)

    def say(self, chunks: list[Chunk]) -> None:
        mouth, job = self._mouth, self._job
        for chunk in chunks:
            if job.cancel.cancelled():
                return
            facts = {"turn": job.turn, "generation": job.generation}
            started = mouth._clock.now()
            mouth._trace.emit("tts_chunk", t=started, text=chunk.shown, spoken=chunk.spoken, **facts)
            job.ledger.begin(chunk.shown)
            self._frames_of_chunk = 0
            if chunk.first:
                job.reader.lean(TIGHT_DEPTH)
            cpu = time.thread_time()
            try:
                mouth._tts.synthesize(chunk.spoken, self._emit, job.cancel)
            finally:
                job.reader.lean(HOLD_DEPTH)
                if job.effort is not None:
                    job.effort.add(cpu_s=(time.thread_time() - cpu) * mouth._threads)
            job.ledger.end()
            mouth._trace.emit("tts_chunk_done", frames=self._frames_of_chunk, **facts)

    def finish(self) -> None:
        self._write(self._resampler.process(_NOTHING, last=True), last=True)

    def _emit(self, samples: Float32) -> None:
        if not np.isfinite(samples).all():
            raise EngineError("the synthesizer returned samples that are not numbers")
        frames = self._resampler.process(samples)
        if self.frames == 0 and len(samples):
            self._mouth._trace.emit("tts_first_chunk", turn=self._job.turn, generation=self._job.generation,
                                    seconds=round(len(samples) / self._mouth._tts.rate, 3))
        self.frames += len(samples)
        if self._job.effort is not None:
            self._job.effort.add(audio_s=len(samples) / self._mouth._tts.rate)
        self._job.ledger.add(len(frames))
        self._frames_of_chunk += len(frames)
        self._write(frames, last=False)

    def _write(self, frames: Float32, *, last: bool) -> None:
        mouth = self._mouth
        if len(frames):
            mouth._heard_of(len(frames), mouth._core.queued(self._job.generation))
        mouth.writing = True
        try:
            mouth._core.write(self._job.generation, to_int16(frames), last=last)
        finally:
            mouth.writing = False
