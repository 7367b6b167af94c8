"""Who answers: a skill, or the model.  The table is ``SKILLS``; the first that understands the question to its last word has it.

Theory: a skill is a pure function of the words and the time, and says ``None`` to everything it is not sure of.  There is no score to be
weighed: an exact answer is right or it is none, and what no skill understands goes to the model.  Nothing here acts on the world, so that a
question may be answered before it is known whether it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from edgevoice.skills import abilities, conversions, dates, sums
from edgevoice.skills.hearing import hear

MODEL = "model"
"""who answers what no skill does"""


@dataclass(frozen=True, slots=True)
class Skill:
    """``answer`` of the words and the time (aware); ``None`` if they are not for it."""

    name: str
    what: str
    answer: Callable[[list[str], Callable[[], datetime]], str | None]


SKILLS = (
    Skill("clock", "time, date, weekdays, spans", lambda words, now: dates.answer(words, now())),
    Skill("units", "one unit in another", lambda words, now: conversions.answer(words)),
    Skill("sums", "arithmetic", lambda words, now: sums.answer(words)),
    Skill("abilities", "what the device can do", lambda words, now: abilities.answer(words)))


@dataclass(frozen=True, slots=True)
class Routed:
    """``skill`` that has the question, or ``MODEL``; ``why``; the ``answer`` of a skill."""

    skill: str
    why: str
    answer: str | None = None


class Router:
    """``now`` gives the time on the clock of the zone that the device is in (aware); it is asked when a question is."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def route(self, text: str) -> Routed:
        """Under a millisecond, without side effects; any thread."""
        words = hear(text)
        if not words:
            return Routed(MODEL, "nothing that a skill is asked, or too long for it")
        for skill in SKILLS:
            answer = skill.answer(words, self._now)
            if answer is not None:
                return Routed(skill.name, f"understood to the last word: {skill.what}", answer)
        return Routed(MODEL, "no skill understood it to the last word")
