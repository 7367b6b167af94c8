"""What one sentence about a house means: ``Grammar.understand``.

Theory: hassil matches the sentences of the package ``home-assistant-intents``, ours (``sentences.yaml``) and the user's, with lists of what
there is in this house.  Of all that match, the one is taken that names a thing by the longest name, has the fewest wildcards and the most
words of the sentence itself.  A sentence that needs to know a room ("turn off the lights") gets the device's own, or ``NOWHERE``.

Laws: names are matched as they are, never as templates.  Nothing is guessed here (``forgiving`` does that); the same words in the same
house give the same meaning.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hassil import Intents, TextSlotList, recognize_all
from hassil.intents import SlotList
from hassil.recognize import RecognizeResult
from hassil.util import merge_dict
from home_assistant_intents import get_intents

from edgevoice.home import sensors
from edgevoice.home.house import House, Thing

NOWHERE = "nowhere"
"""the room of a sentence that names none, where nobody knows in which one it was said"""
OURS = Path(__file__).with_name("sentences.yaml")


@dataclass(frozen=True, slots=True)
class Meant:
    """``intent`` by Home Assistant's name; ``slots`` as spoken of: name, area, floor, domain, device_class, state and values.  ``domain``
    and ``device_class`` are of the thing that is named, where one is.  ``response`` is how a question was put: one, one_yesno, any, all,
    which, how_many, where."""

    intent: str
    slots: Mapping[str, Any]
    domain: str = ""
    device_class: str = ""
    response: str = ""
    text: str = ""
    words: int = 0
    """of the sentence that were matched as they stand"""
    wild: bool = False
    """whether some words were taken as they came"""


@dataclass(frozen=True, slots=True)
class Also:
    """What a conversation adds: ``names`` for things that were spoken of ("it"), each with the domains it may stand for."""

    names: tuple[tuple[str, str, str], ...] = field(default=())


def sentences(*more: Mapping[str, Any]) -> Intents:
    """All that can be understood; ``more`` are a user's files.  Raises what hassil does for a template that is none."""
    return _compiled(more) if more else _plainly()


@functools.cache
def _plainly() -> Intents:
    """Without a user's: templates are parsed when they are first tried, which takes longer than everything after it."""
    return _compiled(())


def _compiled(more: Sequence[Mapping[str, Any]]) -> Intents:
    made = get_intents("en")
    assert made is not None
    for one in (yaml.safe_load(OURS.read_text(encoding="utf-8")), {"lists": sensors.lists()}, *more):
        merge_dict(made, one)
    made["skip_words"] = list(dict.fromkeys(made["skip_words"]))
    return Intents.from_dict(made)


class Grammar:
    """``area``: the room that the device stands in, "" for unknown.  ``understand`` is quick and has no side effects but a cache of the
    house's lists; one thread at a time."""

    def __init__(self, intents: Intents, house: House, area: str = "") -> None:
        self._intents, self._house, self.area = intents, house, area
        self._version = -1
        self._lists: dict[str, SlotList] = {}
        self._names: list[tuple[str, str, dict[str, Any]]] = []

    def warm(self) -> None:
        """Let every template be parsed before somebody waits for it."""
        for text in ("turn off the kitchen light", "what is the temperature in the kitchen", "set the light to 50 percent",
                     "are any windows open", "set the temperature to twenty point five degrees", "lock the door", "open the blinds",
                     "set the fan to fifty percent", "set the blinds to fifty percent", "set the light to fifty percent"):
            self.understand(text)

    def understand(self, text: str, also: Also | None = None, area: str = "") -> Meant | None:
        """``None`` where it means nothing here.  ``area``: in place of the device's own."""
        plain = _plain(text)
        if not plain:
            return None
        self._look()
        lists = self._lists
        if also is not None and also.names:
            spoken = [(name, name, {"domain": domain, "device_class": kind}) for name, domain, kind in also.names]
            lists = {**lists, "name": TextSlotList.from_tuples([*self._names, *spoken], allow_template=False, name="name")}
        best: Meant | None = None
        best_rank: tuple[Any, ...] | None = None
        for result in recognize_all(plain, self._intents, slot_lists=lists, intent_context={"area": area or self.area or NOWHERE}):
            meant = _meant(result, text)
            if meant is None:
                continue
            rank = _rank(result, meant)
            if best_rank is None or rank > best_rank:
                best, best_rank = meant, rank
        return best

    def names(self) -> Sequence[str]:
        """Every name of a thing, an area or a floor, as it is spoken."""
        self._look()
        return [text for text, _, _ in self._names] + _places(self._house)

    def _look(self) -> None:
        if self._version == self._house.version:
            return
        self._version = self._house.version
        house = self._house
        self._names = [(name, name, {"domain": thing.domain, "device_class": thing.device_class})
                       for thing in house.things for name in spoken_names(house, thing)]
        self._names += [(noun, noun, {"domain": domain, "device_class": ""}) for domain, nouns in _ONLY.items()
                        if sum(thing.domain == domain for thing in house.things) == 1 for noun in nouns]
        self._names = list({(name, tuple(context.items())): (name, value, context)
                            for name, value, context in self._names}.values())
        areas = [(name.lower(), area.name) for area in house.areas for name in (area.name, *area.aliases)]
        floors = [(area.floor.lower(), area.floor) for area in house.areas if area.floor]
        floors += [(short, floor) for name, floor in floors for short in [name.removesuffix(" floor")] if short != name]
        self._lists = {
            "name": TextSlotList.from_tuples(self._names, allow_template=False, name="name"),
            "area": TextSlotList.from_tuples(areas, allow_template=False, name="area"),
            "floor": TextSlotList.from_tuples(list(dict.fromkeys(floors)), allow_template=False, name="floor")}


