"""Answers to questions about the house: ``answer``."""

from __future__ import annotations

from collections.abc import Sequence

from edgevoice.home import sensors, wording
from edgevoice.home.house import House, Thing
from edgevoice.home.resolve import Look

_NUMBERS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def answer(house: House, look: Look) -> str:
    """What the states that were heard say; things that told nothing are no "no"."""
    things = [thing for thing in map(house.thing, look.ids) if thing is not None]
    known = [thing for thing in things if house.state(thing.id).value or house.state(thing.id).facts]
    if not known:
        return f"I don't know. {wording.capital(wording.named_all(things))} {'have' if len(things) > 1 else 'has'} not told me."
    so = [thing for thing in known if house.state(thing.id).value == _wanted(thing, look.state)]
    others = [thing for thing in known if thing not in so]
    match look.how:
        case "one_yesno":
            return "Yes." if so else f"No, {wording.state_of(known[0], house.state(known[0].id))}."
        case "any" if len(things) == 1:
            return "Yes." if so else f"No, {wording.state_of(known[0], house.state(known[0].id))}."
        case "any":
            return f"Yes, {_names(so)}." if so else "No."
        case "all":
            return "Yes." if not others else f"No, not {_names(others, 'or')}."
        case "which":
            return wording.capital(f"{_names(so)}.") if so else "None."
        case "how_many":
            return f"{_NUMBERS[len(so)] if len(so) < len(_NUMBERS) else len(so)}."
        case _:
            return " ".join(_told(house, thing, look.fact, len(known) > 1) for thing in known[:wording.MOST_NAMED])


def _wanted(thing: Thing, state: str) -> str:
    """``state`` in the words of the thing: a window's sensor that is on says "open"."""
    if thing.domain == "binary_sensor":
        said = sensors.SAID.get(thing.device_class, sensors.SAID[""])
        return "on" if state in said.on else "off" if state in said.off else state
    return state


def _names(things: Sequence[Thing], word: str = "and") -> str:
    names = [wording.named(thing) for thing in things]
    if len(names) > wording.MOST_NAMED + 1:
        names = [*names[:wording.MOST_NAMED - 1], f"{len(names) - wording.MOST_NAMED + 1} more"]
    return wording.listed(names, word)


def _told(house: House, thing: Thing, fact: str, several: bool) -> str:
    state = house.state(thing.id)
    if fact and thing.domain == "climate":
        value = state.facts.get(fact)
        said = f"{wording.degrees(value)}" if value is not None else wording.state_of(thing, state)
        return wording.capital(f"{wording.named(thing)}: {said}.") if several else wording.capital(f"{said}.")
    if fact and not several:
        return wording.capital(f"{wording.state_of(thing, state)}.")
    said = wording.state_of(thing, state)
    return wording.capital(f"{wording.named(thing)} is {said}.")
