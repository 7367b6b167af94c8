"""Questions with one right answer, in spoken form, by a seeded generator; and whether an answer is the right one.

The reference knows nothing of the product: numbers are spoken by a speller of its own, sums are reckoned by Python's own precedence, sizes
of units are written down once more (in grams, milliliters and centimeters), days come from ``datetime``.  One question in twenty is put in
a way that people have and a careful skill need not understand.
"""

from __future__ import annotations

import calendar
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import isqrt
from zoneinfo import ZoneInfo

ZONES = ("Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kolkata")
_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
         "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NTH = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth", 20: "twentieth", 30: "thirtieth"}
_ANSWERED = re.compile(r"(?:is|are) (about )?(minus )?([\d,]+(?:\.\d+)?)(?: times 10 to the power of (minus )?(\d+))?"
                       r"(?: percent of .*| [^\d]*)?\.$")


@dataclass(frozen=True, slots=True)
class Asked:
    """``text`` at the time ``now``; ``right`` is a number, or words that the answer holds."""

    kind: str
    text: str
    now: datetime
    right: Fraction | str
    approximate: bool = False
    """``right`` is itself no exact number"""


def questions(seed: int, count: int) -> list[Asked]:
    rng = random.Random(seed)
    return [_asked(rng) for _ in range(count)]


def is_right(asked: Asked, answer: str) -> bool:
    """A number told as exact is so; one told as "about" is right to half of its last place, to half a percent, and is not exact."""
    if isinstance(asked.right, str):
        return asked.right in answer
    found = _ANSWERED.search(answer)
    if found is None:
        return False
    about, minus, digits, minus_power, power = found.groups()
    value = Fraction(digits.replace(",", ""))
    place = Fraction(1, 10 ** len(digits.partition(".")[2]))
    scale = Fraction(10) ** (int(power or 0) * (-1 if minus_power else 1))
    value, place = value * scale * (-1 if minus else 1), place * scale
    error = abs(value - asked.right)
    if not about:
        return error == 0 and not asked.approximate
    return 0 < error <= place / 2 and error <= abs(asked.right) / 200


