"""What there is in a house and how it is: ``House``, a catalogue of ``Thing`` with the state that each told last.

Theory: a thing is what Home Assistant calls an entity.  Its ``wiring`` are the keys of MQTT discovery under their full names, whether they
came from the broker or from a file, so that both are read by one reader (``states``) and commanded by one writer (``orders``).

Law: nothing here publishes or waits; topics and payloads come in by ``heard``, and ``version`` grows with every change of what there is.
Used from the loop's thread alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgevoice.home import states
from edgevoice.home.states import State

DOMAINS = ("light", "switch", "fan", "cover", "lock", "climate", "sensor", "binary_sensor", "scene", "button", "valve", "siren",
           "alarm_control_panel", "water_heater")
"""kinds of things that words may be about"""
MOST_THINGS = 2000
"""that a broker may tell of; a large house has some hundreds"""
MOST_NAME = 60
"""characters of a name that anybody would say"""

_HOT = frozenset(("oven", "stove", "hob", "cooker", "cooktop", "grill", "iron", "kiln", "furnace", "boiler", "heater", "fireplace",
                  "kettle", "fryer"))
_GUARDED = frozenset(("garage", "gate", "door", "lock", "alarm", "siren"))
_GUARDED_CLASSES = frozenset(("garage", "gate", "door"))


@dataclass(frozen=True, slots=True)
class Area:
    """A room, or another part of the house."""

    name: str
    floor: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """``id`` is unique in the house; ``area`` the name of one, or "".  ``confirm``: asked about before it does anything."""

    id: str
    name: str
    domain: str
    area: str = ""
    device_class: str = ""
    unit: str = ""
    aliases: tuple[str, ...] = ()
    wiring: Mapping[str, Any] = field(default_factory=dict)
    confirm: bool = False

    @property
    def guarded(self) -> bool:
        """Whether a misheard word must never move it: locks, alarms, what opens the house, what burns."""
        if self.confirm or self.domain in ("lock", "alarm_control_panel", "siren", "valve", "water_heater"):
            return True
        words = set(self.name.lower().split())
        if self.domain == "cover":
            return self.device_class in _GUARDED_CLASSES or bool(words & _GUARDED)
        return self.domain in ("switch", "fan", "button", "climate", "scene") and bool(
            words & (_HOT if self.domain == "climate" else _HOT | _GUARDED)) and not (self.domain == "climate" and "heater" in words)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    def asked_about(self, names: Iterable[str]) -> Thing:
        """The same, and asked about if one of ``names`` is its own."""
        own = {name.lower() for name in self.names}
        return replace(self, confirm=True) if any(name.lower() in own for name in names) else self


class House:
    """``areas`` that are known beforehand; further ones come with the things in them."""

    def __init__(self, things: Iterable[Thing] = (), areas: Iterable[Area] = ()) -> None:
        self.version = 0
        self.refused = 0
        """things that were one too many"""
        self._things: dict[str, Thing] = {}
        self._areas = {area.name.lower(): area for area in areas}
        self._states: dict[str, State] = {}
        self._readers: dict[str, list[tuple[str, str]]] = {}
        for thing in things:
            self.put(thing)

    @property
    def things(self) -> Sequence[Thing]:
        return tuple(self._things.values())

    @property
    def areas(self) -> Sequence[Area]:
        return tuple(self._areas.values())

    @property
    def topics(self) -> frozenset[str]:
        """Everything that tells of a state."""
        return frozenset(self._readers)

    def thing(self, id: str) -> Thing | None:
        return self._things.get(id)

    def area(self, name: str) -> Area | None:
        return self._areas.get(name.lower())

    def state(self, id: str) -> State:
        return self._states.get(id, states.UNKNOWN)

    def put(self, thing: Thing) -> None:
        """New, or told anew: its state stays."""
        old = self._things.get(thing.id)
        if old == thing:
            return
        if old is None and len(self._things) >= MOST_THINGS:
            self.refused += 1
            return
        self._forget(thing.id)
        self._things[thing.id] = thing
        if thing.area and thing.area.lower() not in self._areas:
            self._areas[thing.area.lower()] = Area(thing.area)
        for topic, role in states.listens(thing.domain, thing.wiring):
            self._readers.setdefault(topic, []).append((thing.id, role))
        self.version += 1

    def remove(self, id: str) -> None:
        if self._things.pop(id, None) is not None:
            self._forget(id)
            self._states.pop(id, None)
            self.version += 1

    def heard(self, topic: str, payload: bytes) -> list[str]:
        """The ids of the things that ``payload`` tells of."""
        told = []
        for id, role in self._readers.get(topic, ()):
            thing = self._things[id]
            state = states.read(thing.domain, thing.wiring, role, payload, self.state(id))
            if state is not None:
                self._states[id] = state
                told.append(id)
        return told

    def set_state(self, id: str, state: State) -> None:
        """As if it had been heard; for fixtures and things without a topic."""
        self._states[id] = state

    def _forget(self, id: str) -> None:
        for topic in [topic for topic, readers in self._readers.items() if any(reader == id for reader, _ in readers)]:
            self._readers[topic] = [reader for reader in self._readers[topic] if reader[0] != id]
            if not self._readers[topic]:
                del self._readers[topic]
