"""How much sound a listener gets, by how late he is: full, low, none.

Laws: one that is ``LATE_S`` behind goes a step down at once; up it goes one step at a time, after a while without any delay that doubles
with each relapse.  While his own buffer is full he gets nothing, and ``LATE_S`` of that is being late.  Times are monotonic, in seconds.
"""

from __future__ import annotations

from typing import Literal

Sounds = Literal["full", "low", "none"]
STEPS: tuple[Sounds, ...] = ("full", "low", "none")

LATE_S = 1.0
WELL_S = 0.25
"""behind by less is no delay: a round trip over a radio"""
RAISE_S, RAISE_MOST_S = 30.0, 3600.0


class Pace:
    def __init__(self) -> None:
        self.wanted: Sounds = "none"
        """by the listener"""
        self.full = False
        """his buffer"""
        self._allowed = 0
        """index of the best step that he may have"""
        self._full_since = 0.0
        self._raise_s, self._raised = RAISE_S, False
        self._well_since = 0.0

    @property
    def quality(self) -> Sounds:
        return STEPS[max(self._allowed, STEPS.index(self.wanted))]

    def buffer(self, full: bool, now: float) -> None:
        if full and not self.full:
            self._full_since = now
        self.full = full

    def note(self, behind_s: float, now: float) -> bool:
        """So much sound waits for him now; whether the quality changed by that."""
        before = self.quality
        if self.full and now - self._full_since >= LATE_S:
            behind_s, self._full_since = LATE_S, now
        if behind_s >= LATE_S and before != "none":
            self._allowed = STEPS.index(before) + 1
            if self._raised:
                self._raise_s, self._raised = min(2 * self._raise_s, RAISE_MOST_S), False
            self._well_since = now
        elif behind_s > WELL_S or self.full:
            self._well_since = now
        elif self._allowed and now - self._well_since >= self._raise_s:
            self._allowed -= 1
            self._well_since, self._raised = now, True
        return self.quality != before
