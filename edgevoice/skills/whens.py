"""When something shall happen, as it is said: "in ten minutes", "at half past six", "tomorrow morning at seven", "every weekday at 7:30".

Theory: a moment is either so many seconds from now, which is a matter of elapsed time, or a place on the clock of a day, which is a matter
of the calendar and of the zone's changes of clocks.  What was not said is taken from where it is most likely meant, and the answer names
the whole moment, so that a mistake is heard.

Laws: an hour without a half of the day is the next such moment; on another day, and where it repeats, it is the morning for what wakes and
the hours from seven to six for the rest.  A local time that a change of clocks leaves out is as much later as is left out; one that comes
twice is the first.  A weekday that is today's is for nobody to guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from edgevoice.skills.days import WEEKDAYS, day
from edgevoice.skills.numbers import number
from edgevoice.skills.spans import span

LONGEST_S = 7 * 86400
"""of a duration; what is farther away has a date"""

Half = Literal["", "am", "pm"]
_PARTS: dict[str, tuple[Half, int]] = {"morning": ("am", 9), "afternoon": ("pm", 15), "evening": ("pm", 19), "night": ("pm", 21)}
"""half of the day, and the hour where none is said"""
_WEEKDAYS = {name.lower(): n for n, name in enumerate(WEEKDAYS)}
_REPEATED = {"day": tuple(range(7)), "weekday": tuple(range(5)), "weekend": (5, 6)}
_WRITTEN = re.compile(r"(\d{1,2})\.(\d\d)")


@dataclass(frozen=True, slots=True)
class When:
    """``seconds`` from now; or ``hour`` (``None``: not said) and ``minute`` on ``day`` (``None``: the next), or on ``days`` of each
    week."""

    seconds: int | None = None
    hour: int | None = None
    minute: int = 0
    half: Half = ""
    day: date | None = None
    days: tuple[int, ...] = ()
    likely_hour: int = 9
    """where none was said"""

    def at(self, now: datetime, *, waking: bool = False) -> datetime | None:
        """The moment, or the first of them; ``None`` where it has passed."""
        if self.seconds is not None:
            return None
        hour = self.likely_hour if self.hour is None else self.hour
        hours = self._hours(hour, waking=waking)
        if self.days:
            return occurrence(hours[0], self.minute, self.days, now)
        days = [now.date(), now.date() + timedelta(days=1)] if self.day is None else [self.day]
        moments = (local(on, at_hour, self.minute, now) for on in days for at_hour in hours)
        return next((at for at in moments if at.timestamp() > now.timestamp()), None)

    def _hours(self, hour: int, *, waking: bool) -> list[int]:
        if self.half:
            return [hour % 12 + (12 if self.half == "pm" else 0)]
        if self.hour is None or not 1 <= hour <= 12:
            return [hour]
        if waking:
            return [hour]
        if self.day is not None or self.days:
            return [hour + 12] if hour < 7 else [hour]
        return [hour % 12, hour % 12 + 12]


def local(on: date, hour: int, minute: int, now: datetime) -> datetime:
    """On the clock of ``now``'s zone."""
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=now.tzinfo)


def occurrence(hour: int, minute: int, days: tuple[int, ...], after: datetime) -> datetime:
    """The first moment later than ``after``, once on each of ``days``."""
    for ahead in range(9):
        at = local(after.date() + timedelta(days=ahead), hour, minute, after)
        if at.weekday() in days and at.timestamp() > after.timestamp():
            return at
    raise ValueError(f"no weekday is among {days}")


def duration(words: list[str], at: int) -> tuple[int, int] | None:
    """Seconds, and the place after them: "ten minutes", "an hour and a half", "1 hour 30 minutes", "three quarters of an hour"."""
    total = 0
    while True:
        start = at + (words[at:at + 1] == ["and"] and total > 0)
        kept = words
        for of in range(start + 1, min(start + 4, len(words))):
            if words[of:of + 2] in (["of", "an"], ["of", "a"]):  # the quarter of an hour
                kept = [*words[:of], *words[of + 2:]]
        found = span(kept, start)
        if found is None or found[0].months:
            break
        total += found[0].seconds + 86400 * found[0].days
        at = found[1] + len(words) - len(kept)
    return (total, at) if 0 < total <= LONGEST_S else None


