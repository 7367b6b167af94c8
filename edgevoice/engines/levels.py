"""The level of an utterance over time: where in it is speech, and where does it pause.

Theory: RMS in frames of 20 ms.  The quietest tenth of the frames tells the room, the loudest twentieth (at most 200 ms) the voice;
a frame is speech when it stands clear of the room by a third of the distance between the two.  Where the two lie together (fan,
hum, hiss, digital silence) nobody speaks.  This is no voice detector: a slammed door passes.  It serves to trim what a voice
detector has let through.

Laws: appending is cheap and keeps no audio; whatever is asked depends on the samples alone, not on the pieces they came in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgevoice.engines.protocols import SPEECH_RATE, Float32

FRAME = SPEECH_RATE // 50
"""samples in a level frame, 20 ms: shorter than any sound of speech, longer than a pitch period"""
VOICE_FRAMES = 10
"""loudest frames passed over in search of the voice's level: one word in a long silence must still count"""
SILENCE_DB = -62.0
"""dBFS; below it a frame is silent whatever the rest is like: the hiss of a cheap microphone lies about here"""
MIN_RANGE_DB = 6.0
"""room to voice; 20 ms of white noise scatter by 1 dB, of a fan by 3, and speech 3 dB above its noise still reaches 8"""


class Levels:
    """Frame levels in dBFS of all audio appended, the last incomplete frame left waiting."""

    def __init__(self) -> None:
        self._db = np.empty(256, np.float32)
        self._count = 0
        self._rest: Float32 = np.empty(0, np.float32)

    def append(self, samples: Float32) -> None:
        audio = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(audio) // FRAME
        self._rest = audio[whole * FRAME:].copy()
        if not whole:
            return
        frames = audio[:whole * FRAME].reshape(whole, FRAME)
        power = np.einsum("ij,ij->i", frames, frames) / FRAME
        while self._count + whole > len(self._db):
            self._db = np.concatenate((self._db, np.empty_like(self._db)))
        self._db[self._count:self._count + whole] = 10.0 * np.log10(power + 1e-12)
        self._count += whole

    def __len__(self) -> int:
        return self._count

    @property
    def threshold(self) -> float | None:
        """dBFS above which a frame is speech; ``None`` where nobody speaks."""
        if not self._count:
            return None
        ranked = np.sort(self._db[:self._count])
        room = float(ranked[self._count // 10])
        voice = float(ranked[-1 - min(VOICE_FRAMES, self._count // 20)])
        if voice < SILENCE_DB or voice - max(room, SILENCE_DB) < MIN_RANGE_DB:
            return None
        return max(room, SILENCE_DB) + (voice - max(room, SILENCE_DB)) / 3.0

    def speech(self, first: int, last: int) -> NDArray[np.bool_]:
        """For each frame of [first, last) whether it is speech; frames not yet whole are left out."""
        last = min(last, self._count)
        threshold = self.threshold
        if threshold is None:
            return np.zeros(max(0, last - first), np.bool_)
        return self._db[first:last] > threshold

    def span(self, first: int, last: int) -> tuple[int, int] | None:
        """The frames from the first to after the last of speech inside [first, last); ``None`` without any."""
        found = np.flatnonzero(self.speech(first, last))
        return (first + int(found[0]), first + int(found[-1]) + 1) if len(found) else None

    def pauses(self, first: int, last: int) -> list[tuple[int, int]]:
        """Runs without speech inside [first, last) as (begin, end), the longest first; of two alike, the later."""
        quiet = np.concatenate(([0], (~self.speech(first, last)).astype(np.int8), [0]))
        steps = np.diff(quiet)
        runs = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
        return sorted(((first + int(a), first + int(b)) for a, b in runs), key=lambda run: (run[0] - run[1], -run[0]))

    def dip(self, first: int, last: int) -> int:
        """The quietest place inside [first, last): the middle of the 60 ms with the least mean level."""
        last = min(last, self._count)
        if last - first < 3:
            return (first + last) // 2
        smooth = np.convolve(self._db[first:last], np.full(3, 1 / 3, np.float32), "valid")
        return first + 1 + int(np.argmin(smooth))


def check_audio(samples: Float32) -> None:
    """``ValueError`` for what is not one channel of float32: integers would pass as speech a thousand times too loud."""
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise ValueError(f"samples of {samples.dtype} and shape {samples.shape}: wants float32, one dimension")
