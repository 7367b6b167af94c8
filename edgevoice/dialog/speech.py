"""Speech or not: probabilities, one a frame, become segments with two edges.

Theory: hysteresis in level and in time.  A segment opens at the first frame whose probability reaches ``onset``, once probabilities
have then stayed at or above ``offset`` for ``min_speech_ms``; it closes when they have stayed below ``offset`` for ``hangover_ms``.
Both events come late by design, so each carries the edge it is about, which lies in the past; what a network adds of its own
(its probability rises after the onset and lingers after the end) is taken off.

Laws: no clock, no thread, no audio; starts and ends alternate, a start first; edges never decrease; a segment's start lies before
its end; what is reported depends on the frames alone and not on how they were handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

START_LAG_MS = 16
"""Silero reports an onset this late: the median over the 149 labelled clips of coffee orders, frames of 32 ms (it was 18)."""
END_LAG_MS = 48
"""Silero's probability lingers this long: the median over the same clips was 56; three half frames."""


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Somebody began to speak at ``sample``."""

    sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """Nobody has spoken since ``sample``, the one after the last sample of speech."""

    sample: int


SpeechEvent = SpeechStart | SpeechEnd


class SpeechDetector:
    """Feed it each frame's probability in order.

    ``rate`` is that of the sample indices handed to ``feed`` (which need not be the rate the probabilities were computed at).
    ``start_lag_ms`` and ``end_lag_ms`` are the network's own lateness.
    """

    def __init__(self, onset: float, offset: float, min_speech_ms: float, hangover_ms: float, frame_ms: float, *, rate: int = 16_000,
                 start_lag_ms: float = START_LAG_MS, end_lag_ms: float = END_LAG_MS) -> None:
        if not 0.0 < offset <= onset < 1.0:
            raise ValueError(f"thresholds {offset} (offset) and {onset} (onset): wants 0 < offset <= onset < 1")
        if frame_ms <= 0:
            raise ValueError(f"frame_ms {frame_ms}: wants more than 0")
        self._onset = onset
        self._offset = offset
        self._frame = round(frame_ms * rate / 1000)
        self._start_lag = round(start_lag_ms * rate / 1000)
        self._end_lag = round(end_lag_ms * rate / 1000)
        self._min_frames = max(1, _frames(min_speech_ms, frame_ms))
        self._hangover_frames = max(1, _frames(hangover_ms, frame_ms))
        self.reset()

    def reset(self) -> None:
        """As new: nobody speaks."""
        self._speaking = False
        self._candidate: int | None = None
        self._run = 0
        self._quiet = 0
        self._start = 0
        self._last_speech = 0

    @property
    def speaking(self) -> bool:
        """Between a start and its end, the hangover included."""
        return self._speaking

    @property
    def quiet_frames(self) -> int:
        """Frames without speech since the last one with it, inside a segment; 0 outside and while speech goes on."""
        return self._quiet

    @property
    def last_speech(self) -> int:
        """The sample after the last one of speech so far; a ``SpeechEnd`` would carry it."""
        return self._last_speech

    def feed(self, prob: float, sample: int) -> list[SpeechEvent]:
        """Take the frame that begins at ``sample``; return what it decided (nothing, mostly)."""
        return self._inside(prob, sample) if self._speaking else self._outside(prob, sample)

    def finish(self) -> list[SpeechEvent]:
        """No frame will follow: close what is open."""
        events: list[SpeechEvent] = [SpeechEnd(self._last_speech)] if self._speaking else []
        self.reset()
        return events

    def _outside(self, prob: float, sample: int) -> list[SpeechEvent]:
        if prob < (self._onset if self._candidate is None else self._offset):
            self._candidate, self._run = None, 0
            return []
        if self._candidate is None:
            self._candidate = sample
        self._run += 1
        if self._run < self._min_frames:
            return []
        self._start = max(self._candidate - self._start_lag, self._last_speech)
        self._speaking, self._candidate, self._run, self._quiet = True, None, 0, 0
        self._speech_until(sample + self._frame)
        return [SpeechStart(self._start)]

    def _inside(self, prob: float, sample: int) -> list[SpeechEvent]:
        if prob >= self._offset:
            self._quiet = 0
            self._speech_until(sample + self._frame)
            return []
        self._quiet += 1
        if self._quiet < self._hangover_frames:
            return []
        self._speaking, self._quiet = False, 0
        return [SpeechEnd(self._last_speech)]

    def _speech_until(self, sample: int) -> None:
        self._last_speech = max(sample - self._end_lag, self._start + 1)


def _frames(milliseconds: float, frame_ms: float) -> int:
    """Frames that last at least so long."""
    return -int(-milliseconds // frame_ms)