def clock(words: list[str], at: int) -> tuple[When, int, bool] | None:
    """A time of day, the place after it, and whether it can be nothing else."""
    named = {"noon": 12, "midday": 12, "midnight": 0}.get(words[at]) if at < len(words) else None
    if named is not None:
        return When(hour=named, half="pm" if named else "am"), at + 1, True
    found = _beside(words, at) or _plain(words, at)
    if found is None:
        return None
    hour, minute, after, sure = found
    if words[after:after + 1] in (["o'clock"], ["oclock"]):
        after, sure = after + 1, True
    half: Half = ""
    for size, said in ((1, words[after:after + 1]), (2, words[after:after + 2])):
        if "".join(said) in ("am", "pm"):
            half, after, sure = "am" if said[0][0] == "a" else "pm", after + size, True
            break
    if not half and words[after:after + 2] in (["in", "the"], ["at", "night"]):
        part = words[after + 2] if words[after] == "in" and after + 2 < len(words) else words[after + 1]
        if part in _PARTS:
            half = "am" if part == "night" and (hour < 5 or hour == 12) else _PARTS[part][0]
            after, sure = after + (3 if words[after] == "in" else 2), True
    if half and not 1 <= hour <= 12:
        return None
    return When(hour=hour, minute=minute, half=half), after, sure


def when(words: list[str], at: int, now: datetime, *, before: tuple[str, ...] = ("at", "by")) -> tuple[When, int] | None:
    """The moment that begins at a place, as far as it goes; ``before``: what may stand before an hour."""
    if words[at:at + 1] == ["in"] and (found := duration(words, at + 1)) is not None:
        return When(seconds=found[0]), found[1]
    if (found := duration(words, at)) is not None and words[found[1]:found[1] + 2] == ["from", "now"]:
        return When(seconds=found[0]), found[1] + 2
    made, timed, dated = When(), False, False
    start = at
    while at < len(words):
        if not timed and (time := _timed(words, at, before, dated=dated)) is not None:
            half = time[0].half or made.half
            made, at, timed = replace(made, hour=time[0].hour, minute=time[0].minute, half=half), time[1], True
        elif not dated and (on := _dated(words, at, now)) is not None:
            half = made.half or on[0].half
            made, at, dated = replace(made, day=on[0].day, days=on[0].days, half=half, likely_hour=on[0].likely_hour), on[1], True
        else:
            break
    if made.hour is not None and made.half and not 1 <= made.hour <= 12 and made.hour:
        return None
    return (made, at) if at > start else None


def places(words: list[str], now: datetime) -> Iterator[tuple[int, When]]:
    """Where a moment begins that goes to the end, and the moment; from the left."""
    for at in range(len(words)):
        found = when(words, at, now)
        if found is not None and found[1] == len(words):
            yield at, found[0]


def _timed(words: list[str], at: int, before: tuple[str, ...], *, dated: bool) -> tuple[When, int] | None:
    named = words[at] in (*before, "around", "about")
    found = clock(words, at + named)
    if found is None or not (named or found[2]):
        return None
    return found[0], found[1]


def _dated(words: list[str], at: int, now: datetime) -> tuple[When, int] | None:
    if words[at] in ("every", "each", "daily", "weekdays") or words[at:at + 2] in (["on", "weekdays"], ["on", "weekends"]):
        return _repeated(words, at)
    at += words[at] in ("on", "this") and len(words) > at + 1
    part = _PARTS.get(words[at])
    if part is not None and words[at - 1:at] == ["this"]:
        return When(day=now.date(), half=part[0], likely_hour=part[1] - (12 if part[0] == "pm" else 0)), at + 1
    if words[at] == "tonight":
        return When(day=now.date(), half="pm", likely_hour=9), at + 1
    found = day(words, at, now.date())
    if found is None or not found.is_there:
        return None
    on, after = found.on(now.date()), found.after
    part = _PARTS.get(words[after]) if after < len(words) else None
    if part is None:
        return When(day=on), after
    return When(day=on, half=part[0], likely_hour=part[1] - (12 if part[0] == "pm" else 0)), after + 1


