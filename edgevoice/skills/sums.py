"""Sums as they are spoken: ``answer(words)``.

Theory: a recursive descent over words.  Precedence is that of the blackboard (powers, then times and divided by, then plus and minus, from
left to right), and what stands with "of" takes the one number after it: "half of ten plus six" is eleven.  Brackets are not spoken.  The
answer says the sum back in one plain form, with a comma where it could have been meant otherwise, so that who was misheard hears it.

Laws: every value is a ``Fraction``; a root that does not come out is one of 40 digits and marked as approximate; whatever is left over when
the sum has been read makes it none, and the question goes to the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import isqrt

from edgevoice.skills.numbers import asked, number, ordinal, written

LARGEST_BITS = 4000
"""of a power; past it nothing is computed, since the answer would be waited for"""


@dataclass(frozen=True, slots=True)
class Value:
    """``said``: the words it was made of.  ``plain``: a single number, which needs no brackets in anybody's mind."""

    value: Fraction
    said: str
    exact: bool = True
    plain: bool = False


@cache
def _split(phrase: str) -> list[str]:
    return phrase.split()


class _NotUnderstood(Exception):
    pass


class _Undefined(Exception):
    """The answer is a sentence: there is no such number."""


def answer(words: list[str]) -> str | None:
    """The answer in a sentence; ``None`` where ``words`` are no sum, or not understood to the last of them."""
    body, asks = _body(words)
    if len(body) < 2:
        return None
    try:
        for form in _FORMS:
            told = form(body)
            if told is not None:
                return told
        reader = _Reader(body)
        found = reader.sum()
        reader.end()
    except _NotUnderstood:
        return None
    except _Undefined as undefined:
        return str(undefined)
    if found.plain and not (asks and reader.counted):
        return None
    return _told(found)


def _told(found: Value) -> str:
    said = found.said.removesuffix(",")
    return f"{said[0].upper()}{said[1:]} is {written(found.value, exact=found.exact)}."


_ASKING = (
    "what is the answer to", "what is the result of", "what is the value of", "what do you get if you", "what do you get when you",
    "how much is",
    "how much are", "what is", "what are", "what does", "what would", "what do", "calculate", "compute", "work out", "evaluate", "solve",
    "figure out", "find", "give me")
_CLOSING = ("equal to", "equals to", "equals", "equal", "make", "makes", "come to", "is what", "is", "are", "be", "=", "give", "add up to")
_PARTS_ASKING = tuple(tuple(phrase.split()) for phrase in _ASKING)
_PARTS_CLOSING = tuple(tuple(phrase.split()) for phrase in _CLOSING)


def _body(words: list[str]) -> tuple[list[str], bool]:
    """The sum itself, and whether it was asked for in words."""
    body, asks = words, False
    for phrase in _PARTS_ASKING:
        if tuple(body[:len(phrase)]) == phrase:
            body, asks = body[len(phrase):], True
            break
    if body[-1:] == ["what"]:  # "two plus two is what"
        body = body[:-1]
    for phrase in _PARTS_CLOSING:
        if len(body) > len(phrase) and tuple(body[-len(phrase):]) == phrase:
            body = body[:-len(phrase)]
            break
    return body, asks


