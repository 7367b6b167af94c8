"""Time, as a thing that is handed in: real for the device, manual for tests.

Nothing below ``app.py`` reads the system clock by itself; whoever needs the time is given a ``Clock``.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds; only differences mean anything."""

    def now(self) -> float: ...


class MonotonicClock:
    """CLOCK_MONOTONIC, as trace events carry it in ``t``."""

    def now(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told; for tests of everything that waits."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"time cannot go back: advance({seconds})")
        self._now_s += seconds
