"""The twin's time-stretch, as ``ext/stretch.c`` is the C core's: the theory stands there, names follow it, the samples are the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgevoice.rt.contract import Int16

ONE = 65536
SLOWEST = 16384
"""A quarter longer, in Q16."""
SIMILAR = 0.25
QUIET = 100
PEAK = 2047

Int64 = NDArray[np.int64]
_NOTHING = np.zeros(0, np.int16)


class Stretch:
    """Makes up frames for a sound that goes on too late; lengthening only, as the loudspeaker's side needs no more."""

    def __init__(self, rate: int) -> None:
        self.overlap = self._shortest = rate // 200
        self._longest = rate // 50
        self._stride = 1 if rate < 32000 else rate // 16000
        self._keep = self._longest + self.overlap
        self.reset()

    def reset(self) -> None:
        self._past = np.zeros(self._keep, np.int16)
        self._extra = _NOTHING
        self._owed = self._wait = 0

    @property
    def due(self) -> bool:
        return self._wait == 0 and self._owed >= self._shortest * ONE

    @property
    def extra(self) -> int:
        """Frames to be taken before the next frame goes out."""
        return len(self._extra)

    def take(self, room: int) -> Int16:
        taken, self._extra = self._extra[:room], self._extra[room:]
        return taken

    def forward(self, samples: Int16, owed_each: int) -> None:
        """``samples`` of the source go out now (``ev_stretch_pass``)."""
        self._past = np.concatenate([self._past, samples])[-self._keep:]
        self._wait -= min(len(samples), self._wait)
        self._owed = min(self._owed + len(samples) * owed_each, 2 * self._longest * ONE) if owed_each else 0

    def lengthen(self, ahead: Int16) -> int:
        """Make extra frames before ``ahead`` (``overlap`` frames of it); how many."""
        lag, alike = self._best_lag(np.concatenate([self._past, ahead]), 2 * self.overlap)
        if not alike and self._owed < self._longest * ONE:
            self._wait = 2 * self.overlap
            return 0
        self._owed -= lag * ONE
        self._wait = 2 * lag
        again = self._past[-lag:]
        weights = np.arange(self.overlap)
        mixed = _divided(ahead.astype(np.int64) * (self.overlap - weights) + again[:self.overlap].astype(np.int64) * weights, self.overlap)
        self._extra = np.concatenate([mixed.astype(np.int16), again[self.overlap:]])
        return lag

    def conceal(self, level: int, full: int) -> None:
        """Carry on a sound whose next frame is missing and fade it out from ``level / full``."""
        lag, _ = self._best_lag(self._past, self.overlap)
        again = self._past[-lag:][:self.overlap].astype(np.int64)
        left = np.arange(self.overlap - 1, -1, -1)
        value = _divided(int(self._past[-1]) * left + again * (self.overlap - left), self.overlap)
        self._extra = _divided(_divided(value * left, self.overlap) * level, full).astype(np.int16)

    def _best_lag(self, around: Int16, count: int) -> tuple[int, bool]:
        """The lag whose frames before the last ``count`` are most like those, and whether they are like enough."""
        stride, longest = self._stride, self._longest
        here = len(around) - count
        peak = int(np.abs(around.astype(np.int64)).max())
        shift = 0
        while peak >> shift > PEAK:
            shift += 1
        samples = around.astype(np.int64) >> shift
        thin, at, some = samples[here % stride::stride], here // stride, count // stride
        coarse = range(-(-self._shortest // stride), longest // stride + 1)
        best, highest = _best([(lag * stride, thin[at - lag:at - lag + some]) for lag in coarse], thin[at:at + some], longest)
        if stride > 1 and highest > 0:
            fine = range(max(best - stride + 1, self._shortest), min(best + stride - 1, longest) + 1)
            best, highest = _best([(lag, samples[here - lag:here - lag + count]) for lag in fine], samples[here:], best)
        own = samples[here:] if stride > 1 else thin[at:at + some]
        return best, peak < QUIET or highest >= SIMILAR * float(own @ own)


def _best(candidates: list[tuple[int, Int64]], reference: Int64, otherwise: int) -> tuple[int, float]:
    best, highest = otherwise, 0.0
    for lag, other in candidates:
        product, energy = int(reference @ other), int(other @ other)
        value = float(product) * float(product) / float(energy) if product > 0 and energy > 0 else 0.0
        if value > highest:
            best, highest = lag, value
    return best, highest


def _divided(values: Int64, by: int) -> Int64:
    """values / by, rounded towards zero as C does."""
    quotient: Int64 = np.sign(values) * (np.abs(values) // by)
    return quotient