def _places(house: House) -> list[str]:
    return [name.lower() for area in house.areas for name in (area.name, area.floor, *area.aliases) if name]


def spoken_names(house: House, thing: Thing) -> list[str]:
    """How ``thing`` may be called: its names, those without its room in front, and those without what it is at the end."""
    made: list[str] = []
    area = house.area(thing.area)
    rooms = [] if area is None else [name.lower() for name in (area.name, *area.aliases)]
    for name in thing.names:
        name = re.sub(r"\[(.)\]", r"\1", name).lower()
        made.append(name)
        shorter = [name.removeprefix(f"{room} ") for room in rooms if name.startswith(f"{room} ")]
        made += [short for short in shorter if short not in _BARE]
        if thing.domain == "light":
            made += [short for noun in _LIGHTS for short in [name.removesuffix(f" {noun}")] if short not in (name, *rooms)]
    return [name for name in dict.fromkeys(made) if name]


_ONLY: Mapping[str, tuple[str, ...]] = {"fan": ("fan",), "climate": ("thermostat", "heating", "air conditioning")}
"""what may stand for the only thing of a domain"""
_SOLE = frozenset(noun for nouns in _ONLY.values() for noun in nouns)
_LIGHTS = ("lights", "light", "lamps", "lamp")
_BARE = frozenset((*_LIGHTS, "fan", "fans", "switch", "door", "doors", "window", "windows", "blind", "blinds", "curtain", "curtains",
                   "lock", "sensor", "temperature", "humidity", "on", "off", "all"))
"""what is said of a whole room rather than of one thing in it"""


_BARE_NAME = "[<the>] {name}"
"""a sentence that is a name alone starts scenes, and no more"""


def _plain(text: str) -> str:
    """Without marks, which recognizers set as they like."""
    text = text.replace("’", "'").replace("‘", "'").lower()
    text = re.sub(r"(?<=\w)-(?=\w)", " ", text)
    text = re.sub(r"(?<!\d)[.](?!\d)|[,;:!?\"]|\.$", " ", text)
    return " ".join(text.split())


def _meant(result: RecognizeResult, text: str) -> Meant | None:
    if result.intent_sentence is not None and result.intent_sentence.text == _BARE_NAME and result.context.get("domain") not in (
            "scene", "script"):
        return None
    slots: dict[str, Any] = {}
    for name, entity in result.entities.items():
        value = entity.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        slots[name] = value
    domain, kind = str(result.context.get("domain", "")), str(result.context.get("device_class", ""))
    if "name" not in slots or slots["name"] == "all":
        domain, kind = str(slots.get("domain", "")), str(slots.get("device_class", ""))
    noun, word = slots.pop("sensor_noun", "") or slots.pop("sensor_bare", ""), slots.pop("sensor_word", "")
    if noun or word:
        fits = sensors.classes(str(noun), str(word))
        if "name" in slots:
            fits = [(name, state) for name, state in fits if name == kind]
        if not fits:
            return None
        slots["device_class"], slots["state"] = fits[0]
        kind = fits[0][0]
    measure = slots.pop("measure", "") or slots.pop("measure_how", "")
    if measure:
        if "name" in slots:
            if not sensors.measured_by(str(measure), kind):
                return None
        else:
            found = sensors.MEASURES.get(str(measure), (str(measure),))
            if not found:
                return None
            slots["device_class"] = kind = found[0]
    return Meant(result.intent.name, slots, domain, kind, str(result.response or ""), text, result.text_chunks_matched,
                 any(entity.is_wildcard for entity in result.entities_list))


def _rank(result: RecognizeResult, meant: Meant) -> tuple[Any, ...]:
    """Higher is better."""
    named = result.entities.get("name")
    plain = named is not None and not named.is_wildcard and bool(named.text) and named.value not in _SOLE
    wild = [entity for entity in result.entities_list if entity.is_wildcard]
    longest = len(named.text) if plain and named is not None else 0
    covered = sum(len(entity.text) for entity in result.entities_list if entity.text and not entity.is_wildcard)
    return (-len(wild), longest, result.text_chunks_matched, covered, -sum(len(entity.text or "") for entity in wild), meant.intent)


def vocabulary(intents: Intents) -> frozenset[str]:
    """Every word that stands in some template of an intent that acts on a house or asks about it."""
    words: set[str] = set()
    for name, intent in intents.intents.items():
        if not re.search(r"Timer|List|Respond|Broadcast|Media", name):
            for data in intent.data:
                for text in data.sentence_texts:
                    words |= _words_of(text)
    for rule in intents.expansion_rules.values():
        words |= _words_of(getattr(rule, "text", "") or "")
    for values in intents.slot_lists.values():
        for value in getattr(values, "values", ()):
            words |= _words_of(_text(value.text_in))
    return frozenset(words)


def _text(expression: Any) -> str:
    return str(getattr(expression, "original_text", None) or getattr(expression, "text", None) or
               " ".join(_text(item) for item in getattr(expression, "items", ())))


def _words_of(template: str) -> set[str]:
    """Plain words of a template, with and without their optional endings."""
    template = re.sub(r"<[^>]*>|\{[^}]*\}", " ", template.lower())
    words = set(re.findall(r"[a-z']{2,}", re.sub(r"\[([a-z]+)\]", r"\1", template)))
    return words | set(re.findall(r"[a-z']{2,}", re.sub(r"\[[a-z]+\]", "", template)))
