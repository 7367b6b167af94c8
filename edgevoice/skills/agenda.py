"""Timers, alarms and reminders: what is pending, what rings, and what becomes of them as time goes on.  Sans-I/O.

Theory: there are two clocks.  A duration is counted on the monotonic one while the process lives, so that nobody's correction of the clock
on the wall changes how long an egg is boiled; an alarm is for a place on the wall's clock, whatever was done to it.  A restart leaves only
the wall's.  So a timer is kept as the Unix time at which it will be due, and one that was loaded rings as soon as either clock says so: the
wall's, or the monotonic one under the assumption that no time was lost but what the wall's shows.  Where that clock is older than the file
(a board without a battery before the network has told it the time), no time is assumed to have passed until it is right.

What is due rings again and again, with growing gaps, until somebody silences it or nobody does for long.  What was due while the device was
off rings if that is not long ago, and otherwise is told of once.

Laws: nothing is forgotten before it was silenced, given up or told of; each thing is due once (a repeating one: once for each occurrence).
Everything is frozen; ``step`` and the rest give a new agenda.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from edgevoice.skills.whens import local, occurrence

Sort = Literal["timer", "alarm", "reminder"]
SORTS: tuple[Sort, ...] = ("timer", "alarm", "reminder")

GAPS_S = (12.0, 15.0, 20.0, 30.0, 45.0, 60.0)
"""from one ring to the next, the last for ever: the first leaves time for two seconds of sound, a sentence and six seconds of listening"""
RINGS_FOR_S: Mapping[Sort, float] = {"timer": 300.0, "alarm": 600.0, "reminder": 180.0}
"""after which nobody is there"""
RINGS_LATE_S: Mapping[Sort, float] = {"timer": 60.0, "alarm": 1800.0, "reminder": 3600.0}
"""what was due longer ago, while the device was off, is only told of: eggs are spoilt by then, but a late alarm still wakes"""
MOST = 64
"""things pending: more were not said by anybody"""


@dataclass(frozen=True, slots=True)
class Now:
    """``mono``: monotonic seconds.  ``local``: what the wall's clock shows, aware of its zone."""

    mono: float
    local: datetime

    @property
    def wall(self) -> float:
        """Unix time."""
        return self.local.timestamp()


@dataclass(frozen=True, slots=True)
class Item:
    """``name`` of a timer or alarm ("egg"), or what somebody is reminded of.  A duration has ``length_s`` and either ``mono``, when it is
    due, or ``left_s`` while it is paused; ``wall`` besides where it was loaded.  Everything else has ``at``, a naive local time."""

    id: int
    sort: Sort
    name: str = ""
    about: bool = False
    """said as "for the eggs", not as "egg timer" """
    length_s: float = 0.0
    mono: float = 0.0
    wall: float | None = None
    left_s: float | None = None
    at: datetime | None = None
    days: tuple[int, ...] = ()
    """weekdays on which it repeats; Monday is 0"""

    def due(self, now: Now) -> float:
        """Unix time, as it looks now; of a paused timer meaningless."""
        if self.at is not None:
            return local(self.at.date(), self.at.hour, self.at.minute, now.local).timestamp()
        due = now.wall + self.mono - now.mono
        return due if self.wall is None else min(due, self.wall)

    def left(self, now: Now) -> float:
        """Seconds until it is due, below 0 after that."""
        return self.left_s if self.left_s is not None else self.due(now) - now.wall


@dataclass(frozen=True, slots=True)
class Ring:
    """Something due that nobody has silenced.  ``since`` and ``next`` on the monotonic clock."""

    item: Item
    since: float
    next: float
    rung: int = 0