class _Reader:
    """Reads values from ``words``, one after the other."""

    def __init__(self, words: list[str], at: int = 0) -> None:
        self.words, self.at = words, at
        self.counted = False
        """whether anything was computed"""

    def take(self, phrase: str) -> bool:
        parts = _split(phrase)
        if self.words[self.at:self.at + len(parts)] != parts:
            return False
        self.at += len(parts)
        return True

    def any(self, *phrases: str) -> bool:
        return any(self.take(phrase) for phrase in phrases)

    def need(self, *phrases: str) -> None:
        if not self.any(*phrases):
            raise _NotUnderstood

    def end(self) -> None:
        if self.at != len(self.words):
            raise _NotUnderstood

    def sum(self) -> Value:
        left = self.product()
        while True:
            if self.any("plus", "+", "added to"):
                sign, word = 1, "plus"
            elif self.any("minus", "take away", "subtract", "less") or self._dash():
                sign, word = -1, "minus"
            else:
                return left
            right = self.product(after_sign=True)
            if self.take("percent"):  # "eighty plus fifteen percent", as a till reckons
                if not (left.plain and right.plain) or self.at != len(self.words):
                    raise _NotUnderstood
                share = left.value * right.value / 100
                return Value(left.value + sign * share, f"{left.said} {word} {right.said} percent")
            left = self.made(left.value + sign * right.value, f"{left.said} {word} {right.said}", left, right)

    def product(self, *, after_sign: bool = False) -> Value:
        left = self.power(after_sign=after_sign)
        while True:
            if self.any("times", "x", "*", "×", "multiplied by", "multiplied with"):
                right = self.power()
                left = self.made(left.value * right.value, f"{left.said} times {right.said}", left, right)
            elif self.any("divided by", "÷", "/", "over"):
                right = self.power()
                if not right.value:
                    raise _Undefined("Nothing can be divided by zero.")
                left = self.made(left.value / right.value, f"{left.said} divided by {right.said}", left, right)
            else:
                return left

    def power(self, *, after_sign: bool = False) -> Value:
        negative = self.words[self.at:self.at + 1] in (["minus"], ["negative"], ["-"])
        if negative and after_sign and self.words[self.at] == "-":
            raise _NotUnderstood
        base = self.single()
        while True:
            start = self.at
            exponent = self.exponent()
            if exponent is None:
                return base
            if negative or not base.plain:  # minus two squared, two squared cubed: it might be meant either way
                raise _NotUnderstood
            said = {"squared": "squared", "cubed": "cubed"}.get(self.words[start], f"to the power of {asked(exponent)}")
            base = self.made(_power(base.value, exponent), f"{base.said} {said}", base, base)

    def exponent(self) -> Fraction | None:
        if self.take("squared"):
            return Fraction(2)
        if self.take("cubed"):
            return Fraction(3)
        if self.any("to the power of", "raised to the power of", "^", "to the power"):
            return self.number().value
        at = self.at
        if self.any("to the", "raised to the"):
            found = ordinal(self.words, self.at)
            if found is not None:
                self.at = found.after
                self.take("power")
                return found.value
        self.at = at
        return None

    def single(self) -> Value:
        """One number, or what "of" makes of one."""
        start = self.at
        self.take("the")
        for phrase, name, root in (("square root of", "the square root of", 2), ("squared root of", "the square root of", 2),
                                   ("cube root of", "the cube root of", 3),
                                   ("cubic root of", "the cube root of", 3), ("root of", "the square root of", 2),
                                   ("√", "the square root of", 2)):
            if self.take(phrase):
                of = self.number()
                value, exact = _root(of.value, root, name, of.said)
                return self.made(value, f"{name} {of.said},", of, exact=exact)
        for phrase, name, power in (("square of", "the square of", 2), ("cube of", "the cube of", 3)):
            if self.take(phrase):
                of = self.number()
                return self.made(of.value ** power, f"{name} {of.said},", of)
        for phrase, factor in (("double", 2), ("twice", 2), ("triple", 3)):
            if self.take(phrase):
                self.take("of")
                of = self.number()
                return self.made(of.value * factor, f"{phrase} {of.said},", of)
        self.at = start
        found = self.number()
        if self.take("percent"):
            if self.any("of", "off of", "off"):
                off = self.words[self.at - 1] == "off"
                of = self.number()
                share = of.value * found.value / 100
                return self.made(of.value - share if off else share, f"{found.said} percent {'off' if off else 'of'} {of.said},", of)
            for phrase, sign in (("more than", 1), ("less than", -1)):
                if self.take(phrase):
                    of = self.number()
                    return self.made(of.value * (100 + sign * found.value) / 100, f"{found.said} percent {phrase} {of.said},", of)
            if self.at == len(self.words):
                self.at -= 1  # "eighty plus fifteen percent": the sum looks at it
                return found
            raise _NotUnderstood
        if 0 < found.value < 1 and self.take("of"):
            of = self.number()
            said = "half" if found.value == Fraction(1, 2) else asked_part(found.value)
            return self.made(of.value * found.value, f"{said} of {of.said},", of)
        return found

    def number(self) -> Value:
        found = number(self.words, self.at)
        if found is None:
            raise _NotUnderstood
        self.at = found.after
        return Value(found.value, asked(found.value), plain=True)

    def made(self, value: Fraction, said: str, *of: Value, exact: bool = True) -> Value:
        self.counted = True
        return Value(value, said, exact and all(part.exact for part in of))

    def _dash(self) -> bool:
        return self.take("-")


def asked_part(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}" if value.denominator <= 20 else asked(value)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or (not base and not exponent):
        raise _NotUnderstood
    if not base and exponent < 0:
        raise _Undefined("Nothing can be divided by zero.")
    bits = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
    if bits * abs(exponent) > LARGEST_BITS:
        raise _NotUnderstood
    return base ** int(exponent)