def spell(n: int, *, with_and: bool) -> str:
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10] + (f" {_ONES[n % 10]}" if n % 10 else "")
    for size, name in ((10 ** 9, "billion"), (10 ** 6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            high, rest = divmod(n, size)
            joint = " and " if with_and and rest and rest < 100 else " "
            return f"{spell(high, with_and=with_and)} {name}" + (f"{joint}{spell(rest, with_and=with_and)}" if rest else "")
    raise AssertionError(n)


def nth(n: int) -> str:
    if n in _NTH:
        return _NTH[n]
    if n > 20:
        return f"{_TENS[n // 10]} {_NTH.get(n % 10, _ONES[n % 10] + 'th')}"
    return _ONES[n] + "th"


def _asked(rng: random.Random) -> Asked:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(4 * 365 * 86400))
    now = now.astimezone(ZoneInfo(rng.choice(ZONES)))
    if rng.random() < 0.05:
        return _unusual(rng, now)
    kind, make = rng.choice((("sums", _sum), ("sums", _sum), ("units", _units), ("dates", _dates)))
    text, right, *approximate = make(rng, now)
    return Asked(kind, _heard(rng, text), now, right, bool(approximate))


def _heard(rng: random.Random, text: str) -> str:
    """As a person is polite and a recognizer writes."""
    text = rng.choice(("", "", "", "", "hey ", "please ", "can you tell me ", "um ", "okay so ")) + text
    text += rng.choice(("", "", "", " please"))
    match rng.randrange(4):
        case 0:
            return text
        case 1:
            return text[0].upper() + text[1:] + "?"
        case 2:
            return text.replace("what's", "whats")
        case _:
            return text[0].upper() + text[1:] + "."


# numbers

def _number(rng: random.Random) -> tuple[str, Fraction]:
    match rng.randrange(10):
        case 0 | 1 | 2 | 3:
            n = rng.randrange(1, 100)
        case 4 | 5:
            n = rng.randrange(100, 1000)
        case 6:
            n = rng.randrange(1000, 2_000_000)
        case 7:
            whole, part = rng.randrange(100), "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 4)))
            said = f"{spell(whole, with_and=True)} point {' '.join(_ONES[int(c)] for c in part)}"
            return rng.choice((said, f"{whole}.{part}")), Fraction(f"{whole}.{part}")
        case 8:
            whole = rng.randrange(1, 20)
            said, part_value = rng.choice((("a half", Fraction(1, 2)), ("a quarter", Fraction(1, 4)), ("three quarters", Fraction(3, 4)),
                                           ("two thirds", Fraction(2, 3))))
            return f"{_ONES[whole]} and {said}", whole + part_value
        case _:
            return rng.choice((("a dozen", Fraction(12)), ("a hundred", Fraction(100)), ("a thousand", Fraction(1000)),
                               ("minus four", Fraction(-4)), ("three million", Fraction(3_000_000)), ("2.5 million", Fraction(2_500_000))))
    said = spell(n, with_and=rng.random() < 0.5)
    return rng.choice((said, said.replace("y ", "y-") if n < 100 else said, str(n), f"{n:,}")), Fraction(n)


_Made = tuple[str, Fraction | str] | tuple[str, Fraction | str, bool]
_ASK = ("what's ", "what is ", "how much is ", "calculate ", "")


def _sum(rng: random.Random, now: datetime) -> _Made:
    (a, x), (b, y) = _number(rng), _number(rng)
    ask = rng.choice(_ASK)
    match rng.randrange(14):
        case 0 | 1 | 2 | 3 | 4 | 5:
            return _chain(rng)
        case 6:
            p = rng.randrange(1, 120)
            return f"{ask}{rng.choice((spell(p, with_and=True) + ' percent', f'{p}%', f'{p} percent'))} of {b}", y * p / 100
        case 7:
            p, sign, word = rng.randrange(1, 90), *rng.choice(((1, "more"), (-1, "less")))
            return f"{ask}{spell(p, with_and=True)} percent {word} than {b}", y * (100 + sign * p) / 100
        case 8:
            word, factor = rng.choice((("half of", Fraction(1, 2)), ("a third of", Fraction(1, 3)), ("three quarters of", Fraction(3, 4)),
                                       ("double", Fraction(2)), ("twice", Fraction(2)), ("a tenth of", Fraction(1, 10))))
            return f"{ask}{word} {b}", y * factor
        case 9:
            n = rng.randrange(1, 40)
            word, power = rng.choice(((" squared", 2), (" cubed", 3)))
            return f"{ask}{spell(n, with_and=True)}{word}", Fraction(n ** power)
        case 10:
            n, power = rng.randrange(2, 13), rng.randrange(2, 11)
            form = rng.choice((f"to the power of {_ONES[power]}", f"to the {nth(power)}", f"to the {nth(power)} power"))
            return f"{ask}{_ONES[n]} {form}", Fraction(n ** power)
        case 11:
            n = rng.choice((rng.randrange(1, 500), rng.randrange(1, 30) ** 2))
            text = f"{ask}{rng.choice(('the ', ''))}square root of {spell(n, with_and=True)}"
            if isqrt(n) ** 2 == n:
                return text, Fraction(isqrt(n))
            return text, Fraction(isqrt(n * 10 ** 60), 10 ** 30), True
        case 12:
            told, value = rng.choice(((f"add {a} and {b}" if " and " not in a + b else f"add {a} to {b}", x + y),
                                      (f"subtract {a} from {b}", y - x), (f"multiply {a} by {b}", x * y), (f"divide {a} by {b}", x / y)))
            return told, value
        case _:
            return f"what percent of {b} is {a}", x * 100 / y if y else ""


_SIGNS = ((("plus", "+"), "+"), (("minus", "-"), "-"), (("times", "x", "multiplied by"), "*"), (("divided by", "over"), "/"))


def _chain(rng: random.Random) -> _Made:
    text, value = _number(rng)
    python = f"F({value.numerator},{value.denominator})"
    for _ in range(rng.choice((1, 1, 2, 3))):
        words, sign = rng.choice(_SIGNS)
        more, value = _number(rng)
        if sign == "-" and value < 0:
            words = ("minus",)
        text += f" {rng.choice(words)} {more}"
        python += f"{sign}F({value.numerator},{value.denominator})"
    return rng.choice(_ASK) + text, eval(python, {"F": Fraction})


# units: names of one and many, and the size

_SIZES: dict[str, dict[tuple[str, str], str]] = {
    "g": {("gram", "grams"): "1", ("kilogram", "kilograms"): "1000", ("ounce", "ounces"): "28.349523125", ("pound", "pounds"): "453.59237"},
    "ml": {("milliliter", "milliliters"): "1", ("liter", "liters"): "1000", ("cup", "cups"): "236.5882365", ("pint", "pints"): "473.176473",
           ("tablespoon", "tablespoons"): "14.78676478125", ("teaspoon", "teaspoons"): "4.92892159375", ("quart", "quarts"): "946.352946",
           ("gallon", "gallons"): "3785.411784", ("fluid ounce", "fluid ounces"): "29.5735295625"},
    "cm": {("centimeter", "centimeters"): "1", ("meter", "meters"): "100", ("inch", "inches"): "2.54", ("foot", "feet"): "30.48",
           ("yard", "yards"): "91.44", ("mile", "miles"): "160934.4", ("kilometer", "kilometers"): "100000"},
    "s": {("second", "seconds"): "1", ("minute", "minutes"): "60", ("hour", "hours"): "3600", ("day", "days"): "86400",
          ("week", "weeks"): "604800"},
    "B": {("byte", "bytes"): "1", ("kilobyte", "kilobytes"): "1e3", ("megabyte", "megabytes"): "1e6", ("gigabyte", "gigabytes"): "1e9"},
    "m2": {("square foot", "square feet"): "0.09290304", ("square meter", "square meters"): "1", ("acre", "acres"): "4046.8564224",
           ("hectare", "hectares"): "10000"},
    "km/h": {("kilometer per hour", "kilometers per hour"): "1", ("mile per hour", "miles per hour"): "1.609344",
             ("knot", "knots"): "1.852"}}


def _units(rng: random.Random, now: datetime) -> _Made:
    if rng.random() < 0.25:
        n = rng.randrange(-40, 500)
        said = rng.choice((f"{'minus ' if n < 0 else ''}{spell(abs(n), with_and=True)} degrees", str(n)))
        ask = rng.choice(("convert", "what is", "whats"))
        if rng.random() < 0.5:
            return f"{ask} {said} celsius {rng.choice(('to', 'in'))} fahrenheit", Fraction(n * 9, 5) + 32
        return f"{ask} {said} fahrenheit to celsius", Fraction((n - 32) * 5, 9)
    sizes = rng.choice(list(_SIZES.values()))
    (one, many), (_, targets) = rng.sample(list(sizes), 2)
    size = Fraction(sizes[one, many]) / Fraction(next(value for names, value in sizes.items() if names[1] == targets))
    article = "an" if one[0] in "aeio" or one == "hour" else "a"
    if rng.random() < 0.3:
        form, value = rng.choice((("{a} {u}", Fraction(1)), ("half {a} {u}", Fraction(1, 2)), ("one {u}", Fraction(1)),
                                  ("{a} {u} and a half", Fraction(3, 2)), ("three quarters of {a} {u}", Fraction(3, 4))))
        amount = form.format(a=article, u=one)
    else:
        said, value = _number(rng)
        while value <= 0:
            said, value = _number(rng)
        amount = f"{said} {one if value == 1 else many}"
    return rng.choice((
        f"how many {targets} is {amount}", f"how many {targets} are in {amount}", f"how many {targets} in {amount}",
        f"how many {targets} are {amount}",
        f"how many {targets} are there in {amount}", f"convert {amount} to {targets}", f"what's {amount} in {targets}",
        f"{amount} in {targets}",
        f"how much is {amount} in {targets}")), value * size


# days and times

def _long(day: date) -> str:
    return f"{calendar.day_name[day.weekday()]}, {calendar.month_name[day.month]} {day.day}, {day.year}"


def _dates(rng: random.Random, now: datetime) -> _Made:
    today = now.date()
    day = today + timedelta(days=rng.randrange(1, 365))
    if (day.month, day.day) == (2, 29):
        day += timedelta(days=1)
    month = calendar.month_name[day.month]
    named = rng.choice((f"the {nth(day.day)} of {month}", f"{month} {nth(day.day)}", f"{month} the {nth(day.day)}", f"{month} {day.day}",
                        f"{day.day}{_ending(day.day)} of {month}"))
    match rng.randrange(12):
        case 0:
            return rng.choice(("what time is it", "what's the time", "what time is it now", "what is the time right now")), _time(now)
        case 1:
            return rng.choice(("what day is it", "what's the date", "what's today's date", "what day is it today")), _long(today)
        case 2:
            word, off = rng.choice((("tomorrow", 1), ("the day after tomorrow", 2)))
            return f"what {rng.choice(('day', 'date'))} is {word}", _long(today + timedelta(days=off))
        case 3 | 4:
            told = f"{month} {day.day}, {day.year} is a {calendar.day_name[day.weekday()]}."
            return f"what day {rng.choice(('', 'of the week '))}is {named}", told
        case 5:
            past = date(rng.randrange(1800, 2020), day.month, day.day)
            year = rng.choice((str(past.year), _year(past.year)))
            return f"what {rng.choice(('weekday', 'day'))} was {named} {year}", f" was a {calendar.day_name[past.weekday()]}."
        case 6:
            return f"how many days {rng.choice(('until', 'till', 'is it until', 'are there until'))} {named}", f" {(day - today).days} day"
        case 7:
            feast = date(now.year, 12, 25)
            feast = feast if feast >= today else date(now.year + 1, 12, 25)
            days = (feast - today).days
            return rng.choice(("how many days until christmas", "how long until Christmas")), f" {days} day" if days else "today"
        case 8:
            said, seconds = rng.choice((("{} minutes", 60), ("{} hours", 3600)))
            n = rng.randrange(2, 60)
            sign, form = rng.choice(((1, "what time is it in {}"), (1, "what time will it be in {}"), (-1, "what time was it {} ago")))
            at = datetime.fromtimestamp(now.timestamp() + sign * n * seconds, now.tzinfo)
            return form.format(said.format(rng.choice((spell(n, with_and=True), str(n))))), _time(at)
        case 9 | 10:
            n = rng.randrange(2, 30)
            unit = rng.choice(("days", "weeks", "months"))
            sign, form = rng.choice(((-1, "what was the date {} ago"), (-1, "what day was it {} ago"), (1, "what's the date in {}"),
                                     (1, "what day is it in {}"), (1, "what will the date be {} from now"),
                                     (1, "what day will it be in {}")))
            at = _moved(today, sign * n, unit)
            return form.format(f"{spell(n, with_and=True)} {unit}"), _long(at)
        case _:
            year = rng.randrange(2000, 2100)
            last = date(year + day.month // 12, day.month % 12 + 1, 1) - timedelta(days=1)
            return f"how many days {rng.choice(('are in', 'are there in', 'does'))} {month} {year}", f" has {last.day} days"


def _moved(day: date, n: int, unit: str) -> date:
    if unit != "months":
        return day + timedelta(days=n * (7 if unit == "weeks" else 1))
    year, month = day.year, day.month
    for _ in range(abs(n)):
        month += 1 if n > 0 else -1
        year, month = (year + 1, 1) if month == 13 else (year - 1, 12) if month == 0 else (year, month)
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def _time(at: datetime) -> str:
    return f" {at.strftime('%I:%M %p').lstrip('0')}"


def _ending(n: int) -> str:
    return "th" if 10 < n < 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")


def _year(n: int) -> str:
    high, low = divmod(n, 100)
    if (n >= 2000 and n < 2010) or n % 1000 == 0:
        return spell(n, with_and=True)
    return f"{spell(high, with_and=False)} {'hundred' if not low else ('oh ' if low < 10 else '') + spell(low, with_and=False)}"


# ways of asking that leave something to be guessed

_Unusual = Callable[[str, str, Fraction, Fraction], tuple[str, Fraction | str]]
_UNUSUAL: tuple[_Unusual, ...] = (
    lambda a, b, x, y: (f"how much is {a} and {b}", x + y), lambda a, b, x, y: (f"what is {a} into {b}", y / x),
    lambda a, b, x, y: (f"{a} from {b} leaves what", y - x), lambda a, b, x, y: (f"whats {a} {b} times", x * y),
    lambda a, b, x, y: (f"what do {a} and {b} add up to", x + y), lambda a, b, x, y: (f"how many degrees is {a} in fahrenheit", ""),
    lambda a, b, x, y: (f"roughly what is {a} divided by {b}", x / y), lambda a, b, x,
    y: (f"{a} plus {b} in brackets times {a}", (x + y) * x),
    lambda a, b, x, y: ("what date is next friday", ""), lambda a, b, x, y: ("what time is it in half past two", ""))


def _unusual(rng: random.Random, now: datetime) -> Asked:
    (a, x), (b, y) = _number(rng), _number(rng)
    text, right = rng.choice(_UNUSUAL)(a, b, x, y or Fraction(1))
    return Asked("unusual", _heard(rng, text), now, right or "nothing is right", False)
