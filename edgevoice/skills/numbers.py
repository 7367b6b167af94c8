"""Numbers as they are spoken and as recognizers write them, read exactly; and written so that they are spoken well.

``number(words, at)`` reads the longest number at a place and says where it ends.  A number that another follows at once ("twenty, thirty",
"nineteen ninety") is none: whether it was one or two is for nobody to guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from edgevoice.dialog import numbers as spoken

_ONES = {word: n for n, word in enumerate(spoken.ONES)}
_TENS = {word: 10 * n for n, word in enumerate(spoken.TENS) if word} | {"fourty": 40}
_SCALES = {"thousand": 10 ** 3, "million": 10 ** 6, "billion": 10 ** 9, "trillion": 10 ** 12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4} | {
    word + s: n for n in range(4, 21) for word in [spoken.ordinal(n)] for s in ("", "s")}
_WRITTEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+")
_ORDINALS = {spoken.ordinal(n).replace("-", " "): n for n in range(1, 101)}
_ENDINGS = ("st", "nd", "rd", "th")


@dataclass(frozen=True, slots=True)
class Read:
    """``value``, and the place of the first word ``after`` it."""

    value: Fraction
    after: int


def is_number_word(word: str) -> bool:
    return word in _ONES or word in _TENS or word in _SCALES or word in ("hundred", "dozen")


def number(words: list[str], at: int) -> Read | None:
    """The number that begins at ``words[at]``: whole, with a point, a fraction, mixed ("two and a half"), or with its sign."""
    if at < len(words) and words[at] in ("minus", "negative", "-"):
        found = _unsigned(words, at + 1)
        return None if found is None else Read(-found.value, found.after)
    return _unsigned(words, at)


def ordinal(words: list[str], at: int) -> Read | None:
    """"fifth", "twenty first", "5th"."""
    for size in (2, 1):
        n = _ORDINALS.get(" ".join(words[at:at + size]))
        if n is not None and at + size <= len(words):
            return Read(Fraction(n), at + size)
    if at + 1 < len(words) and words[at].isdigit() and words[at + 1] in _ENDINGS:
        return Read(Fraction(int(words[at])), at + 2)
    return None


def year(words: list[str], at: int) -> Read | None:
    """"2027", "twenty twenty-seven", "nineteen oh five", "two thousand and five"."""
    if at < len(words) and re.fullmatch(r"\d{4}", words[at]):
        return Read(Fraction(int(words[at])), at + 1)
    high = _below_hundred(words, at)
    if high is not None and 10 <= high.value <= 30:
        if words[high.after:high.after + 1] == ["hundred"]:
            return Read(high.value * 100, high.after + 1)
        if words[high.after:high.after + 1] in (["oh"], ["o"]):
            low = _below_hundred(words, high.after + 1)
            return Read(high.value * 100 + low.value, low.after) if low is not None and low.value < 10 else None
        low = _below_hundred(words, high.after)
        if low is not None and low.value >= 10:
            return Read(high.value * 100 + low.value, low.after)
    whole = _whole(words, at)
    return whole if whole is not None and 1000 <= whole.value <= 9999 else None


def written(value: Fraction, *, places: int = 4, digits: int = 0, exact: bool = True) -> str:
    """``value`` as the voice reads it well, with "about" where it was rounded.

    Told to the last digit where that takes at most ``places`` decimals; otherwise rounded: from 100 on to a whole number if ``digits`` is
    3, else to 2 decimals, and below 1 to three digits that count.  ``exact`` false: ``value`` itself is an approximation.
    """
    size = abs(value)
    sign = "minus " if value < 0 else ""
    if size >= 10 ** 15 or 0 < size < Fraction(1, 10 ** 5):
        return _scientific(sign, size, exact)
    if exact and (size * 10 ** places).denominator == 1:
        return sign + _decimal(size)
    if digits == 3 and size >= 1:
        kept = 0 if size >= 100 else 1 if size >= 10 else 2
    else:
        kept = 2 if size >= 1 else 3 + _zeros(size)
    rounded = _rounded(size, kept)
    return f"{'' if exact and rounded == size else 'about '}{sign}{_decimal(rounded)}"


def asked(value: Fraction) -> str:
    """A number of the question, said back: as decimals where they end soon, else as a fraction."""
    size, sign = abs(value), "minus " if value < 0 else ""
    if (size * 10 ** 6).denominator == 1:
        return sign + _decimal(size)
    whole, part = divmod(size, 1)
    return f"{sign}{f'{whole} ' if whole else ''}{part.numerator}/{part.denominator}"


# how numbers are put together

def _unsigned(words: list[str], at: int) -> Read | None:
    found = _mixed(words, at)
    if found is None or found.after >= len(words):
        return found
    follows = words[found.after]
    if follows[0].isdigit() or is_number_word(follows) or follows in (",", ";", "point"):
        return None
    return found


def _mixed(words: list[str], at: int) -> Read | None:
    """A number that may have a fraction, or be one."""
    part = _part(words, at)
    if part is not None:
        return part
    found = _pointed(words, at)
    if found is None:
        return None
    joint = words[found.after:found.after + 2]
    if joint[:1] == ["and"] or joint == ["in", "a"]:  # "two in a half" is what recognizers make of it
        more = _part(words, found.after + 1)
        if more is not None and more.value < 1:
            return _scaled(words, Read(found.value + more.value, more.after))
    return found


def _part(words: list[str], at: int) -> Read | None:
    """"a half", "three quarters", "two thirds", "half"; "a second" is a time and no fraction."""
    if words[at:at + 1] == ["half"]:
        if words[at + 1:at + 3] == ["a", "dozen"]:
            return Read(Fraction(6), at + 3)
        return Read(Fraction(1, 2), at + 1)
    top = Read(Fraction(1), at + 1) if words[at:at + 1] in (["a"], ["an"]) else _below_hundred(words, at)
    if top is None or top.after >= len(words) or top.value == 0:
        return None
    bottom = words[top.after]
    if bottom not in _PARTS or (top.value == 1) == bottom.endswith("s"):
        return None
    if bottom in ("half", "quarter") or bottom.endswith("s") or top.value == 1:
        return Read(top.value / _PARTS[bottom], top.after + 1)
    return None


def _pointed(words: list[str], at: int) -> Read | None:
    if words[at:at + 1] == ["point"]:
        found: Read | None = Read(Fraction(0), at)
    else:
        found = _whole(words, at)
    if found is None or words[found.after:found.after + 1] != ["point"]:
        return found
    if found.value.denominator != 1:
        return None
    tail, i = "", found.after + 1
    while i < len(words):
        word = words[i]
        if word in ("oh", "o", "zero"):
            tail += "0"
        elif word in _ONES and _ONES[word] < 10:
            tail += str(_ONES[word])
        elif len(word) == 1 and word.isdigit():
            tail += word
        else:
            break
        i += 1
    if not tail:  # "three point fourteen"
        pair = _below_hundred(words, i) if not (i < len(words) and words[i].isdigit()) else None
        if pair is None or pair.value < 10:
            return None
        tail, i = str(pair.value), pair.after
    return _scaled(words, Read(found.value + Fraction(int(tail), 10 ** len(tail)), i))


def _scaled(words: list[str], found: Read) -> Read:
    """"two and a half million"."""
    if found.after < len(words) and words[found.after] in _SCALES:
        return Read(found.value * _SCALES[words[found.after]], found.after + 1)
    return found


def _whole(words: list[str], at: int) -> Read | None:
    """Cardinals by groups of a falling scale; a number that was written may be scaled too ("3.5 million")."""
    total, at_least, i, first = Fraction(0), 10 ** 18, at, True
    while True:
        j = i
        if not first and words[j:j + 1] == ["and"]:
            j += 1
        group = _group(words, j)
        if group is None:
            break
        scale = 1
        after = group.after
        if after < len(words) and words[after] in _SCALES:
            scale, after = _SCALES[words[after]], after + 1
        elif words[after:after + 1] == ["dozen"] and first:
            scale, after = 12, after + 1
        if not first and (group.value * scale >= at_least or (j > i and scale > 1)):
            break
        total, i, first, at_least = total + group.value * scale, after, False, scale
        if scale == 1 or scale == 12:
            break
    return None if first else Read(total, i)


def _group(words: list[str], at: int) -> Read | None:
    """Up to a scale: "three hundred and five", "twelve hundred", "a hundred", or digits."""
    if at < len(words) and _WRITTEN.fullmatch(words[at]):
        found = Read(Fraction(words[at].replace(",", "")), at + 1)
        if words[at + 1:at + 2] == ["hundred"] and found.value.denominator == 1:
            return Read(found.value * 100, at + 2)
        return found
    if words[at:at + 1] == ["a"] and at + 1 < len(words):
        if words[at + 1] == "hundred":
            return _hundreds(words, Read(Fraction(1), at + 1))
        return Read(Fraction(1), at + 1) if words[at + 1] in (*_SCALES, "dozen") else None
    found_low = _below_hundred(words, at)
    if found_low is not None and found_low.value and words[found_low.after:found_low.after + 1] == ["hundred"]:
        return _hundreds(words, found_low)
    return found_low


def _hundreds(words: list[str], count: Read) -> Read:
    """``count`` stands before the word "hundred"."""
    after = count.after + 1
    at = after + 1 if words[after:after + 1] == ["and"] else after
    rest = _below_hundred(words, at)
    if rest is not None and words[rest.after:rest.after + 1] not in (["hundred"], ["dozen"]) and rest.value:
        ends = rest.after < len(words) and words[rest.after] in _PARTS  # "a hundred and one half"
        if not ends:
            return Read(count.value * 100 + rest.value, rest.after)
    return Read(count.value * 100, after)


def _below_hundred(words: list[str], at: int) -> Read | None:
    if at >= len(words):
        return None
    word = words[at]
    if word in _TENS:
        ones = _ONES.get(words[at + 1], 0) if at + 1 < len(words) else 0
        return Read(Fraction(_TENS[word] + ones), at + 2) if 0 < ones < 10 else Read(Fraction(_TENS[word]), at + 1)
    if word in _ONES:
        return Read(Fraction(_ONES[word]), at + 1)
    return Read(Fraction(int(word)), at + 1) if word.isdigit() and len(word) < 3 else None


# how numbers are written

def _rounded(value: Fraction, places: int) -> Fraction:
    return Fraction(round(value * 10 ** places), 10 ** places)


def _zeros(size: Fraction) -> int:
    """Zeros after the point of a number below 1."""
    count = 0
    while size and size * 10 ** (count + 1) < 1:
        count += 1
    return count


def _decimal(size: Fraction) -> str:
    """Digits of a number whose decimals end, with commas from 10,000 on."""
    whole = size.numerator // size.denominator
    rest, tail = size - whole, ""
    while rest:
        rest *= 10
        digit = rest.numerator // rest.denominator
        tail, rest = tail + str(digit), rest - digit
    return (f"{whole:,}" if whole >= 10_000 else str(whole)) + (f".{tail}" if tail else "")


def _scientific(sign: str, size: Fraction, exact: bool) -> str:
    with localcontext() as context:
        context.prec = 40
        power = (Decimal(size.numerator) / Decimal(size.denominator)).adjusted()
    mantissa = size / Fraction(10) ** power
    kept = _rounded(mantissa, 2)
    if kept == 10:
        kept, power = Fraction(1), power + 1
    about = "" if exact and kept == mantissa else "about "
    exponent = f"minus {-power}" if power < 0 else str(power)
    return f"{about}{sign}{_decimal(kept)} times 10 to the power of {exponent}"
