"""What speculation costs, and when it costs too much.

Theory: a speculative reply that is confirmed cost nothing, since it would have been made anyway; one that is dropped was work for nothing.
Each attempt has an ``Effort`` that the workers add to; what of it was for nothing is counted for ever, and its CPU time in a sliding
window as well.  A slow device wastes more CPU time on the same attempts and so meets its budget sooner; a hot one does not speculate.

Laws: an effort that comes after its attempt was dropped (a worker that still had to stop) is waste too.  Counting is thread-safe.
"""

from __future__ import annotations

import collections
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from edgevoice.clock import Clock
from edgevoice.host import ZONES, hottest

WINDOW_S = 60.0
"""the budget is a share of this"""
LOOK_S = 10.0
"""a temperature is believed for this long"""


@dataclass(frozen=True, slots=True)
class Speculated:
    """What speculation did so far."""

    attempts: int = 0
    confirmed: int = 0
    dropped: int = 0
    refused: int = 0
    """times that the budget or the temperature forbade an attempt"""
    wasted_tokens: int = 0
    wasted_audio_s: float = 0.0
    """synthesized and never played"""
    wasted_cpu_s: float = 0.0
    """of the brain's and the mouth's threads, and of those that their engines keep"""


class Effort:
    """One attempt's cost.  Any thread may add to it."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.tokens = 0
        self.audio_s = self.cpu_s = 0.0
        self.dropped = self.confirmed = False

    def add(self, *, tokens: int = 0, audio_s: float = 0.0, cpu_s: float = 0.0) -> None:
        self._account._add(self, tokens, audio_s, cpu_s)


class Account:
    """``begin``, ``confirm``, ``drop`` and ``affordable`` belong to the loop's thread; ``snapshot`` to anybody.

    ``budget`` is the share of one core that may be wasted, averaged over ``WINDOW_S``; ``max_celsius`` 0 never looks.
    """

    def __init__(self, clock: Clock, *, budget: float, max_celsius: float = 0.0, zones: Path = Path("/") / ZONES) -> None:
        self._clock, self._budget, self._max_celsius, self._zones = clock, budget, max_celsius, zones
        self._lock = threading.Lock()
        self._counts = Speculated()
        self._recent: collections.deque[tuple[float, float]] = collections.deque()
        self._hot = False
        self._looked_at: float | None = None

    def affordable(self) -> bool:
        """Whether another attempt may be made now; counts a refusal."""
        allowed = self._wasted_lately() < self._budget * WINDOW_S and not self._is_hot()
        if not allowed:
            with self._lock:
                self._counts = replace(self._counts, refused=self._counts.refused + 1)
        return allowed

    def begin(self) -> Effort:
        with self._lock:
            self._counts = replace(self._counts, attempts=self._counts.attempts + 1)
        return Effort(self)

    def confirm(self, effort: Effort) -> None:
        with self._lock:
            effort.confirmed = True
            self._counts = replace(self._counts, confirmed=self._counts.confirmed + 1)

    def drop(self, effort: Effort) -> None:
        with self._lock:
            effort.dropped = True
            self._counts = replace(self._counts, dropped=self._counts.dropped + 1)
            self._waste(effort.tokens, effort.audio_s, effort.cpu_s)

    def snapshot(self) -> Speculated:
        with self._lock:
            return self._counts

    def _add(self, effort: Effort, tokens: int, audio_s: float, cpu_s: float) -> None:
        with self._lock:
            effort.tokens += tokens
            effort.audio_s += audio_s
            effort.cpu_s += cpu_s
            if effort.dropped:
                self._waste(tokens, audio_s, cpu_s)

    def _waste(self, tokens: int, audio_s: float, cpu_s: float) -> None:
        counts = self._counts
        self._counts = replace(counts, wasted_tokens=counts.wasted_tokens + tokens, wasted_audio_s=counts.wasted_audio_s + audio_s,
                               wasted_cpu_s=counts.wasted_cpu_s + cpu_s)
        if cpu_s:
            self._recent.append((self._clock.now(), cpu_s))

    def _wasted_lately(self) -> float:
        with self._lock:
            while self._recent and self._recent[0][0] < self._clock.now() - WINDOW_S:
                self._recent.popleft()
            return sum(cpu_s for _, cpu_s in self._recent)

    def _is_hot(self) -> bool:
        if self._max_celsius <= 0:
            return False
        now = self._clock.now()
        if self._looked_at is None or now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._hot = hottest(self._zones) >= self._max_celsius
        return self._hot
