"""How late the synthesizer is, and what the loudspeaker shall do about it.

Theory: a reply is played beside in thought, exactly and at once: its queue runs dry at a known moment, and a chunk that comes after that
is late by so much (before it: early, a negative lateness), whereupon the playing in thought goes on from there.  What the loudspeaker
really does to hide a lateness is so kept out of its measure.  The 95th percentile of the last chunks says how deep a queue has to be
slowed down, since slowing from depth d on gains HIDDEN * d until it is empty, and what that cannot hide the start of a reply is held
back by.  Chunks that come in time are early: a machine that keeps up holds nothing back and slows nothing but a queue nearly empty.
"""

from __future__ import annotations

import collections
import math

WINDOW = 40
"""chunks that are remembered"""
ENOUGH = 3
"""chunks before anything is concluded"""
SHARE = 0.95
LEAST_S, MOST_S = 0.05, 2.0
"""of the depth under which a queue is slowed down"""
HIDDEN = 0.1875
"""seconds gained for each second of that depth: a quarter over its lower half, an eighth on average over the upper one"""
MARGIN_S = 0.02
PAUSED_S = 0.1
"""a real queue so much deeper than can be was paused, or its ring was full"""


class Playout:
    """Times are in seconds of one clock, of which only differences count.  One thread."""

    def __init__(self, rate: int, most_hold_s: float) -> None:
        self._rate, self._most_hold_s = rate, most_hold_s
        self._late: collections.deque[float] = collections.deque(maxlen=WINDOW)
        self._dry_at: float | None = None
        self._held_s = 0.0

    def begin(self) -> None:
        """A new reply."""
        self._dry_at = None
        self._held_s = self.hold_s

    def arrived(self, now: float, frames: int, queued: int) -> None:
        """``frames`` of the reply came, with ``queued`` before them still waiting to be played."""
        if self._dry_at is not None:
            left = queued / self._rate
            if left > max(self._dry_at - now, 0.0) + self._held_s + self.stretch_below_s + PAUSED_S:
                self._dry_at = now + left
            self._late.append(now - self._dry_at)
        self._dry_at = max(now, now if self._dry_at is None else self._dry_at) + frames / self._rate

    @property
    def lateness_s(self) -> float | None:
        """The 95th percentile; negative where chunks come early, ``None`` before there are enough of them."""
        if len(self._late) < ENOUGH:
            return None
        return sorted(self._late)[math.ceil(SHARE * len(self._late)) - 1]

    @property
    def stretch_below_s(self) -> float:
        late = self.lateness_s
        return LEAST_S if late is None else min(max((late + MARGIN_S) / HIDDEN, LEAST_S), MOST_S)

    @property
    def hold_s(self) -> float:
        """What the next reply's start is held back by."""
        late = self.lateness_s
        return 0.0 if late is None or late <= 0 else min(max(late + MARGIN_S - HIDDEN * self.stretch_below_s, 0.0), self._most_hold_s)
