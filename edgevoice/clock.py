"""Time, as a thing that is handed in: real for the device, manual for tests.

Nothing below ``app.py`` reads the system clock by itself; whoever needs the time is given a ``Clock``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo


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


def wall_clock(zone: str = "") -> Callable[[], datetime]:
    """What a clock on the wall shows, aware of its zone and of when that changes its clocks; ``zone`` "" for the system's.

    The system's is looked up once: $TZ, else /etc/localtime, else UTC.  ``KeyError`` for a zone that this system does not know.
    """
    found = ZoneInfo(zone) if zone else _system_zone()
    return lambda: datetime.now(found)


def _system_zone() -> tzinfo:
    try:
        return ZoneInfo(os.environ["TZ"].lstrip(":"))
    except (KeyError, ValueError, OSError):  # unset, or in another form
        pass
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (ValueError, OSError):
        return UTC
