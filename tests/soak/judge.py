"""What the samples of a soak say: whether anything grows, and whether the frames add up.  Pure.

Theory: a leak is a slope, and two points make no slope.  After a warm-up (the first ``WARM_UP`` of the samples, in which caches fill) the
slope of each figure is the median over all pairs of samples (Theil and Sen), which a quarter of wild ones cannot move.  What is judged is
the growth that it makes of the whole time after the warm-up, as far as the ends show it too: memory that jumps up and down between two
levels, as engines are loaded anew, has slopes and goes nowhere.  The bound is stated beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WARM_UP = 0.25
FEWEST = 8
"""samples after the warm-up; with fewer nothing can be said"""
BOUNDS: Mapping[str, float] = {"rss_mib": 12.0, "threads": 0.9, "files": 0.9, "tasks": 0.9}
"""most growth over the time after the warm-up: threads, descriptors and tasks not by one; memory by what an allocator keeps"""
HOURLY_MIB = 6.0
"""more memory that a long soak may take for each hour after the warm-up: 12 MiB over the first, 144 a day would be found"""


@dataclass(frozen=True, slots=True)
class Trend:
    name: str
    first: float
    last: float
    """medians of the first and the last fifth after the warm-up"""
    growth: float
    """slope times the time after the warm-up, or from ``first`` to ``last`` if that is less"""
    bound: float
    samples: int

    @property
    def flat(self) -> bool:
        return self.growth <= self.bound


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The median over all pairs; 0 for fewer than two moments."""
    t, v = np.asarray(times, float), np.asarray(values, float)
    later, earlier = np.triu_indices(len(t), 1)[1], np.triu_indices(len(t), 1)[0]
    apart = t[later] - t[earlier]
    steps = (v[later] - v[earlier])[apart > 0] / apart[apart > 0]
    return float(np.median(steps)) if len(steps) else 0.0


def trends(samples: Sequence[Mapping[str, Any]]) -> list[Trend]:
    """Of every figure in ``BOUNDS``; ``samples`` have them and ``t`` in seconds.  Empty where there are too few."""
    after = samples[int(len(samples) * WARM_UP):]
    if len(after) < FEWEST:
        return []
    times = [float(sample["t"]) for sample in after]
    lasted = times[-1] - times[0]
    fifth = max(1, len(after) // 5)
    made = []
    for name, bound in BOUNDS.items():
        values = [float(sample[name]) for sample in after]
        if name == "rss_mib":
            bound += HOURLY_MIB * lasted / 3600.0
        first, last = float(np.median(values[:fifth])), float(np.median(values[-fifth:]))
        made.append(Trend(name, first, last, min(slope(times, values) * lasted, last - first), bound, len(after)))
    return made


def unbalanced(samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """Samples in which captured frames are not those consumed, dropped and waiting."""
    return [f"at {sample['t']:.0f} s: {sample['captured']} captured, {sample['consumed']} consumed, {sample['dropped']} dropped, "
            f"{sample['depth']} waiting" for sample in samples
            if sample["captured"] != sample["consumed"] + sample["dropped"] + sample["depth"]]
