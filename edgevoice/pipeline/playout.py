"""How late sound comes, and what the loudspeaker shall do about it.

Theory, ``Ahead``: a reply is played beside in thought, exactly and at once: its queue runs dry at a known moment, and a chunk that comes
after that is late by so much (before it: early, a negative lateness), whereupon the playing in thought goes on from there.  What the
loudspeaker really does to hide a lateness is so kept out of its measure.  The 95th percentile of the last chunks is the jitter: how deep
a queue has to be slowed down, since slowing from depth d on gains HIDDEN * d until it is empty, and what that cannot hide the start of a
reply is held back by.  Chunks that come in time are early: a machine that keeps up holds nothing back and slows nothing but a queue
nearly empty.  A synthesizer that is far ahead has a long queue, and that delays nobody: such a reply is never hurried.

Theory, ``Live``: a stream that is sent as it is spoken, over a network, has a time at which each packet should have come, counted from
the packet that took least; how much later it came is its delay, and the 95th percentile of the last ones the jitter (the relative delay
of WebRTC's NetEQ).  The queue is kept about that deep: it is played slower below that, and faster from a quarter more on, since there each
frame that waits is delay between two people.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable
from typing import Literal, Protocol

WINDOW = 40
"""chunks that are remembered"""
PACKETS = 500
"""packets of a live stream that are remembered: 10 s of 20 ms"""
ENOUGH = 3
"""chunks before anything is concluded"""
SHARE = 0.95
LEAST_S, MOST_S = 0.05, 2.0
"""of the depth under which a queue is slowed down"""
LEAST_TARGET_S, MOST_TARGET_S = 0.05, 1.0
"""of the target depth"""
HIDDEN = 0.1875
"""seconds gained for each second of that depth: a quarter over its lower half, an eighth on average over the upper one"""
MARGIN_S = 0.02
PAUSED_S = 0.1
"""a real queue so much deeper than can be was paused, or its ring was full"""
HIGH = 1.25
"""times a live stream's target, from which on it is hurried"""
BAND_S = 0.02
"""at least so much lies between being slowed down and being hurried"""

Mode = Literal["ahead", "live"]


class Estimate(Protocol):
    """What the loudspeaker is told (``Core.set_playout``), and what that was concluded from.  Times are in seconds of one clock, of which
    only differences count.  One thread."""

    @property
    def mode(self) -> Mode: ...

    def begin(self) -> None:
        """A new reply, or stream."""

    def arrived(self, now: float, frames: int, queued: int) -> None:
        """``frames`` of it came, with ``queued`` before them still waiting to be played."""

    @property
    def jitter_s(self) -> float | None:
        """The 95th percentile of what came too late, 0 for what did not; ``None`` before enough of it came."""

    @property
    def target_s(self) -> float:
        """What has to wait, or to be gained, so that the jitter is not heard."""

    @property
    def orders(self) -> tuple[float, float, float]:
        """(stretch below, hold, shorten above), in seconds."""


def _target(jitter_s: float | None) -> float:
    return LEAST_TARGET_S if jitter_s is None else min(max(jitter_s + MARGIN_S, LEAST_TARGET_S), MOST_TARGET_S)


def _percentile(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(SHARE * len(ordered)) - 1]


class Ahead:
    """Replies that are made as fast as can be, chunk by chunk."""

    mode: Mode = "ahead"

    def __init__(self, rate: int, most_hold_s: float) -> None:
        self._rate, self._most_hold_s = rate, most_hold_s
        self._late: collections.deque[float] = collections.deque(maxlen=WINDOW)
        self._dry_at: float | None = None
        self._held_s = 0.0

    def begin(self) -> None:
        self._dry_at = None
        self._held_s = self.hold_s

    def arrived(self, now: float, frames: int, queued: int) -> None:
        if self._dry_at is not None:
            left = queued / self._rate
            if left > max(self._dry_at - now, 0.0) + self._held_s + self.stretch_below_s + PAUSED_S:
                self._dry_at = now + left
            self._late.append(now - self._dry_at)
        self._dry_at = max(now, now if self._dry_at is None else self._dry_at) + frames / self._rate

    @property
    def lateness_s(self) -> float | None:
        """The 95th percentile; negative where chunks come early, ``None`` before there are enough of them."""
        return _percentile(self._late) if len(self._late) >= ENOUGH else None

    @property
    def jitter_s(self) -> float | None:
        late = self.lateness_s
        return None if late is None else max(late, 0.0)

    @property
    def target_s(self) -> float:
        return _target(self.jitter_s)

    @property
    def stretch_below_s(self) -> float:
        late = self.lateness_s
        return LEAST_S if late is None or late <= 0 else min(max(self.target_s / HIDDEN, LEAST_S), MOST_S)

    @property
    def hold_s(self) -> float:
        """What the next reply's start is held back by."""
        late = self.lateness_s
        return 0.0 if late is None or late <= 0 else min(max(late + MARGIN_S - HIDDEN * self.stretch_below_s, 0.0), self._most_hold_s)

    @property
    def orders(self) -> tuple[float, float, float]:
        return self.stretch_below_s, self.hold_s, 0.0


class Live:
    """A stream whose packets are sent at the pace of the sound in them."""

    mode: Mode = "live"

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._offsets: collections.deque[float] = collections.deque(maxlen=PACKETS)
        self._sent_s = 0.0

    def begin(self) -> None:
        self._sent_s = 0.0
        self._offsets.clear()

    def arrived(self, now: float, frames: int, queued: int) -> None:
        del queued  # when a packet should have come does not depend on what became of the others
        self.came(now, self._sent_s)
        self._sent_s += frames / self._rate

    def came(self, now: float, sent_s: float) -> None:
        """A packet whose first frame is ``sent_s`` into the stream."""
        self._offsets.append(now - sent_s)

    @property
    def jitter_s(self) -> float | None:
        if len(self._offsets) < ENOUGH:
            return None
        return _percentile(self._offsets) - min(self._offsets)

    @property
    def target_s(self) -> float:
        return _target(self.jitter_s)

    @property
    def orders(self) -> tuple[float, float, float]:
        target = self.target_s
        return target, target, max(HIGH * target, target + BAND_S)
