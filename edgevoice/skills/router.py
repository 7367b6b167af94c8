"""Who answers: a skill, or the model.  ``Router.routes`` is the table; the first that understands the words has them.

Theory: a skill is a function of the words and the time, and says ``None`` to everything it is not sure of.  ``SKILLS`` are those that every
device has, pure and sure: an exact answer is right or it is none.  A device adds routes of its own, which may look at what the device knows
(its timers, the lights of the house) and come after these.  A sentence that asks several skills for something each is theirs if every part
of it is (``several``).  What no route understands goes to the model.

Law: routing acts on nothing, so that words may be routed before it is known whether they have ended.  A skill that wants something done
says which (``Deed``); it is begun once the turn is over and not before (``pipeline.replies``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from edgevoice.skills import abilities, conversions, dates, device, sums, unsure
from edgevoice.skills import several as parts
from edgevoice.skills.deeds import Deed
from edgevoice.skills.hearing import hear

MODEL = "model"
"""who answers what no skill does"""
DOUBTFUL = 0.6
"""confidence of a skill that says but why it cannot: less sure than that every part of the sentence is understood"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said: the ``text`` as it was written down, its ``words`` as ``hear`` leaves them (one at least), and the time (aware);
    ``can``: what the device's routes are for, in its own words."""

    text: str
    words: list[str]
    now: Callable[[], datetime]
    can: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a skill has for the words: an ``answer``, or a ``deed`` whose doer answers.  ``confidence`` 0 to 1; ``why`` for the trace."""

    answer: str | None = None
    deed: Deed | None = None
    confidence: float = 1.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Skill:
    """``answer`` in a sentence, by a deed, or in full as ``Found``; ``None`` if the words are not for it.  Any thread; quick."""

    name: str
    what: str
    answer: Callable[[Asked], Found | Deed | str | None]
    can: str = ""
    """what it is for, after "I": told to whoever asks what the device can do"""
    forget: Callable[[], None] | None = None
    """lets go of what it asked back: something else was said since, or nothing"""


SKILLS = (
    Skill("clock", "time, date, weekdays, spans", lambda asked: dates.answer(asked.words, asked.now()), "tell the time and the date"),
    Skill("units", "one unit in another", lambda asked: conversions.answer(asked.words), "turn one unit into another, exactly"),
    Skill("sums", "arithmetic", lambda asked: sums.answer(asked.words), "do sums, exactly too"),
    Skill("unsure", "sums that are none of its own", lambda asked: unsure.answer(asked.words)),
    Skill("device", "the device's own volume, microphone, health and pace", lambda asked: device.asked(asked.words),
          "change my volume, mute myself, and tell how I am and why I was slow"),
    Skill("abilities", "what the device can do", lambda asked: abilities.answer(asked.words, asked.can)))


@dataclass(frozen=True, slots=True)
class Routed:
    """``skill`` that has the words, or ``MODEL``; ``why``; the ``answer`` of a skill, or the ``deed`` that it asks for."""

    skill: str
    why: str
    answer: str | None = None
    deed: Deed | None = None
    confidence: float = 1.0


class Router:
    """``now`` gives the time on the clock of the zone that the device is in (aware); it is asked when a question is."""

    def __init__(self, now: Callable[[], datetime], further: Sequence[Skill] = ()) -> None:
        self._now = now
        self.routes = (*SKILLS, *further)
        self._can = tuple(skill.can for skill in self.routes if skill.can)

    def forget(self) -> None:
        """Whatever was asked back is not answered by what comes next; on the loop's thread."""
        for skill in self.routes:
            if skill.forget is not None:
                skill.forget()

    def route(self, text: str) -> Routed:
        """Under a millisecond, without side effects; any thread."""
        if not hear(text):
            return Routed(MODEL, "nothing that a skill is asked, or too long for it")
        whole = self._understood(text)
        if whole is not None and whole.confidence > DOUBTFUL:
            return whole
        found = parts.several(text, self._sure)
        if found is not None:
            said = tuple(one.answer if one.deed is None else one.deed for one in found)
            deed = Deed(parts.KIND, {"parts": said}) if any(one.deed for one in found) else None
            return Routed(parts.KIND, " + ".join(f"{one.skill}: {one.why}" for one in found),
                          None if deed else " ".join(one.answer or "" for one in found), deed, min(one.confidence for one in found))
        return whole or Routed(MODEL, "no skill understood it to the last word")

    def _sure(self, text: str) -> Routed | None:
        found = self._understood(text)
        return found if found is not None and found.confidence > DOUBTFUL else None

    def _understood(self, text: str) -> Routed | None:
        """By the first skill that does."""
        words = hear(text)
        if not words:
            return None
        asked = Asked(text, words, self._now, self._can)
        for skill in self.routes:
            found = skill.answer(asked)
            if found is None:
                continue
            if isinstance(found, str):
                found = Found(answer=found)
            elif isinstance(found, Deed):
                found = Found(deed=found)
            return Routed(skill.name, found.why or f"understood to the last word: {skill.what}", found.answer, found.deed,
                          found.confidence)
        return None
