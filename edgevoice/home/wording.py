"""What is said about a house: short sentences, each said in one place."""

from __future__ import annotations

from collections.abc import Sequence

from edgevoice.home import sensors
from edgevoice.home.house import Area, Thing
from edgevoice.home.orders import Act
from edgevoice.home.states import State, number

AWAY = "I cannot reach the house."
CANNOT_YET = "I can't do that yet."
PART = "I understood only a part of that, and did nothing."
MOST_NAMED = 4
"""things that are named one by one in a sentence"""

_UNITS = {"°C": "degrees Celsius", "°F": "degrees Fahrenheit", "%": "percent", "W": "watts", "kW": "kilowatts", "kWh": "kilowatt hours",
          "Wh": "watt hours", "V": "volts", "A": "amperes", "VA": "volt amperes", "Hz": "hertz", "hPa": "hectopascals", "bar": "bar",
          "ppm": "parts per million", "µg/m³": "micrograms per cubic meter", "lx": "lux", "lux": "lux", "km/h": "kilometers per hour",
          "m/s": "meters per second", "mm": "millimeters", "mm/h": "millimeters per hour", "km": "kilometers", "kg": "kilograms",
          "min": "minutes", "s": "seconds", "h": "hours", "L": "liters", "m³": "cubic meters", "dB": "decibels",
          "dBm": "decibel milliwatts",
          "W/m²": "watts per square meter", "EUR": "euros", "€": "euros", "USD": "dollars", "MB/s": "megabytes per second",
          "kB": "kilobytes", "VAR": "vars", "d": "days"}
_NOUNS = {"light": ("light", "lights"), "switch": ("switch", "switches"), "fan": ("fan", "fans"), "lock": ("lock", "locks"),
          "climate": ("thermostat", "thermostats"), "sensor": ("sensor", "sensors"), "binary_sensor": ("sensor", "sensors"),
          "cover": ("blind", "blinds"), "valve": ("valve", "valves"), "scene": ("scene", "scenes"), "media_player": ("player", "players")}


def named(thing: Thing) -> str:
    """"the kitchen light"; abbreviations keep their capitals."""
    return "the " + _lowered(thing.name)


def _lowered(name: str) -> str:
    return " ".join(word if word.isupper() or any(c.isdigit() for c in word) else word[:1].lower() + word[1:] for word in name.split())


