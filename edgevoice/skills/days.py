"""Days as they are named: "the fifth of March", "March 5th 2027", "Christmas", "tomorrow", "Friday"; and how a day is told."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from edgevoice.dialog.abbreviations import MONTH_NAMES
from edgevoice.skills.numbers import Read, number, ordinal, year

MONTHS = tuple(MONTH_NAMES)
_MONTH = {name.lower(): n for n, name in enumerate(MONTHS, 1)}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEKDAY = {name.lower(): n for n, name in enumerate(WEEKDAYS)}
_FEASTS = {
    "christmas": ("Christmas", 12, 25), "christmas day": ("Christmas", 12, 25), "christmas eve": ("Christmas Eve", 12, 24),
    "new year's eve": ("New Year's Eve", 12, 31), "new years eve": ("New Year's Eve", 12, 31), "new year": ("New Year", 1, 1),
    "the new year": ("New Year", 1, 1), "new year's": ("New Year", 1, 1), "new years": ("New Year", 1, 1),
    "new year's day": ("New Year", 1, 1),
    "new years day": ("New Year", 1, 1), "halloween": ("Halloween", 10, 31), "valentine's day": ("Valentine's Day", 2, 14),
    "valentines day": ("Valentine's Day", 2, 14), "saint patrick's day": ("Saint Patrick's Day", 3, 17),
    "st patrick's day": ("Saint Patrick's Day", 3, 17)}
"""feasts on the same day everywhere and every year; those that move, or differ from country to country, are for nobody to guess"""
_TURNS = {"today": 0, "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2, "the day before yesterday": -2}


@dataclass(frozen=True, slots=True)
class Day:
    """A day as it was named.  ``in_year`` ``None``: none was said.  ``name`` of a feast, or a word such as "tomorrow"."""

    month: int
    day: int
    in_year: int | None
    name: str
    after: int

    @property
    def counted(self) -> bool:
        """Whether it was named by how far it is from today."""
        return self.name in _TURNS

    @property
    def is_there(self) -> bool:
        """Whether the calendar has it: in its year, or else in a leap year."""
        return 1 <= self.day <= calendar.monthrange(self.in_year or 2000, self.month)[1]

    def missing(self) -> str:
        """The sentence about a day that is not there."""
        return f"There is no {MONTHS[self.month - 1]} {self.day}{f', {self.in_year}' if self.in_year else ''}."

    def on(self, today: date, *, past: bool = False) -> date:
        """The day itself: the next from ``today`` on, or the last up to it, where no year was said."""
        if self.in_year is not None:
            return date(self.in_year, self.month, self.day)
        step = -1 if past else 1
        for in_year in range(today.year, today.year + 10 * step, step):
            if self.day <= calendar.monthrange(in_year, self.month)[1]:
                found = date(in_year, self.month, self.day)
                if found <= today if past else found >= today:
                    return found
        raise ValueError(f"no such day near {today}")


def day(words: list[str], at: int, today: date) -> Day | None:
    """The day that is named at a place."""
    for size in (4, 3, 2, 1):
        name = " ".join(words[at:at + size])
        if len(words) < at + size:
            continue
        if name in _FEASTS:
            feast, month, n = _FEASTS[name]
            said = _year(words, at + size)
            return Day(month, n, None if said is None else int(said.value), feast, at + size if said is None else said.after)
        if name in _TURNS:
            found = today + timedelta(days=_TURNS[name])
            return Day(found.month, found.day, found.year, name, at + size)
        if name in _WEEKDAY:
            ahead = (_WEEKDAY[name] - today.weekday()) % 7
            if ahead == 0:
                return None  # today's, or in a week
            found = today + timedelta(days=ahead)
            return Day(found.month, found.day, found.year, WEEKDAYS[found.weekday()], at + size)
    return _of_month(words, at)


def _of_month(words: list[str], at: int) -> Day | None:
    """"the fifth of March", "5 March", "March the fifth", "March 5th, 2027"."""
    if words[at:at + 1] == ["the"]:
        at += 1
    if at < len(words) and words[at] in _MONTH:
        month, i = _MONTH[words[at]], at + 1
        if words[i:i + 1] == ["the"]:
            i += 1
        found = ordinal(words, i) or _plain(words, i)
        if found is None:
            return None
        after = found.after
    else:
        found = ordinal(words, at) or _plain(words, at)
        if found is None:
            return None
        i = found.after + (words[found.after:found.after + 1] == ["of"])
        if i >= len(words) or words[i] not in _MONTH:
            return None
        month, after = _MONTH[words[i]], i + 1
    said = _year(words, after)
    if said is not None:
        after = said.after
    n = int(found.value)
    return Day(month, n, None if said is None else int(said.value), "", after) if 1 <= n <= 31 else None


def _plain(words: list[str], at: int) -> Read | None:
    """"March 5 2027" and "March five": the day is what is small enough for one."""
    if at < len(words) and words[at].isdigit():
        return Read(Fraction(words[at]), at + 1) if len(words[at]) < 3 else None
    for size in (2, 1):
        found = number(words[:at + size], at)
        if found is not None and found.after == at + size and found.value.denominator == 1 and 1 <= found.value <= 31:
            return found
    return None


def _year(words: list[str], at: int) -> Read | None:
    """A year after a day, with or without "in"; years before the Gregorian calendar are none."""
    if words[at:at + 1] in (["in"], ["of"], [","]):
        at += 1
    found = year(words, at)
    return found if found is not None and 1583 <= found.value <= 9999 else None


def told_day(at: date, *, weekday: bool = True) -> str:
    """Saturday, November 7, 2026."""
    return f"{WEEKDAYS[at.weekday()] + ', ' if weekday else ''}{MONTHS[at.month - 1]} {at.day}, {at.year}"
