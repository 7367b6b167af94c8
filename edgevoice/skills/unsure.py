"""Sums that are written with brackets or a factorial: told that they were not understood, since the model would make up a result."""

from __future__ import annotations

from edgevoice.skills.numbers import is_number_word

ANSWER = "Sorry, I can't do sums with brackets or factorials. Give me one step at a time."
_STRANGE = frozenset(("(", ")", "?!"))
_OF_SUMS = frozenset((
    "what", "is", "calculate", "how", "much", "+", "-", "*", "/", "^", "×", "÷", "√", "=", "plus", "minus", "times", "divided", "by",
    "over", "squared", "cubed", "x", "and", "the", "of", "root", "square", "to", "power"))


def answer(words: list[str]) -> str | None:
    """``ANSWER`` if that is all there is in ``words``, and a number; else ``None``."""
    if _STRANGE.isdisjoint(words):
        return None
    numbers = [word for word in words if word[0].isdigit() or is_number_word(word)]
    return ANSWER if numbers and all(word in _STRANGE or word in _OF_SUMS or word in numbers for word in words) else None
