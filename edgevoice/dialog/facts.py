"""The time and the place, told to the model with the questions that are about them.

Theory: a system prompt that held the time would be another one every minute, and its kept state worth nothing.  So the facts come with the
question, and only with one that asks for them: a small model that is told the time unasked likes to speak of it.  The words were chosen
by what the default model answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_ASKS_TIME = re.compile(
    r"\b(?:time is it|the time|what time|clock|(?:what|which) (?:day|date|weekday|month|year)|date|day is|(?:today|tomorrow|yesterday) is"
    r"|is (?:it )?(?:today|tomorrow)|is it (?:day|night|morning|noon|evening))\b")
_ASKS_PLACE = re.compile(r"\b(?:where (?:are we|am i|are you)|what (?:city|town|country|place)|which (?:city|town|country)|here|nearest"
                         r"|nearby|around here|this (?:city|town|country)|our (?:city|town|country))\b")


@dataclass(frozen=True, slots=True)
class Facts:
    """``place``: where the device stands, such as "Berlin in Germany"; "" tells of none.  ``now`` ``None``: nor of the time."""

    place: str = ""
    now: Callable[[], datetime] | None = None

    def before(self, question: str) -> str:
        """Sentences to be put before ``question``; "" for most."""
        asked = question.lower()
        told = []
        if self.now is not None and _ASKS_TIME.search(asked):
            now = self.now()
            told.append(f"The clock says {time_told(now)}. Today is {date_told(now)}.")
        if self.place and _ASKS_PLACE.search(asked):
            told.append(f"We are in {self.place}.")
        return " ".join(told)

    def told_with(self, question: str) -> str:
        before = self.before(question)
        return f"{before} {question}" if before else question


def time_told(now: datetime) -> str:
    """``6:05 PM``."""
    return now.strftime("%I:%M %p").lstrip("0")


def date_told(now: datetime) -> str:
    """``Friday, November 27, 2026``."""
    return f"{now.strftime('%A, %B')} {now.day}, {now.year}"