def listed(names: Sequence[str], word: str = "and") -> str:
    """"a, b and c"."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def named_all(things: Sequence[Thing], group: str = "") -> str:
    """Several by their names, or as a ``group`` ("the kitchen lights") where they are too many or were asked for so."""
    if group and len(things) > 1:
        return group
    if len(things) > MOST_NAMED:
        return f"{len(things)} {noun(things[0].domain, things[0].device_class, len(things))}"
    return listed([named(thing) for thing in things])


def noun(domain: str, device_class: str = "", count: int = 1) -> str:
    """What such things are called."""
    if device_class and domain == "cover":
        return device_class.replace("_", " ") + ("" if count == 1 else "s")
    if device_class and domain in ("sensor", "binary_sensor"):
        return f"{device_class.replace('_', ' ')} sensor" + ("" if count == 1 else "s")
    one, many = _NOUNS.get(domain, (domain.replace("_", " "), domain.replace("_", " ") + "s"))
    return one if count == 1 else many


def place(area: str, floor: str = "") -> str:
    if area:
        return f"the {_lowered(area)}"
    return f"the {_lowered(floor)}" if floor else "the house"


def group(domain: str, device_class: str, area: str, floor: str, count: int) -> str:
    """"the kitchen lights", "all lights"."""
    many = noun(domain, device_class, count)
    if area or floor:
        return f"{place(area, floor)} {many}"
    return f"all {many}"


def done(subject: str, many: bool, act: Act) -> str:
    """What was done, once it is so."""
    is_ = "are" if many else "is"
    match act.verb:
        case "on" | "off":
            said = f"{is_} {act.verb}"
        case "open":
            return f"Opening {subject}."
        case "close":
            return f"Closing {subject}."
        case "stop":
            return f"Stopped {subject}."
        case "lock" | "unlock":
            said = f"{is_} {act.verb}ed"
        case "press":
            return "Done."
        case "brightness" | "percentage":
            said = f"{is_} at {act.value:g} percent"
        case "position":
            said = f"{'go' if many else 'goes'} to {act.value:g} percent"
        case "colour":
            said = f"{is_} {act.value}"
        case "kelvin":
            said = f"{is_} at {act.value:g} kelvin"
        case "temperature":
            said = f"{is_} set to {degrees(act.value)}"
        case "fan_mode":
            said = f"{is_} set to {act.value}"
        case _:
            return "Done."
    return capital(f"{subject} {said}.")


def asked_of(act: Act, things: Sequence[Thing]) -> str:
    """The question before something guarded: "Shall I unlock the front door?"."""
    verb = {"on": "turn on", "off": "turn off", "open": "open", "close": "close", "lock": "lock", "unlock": "unlock"}.get(act.verb, "set")
    return f"Shall I {verb} {named_all(things)}?"


def already(subject: str, many: bool, act: Act) -> str:
    is_ = "are" if many else "is"
    state = {"open": "open", "close": "closed", "lock": "locked", "unlock": "unlocked"}.get(act.verb, act.verb)
    return capital(f"{subject} {is_} already {state}.")


def silent(subject: str, many: bool) -> str:
    return f"I told {subject}, but {'they' if many else 'it'} did not answer."


def told(subject: str) -> str:
    """Of things that tell of no state."""
    return f"I told {subject}."


def offline(subject: str, many: bool) -> str:
    return capital(f"{subject} {'are' if many else 'is'} offline.")


def unknown(domain: str, device_class: str, area: str, floor: str) -> str:
    what = noun(domain, device_class) if domain else "such thing"
    return f"I know no {what} in {place(area)}." if area else f"I know no {what} on {place('', floor)}." if floor else f"I know no {what}."


def unknown_name(name: str) -> str:
    return f"I know no {name}."


def which(things: Sequence[Thing], areas: Sequence[Area] = ()) -> str:
    """The question that tells ambiguous things apart."""
    if areas:
        return f"In which room, {listed([place(area.name) for area in areas], 'or')}?" if len(areas) <= MOST_NAMED else "In which room?"
    if len(things) > MOST_NAMED:
        return f"Which {noun(things[0].domain, things[0].device_class)}?"
    names = [named(thing) if not thing.area or thing.area.lower() in thing.name.lower() or not _twins(thing, things)
             else f"{named(thing)} in {place(thing.area)}" for thing in things]
    return f"Which one, {listed(names, 'or')}?"


def _twins(thing: Thing, things: Sequence[Thing]) -> bool:
    return any(other is not thing and other.name.lower() == thing.name.lower() for other in things)


def exact_words(things: Sequence[Thing]) -> str:
    return f"For {named_all(things)} I need the exact words."


def state_of(thing: Thing, state: State) -> str:
    """A thing's state as words: "on, at 40 percent", "21.5 degrees Celsius", "open"."""
    match thing.domain:
        case "binary_sensor":
            return sensors.spoken(thing.device_class, state.value)
        case "sensor":
            return measured(state.value, thing.unit)
        case "climate":
            current, aim = state.facts.get("current_temperature"), state.facts.get("temperature")
            said = [state.value] if state.value else []
            said += [f"at {degrees(current)}"] if current is not None else []
            said += [f"set to {degrees(aim)}"] if aim is not None and state.value != "off" else []
            return ", ".join(said)
        case "light":
            bright = state.facts.get("brightness")
            return f"on, at {bright} percent" if state.value == "on" and bright is not None and bright < 100 else state.value
        case "cover" | "valve":
            place = state.facts.get("position")
            return f"{place} percent open" if place is not None and 0 < place < 100 else state.value
        case _:
            return state.value.replace("_", " ")


def measured(value: str, unit: str) -> str:
    """"21.5 degrees Celsius"; more than two decimals nobody says."""
    found = number(value)
    said = value if found is None else f"{round(found, 2):g}" if abs(found) < 1e6 else f"{found:.0f}"
    spoken = _UNITS.get(unit, unit)
    if found == 1 and spoken.endswith("s") and spoken not in ("lux",):
        spoken = spoken.replace("degrees", "degree") if spoken.startswith("degrees") else spoken[:-1]
    return f"{said} {spoken}".strip()


def degrees(value: float) -> str:
    return f"{value:g} degree{'' if abs(value) == 1 else 's'}"


def is_plural(name: str) -> bool:
    """"The kitchen blinds are", "the hall lights are"."""
    return name.endswith("s") and not name.endswith("ss")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