def _root(value: Fraction, root: int, name: str, said: str) -> tuple[Fraction, bool]:
    """The root, and whether it is exact; otherwise good to 40 digits."""
    if value < 0 and root == 2:
        raise _Undefined(f"There is no real number that is {name} {said}.")
    sign, size = (-1 if value < 0 else 1), abs(value)
    top, bottom = _whole_root(size.numerator, root), _whole_root(size.denominator, root)
    if top is not None and bottom is not None:
        return Fraction(sign * top, bottom), True
    with localcontext() as context:
        context.prec = 60
        decimal = Decimal(size.numerator) / Decimal(size.denominator)
        found = decimal.sqrt() if root == 2 else (decimal.ln() / root).exp()
    return sign * Fraction(found), False


def _whole_root(n: int, root: int) -> int | None:
    if root == 2:
        found = isqrt(n)
    else:
        low, high = 0, 1 << (n.bit_length() // root + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle ** root <= n else (low, middle - 1)
        found = low
    return found if found ** root == n else None


# sums that are told rather than reckoned from left to right

def _of_two(words: list[str]) -> str | None:
    """"the sum of two and three", "add two to three", "divide nine by three" and their like."""
    for phrase, joints, combine, joint in _TWO:
        reader = _Reader(words)
        reader.take("the")
        if not reader.take(phrase):
            continue
        left = reader.number()
        if not reader.any(*joints):
            raise _NotUnderstood
        right = reader.number()
        while joint == "plus" and reader.any("and", "plus"):
            more = reader.number()
            left = Value(left.value + right.value, f"{left.said} plus {right.said}")
            right = more
        reader.end()
        if joint in ("from", "difference"):
            left, right = (right, left) if joint == "from" or right.value > left.value else (left, right)
        if joint == "divided by" and not right.value:
            raise _Undefined("Nothing can be divided by zero.")
        sign = {"from": "minus", "difference": "minus"}.get(joint, joint)
        return _told(Value(combine(left.value, right.value), f"{left.said} {sign} {right.said}"))
    return None


_Combine = Callable[[Fraction, Fraction], Fraction]
_TWO: tuple[tuple[str, tuple[str, ...], _Combine, str], ...] = (
    ("sum of", ("and", "plus"), lambda a, b: a + b, "plus"),
    ("add", ("and", "to", "plus"), lambda a, b: a + b, "plus"),
    ("product of", ("and", "times"), lambda a, b: a * b, "times"),
    ("multiply", ("by", "with", "times", "and"), lambda a, b: a * b, "times"),
    ("divide", ("by",), lambda a, b: a / b, "divided by"),
    ("difference between", ("and",), lambda a, b: a - b, "difference"),
    ("difference of", ("and",), lambda a, b: a - b, "difference"),
    ("subtract", ("from",), lambda a, b: a - b, "from"),
    ("take away", ("from",), lambda a, b: a - b, "from"),
    ("take", ("from", "away from"), lambda a, b: a - b, "from"))


def _changed_by(words: list[str]) -> str | None:
    """"increase fifty by twenty percent"."""
    for phrase, sign, said in (("increase", 1, "plus"), ("raise", 1, "plus"), ("decrease", -1, "minus"), ("reduce", -1, "minus")):
        reader = _Reader(words)
        if reader.take(phrase):
            of = reader.number()
            reader.need("by")
            by = reader.number()
            reader.need("percent")
            reader.end()
            return _told(Value(of.value * (100 + sign * by.value) / 100, f"{of.said} {said} {by.said} percent"))
    return None


def _share(words: list[str]) -> str | None:
    """"what percent of eighty is twenty", "twenty is what percent of eighty"."""
    reader = _Reader(words)
    reader.any("what", "which")
    if reader.any("percent of", "percentage of"):
        whole = reader.number()
        reader.need("is")
        part = reader.number()
    else:
        part_read = number(words, 0)
        if part_read is None:
            return None
        reader = _Reader(words, part_read.after)
        if not reader.any("is what percent of", "is what percentage of"):
            return None
        part, whole = Value(part_read.value, asked(part_read.value)), reader.number()
    reader.end()
    if not whole.value:
        raise _Undefined("Nothing can be divided by zero.")
    said = f"{part.said} is {written(part.value * 100 / whole.value)} percent of {whole.said}."
    return said[0].upper() + said[1:]


def _goes_into(words: list[str]) -> str | None:
    """"how many times does seven go into sixty-three"."""
    reader = _Reader(words)
    if not reader.any("how many times does", "how often does"):
        return None
    part = reader.number()
    reader.need("go into", "fit into", "fit in", "go in")
    whole = reader.number()
    reader.end()
    if not part.value:
        raise _Undefined("Nothing can be divided by zero.")
    return _told(Value(whole.value / part.value, f"{whole.said} divided by {part.said}"))


_FORMS = (_of_two, _changed_by, _share, _goes_into)