@dataclass(frozen=True, slots=True)
class Agenda:
    items: tuple[Item, ...] = ()
    ringing: tuple[Ring, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last_id: int = 0

    @property
    def kept(self) -> tuple[Item, ...]:
        """All that must survive a restart."""
        return (*self.items, *(ring.item for ring in self.ringing))


@dataclass(frozen=True, slots=True)
class Stepped:
    """``sound``: what rings now; ``missed``: what was due while the device was off; ``given_up``: what rang long enough."""

    agenda: Agenda
    sound: tuple[Item, ...] = ()
    missed: tuple[Item, ...] = ()
    given_up: tuple[Item, ...] = ()


def step(agenda: Agenda, now: Now) -> Stepped:
    """What is due by now."""
    items, ringing, missed = list[Item](), list(agenda.ringing), list[Item]()
    last_id = agenda.last_id
    for item in agenda.items:
        late = -item.left(now)
        if item.left_s is not None or late < 0:
            items.append(item)
            continue
        if item.days:
            last_id += 1
            items.append(following(item, now))
            item = replace(item, id=last_id, days=())  # this occurrence of it
        if late > RINGS_LATE_S[item.sort]:
            missed.append(item)
        else:
            ringing.append(Ring(item, now.mono, now.mono))
    given_up = tuple(ring.item for ring in ringing if now.mono - ring.since >= RINGS_FOR_S[ring.item.sort])
    rings = [ring for ring in ringing if ring.item not in given_up]
    sound = tuple(ring.item for ring in rings if ring.next <= now.mono)
    rings = [_rung(ring, now) if ring.item in sound else ring for ring in rings]
    return Stepped(replace(agenda, items=tuple(items), ringing=tuple(rings), last_id=last_id), sound, tuple(missed), given_up)


def next_look(agenda: Agenda, now: Now) -> float | None:
    """Seconds until ``step`` has something to do, unless the wall's clock is moved; ``None`` for never."""
    waits = [item.left(now) for item in agenda.items if item.left_s is None]
    for ring in agenda.ringing:
        waits += [ring.next - now.mono, ring.since + RINGS_FOR_S[ring.item.sort] - now.mono]
    return max(0.0, min(waits)) if waits else None


def added(agenda: Agenda, item: Item) -> Agenda:
    """With ``item`` under a number of its own; ``OverflowError`` where there are too many."""
    if len(agenda.items) >= MOST:
        raise OverflowError(f"{MOST} are pending")
    number = agenda.last_id + 1
    return replace(agenda, items=(*agenda.items, replace(item, id=number)), last_id=number)


def without(agenda: Agenda, items: tuple[Item, ...]) -> Agenda:
    gone = {item.id for item in items}
    return replace(agenda, items=tuple(item for item in agenda.items if item.id not in gone))


def changed(agenda: Agenda, item: Item) -> Agenda:
    """With ``item`` in place of the one of its number."""
    return replace(agenda, items=tuple(item if item.id == old.id else old for old in agenda.items))


def silenced(agenda: Agenda) -> Agenda:
    """Nothing rings."""
    return replace(agenda, ringing=())


def paused(item: Item, now: Now) -> Item:
    return replace(item, left_s=max(0.0, item.left(now)), wall=None)


def resumed(item: Item, now: Now) -> Item:
    assert item.left_s is not None
    return replace(item, mono=now.mono + item.left_s, left_s=None, wall=None)


def longer(item: Item, seconds: float, now: Now) -> Item:
    """A duration that is due later, or sooner: at once at the soonest."""
    left = max(0.0, item.left(now) + seconds)
    length = max(0.0, item.length_s + seconds)
    if item.left_s is not None:
        return replace(item, left_s=left, length_s=length)
    return replace(item, mono=now.mono + left, length_s=length, wall=None)


def following(item: Item, now: Now) -> Item:
    """A repeating one at its next occurrence after now."""
    assert item.at is not None
    to = occurrence(item.at.hour, item.at.minute, item.days, now.local)
    return replace(item, at=item.at.replace(year=to.year, month=to.month, day=to.day))


def clock_moved(agenda: Agenda, now: Now) -> Agenda:
    """The wall's clock was set: what repeats is due at its next occurrence from there on, but for what is due already."""
    return replace(agenda, items=tuple(following(item, now) if item.days and item.left(now) > 0 else item for item in agenda.items))


def _rung(ring: Ring, now: Now) -> Ring:
    return replace(ring, rung=ring.rung + 1, next=now.mono + GAPS_S[min(ring.rung, len(GAPS_S) - 1)])
