"""Units into one another, as it is asked for: ``answer(words)``.  Sizes are exact (``unit_table``); the answer is rounded and says so."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from edgevoice.skills.numbers import Read, asked, number, written
from edgevoice.skills.unit_table import AS_VOLUME, LONGEST_NAME, UNITS, Unit

_IS = ("is", "are", "equals", "equal", "in", "are in", "is in", "are there in", "is there in", "go into", "make", "make up", "makes",
       "fit in",
       "do i get from", "would be", "does", "do", "to", "per")
_INTO = ("to", "in", "into", "in to", "as", "converted to", "converted into", "is how many", "are how many", "equals how many", "is in",
         "are in",
         "expressed in", "is what in", "and")
"""the last is what recognizers make of "in"; nothing else can stand between an amount and a unit without one"""
_ASKING = ("what is", "what are", "what does", "how much is", "how much are", "how far is", "how long is", "how long are", "how heavy is",
           "how hot is",
           "how cold is", "how tall is", "how fast is", "how big is", "convert", "change", "turn", "translate", "calculate", "what would")
_PARTS_IS, _PARTS_INTO, _PARTS_ASKING = (
    tuple(sorted((phrase.split() for phrase in phrases), key=len, reverse=True)) for phrases in (_IS, _INTO, _ASKING))
_YEAR = {"day": "There are 365 days in a year, and 366 in a leap year.", "week": "There are 52 weeks and one day in a year."}


@dataclass(frozen=True, slots=True)
class _Amount:
    """``value`` of ``unit``; ``said``: how it is said back.  More than one unit ("five feet eleven inches") are in the first."""

    value: Fraction
    unit: Unit
    said: str
    after: int


def answer(words: list[str]) -> str | None:
    """The answer in a sentence; ``None`` where ``words`` ask for no conversion, or are not understood to the last of them."""
    return _how_many(words) or _converted(words)


def unit(words: list[str], at: int) -> tuple[Unit, int] | None:
    """The unit with the longest name at a place, and the place after it."""
    for size in range(min(LONGEST_NAME, len(words) - at), 0, -1):
        found = UNITS.get(tuple(words[at:at + size]))
        if found is not None:
            return found, at + size
    return None


def said(value: Fraction, of: Unit) -> str:
    """"3 ounces", "1 mile", "3/4 of a US cup"."""
    if 0 < value < 1 and value.denominator in (2, 3, 4, 5, 8):
        part = "half" if value.denominator == 2 else f"{value.numerator}/{value.denominator} of"
        return f"{part} {'an' if of.one[0] in 'aeiou' or of.one == 'hour' else 'a'} {of.one}"
    return f"{asked(value)} {of.one if value == 1 else of.many}"


def _how_many(words: list[str]) -> str | None:
    """"how many grams are in three ounces"."""
    if words[:2] not in (["how", "many"], ["how", "much"]):
        return None
    target = unit(words, 2)
    if target is None:
        return None
    for parts in _PARTS_IS:
        at = target[1] + len(parts)
        if words[target[1]:at] != parts:
            continue
        rest = words[at:]
        if parts in (["does"], ["do"]) and rest[-1:] in (["equal"], ["make"], ["weigh"], ["have"]):
            rest = rest[:-1]
        amount = _amount(rest, 0)
        if amount is None or amount.after != len(rest):
            return None
        year = _YEAR.get(target[0].one) if amount.unit.one == "year" and amount.value == 1 else None
        return year or _told(amount, target[0])
    return None


def _converted(words: list[str]) -> str | None:
    """"convert 350 degrees Fahrenheit to Celsius", "what is three miles in kilometers"."""
    at = next((len(parts) for parts in _PARTS_ASKING if words[:len(parts)] == parts), 0)
    amount = _amount(words, at)
    if amount is None:
        return None
    for parts in _PARTS_INTO:
        start = amount.after + len(parts)
        if words[amount.after:start] == parts:
            if words[start:start + 1] == ["degrees"] and start + 1 == len(words):
                return None
            target = unit(words, start)
            return _told(amount, target[0]) if target is not None and target[1] == len(words) else None
    return None


def _amount(words: list[str], at: int) -> _Amount | None:
    first = _single(words, at)
    if first is None:
        return None
    more_at = first.after + 1 if words[first.after:first.after + 1] == ["and"] else first.after
    if words[first.after:first.after + 3] in (["and", "a", "half"], ["and", "a", "quarter"]):  # "a mile and a half"
        value = first.value + Fraction(1, 2 if words[first.after + 2] == "half" else 4)
        return _Amount(value, first.unit, said(value, first.unit), first.after + 3)
    more = _single(words, more_at)
    if more is not None and more.unit.kind == first.unit.kind and more.unit.size < first.unit.size and not first.unit.zero:
        value = first.value + more.value * more.unit.size / first.unit.size
        return _Amount(value, first.unit, f"{first.said} {more.said}", more.after)
    return first


def _single(words: list[str], at: int) -> _Amount | None:
    """"three ounces", "a mile", "half a mile", "three quarters of a cup"."""
    read = number(words, at)
    if read is None and words[at:at + 1] in (["a"], ["an"], ["one"]):
        read = Read(Fraction(1), at + 1)
    if read is None:
        return None
    after = read.after
    if read.value.denominator != 1:
        if words[after:after + 2] in (["of", "a"], ["of", "an"]):
            after += 2
        elif words[after:after + 1] in (["a"], ["an"]) and words[after - 1] == "half":
            after += 1
    found = unit(words, after)
    return None if found is None else _Amount(read.value, found[0], said(read.value, found[0]), found[1])


def _told(amount: _Amount, target: Unit) -> str | None:
    source = amount.unit
    name = amount.said
    if source.kind != target.kind:
        volume = AS_VOLUME.get(source), AS_VOLUME.get(target)
        if volume[0] is not None and target.kind == "volume":
            source, name = volume[0], said(amount.value, volume[0])
        elif volume[1] is not None and source.kind == "volume":
            target = volume[1]
        else:
            return None
    if amount.value < 0 and source.kind != "temperature":
        return None
    base = amount.value * source.size + source.zero
    if base < 0:
        return "Nothing is as cold as that."
    value = (base - target.zero) / target.size
    singular = amount.value == 1 or 0 < amount.value < 1
    told = written(value, places=2, digits=3)
    of = target.one if told == "1" else target.many
    return f"{name[0].upper()}{name[1:]} {'is' if singular else 'are'} {told} {of}."
