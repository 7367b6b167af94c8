"""The twin's time-stretch, as ``ext/stretch.c`` is the C core's: the theory stands there, names follow it, the samples are the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgevoice.rt.contract import Int16

ONE = 65536
SLOWEST = 16384
"""A quarter longer, in Q16."""
FASTEST = 6554
"""A tenth shorter."""
SIMILAR = 0.25
QUIET = 100
PEAK = 2047

Int64 = NDArray[np.int64]
_NOTHING = np.zeros(0, np.int16)


class Stretch:
    """Makes up frames for a sound that goes on too late, and leaves frames of one out that is too long."""

    def __init__(self, rate: int) -> None:
        self.overlap = self._shortest = rate // 200
        self._longest = rate // 50
        self._stride = 1 if rate < 32000 else rate // 16000
        self.reach = self._keep = self._longest + self.overlap
        """Frames that ``shorten`` looks at."""
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
        around = np.concatenate([self._past, ahead])
        lag, alike = self._best_lag(around, len(around) - 2 * self.overlap, 2 * self.overlap, -1)
        if not self._joined(lag, alike):
            return 0
        again = self._past[-lag:]
        self._extra = np.concatenate([self._crossfade(ahead, again), again[self.overlap:]])
        return lag

    def shorten(self, ahead: Int16, owed_each: int) -> int:
        """Make ``overlap`` extra frames that stand for as many of ``ahead`` (``reach`` frames) as it says."""
        lag, alike = self._best_lag(np.concatenate([self._past[-self.overlap:], ahead]), 0, 2 * self.overlap, 1)
        if not self._joined(lag, alike):
            return 0
        self._extra = self._crossfade(ahead, ahead[lag:])
        self._past = np.concatenate([self._past, self._extra])[-self._keep:]
        self._owed += (self.overlap + lag) * owed_each
        return self.overlap + lag

    def forget(self) -> None:
        """Nothing is owed any more."""
        self._owed = 0

    def _joined(self, lag: int, alike: bool) -> bool:
        if not alike and self._owed < self._longest * ONE:
            self._wait = 2 * self.overlap
            return False
        self._owed -= lag * ONE
        self._wait = 2 * lag
        return True

    def _crossfade(self, a: Int16, b: Int16) -> Int16:
        """From ``a`` over to ``b`` within ``overlap`` frames."""
        weights = np.arange(self.overlap)
        mixed = a[:self.overlap].astype(np.int64) * (self.overlap - weights) + b[:self.overlap].astype(np.int64) * weights
        return _divided(mixed, self.overlap).astype(np.int16)

    def conceal(self, level: int, full: int) -> None:
        """Carry on a sound whose next frame is missing and fade it out from ``level / full``."""
        lag, _ = self._best_lag(self._past, self._keep - self.overlap, self.overlap, -1)
        again = self._past[-lag:][:self.overlap].astype(np.int64)
        left = np.arange(self.overlap - 1, -1, -1)
        value = _divided(int(self._past[-1]) * left + again * (self.overlap - left), self.overlap)
        self._extra = _divided(_divided(value * left, self.overlap) * level, full).astype(np.int16)

    def _best_lag(self, around: Int16, here: int, count: int, side: int) -> tuple[int, bool]:
        """The lag for which the ``count`` frames at ``here + side * lag`` are most like those at ``here``; whether they are like enough."""
        stride, longest = self._stride, self._longest
        peak = int(np.abs(around.astype(np.int64)).max())
        shift = 0
        while peak >> shift > PEAK:
            shift += 1
        samples = around.astype(np.int64) >> shift
        thin, at, some = samples[here % stride::stride], here // stride, count // stride
        coarse = range(-(-self._shortest // stride), longest // stride + 1)
        best, highest = _best([(lag * stride, thin[at + side * lag:at + side * lag + some]) for lag in coarse], thin[at:at + some], longest)
        if stride > 1 and highest > 0:
            fine = range(max(best - stride + 1, self._shortest), min(best + stride - 1, longest) + 1)
            others = [(lag, samples[here + side * lag:here + side * lag + count]) for lag in fine]
            best, highest = _best(others, samples[here:here + count], best)
        own = samples[here:here + count] if stride > 1 else thin[at:at + some]
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
