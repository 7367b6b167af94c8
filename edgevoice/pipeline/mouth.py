"""The mouth's thread: a reply's frames in, chunks to the synthesizer, its samples into the playback ring.

Theory: the mouth pulls.  While it waits for ring space or for the synthesizer, frames wait in the reply stream, and when that is too
far ahead the model waits: a slow loudspeaker holds the whole line, and nothing grows.  Synthesis of the next chunk goes on while
the ring plays the last; only the first chunk, for which somebody waits, has the processor to itself: the model is held meanwhile.  How
late its samples came decides how the loudspeaker hides it (``playout.py``).

Fixed texts are kept as sound once they were spoken, and some are made before they are needed (``phrases.py``); making them yields to
whatever is to be said.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevoice.audio import Resampler, resample, to_float32, to_int16
from edgevoice.clock import Clock
from edgevoice.dialog.chunker import Chunk, Chunker
from edgevoice.dialog.commands import Event
from edgevoice.dialog.ledger import Ledger
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import Cancel, Float32, Tts
from edgevoice.errors import EngineError
from edgevoice.pipeline.elsewhere import GAP_S, Sound
from edgevoice.pipeline.phrases import Phrases
from edgevoice.pipeline.playout import Ahead
from edgevoice.pipeline.playout_health import PlayoutHealth, PlayoutMeter, alerts
from edgevoice.pipeline.reply import HOLD_DEPTH, TIGHT_DEPTH, Reader
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.speculation import Effort
from edgevoice.pipeline.worker import Worker
from edgevoice.rt.contract import Core
from edgevoice.settings import AudioSettings, DialogSettings, FaultSettings, TtsSettings
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

QUEUE = 8
"""replies that may wait; all but the last are cancelled ones that end at once"""

IDLE_FLUSH_S = 0.35
"""a model that pauses this long gets what it has written so far spoken"""

LOOK_S = 0.005
"""how often a reply that has to wait for the end of a filler looks whether it is over"""

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
    fixed: str | None = None
    """the whole text, where it is ours"""
    effort: Effort | None = None
    """what it costs is added here"""
    sound: Sound | None = None
    """from elsewhere, in place of a text"""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the phrases that may be needed, until something is to be said."""


class Mouth(Worker[Utter | Prepare]):
    """Posts REPLY_EMPTY for a reply without a speakable word, FAILED where the synthesizer raised."""

    name = "mouth"

    def __init__(self, slot: Slot[Tts], core: Core, post: Callable[[Event], None], trace: Trace, clock: Clock, *,
                 tts_settings: TtsSettings, dialog: DialogSettings, audio: AudioSettings, limits: FaultSettings,
                 phrases: Phrases) -> None:
        super().__init__(QUEUE)
        self._slot, self._core, self._post, self._trace, self._clock = slot, core, post, trace, clock
        self._limits, self.phrases = limits, phrases
        self.rests = False
        """nothing is synthesized: what was not made ahead is not said"""
        self.not_before = 0
        """device frame at which a filler ends: nothing else begins before it"""
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

    def work(self, job: Utter | Prepare) -> None:
        if isinstance(job, Prepare):
            self._prepare()
            return
        self._playout.begin()
        self._order()
        speech = _Speech(self, job)
        if job.sound is not None:
            job.reader.close()
            speech.relay(job.sound)
            self._tell()
            return
        cached = self.phrases.get(job.fixed) if job.fixed else None
        if cached is not None and job.fixed:
            job.reader.close()
            speech.play(job.fixed, cached)
            return
        if self.rests:
            job.reader.close()
            raise EngineError("it rests, and this was not made ahead")
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
        if speech.frames == 0 and job.fixed is None:
            self._post(Event(Kind.REPLY_EMPTY, turn=job.turn, generation=job.generation))
            return
        speech.finish()
        if job.fixed and not job.cancel.cancelled():
            self.phrases.put(job.fixed, speech.whole())
        self._tell()

    def prepare(self) -> None:
        """Make the phrases that are missing, if nothing else is to be done."""
        if self.phrases.missing is not None and self.idle:
            self.submit(Prepare(), timeout_s=0)

    def _prepare(self) -> None:
        if self.rests:
            return
        tts, yielding, last = self._slot.get(), _Yield(self._jobs.empty), ""
        while (text := self.phrases.missing) is not None and text != last and not yielding.cancelled():
            last = text
            made: list[Float32] = []
            chunker = Chunker(self._first_words, self._max_words)
            for chunk in [*chunker.feed(text, 0.0), *chunker.flush()]:
                with self.watch.call("no sound of a phrase", self._limits.next_audio_s):
                    tts.synthesize(chunk.spoken, made.append, yielding)
            if not yielding.cancelled() and self.on_duty:
                self.phrases.put(text, to_int16(resample(np.concatenate([_NOTHING, *made]), tts.rate, self._core.rate)))

    @property
    def playout(self) -> PlayoutHealth:
        """How playback does.  Any thread."""
        return self._meter.health(self._playout.mode, *self._estimated)

    def limit_s(self, first: bool) -> float:
        """How long the synthesizer may take."""
        return self._limits.first_audio_s if first else self._limits.next_audio_s

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

    def failed(self, job: Utter | Prepare, error: Exception) -> None:
        if isinstance(job, Prepare):
            self._trace.emit("error", stage="tts", message=f"phrases cannot be made ahead: {error}")
            return
        self._trace.emit("error", turn=job.turn, generation=job.generation, stage="tts", message=str(error))
        self._post(Event(Kind.FAILED, turn=job.turn, generation=job.generation, text=f"speech synthesis failed: {error}"))


