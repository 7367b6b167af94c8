"""The clock and the calendar: ``answer(words, now)``.

Theory: a question is a sentence with holes for a day, a span, or a weekday.  Days are proleptic Gregorian; a day without a year is the next
one (the last one, where the question is about the past).  Hours and minutes are added on the time line (UTC) and told on the clock of
``now``'s zone, so that a day on which the clock is changed has 23 or 25 of them; days, weeks and months are counted in the calendar, and a
month that has no such day gives its last.

Law: what two people may take for two days ("next Friday") is not understood.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime

from edgevoice.skills.days import MONTHS, WEEKDAYS, Day, day, told_day
from edgevoice.skills.numbers import year
from edgevoice.skills.spans import shifted, span


def answer(words: list[str], now: datetime) -> str | None:
    """The answer in a sentence; ``None`` where ``words`` ask for no time, or are not understood to the last of them.  ``now`` is aware."""
    said = " ".join(words)
    for pattern, tell in _PLAIN:
        if pattern.fullmatch(said):
            return tell(now)
    try:
        for form in _FORMS:
            told = form(words, said, now)
            if told is not None:
                return told
    except (OverflowError, ValueError):  # beyond the calendar
        return None
    return None


def clock(at: datetime) -> str:
    """2:05 PM."""
    return f"{at.hour % 12 or 12}:{at.minute:02} {'AM' if at.hour < 12 else 'PM'}"


# sentences without holes

def _time(now: datetime) -> str:
    return f"It is {clock(now)}."


def _date(now: datetime) -> str:
    return f"Today is {told_day(now.date())}."


_NOW = r"(?: now| currently| at the moment| here| today| please)*"
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[datetime], str]], ...] = tuple((re.compile(pattern), tell) for pattern, tell in (
    (rf"(?:what time is it|what time it is|what is the time|what is the current time|what is the exact time|what time do we have|time is it"
     rf"|what time have you got|(?:have you got|do you have|you have|say|check) the time|current time|the current time"
     rf"|how late is it|what hour is it){_NOW}", _time),
    (rf"(?:what|which) (?:day|weekday|day of the week)(?: is it| is today| it is| do we have| of the week is it| of the week is today"
     rf"| of the week it is){_NOW}|what is today|what is the day(?: of the week)?{_NOW}|what is today 's day", _date),
    (rf"(?:what|which) date (?:is it|is today|it is|do we have){_NOW}|what is (?:the|today 's|the current) date{_NOW}|today 's date"
     rf"|current date|what is the date of today|what is the day and date|what is the day and the date", _date),
    (rf"(?:what|which) (?:year) (?:is it|are we in|do we have|is this){_NOW}|what is the (?:current )?year",
     lambda now: f"It is {now.year}."),
    (rf"(?:what|which) (?:month) (?:is it|are we in|do we have|is this){_NOW}|what is the (?:current )?month",
     lambda now: f"It is {MONTHS[now.month - 1]}."),
    (r"what is the (?:time and (?:the )?date|date and (?:the )?time)|the date and time|what day and time is it",
     lambda now: f"It is {clock(now)} on {told_day(now.date())}.")))


# sentences with holes

def _named(words: list[str], said: str, now: datetime) -> str | None:
    """"what day is the fifth of March", "when is Christmas", "what was yesterday's date"."""
    for asking, closings, past in _OF_A_DAY:
        if words[:len(asking)] != asking:
            continue
        found = day(words, len(asking), now.date())
        if found is None:
            continue
        rest = " ".join(words[found.after:])
        if found.in_year is None and rest.endswith(("this year", "next year", "last year")):
            turn = {"this": 0, "next": 1, "last": -1}[rest.split()[-2]]
            found = Day(found.month, found.day, now.year + turn, found.name, found.after)
            rest = rest[:-len("this year")].rstrip()
        if rest not in closings or (asking == ["what", "is"] and not found.counted):
            continue
        if not found.is_there:
            return found.missing()
        return _told_named(found, found.on(now.date(), past=past), now.date())
    return None


def _told_named(found: Day, at: date, today: date) -> str:
    verb = "was" if at < today else "is"
    if not found.name:
        return f"{told_day(at, weekday=False)} {verb} a {WEEKDAYS[at.weekday()]}."
    name = f"{found.name[0].upper()}{found.name[1:]}"
    of_week = found.name in WEEKDAYS
    return f"{name} {verb} {'on ' if name == found.name and not of_week else ''}{told_day(at, weekday=not of_week)}."


def _until(words: list[str], said: str, now: datetime) -> str | None:
    """"how many days until Christmas", "how long since the first of May"."""
    match = _COUNTING.match(said)
    if match is None:
        return None
    start, past = len(match[0].split()), match["since"] is not None
    found = day(words, start, now.date())
    if found is None or found.after != len(words):
        return None
    if not found.is_there:
        return found.missing()
    at, today = found.on(now.date(), past=past), now.date()
    name = found.name or told_day(at, weekday=False)
    if (at > today if past else at < today) or found.counted:
        return None
    days = abs((at - today).days)
    if days == 0:
        return f"{name} is today."
    count = _weeks(days) if match["unit"] == "weeks" else _count(days, "day")
    if past:
        return f"It has been {count} since {name}."
    return f"It is {count} until {name}."


def _count(n: int, one: str) -> str:
    return f"{n} {one}{'' if n == 1 else 's'}"


def _weeks(days: int) -> str:
    weeks, rest = divmod(days, 7)
    return " and ".join(part for part in (_count(weeks, "week") if weeks else "", _count(rest, "day") if rest else "") if part)


def _between(words: list[str], said: str, now: datetime) -> str | None:
    match = _BETWEEN.match(said)
    if match is None:
        return None
    first = day(words, len(match[0].split()), now.date())
    if first is None or words[first.after:first.after + 1] not in (["and"], ["to"], ["until"], ["till"]):
        return None
    second = day(words, first.after + 1, now.date())
    if second is None or second.after != len(words):
        return None
    for found in (first, second):
        if not found.is_there:
            return found.missing()
    start = first.on(now.date())
    end = second.on(start)
    days = _count((end - start).days, "day")
    return f"From {told_day(start, weekday=False)} to {told_day(end, weekday=False)} it is {days}." if end >= start else None


def _month_length(words: list[str], said: str, now: datetime) -> str | None:
    match = _IN_MONTH.fullmatch(said)
    if match is not None:
        month, in_year = MONTHS.index(match["month"].capitalize()) + 1, None
        if match["year"]:
            read = year(match["year"].split(), 0)
            if read is None or read.after != len(match["year"].split()):
                return None
            in_year = int(read.value)
        if month == 2 and in_year is None:
            return "February has 28 days, and 29 in a leap year."
        days = calendar.monthrange(in_year or 2001, month)[1]
        return f"{MONTHS[month - 1]}{f' {in_year}' if in_year else ''} has {days} days."
    match = _IN_THIS.fullmatch(said)
    if match is None:
        return None
    of_year = match["what"] == "year"
    last = date(now.year, 12, 31) if of_year else date(now.year, now.month, calendar.monthrange(now.year, now.month)[1])
    name = now.year if of_year else MONTHS[now.month - 1]
    if match["left"]:
        days = (last - now.date()).days
        return f"After today, {_count(days, 'day')} {'is' if days == 1 else 'are'} left in {name}."
    days = 365 + calendar.isleap(now.year) if of_year else last.day
    return f"{name} has {days} days."


def _leap(words: list[str], said: str, now: datetime) -> str | None:
    if said in ("is it a leap year", "is this a leap year", "is this year a leap year"):
        asked = now.year
    elif words[:1] in (["is"], ["was"]) and words[-3:] == ["a", "leap", "year"]:
        read = year(words[:-3], 1)
        if read is None or read.after != len(words) - 3:
            return None
        asked = int(read.value)
    else:
        return None
    return f"{asked} {'was' if asked < now.year else 'is'} {'a' if calendar.isleap(asked) else 'not a'} leap year."


def _later(words: list[str], said: str, now: datetime) -> str | None:
    """"what time is it in two hours", "what was the date three weeks ago"."""
    for asking, of_time in _MOVED:
        if words[:len(asking)] != asking:
            continue
        at = len(asking) + (words[len(asking):len(asking) + 1] == ["in"])
        found = span(words, at)
        if found is None:
            continue
        rest = " ".join(words[found[1]:])
        back = rest in ("ago", "before now", "before today")
        if not back and not (rest in ("from now", "from today", "from this moment", "later") or (at > len(asking) and not rest)):
            continue
        if (of_time and (found[0].days or found[0].months)) or (not of_time and found[0].seconds):
            continue
        to = shifted(now, found[0], -1 if back else 1)
        name = str(found[0])
        when = f"{name[0].upper()}{name[1:]} ago it was" if back else f"In {name} it will be"
        if not of_time:
            return f"{when} {told_day(to.date())}."
        off = (to.date() - now.date()).days
        on = {0: "", 1: " tomorrow", -1: " yesterday"}.get(off, f" on {told_day(to.date())}")
        return f"{when} {clock(to)}{on}."
    return None


def _phrases(*phrases: str) -> list[list[str]]:
    return [phrase.split() for phrase in phrases]


_ON = ("", "on")
_OF_A_DAY: list[tuple[list[str], tuple[str, ...], bool]] = [
    *((asking, _ON, False) for asking in _phrases(
        "what day is", "what day of the week is", "what weekday is", "which day is", "which weekday is", "what date is", "when is",
        "what is the date of", "what is the date on", "what is the date", "what day is it on", "what day is it", "what date is it",
        "what date is it on", "what day of the week is it", "on what day is", "on which day is",  "which day of the week is")),
    *((asking, _ON, False) for asking in _phrases("what is")),  # of days that are counted from today, and of no others
    *((asking, ("fall on", "fall", "be", "be on", "land on"), False) for asking in _phrases(
        "what day does", "what day will", "what day of the week does", "what day of the week will", "what weekday does", "which day does",
        "on what day does", "on which day does", "what date will", "when does", "which weekday does", "on what day will",
        "what weekday will")),
    *((asking, ("'s date",), False) for asking in _phrases("what is")),
    *((asking, ("'s date",), True) for asking in _phrases("what was")),
    *((asking, _ON, True) for asking in _phrases(
        "what day was", "what day of the week was", "what weekday was", "which day was", "what date was", "when was", "what was the date",
        "what day was it", "what day was it on", "what date was it", "on what day was", "what was the date on", "which weekday was"))]
_COUNTING = re.compile(
    r"(?:how many (?P<unit>days|weeks)|how long)(?: is it| is there| are there| are left| left| do we have| do i have| to go| more"
    r"| are we away| away is| has it been| have passed| has passed| is it now| are there left)*"
    r" (?:until|till|til|before|to|(?P<since>since|ago was)) ")
_BETWEEN = re.compile(r"how many days (?:are |are there |is it |lie )?(?:between|from) ")
_IN_MONTH = re.compile(
    rf"how many days (?:are |are there |there are )?(?:in|does|has|did)(?: the month of)? (?P<month>{'|'.join(MONTHS).lower()})"
    r"(?: (?:in |of )?(?P<year>[a-z\d ]+?))?(?: have)?")
_IN_THIS = re.compile(
    r"how many days (?:are |are there |there are )?(?P<left>left |remaining |remain )?in (?:the|this) (?:current )?(?P<what>month|year)")
_MOVED: list[tuple[list[str], bool]] = [
    *((asking, True) for asking in _phrases(
        "what time is it", "what time will it be", "what will the time be", "what time was it", "what time is", "what time was",
        "what is the time", "what was the time", "what time will be")),
    *((asking, False) for asking in _phrases(
        "what day is it", "what day will it be", "what day was it", "what day is", "what day was", "what date is it",
        "what date will it be",
        "what date was it", "what date is", "what date was", "what is the date", "what was the date", "what will the date be",
        "what will be the date", "what day of the week is it", "what day of the week will it be", "what day of the week was it",
        "what weekday is it", "what weekday will it be", "what weekday was it", "which day is it", "which day was it",
        "which day will it be"))]
_FORMS = (_later, _named, _until, _between, _month_length, _leap)
