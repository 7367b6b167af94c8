"""How late callbacks come, as ``ext/late.c`` counts it; theory and names are there."""

from __future__ import annotations

from edgevoice.rt.contract import LATE_MS, Lateness

WINDOW_NS = 2_000_000_000


class Late:
    """Of one core; only its callback calls ``note``."""

    def __init__(self) -> None:
        self._known = False
        self._earliest = self._before = self._window_end = 0
        self._counts = [0] * (len(LATE_MS) + 1)
        self._worst = 0

    def note(self, now: int, frame: int, rate: int, xrun: bool) -> None:
        """``now`` in ns, 0 for unknown."""
        if not now:
            self._known = False
            return
        offset = now - frame * 1_000_000_000 // rate
        if not self._known:
            self._anew(offset, now)
        if now >= self._window_end:
            self._before, self._earliest, self._window_end = self._earliest, offset, now + WINDOW_NS
        self._earliest = min(self._earliest, offset)
        late = offset - min(self._earliest, self._before)
        self._counts[sum(late >= edge * 1_000_000 for edge in LATE_MS)] += 1
        self._worst = max(self._worst, late)
        if xrun:
            self._anew(offset, now)

    def snapshot(self) -> Lateness:
        return Lateness(tuple(self._counts), self._worst / 1e9)

    def _anew(self, offset: int, now: int) -> None:
        self._known, self._window_end = True, now + WINDOW_NS
        self._earliest = self._before = offset
