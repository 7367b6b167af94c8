"""How timers, alarms and reminders are spoken of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from edgevoice.skills.agenda import Item, Now
from edgevoice.skills.dates import clock
from edgevoice.skills.days import MONTHS, WEEKDAYS

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_REPEATED = {tuple(range(7)): "every day", tuple(range(5)): "every weekday", (5, 6): "on weekends"}


def title(item: Item, now: Now) -> str:
    """"egg timer", "timer for the eggs", "10 minute timer", "alarm for 6:30 AM", "reminder to call mum"."""
    if item.sort == "reminder":
        return f"reminder{' ' + item.name if item.name else ''}"
    if item.name:
        return f"{item.sort} for the {item.name}" if item.about else f"{item.name} {item.sort}"
    if item.at is not None:
        return f"alarm for {moment(item, now)}"
    return f"{told_length(item.length_s, adjective=True)} {item.sort}"


def moment(item: Item, now: Now) -> str:
    """"6:30 AM tomorrow", "7:00 AM every weekday", of what has a time of day."""
    assert item.at is not None
    if item.days:
        names = _REPEATED.get(item.days) or f"every {listed([WEEKDAYS[day] for day in item.days])}"
        return f"{clock(item.at)} {names}"
    return clock_of(item.at, now)


def clock_of(at: datetime, now: Now) -> str:
    """With the day, if it is not today."""
    ahead = (at.date() - now.local.date()).days
    if ahead == 0:
        return clock(at)
    if ahead in (1, -1):
        return f"{clock(at)} {'tomorrow' if ahead > 0 else 'yesterday'}"
    on = WEEKDAYS[at.weekday()]
    return f"{clock(at)} on {on if 0 < ahead < 7 else f'{on}, {MONTHS[at.month - 1]} {at.day}'}"


def told_length(seconds: float, *, adjective: bool = False) -> str:
    """"1 hour 30 minutes"; as an adjective "1 hour 30 minute"."""
    left, parts = max(1, round(seconds)), list[str]()
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'' if adjective or count == 1 else 's'}")
    return " ".join(parts)


def told_left(seconds: float) -> str:
    """As exactly as it matters: seconds below an hour, minutes below a day."""
    left = math.ceil(seconds - 0.5)
    if left >= 86400:
        return told_length(round(left / 3600) * 3600)
    return told_length(round(left / 60) * 60) if left >= 3600 else told_length(left)


def rings(item: Item, now: Now) -> str:
    """What is said when it rings."""
    if item.sort == "reminder":
        return f"I remind you{' ' + item.name if item.name else ': it is time'}."
    if item.sort == "alarm":
        return f"It is {clock(now.local)}. This is your {item.name + ' ' if item.name else ''}alarm."
    return f"The {title(item, now)} is done."


def missed(item: Item, now: Now) -> str:
    """What is said of something that was due while the device was off."""
    at = clock_of(datetime.fromtimestamp(item.due(now), now.local.tzinfo), now)
    if item.sort == "reminder":
        return f"I was off when I should have reminded you{' ' + item.name if item.name else ''}, at {at}."
    verb = "ended" if item.sort == "timer" else "should have rung"
    name = title(item, now) if item.sort == "timer" else f"{item.name + ' ' if item.name else ''}alarm"
    return f"I was off when the {name} {verb}, at {at}."


def listed(parts: Sequence[str], last: str = "and") -> str:
    """"a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""
