"""The last seconds of what was heard, so that recognition can begin in the past: pre-roll and the words of a barge-in."""

from __future__ import annotations

import collections

import numpy as np

from edgevoice.engines.protocols import Float32


class AudioMemory:
    """16 kHz float32, addressed by absolute sample; used from the ears' thread only."""

    def __init__(self, seconds: float, rate: int) -> None:
        self._size = int(seconds * rate)
        self._ring = np.zeros(self._size, np.float32)
        self.end = 0

    @property
    def start(self) -> int:
        """The oldest sample still kept."""
        return max(0, self.end - self._size)

    def append(self, samples: Float32) -> None:
        if len(samples) > self._size:
            self.end += len(samples) - self._size
            samples = samples[-self._size:]
        at = self.end % self._size
        first = min(len(samples), self._size - at)
        self._ring[at:at + first] = samples[:first]
        self._ring[:len(samples) - first] = samples[first:]
        self.end += len(samples)

    def forget(self) -> None:
        """Silence all that is kept."""
        self._ring[:] = 0.0

    def slice(self, start: int, end: int) -> Float32:
        """A copy of [start, end), both clamped to what is kept."""
        start, end = max(start, self.start), min(end, self.end)
        if start >= end:
            return np.zeros(0, np.float32)
        at, to = start % self._size, end % self._size
        if at < to:
            return self._ring[at:to].copy()
        return np.concatenate([self._ring[at:], self._ring[:to]])


class ProbabilityMemory:
    """Voice-activity probabilities of the last frames, by the sample at which each frame ends."""

    def __init__(self, frames: int) -> None:
        self._rows: collections.deque[tuple[int, float]] = collections.deque(maxlen=frames)

    def append(self, end: int, probability: float) -> None:
        self._rows.append((end, probability))

    def forget(self) -> None:
        self._rows.clear()

    def since(self, start: int) -> list[tuple[int, float]]:
        """Frames that end after ``start``, oldest first."""
        return [row for row in self._rows if row[0] > start]
