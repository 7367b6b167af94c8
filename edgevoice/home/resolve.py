"""Which things a sentence is about, and what it wants of them: ``Resolver.resolve``.

Theory: a ``Meant`` speaks of names, rooms and kinds; here they become things of the house.  What stays open (several things of one name, a
room that nobody named) becomes a question back; what is not there is said to be not there.  A guarded thing is asked about first, and never
moved by a sentence that had to be corrected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgevoice.home import wording
from edgevoice.home.grammar import NOWHERE, Meant, spoken_names
from edgevoice.home.house import Area, House, Thing
from edgevoice.home.orders import Act

PRONOUNS = ("it", "them", "they", "that", "this", "that one", "this one", "those", "these")
_LIGHTS = ("light", "lights", "lamp", "lamps", "lighting")
_SHADES = frozenset(("blind", "shade", "shutter", "curtain", "awning"))
"""what people call by each other's names"""
_SAFE = frozenset(("lock", "close", "off", "stop"))
"""what a guarded thing may do unasked"""


@dataclass(frozen=True, slots=True)
class Do:
    """Let ``ids`` do ``act``; ``subject`` is what they are called together, "" for by their names."""

    ids: tuple[str, ...]
    act: Act
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A question about ``ids``; ``how`` it was put, ``state`` that was asked for, ``fact`` that is wanted."""

    ids: tuple[str, ...]
    how: str
    state: str = ""
    fact: str = ""
    kind: tuple[str, str] = ("", "")
    """domain and class"""


@dataclass(frozen=True, slots=True)
class Say:
    """There is nothing to be done."""

    text: str


@dataclass(frozen=True, slots=True)
class Open:
    """A question back.  ``things`` or ``areas`` are what may be answered, ``meant`` what it was about; ``yes``: what is done if the answer
    is yes."""

    text: str
    meant: Meant | None = None
    ids: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    yes: Do | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """An intent of the user's own: ``messages`` are published, and ``say`` is said."""

    messages: tuple[tuple[str, str], ...]
    say: str


Part = Do | Look | Say | Open | Run


