"""The conversation about a house: ``Talk.hear`` makes of words a ``Plan``, or nothing.

Theory: a sentence is understood as it stands; else as several commands; else with what a recognizer may have misheard put right.  "It" and
"there" are what was spoken of last; the answer to a question that was asked back is understood as such.  What is plainly a command for the
house and fits nothing in it is answered by saying so.

Laws: ``hear`` changes nothing, so that it may be asked about words that are not the last; what a plan changes in the conversation is done
by ``began``, when it is carried out.  A guarded thing is moved only by words that were understood as they stand, after a spoken yes.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edgevoice.home import wording
from edgevoice.home.forgiving import Forgiving
from edgevoice.home.grammar import Also, Grammar, Meant, sentences, vocabulary
from edgevoice.home.house import House, Thing
from edgevoice.home.phrases import ACTING, ASKING, COMMANDS, ENDS, NO, NOUNS, ONE, STARTS, YES
from edgevoice.home.resolve import NOT_OURS, PRONOUNS, Do, Look, Open, Part, Resolver, Run, Say, narrowed
from edgevoice.home.splitting import cut, split

REMEMBERED = timedelta(minutes=3)
"""how long "it" and "there" are what was spoken of"""
ANSWERED = timedelta(seconds=40)
"""how long a question back may wait for its answer, if nothing else is said and nobody stops the conversation"""
SHORT, LONGEST = 7, 16
"""words of a sentence that is worth putting right: whatever it begins with; at all"""
EXACT, PUT_RIGHT, GUESSED = 1.0, 0.8, 0.6
"""confidence of what stood so, of what was put right or completed, and of a command that fits nothing"""


@dataclass(frozen=True, slots=True)
class Plan:
    """``parts`` in order; ``why`` for the trace, without a word of what was said."""

    parts: tuple[Part, ...]
    why: str
    confidence: float = EXACT


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What the conversation has come to."""

    ids: tuple[str, ...] = ()
    area: str = ""
    at: datetime | None = None
    open: Open | None = None


