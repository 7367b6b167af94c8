"""Spans of time as they are spoken, and what the clock and the calendar say after them: ``span``, ``shifted``."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from edgevoice.skills.conversions import said, unit
from edgevoice.skills.numbers import Read, number
from edgevoice.skills.unit_table import Unit

FARTHEST = 200_000
"""units of a span; farther than that nobody counts days"""


@dataclass(frozen=True, slots=True)
class Span:
    """``months`` and ``days`` in the calendar, ``seconds`` on the time line; ``counts``: the units it was said in."""

    months: int = 0
    days: int = 0
    seconds: int = 0
    counts: tuple[tuple[Fraction, Unit], ...] = ()

    def __str__(self) -> str:
        return " and ".join(said(value, of) for value, of in self.counts)


def shifted(now: datetime, span: Span, sign: int = 1) -> datetime:
    """``now`` moved by ``span``; ``OverflowError`` or ``ValueError`` beyond the calendar."""
    months = now.year * 12 + now.month - 1 + sign * span.months
    in_year, month = divmod(months, 12)
    last = calendar.monthrange(in_year, month + 1)[1]
    moved = now.replace(year=in_year, month=month + 1, day=min(now.day, last)) + sign * timedelta(days=span.days)
    if span.seconds:
        moved = (moved.astimezone(UTC) + sign * timedelta(seconds=span.seconds)).astimezone(now.tzinfo)
    return moved


def span(words: list[str], at: int) -> tuple[Span, int] | None:
    """"two hours", "half an hour", "an hour and a half", "three weeks and two days", "a month"."""
    found = _one_span(words, at)
    if found is None:
        return None
    total, after = found
    while words[after:after + 1] == ["and"]:
        more = _one_span(words, after + 1)
        if more is None:
            break
        total = Span(total.months + more[0].months, total.days + more[0].days, total.seconds + more[0].seconds,
                     total.counts + more[0].counts)
        after = more[1]
    return total, after


def _one_span(words: list[str], at: int) -> tuple[Span, int] | None:
    read = number(words, at)
    if read is None and words[at:at + 1] in (["a"], ["an"]):
        read = Read(Fraction(1), at + 1)
    if read is None or read.value < 0:
        return None
    value, after = read.value, read.after
    if words[after - 1] == "half" and words[after:after + 1] in (["a"], ["an"]):
        after += 1
    found = unit(words, after)
    if found is None:
        return None
    of, after = found
    if words[after:after + 3] in (["and", "a", "half"], ["and", "a", "quarter"]):
        value, after = value + Fraction(1, 2 if words[after + 2] == "half" else 4), after + 3
    count = value * of.size
    if count.denominator != 1 or value > FARTHEST:
        return None
    counts = ((value, of),)
    match of.kind, of.one:
        case "time", "day" | "week" | "fortnight":
            return (Span(days=int(count) // 86400, counts=counts), after) if value.denominator == 1 else None
        case "time", "hour" | "minute" | "second":
            return Span(seconds=int(count), counts=counts), after
        case "calendar", _:
            return (Span(months=int(count), counts=counts), after) if value.denominator == 1 else None
        case _:
            return None