class Resolver:
    """``here``: the room the device stands in, or "".  ``own``: a user's intents by their names."""

    def __init__(self, house: House, here: str = "", own: Mapping[str, Run] | None = None) -> None:
        self._house, self._here, self._own = house, here, own or {}

    def resolve(self, meant: Meant, *, spoken_of: Sequence[str] = (), forgiven: bool = False, only: Sequence[str] | None = None,
                without: Sequence[str] = ()) -> Part | None:
        """``None`` if the house has nothing to do with it.  ``spoken_of``: ids that "it" stands for; ``only``: ids that a question back was
        answered with; ``without``: ids that are excepted."""
        if meant.intent in self._own:
            return self._own[meant.intent]
        if meant.intent in NOT_OURS or (meant.wild and meant.intent != "HassGetState"):
            return None
        if meant.intent == "HassGetWeather":
            return Say(wording.CANNOT_YET.replace("do that", "tell the weather"))
        asks = meant.intent in ("HassGetState", "HassClimateGetTemperature")
        if meant.domain == "person" or meant.slots.get("domain") == "person":
            return None
        act = None if asks else _act(meant)
        if not asks and act is None:
            return Say(wording.CANNOT_YET)
        found = [thing for thing in map(self._house.thing, only) if thing is not None] if only is not None else self._targets(
            meant, spoken_of, asks)
        if isinstance(found, (Say, Open)):
            return found
        found = [thing for thing in found if thing.id not in without]
        if not found:
            return Say(wording.unknown(*self._kind(meant), *self._place(meant)))
        if asks:
            return self._look(meant, found)
        assert act is not None
        return self._do(meant, act, found, forgiven)

    def targets(self, meant: Meant, spoken_of: Sequence[str] = ()) -> list[Thing]:
        """The things alone, as for an exception; none where that is open."""
        found = self._targets(meant, spoken_of, False)
        return [] if isinstance(found, (Say, Open)) else found

    def _do(self, meant: Meant, act: Act, things: list[Thing], forgiven: bool) -> Part:
        by_name = "name" in meant.slots and meant.slots["name"] != "all"
        guarded = [thing for thing in things if thing.guarded]
        acts = {_for(thing, act) for thing in things}
        if len(acts) > 1:
            act = Act(act.verb, act.value)
        else:
            act = acts.pop()
        if guarded and forgiven:
            return Say(wording.exact_words(guarded))
        subject = "" if by_name or len(things) == 1 else wording.group(*self._kind(meant), *self._place(meant), len(things))
        do = Do(tuple(thing.id for thing in things), act, subject)
        if guarded and act.verb not in _SAFE:
            return Open(wording.asked_of(act, guarded), meant, do.ids, yes=do)
        return do

    def _look(self, meant: Meant, things: list[Thing]) -> Part:
        state = str(meant.slots.get("state", ""))
        how = meant.response if meant.response in ("any", "all", "which", "how_many", "one_yesno") else "one"
        if how == "one_yesno" and len(things) > 1:
            how = "all"
        fact = "current_temperature" if meant.intent == "HassClimateGetTemperature" else ""
        return Look(tuple(thing.id for thing in things), how, state, fact, self._kind(meant))

    def _targets(self, meant: Meant, spoken_of: Sequence[str], asks: bool) -> list[Thing] | Say | Open:
        name = meant.slots.get("name")
        if isinstance(name, str) and name in PRONOUNS:
            known = [thing for thing in map(self._house.thing, spoken_of) if thing is not None]
            fits = [thing for thing in known if not (asks and meant.domain) or thing.domain == meant.domain]
            return fits or Say("I don't know which one you mean.")
        if isinstance(name, str) and name != "all":
            return self._by_name(meant, name, asks)
        return self._group(meant, asks)

    def _by_name(self, meant: Meant, name: str, asks: bool) -> list[Thing] | Say | Open:
        area, floor = self._place(meant)
        things = [thing for thing in self._house.things if name in spoken_names(self._house, thing)
                  and (not meant.domain or thing.domain == meant.domain)]
        if meant.device_class and asks:
            things = [thing for thing in things if thing.device_class == meant.device_class] or things
        if area or floor:
            things = [thing for thing in things if self._within(thing, area, floor)]
            if not things:
                return Say(f"I know no {name} in {wording.place(area, floor)}.")
        if not things:  # "the fan", of which there is one
            things = [thing for thing in self._house.things if thing.domain == meant.domain]
        exact = [thing for thing in things if name in [one.lower() for one in thing.names]]
        things = exact or things
        near = [thing for thing in things if self._here and thing.area.lower() == self._here.lower()]
        things = near or things
        if len(things) > 1 and not asks:
            return Open(wording.which(things), meant, tuple(thing.id for thing in things))
        return things

    def _group(self, meant: Meant, asks: bool) -> list[Thing] | Say | Open:
        domain, kind = self._kind(meant)
        area, floor = self._place(meant)
        things = self._of_kind(domain, kind, asks)
        things = [thing for thing in things if self._within(thing, area, floor)]
        if meant.intent == "HassClimateGetTemperature":
            things = things or [thing for thing in self._house.things if thing.domain == "sensor" and thing.device_class == "temperature"
                                and self._within(thing, area, floor)]
        if not things and (area or floor) and not domain:
            return Say(f"I know nothing like that in {wording.place(area, floor)}.")
        if domain == "light" and re.search(r"\blamps?\b", meant.text, re.IGNORECASE):
            things = [thing for thing in things if "lamp" in thing.name.lower()] or things
        if asks or area or floor or meant.slots.get("name") == "all" or len(things) < 2 or _all_said(meant.text):
            return things
        if _one_said(meant.text) and len(things) <= wording.MOST_NAMED:
            return Open(wording.which(things), meant, tuple(thing.id for thing in things))
        rooms = list(dict.fromkeys(thing.area for thing in things if thing.area))
        if len(rooms) < 2:
            return things
        return Open(wording.which((), [Area(room) for room in rooms]), meant, tuple(thing.id for thing in things), tuple(rooms))

    def _of_kind(self, domain: str, kind: str, asks: bool) -> list[Thing]:
        things = [thing for thing in self._house.things if thing.domain == domain or (domain == "light" and _is_light(thing))]
        if domain == "cover" and kind:
            of_kind = [thing for thing in things if thing.device_class == kind or f" {kind}" in f" {thing.name.lower()}"]
            if asks and not of_kind:  # a window tells of itself by a sensor
                of_kind = [thing for thing in self._house.things if thing.domain == "binary_sensor" and thing.device_class in (
                    kind, f"{kind}_door", *(("opening",) if kind in ("window", "door") else ()))]
            if not of_kind and kind in _SHADES:
                of_kind = [thing for thing in things if thing.device_class in _SHADES or not (thing.device_class or thing.guarded)]
            return of_kind
        if domain in ("sensor", "binary_sensor") and kind:
            return [thing for thing in things if thing.device_class == kind]
        return things

    def _within(self, thing: Thing, area: str, floor: str) -> bool:
        if area and thing.area.lower() != area.lower():
            return False
        if floor:
            found = self._house.area(thing.area)
            return found is not None and found.floor.lower() == floor.lower()
        return True

    def _place(self, meant: Meant) -> tuple[str, str]:
        area, floor = str(meant.slots.get("area", "")), str(meant.slots.get("floor", ""))
        return "" if area == NOWHERE else area, floor

    def _kind(self, meant: Meant) -> tuple[str, str]:
        domain = str(meant.slots.get("domain", "")) or meant.domain
        if not domain:
            domain = {"HassClimateSetTemperature": "climate", "HassClimateGetTemperature": "climate", "HassClimateSetFanMode": "climate",
                      "HassFanSetSpeed": "fan", "HassLightSet": "light"}.get(meant.intent, "")
        return domain, str(meant.slots.get("device_class", "")) or (meant.device_class if "name" in meant.slots else "")


