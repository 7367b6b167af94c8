"""How often something may come."""

from __future__ import annotations

BURST_S = 2.0
"""seconds of the rate that may come at once"""


class Bucket:
    """``per_s`` on average, ``BURST_S`` of that at once; 0 is any number."""

    def __init__(self, per_s: float) -> None:
        self._per_s, self._most = per_s, max(1.0, per_s * BURST_S)
        self._left, self._at = self._most, 0.0

    def take(self, now: float) -> bool:
        if not self._per_s:
            return True
        self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