class _Yield:
    """The right to work (a ``Cancel``) for as long as nothing else is to be done."""

    def __init__(self, alone: Callable[[], bool]) -> None:
        self._alone = alone
        self._over = False

    def cancelled(self) -> bool:
        self._over = self._over or not self._alone()
        return self._over

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


class _Speech:
    """One reply on its way from chunks to frames."""

    def __init__(self, mouth: Mouth, job: Utter) -> None:
        self.frames = 0
        self._frames_of_chunk = 0
        self._mouth, self._job = mouth, job
        self._tts: Tts | None = None
        self._resampler: Resampler | None = None
        self._watch = mouth.watch
        self._kept: list[NDArray[np.int16]] = []
        """of a fixed text"""

    def say(self, chunks: list[Chunk]) -> None:
        mouth, job = self._mouth, self._job
        for chunk in chunks:
            if job.cancel.cancelled():
                return
            started = mouth._clock.now()
            self._tell_chunk(chunk.shown, chunk.spoken, started)
            if chunk.first:
                job.reader.lean(TIGHT_DEPTH)
            cpu = time.thread_time()
            first = self.frames == 0
            try:
                tts = self._engine()
                with self._watch.call("no first sound" if first else "no further sound", mouth.limit_s(first)):
                    tts.synthesize(chunk.spoken, self._emit, job.cancel)
            finally:
                job.reader.lean(HOLD_DEPTH)
                if job.effort is not None:
                    job.effort.add(cpu_s=(time.thread_time() - cpu) * mouth._threads)
            self._tell_done()

    def play(self, text: str, samples: NDArray[np.int16]) -> None:
        """A whole text whose sound is there."""
        mouth, job = self._mouth, self._job
        self._tell_chunk(text, text, mouth._clock.now())
        mouth._trace.emit("tts_first_chunk", turn=job.turn, generation=job.generation, seconds=round(len(samples) / mouth._core.rate, 3))
        job.ledger.add(len(samples))
        self._frames_of_chunk = self.frames = len(samples)
        self._put(samples, last=True)
        self._tell_done()

    def relay(self, sound: Sound) -> None:
        """What comes from elsewhere, as it comes."""
        mouth, job = self._mouth, self._job
        self._resampler = Resampler(sound.rate, mouth._core.rate)
        job.ledger.begin("")
        last = mouth._clock.now()
        while not job.cancel.cancelled() and not sound.complete and mouth._clock.now() - last < GAP_S:
            piece = sound.take(LOOK_S)
            if piece is not None:
                frames = self._resampler.process(to_float32(piece))
                self.frames += len(piece)
                job.ledger.add(len(frames))
                self._write(frames, last=False)
                last = mouth._clock.now()
        job.ledger.end()
        if not job.cancel.cancelled():
            self.finish()

    def finish(self) -> None:
        rest = _NOTHING if self._resampler is None else self._resampler.process(_NOTHING, last=True)
        self._write(rest, last=True)

    def whole(self) -> NDArray[np.int16]:
        """All that was made of a fixed text."""
        return np.concatenate(self._kept) if self._kept else np.zeros(0, np.int16)

    def _engine(self) -> Tts:
        if self._tts is None:
            self._tts = self._mouth._slot.get()
            self._resampler = Resampler(self._tts.rate, self._mouth._core.rate)
        return self._tts

    def _tell_chunk(self, shown: str, spoken: str, started: float) -> None:
        job = self._job
        self._mouth._trace.emit("tts_chunk", t=started, text=shown, spoken=spoken, turn=job.turn, generation=job.generation)
        job.ledger.begin(shown)
        self._frames_of_chunk = 0

    def _tell_done(self) -> None:
        job = self._job
        job.ledger.end()
        self._mouth._trace.emit("tts_chunk_done", frames=self._frames_of_chunk, turn=job.turn, generation=job.generation)

    def _emit(self, samples: Float32) -> None:
        if self._watch.left:
            raise EngineError("it came back after it had been given up")
        if not np.isfinite(samples).all():
            raise EngineError("the synthesizer returned samples that are not numbers")
        assert self._tts is not None and self._resampler is not None
        with self._watch.elsewhere("no further sound", self._mouth.limit_s(first=False)):
            frames = self._resampler.process(samples)
            if self.frames == 0 and len(samples):
                self._mouth._trace.emit("tts_first_chunk", turn=self._job.turn, generation=self._job.generation,
                                        seconds=round(len(samples) / self._tts.rate, 3))
            self.frames += len(samples)
            if self._job.effort is not None:
                self._job.effort.add(audio_s=len(samples) / self._tts.rate)
            self._job.ledger.add(len(frames))
            self._frames_of_chunk += len(frames)
            self._write(frames, last=False)

    def _write(self, frames: Float32, *, last: bool) -> None:
        mouth = self._mouth
        if len(frames):
            mouth._heard_of(len(frames), mouth._core.queued(self._job.generation))
        samples = to_int16(frames)
        if self._job.fixed:
            self._kept.append(samples)
        self._put(samples, last=last)

    def _put(self, samples: NDArray[np.int16], *, last: bool) -> None:
        mouth, job = self._mouth, self._job
        mouth.writing = True
        try:
            while mouth._core.counters().captured < mouth.not_before and not job.cancel.cancelled():
                time.sleep(LOOK_S)
            mouth._core.write(job.generation, samples, last=last)
        finally:
            mouth.writing = False