class Talk:
    """``here``: the room that the device stands in.  ``more``: a user's sentences; ``own``: the intents in them.  On the loop's thread."""

    def __init__(self, house: House, here: str = "", more: Iterable[Mapping[str, Any]] = (), forgiving: bool = True,
                 own: Mapping[str, Run] | None = None) -> None:
        intents = sentences(*more)
        self.house = house
        self._grammar = Grammar(intents, house, here)
        self._resolver = Resolver(house, here, own)
        self._words = vocabulary(intents)
        self._own = bool(own)
        self._forgives = forgiving
        self._spoken = _Spoken()
        self._forgiving: tuple[int, Forgiving] = -1, Forgiving((), ())
        self._understood = functools.lru_cache(maxsize=256)(self._understand)

    def warm(self) -> None:
        """Take in what there is in the house, before somebody waits for it: some tenths of a second at first, and less later."""
        self._grammar.warm()
        self._corrector()

    def hear(self, text: str, now: datetime) -> Plan | None:
        """``None`` if it is not for the house.  Some milliseconds; no side effects."""
        words = _plain(text)
        if not words or not (self.house.things or self._own):
            return None
        spoken = self._lately(now)
        if spoken.open is not None and spoken.at is not None and now - spoken.at <= ANSWERED:
            plan = self._answered(words, spoken.open)
            if plan is not None:
                return plan
        if not self._concerns(words, spoken):
            return None
        plain = _there(words, spoken.area)
        meant = self._mean(plain, spoken)
        if meant is not None and meant.intent in NOT_OURS:
            return None
        return (self._planned(plain, spoken) or self._excepting(plain, spoken) or self._within(plain, spoken)
                or self._several(plain, spoken)
                or self._forgiven(plain, spoken) or self._at_a_loss(plain, spoken))

    def began(self, plan: Plan, now: datetime) -> None:
        """The plan is being carried out: what it spoke of is what "it" means from now on."""
        ids = tuple(id for part in plan.parts if isinstance(part, (Do, Look)) for id in part.ids)
        asked = next((part for part in plan.parts if isinstance(part, Open)), None)
        if asked is not None and not ids:
            ids = asked.ids if len(asked.ids) == 1 else self._spoken.ids
        areas = {thing.area for thing in map(self.house.thing, ids) if thing is not None and thing.area}
        self._spoken = _Spoken(ids or self._spoken.ids, areas.pop() if len(areas) == 1 else "" if ids else self._spoken.area, now, asked)

    def forget(self) -> None:
        """What was asked back is not meant any more by what comes next."""
        self._spoken = dataclasses.replace(self._spoken, open=None)

    # One sentence.

    def _understand(self, text: str, also: Also, version: int) -> Meant | None:
        return self._grammar.understand(text, also)

    def _mean(self, text: str, spoken: _Spoken) -> Meant | None:
        return self._understood(text, self._also(spoken), self.house.version)

    def _also(self, spoken: _Spoken) -> Also:
        kinds = {(thing.domain, thing.device_class) for thing in map(self.house.thing, spoken.ids) if thing is not None}
        return Also(tuple((name, *kind) for kind in sorted(kinds) for name in PRONOUNS))

    def _planned(self, text: str, spoken: _Spoken, why: str = "understood as it stands", confidence: float = EXACT,
                 forgiven: bool = False) -> Plan | None:
        meant = self._mean(text, spoken)
        part = None if meant is None else self._resolver.resolve(meant, spoken_of=spoken.ids, forgiven=forgiven)
        if meant is None or part is None:
            return None
        return Plan((part,), f"{why}: {meant.intent}", confidence)

    def _excepting(self, text: str, spoken: _Spoken) -> Plan | None:
        """"All lights except the kitchen light"."""
        halves = re.split(r"\s+(?:except(?: for)?|but not|apart from|other than|excluding|but)\s+", text, maxsplit=1)
        if len(halves) != 2:
            return None
        meant = self._mean(halves[0], spoken)
        if meant is None:
            return None
        without: list[Thing] = []
        for phrase in re.split(r"\s*,\s*|\s+and\s+|\s+or\s+", halves[1]):
            named = next((found for pattern in ONE for found in [self._mean(pattern.format(phrase), spoken)] if found is not None), None)
            things = [] if named is None else self._resolver.targets(named, spoken.ids)
            if not things:
                missing = re.sub(r"^(the|my|our) ", "", phrase)
                return Plan((Say(wording.unknown_name(missing)),), "an exception that is not known", PUT_RIGHT)
            without += things
        part = self._resolver.resolve(meant, spoken_of=spoken.ids, without=[thing.id for thing in without])
        if part is None:
            return None
        if isinstance(part, Do):
            part = Do(part.ids, part.act, f"{part.subject} but {wording.named_all(without)}" if part.subject else "")
        return Plan((part,), f"understood with exceptions: {meant.intent}")

    def _within(self, text: str, spoken: _Spoken) -> Plan | None:
        """"The lights and the kitchen", where "in" was said: two things of which one is but a room are no two commands."""
        if not self._forgives or " and " not in text:
            return None
        before, _, after = text.rpartition(" and ")
        plan = self._planned(f"{before} in {after}", spoken, "understood with \"in\" for \"and\"", PUT_RIGHT, forgiven=True)
        return plan if plan is not None and isinstance(plan.parts[0], (Do, Look)) else None

    def _several(self, text: str, spoken: _Spoken) -> Plan | None:
        """Several commands, each understood."""
        last = spoken

        def understood(part: str) -> Part | None:
            nonlocal last
            meant = self._mean(part, last)
            found = None if meant is None else self._resolver.resolve(meant, spoken_of=last.ids)
            if isinstance(found, (Do, Look)):
                last = _Spoken(found.ids, last.area, last.at)
            return found

        parts: list[Part] | None = split(text, understood)
        return None if not parts else Plan(_joined(parts), f"understood as {len(parts)} commands")

    def _forgiven(self, text: str, spoken: _Spoken) -> Plan | None:
        if not self._forgives:
            return None
        corrector = self._corrector()
        count = len(text.split())
        plausible = bool(ACTING.match(text) or ENDS.search(text)) or (corrector.names_something(text) and (
            count <= SHORT or ASKING.match(text) is not None or corrector.begins_strangely(text)))
        if count > LONGEST or not plausible:
            return None
        for corrected in corrector.corrections(text):
            plan = self._planned(corrected, spoken, "understood with a slip put right", PUT_RIGHT, forgiven=True)
            if plan is not None:
                return plan
            plan = self._excepting(corrected, spoken) or (self._several(corrected, spoken) if " and " in corrected else None)
            if plan is not None:
                return self._guarded(plan)
        return None

    def _corrector(self) -> Forgiving:
        if self._forgiving[0] != self.house.version:
            self._forgiving = self.house.version, Forgiving(self._words, self._grammar.names())
        return self._forgiving[1]

    def _guarded(self, plan: Plan) -> Plan:
        """A plan from corrected words, without what such must not do."""
        things = [thing for part in plan.parts if isinstance(part, (Do, Open)) for id in part.ids
                  for thing in [self.house.thing(id)] if thing is not None and thing.guarded]
        parts = (Say(wording.exact_words(things)),) if things else plan.parts
        return Plan(parts, f"{plan.why}, with a slip put right", PUT_RIGHT)

    def _at_a_loss(self, text: str, spoken: _Spoken) -> Plan | None:
        """A command that can be meant for a house alone, and fits nothing in this one; or one of which but a part does."""
        parts = cut(text)
        plans = [self._planned(part, spoken) for part in parts] if len(parts) > 1 else []
        if any(isinstance(part, Do) for plan in plans if plan is not None for part in plan.parts):
            return Plan((Say(wording.PART),), "a command with a part that is not understood", GUESSED)
        for pattern in COMMANDS:
            found = pattern.fullmatch(text)
            if found is not None:
                name = re.sub(r"^(?:(?:the|my|our|all|every|of) )+", "", found["name"])
                if name in PRONOUNS:
                    return Plan((Say("I don't know what you mean by that."),), "a command about nothing that was spoken of", GUESSED)
                return Plan((Say(wording.unknown_name(name)),), "a command for something that is not known here", GUESSED)
        return None

    # Answers to what was asked back.

    def _answered(self, text: str, asked: Open) -> Plan | None:
        plain = re.sub(r"\b(?:please|um|uh|oh|well|i mean|i meant|thanks|thank you)\b", " ", text)
        plain = " ".join(plain.replace(",", " ").split())
        if plain in NO:
            return Plan((Say("All right, I leave it."),), "no to a question that was asked back")
        if asked.yes is not None:
            return Plan((asked.yes,), "yes to a question that was asked back") if plain in YES else None
        if asked.meant is None:
            return None
        short = re.sub(r"^(?:the|in the|my|just|only) |(?: one| ones)$", "", re.sub(r"^(?:in|on) ", "", plain)).strip()
        short = re.sub(r"^(?:the|my) ", "", short)
        why = "the answer to a question that was asked back"
        if short in ("all", "both", "all of them", "both of them", "everywhere", "every", "all rooms", "all of these"):
            return self._chosen(asked.meant, asked.ids, why)
        for room in asked.areas:
            if short == room.lower() or short in (f"{room.lower()} lights", f"{room.lower()} light"):
                part = self._resolver.resolve(narrowed(asked.meant, room))
                return None if part is None else Plan((part,), why)
        things = [thing for thing in map(self.house.thing, asked.ids) if thing is not None]
        number = {"first": 0, "second": 1, "third": 2, "last": -1}.get(short)
        if number is not None and -1 <= number < len(things):
            return self._chosen(asked.meant, (things[number].id,), why)
        chosen = [thing for thing in things if self._is_called(thing, short)]
        if not chosen:
            chosen = [thing for thing in things if set(short.split()) <= set(thing.name.lower().split()) and short]
        return self._chosen(asked.meant, tuple(thing.id for thing in chosen), why) if chosen and len(chosen) < len(things) else None

    def _chosen(self, meant: Meant, ids: tuple[str, ...], why: str) -> Plan | None:
        part = self._resolver.resolve(meant, only=ids)
        return None if part is None else Plan((part if not isinstance(part, Do) else Do(part.ids, part.act),), why)

    def _is_called(self, thing: Thing, said: str) -> bool:
        names = {name.lower() for name in thing.names} | {thing.area.lower()}
        return said in names or f"{said} light" in names or f"{said} lamp" in names or said in {f"{name} light" for name in names}

    # Whether to look at all.

    def _lately(self, now: datetime) -> _Spoken:
        spoken = self._spoken
        return spoken if spoken.at is not None and now - spoken.at <= REMEMBERED else _Spoken()

    def _concerns(self, text: str, spoken: _Spoken) -> bool:
        """A quick look before the long one: whether it begins as what is said to a house begins, or ends so."""
        return self._own or any(found is not None for found in (STARTS.match(text), ENDS.search(text), NOUNS.search(text))) or any(
            thing.domain == "scene" and thing.name.lower() in text for thing in self.house.things)


def _there(text: str, area: str) -> str:
    """"There" as the room that was spoken of."""
    return re.sub(r"\b(?:in |over |down |up )?there$", f"in the {area.lower()}", text) if area else text


def _plain(text: str) -> str:
    text = re.sub(r"[’‘]", "'", text).lower()
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[!?:\"]", " ", text)
    text = re.sub(r"(\d) and a half\b", r"\1.5", text)
    text = re.sub(r"\band a half(?= degrees?\b| percent\b)", "point five", text)
    return " ".join(re.sub(r"\s*[,;]\s*", ", ", text).split()).strip(" ,")


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbours that do the same are one."""
    made: list[Part] = []
    for part in parts:
        before = made[-1] if made else None
        if isinstance(part, Do) and isinstance(before, Do) and part.act == before.act and not part.subject and not before.subject:
            made[-1] = Do(tuple(dict.fromkeys((*before.ids, *part.ids))), part.act)
        else:
            made.append(part)
    return tuple(made)