def _repeated(words: list[str], at: int) -> tuple[When, int] | None:
    if words[at] == "daily":
        return When(days=_REPEATED["day"]), at + 1
    if words[at] in ("weekdays", "on"):
        name = words[at + (words[at] == "on")]
        return When(days=_REPEATED[name[:-1]]), at + 1 + (words[at] == "on")
    name = words[at + 1].removesuffix("s") if at + 1 < len(words) else ""
    if name in _REPEATED:
        return When(days=_REPEATED[name]), at + 2
    if name in _PARTS:
        half, hour = _PARTS[name]
        return When(days=_REPEATED["day"], half=half, likely_hour=hour - (12 if half == "pm" else 0)), at + 2
    days, i = list[int](), at + 1
    while i < len(words) and words[i].removesuffix("s") in _WEEKDAYS:
        days.append(_WEEKDAYS[words[i].removesuffix("s")])
        i += 1 + (words[i + 1:i + 2] == ["and"] and words[i + 2:i + 3] != [] and words[i + 2].removesuffix("s") in _WEEKDAYS)
    return (When(days=tuple(sorted(set(days)))), i) if days else None


def _beside(words: list[str], at: int) -> tuple[int, int, int, bool] | None:
    """"half past six", "a quarter to seven", "ten minutes past six"."""
    at += words[at:at + 1] == ["a"]
    if words[at:at + 1] in (["half"], ["quarter"]):
        minutes, at = 30 if words[at] == "half" else 15, at + 1
    else:
        read = _small(words, at)
        if read is None or not 1 <= read[0] <= 29:
            return None
        minutes, at = read[0], read[1] + (words[read[1]:read[1] + 1] in (["minutes"], ["minute"]))
    side = words[at] if at < len(words) else ""
    if side not in ("past", "to", "after", "before", "till") or (minutes == 30 and side != "past"):
        return None
    of = _small(words, at + 1)
    if of is None or not 0 <= of[0] <= 23:
        return None
    if side in ("past", "after"):
        return of[0], minutes, of[1], True
    return (of[0] - 2) % 12 + 1 if 1 <= of[0] <= 12 else (of[0] - 1) % 24, 60 - minutes, of[1], True


def _plain(words: list[str], at: int) -> tuple[int, int, int, bool] | None:
    """"six", "six thirty", "6 30", "six oh five"."""
    match = _WRITTEN.fullmatch(words[at]) if at < len(words) else None
    if match is not None:
        hour, minute = int(match[1]), int(match[2])
        return (hour, minute, at + 1, True) if hour < 24 and minute < 60 else None
    read = _small(words, at)
    if read is None or read[0] > 23:
        return None
    hour, after = read
    if words[after:after + 1] in (["oh"], ["o"]):
        low = _small(words, after + 1)
        return (hour, low[0], low[1], True) if low is not None and low[0] < 10 else None
    low = _small(words, after)
    if low is not None and low[0] < 60 and (low[0] >= 10 or len(words[after]) == 2):
        return hour, low[0], low[1], True
    return hour, 0, after, False


def _small(words: list[str], at: int) -> tuple[int, int] | None:
    """A whole number below a hundred in one word or two, whatever follows."""
    for size in (2, 1):
        if at + size <= len(words) and words[at] not in ("a", "minus", "-", "half", "quarter"):
            read = number(words[:at + size], at)
            if read is not None and read.after == at + size and read.value.denominator == 1 and 0 <= read.value < 100:
                return int(read.value), read.after
    return None