NOT_OURS = frozenset((
    "HassNevermind", "HassRespond", "HassBroadcast", "HassGetCurrentDate", "HassGetCurrentTime", "HassStartTimer", "HassCancelTimer",
    "HassCancelAllTimers", "HassIncreaseTimer", "HassDecreaseTimer", "HassPauseTimer", "HassUnpauseTimer", "HassTimerStatus",
    "HassListAddItem", "HassListCompleteItem", "HassListRemoveItem", "HassShoppingListAddItem", "HassShoppingListCompleteItem",
    "HassSetVolume", "HassSetVolumeRelative", "HassMediaPlayerMute", "HassMediaPlayerUnmute", "HassMediaNext", "HassMediaPause",
    "HassMediaPrevious", "HassMediaUnpause", "HassMediaSearchAndPlay"))
"""the device's own skills' and the model's"""


def _act(meant: Meant) -> Act | None:
    """What is wanted, before it is known of which thing; ``None`` for what nothing here can do."""
    slots: Mapping[str, Any] = meant.slots
    match meant.intent:
        case "HassTurnOn":
            return Act("on")
        case "HassTurnOff":
            return Act("off")
        case "HassLightSet":
            if "color" in slots:
                return Act("colour", str(slots["color"]))
            if "temperature" in slots:
                return Act("kelvin", float(slots["temperature"]))
            return Act("brightness", float(slots.get("brightness", DIMMED)))
        case "HassFanSetSpeed":
            return Act("percentage", float(slots["percentage"]))
        case "HassSetPosition":
            return Act("position", float(slots["position"]))
        case "HassClimateSetTemperature":
            return Act("temperature", float(slots["temperature"]))
        case "HassClimateSetFanMode":
            return Act("fan_mode", str(slots.get("fan_mode", "")))
        case "EdgeStop":
            return Act("stop")
        case _:
            return None


DIMMED = 30.0
"""percent, of a light that is only said to be dimmed"""


def _for(thing: Thing, act: Act) -> Act:
    """"On" and "off" in the words of the thing."""
    words = {("cover", "on"): "open", ("cover", "off"): "close", ("valve", "on"): "open", ("valve", "off"): "close", ("lock", "on"): "lock",
             ("lock", "off"): "unlock", ("button", "on"): "press"}
    verb = words.get((thing.domain, act.verb))
    if verb is not None:
        return Act(verb)
    if act.verb == "position" and thing.domain in ("cover", "valve") and act.value in (0.0, 100.0) and not thing.wiring.get(
            "set_position_topic"):
        return Act("open" if act.value else "close")
    return act


def act_for(thing: Thing, act: Act) -> Act:
    """``act`` as this one thing does it."""
    return _for(thing, act)


def _is_light(thing: Thing) -> bool:
    """A lamp behind a plug is a light."""
    return thing.domain == "light" or (thing.domain == "switch" and thing.name.lower().split()[-1] in _LIGHTS)


def _all_said(text: str) -> bool:
    return bool(re.search(r"\b(all|every|everything|everywhere|each|whole|entire)\b", text, re.IGNORECASE)) and not re.search(
        r"\bhere\b|\b(this|my|the|our) room\b", text, re.IGNORECASE)


def _one_said(text: str) -> bool:
    """Whether one thing was spoken of, not several."""
    return bool(re.search(r"\b(light|lamp|fan|blind|curtain|shutter|shade|door|window|gate|lock|thermostat)\b", text, re.IGNORECASE))


def narrowed(meant: Meant, area: str) -> Meant:
    """The same in a room."""
    return replace(meant, slots={**meant.slots, "area": area})
