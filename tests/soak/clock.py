"""Time as the device counts it: hours of conversation in minutes, and the loop, the pipeline and the clock on the wall agree about it.

Theory: a stepped device captures a hop whenever nothing would happen without one.  ``DeviceClock`` tells seconds by the frames captured so
far, and ``CompressedLoop`` tells them to asyncio: every ``sleep`` and time-out of the loop's side passes as the sound does.  The edges'
threads (MQTT, HTTP) and engines that hang keep to real time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from edgevoice.rt.contract import Core

POLL_S = 0.001
"""real time for which the loop may wait without a look at the device's clock"""


class DeviceClock:
    """A ``Clock``.  It stands at 0 until ``core`` is there, and never goes back."""

    def __init__(self) -> None:
        self.core: Core | None = None

    def now(self) -> float:
        core = self.core
        return 0.0 if core is None else core.counters().captured / core.rate


class WallClock:
    """What a clock on the wall shows that goes with ``now`` and may be set: ``jump_s`` is how far it was moved."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.jump_s = 0.0
        self._now, self._begun = now, datetime.now(UTC)
        self._zero = now()

    def __call__(self) -> datetime:
        return self._begun + timedelta(seconds=self._now() - self._zero + self.jump_s)


class CompressedLoop(asyncio.SelectorEventLoop):
    """Its time is ``now``; it looks at it at least every ``POLL_S`` of real time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._device_now = now
        super().__init__(_Impatient())

    def time(self) -> float:
        return self._device_now()


class _Impatient(selectors.EpollSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(POLL_S if timeout is None else min(timeout, POLL_S))
