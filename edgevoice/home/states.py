"""What a thing's messages say of it: ``listens`` to which topics, and ``read`` of each payload.

Theory: every domain has its own keys in MQTT discovery; a table (``_ROLES``) names, for each domain, the topics and the template that reads
them.  What comes out is one ``State`` in the words that people use: "on", "open", "locked", and numbers in percent and degrees.

Source: Home Assistant's documentation of the MQTT light, switch, fan, cover, lock, climate, sensor and binary_sensor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgevoice.home.templates import rendered

MOST_PAYLOAD = 10_000
"""bytes of a state that is looked at"""
MOST_VALUE = 100
"""characters of a state that is told"""


@dataclass(frozen=True, slots=True)
class State:
    """``value`` "" where nothing was heard yet.  ``facts``: brightness, position, percentage (all in percent), temperature,
    current_temperature, colour.  ``heard`` counts messages; ``available`` is what its availability topic says."""

    value: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    heard: int = 0
    available: bool = True


UNKNOWN = State()

_ROLES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "light": (("state", "state_topic", "state_value_template"),
              ("brightness", "brightness_state_topic", "brightness_value_template"),
              ("rgb", "rgb_state_topic", "rgb_value_template"),
              ("kelvin", "color_temp_state_topic", "color_temp_value_template")),
    "fan": (("state", "state_topic", "state_value_template"),
            ("percentage", "percentage_state_topic", "percentage_value_template")),
    "cover": (("state", "state_topic", "value_template"), ("position", "position_topic", "position_template")),
    "valve": (("state", "state_topic", "value_template"),),
    "climate": (("state", "mode_state_topic", "mode_state_template"),
                ("temperature", "temperature_state_topic", "temperature_state_template"),
                ("current_temperature", "current_temperature_topic", "current_temperature_template"),
                ("fan_mode", "fan_mode_state_topic", "fan_mode_state_template")),
}
_PLAIN = (("state", "state_topic", "value_template"),)


def listens(domain: str, wiring: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every topic that tells of a thing, with what it tells."""
    for role, topic, _ in _ROLES.get(domain, _PLAIN):
        if wiring.get(topic):
            yield str(wiring[topic]), role
    for n, one in enumerate(_availabilities(wiring)):
        if one.get("topic"):
            yield str(one["topic"]), f"availability {n}"


def read(domain: str, wiring: Mapping[str, Any], role: str, payload: bytes, before: State) -> State | None:
    """The state after ``payload``; ``None`` if that tells nothing."""
    if len(payload) > MOST_PAYLOAD:
        return None
    text = payload.decode(errors="replace")
    if role.startswith("availability"):
        return _available(_availabilities(wiring), int(role.split()[1]), text, before)
    before = replace(before, heard=before.heard + 1)
    if domain == "light" and wiring.get("schema") == "json":
        return _json_light(wiring, text, before)
    template = next(template for name, _, template in _ROLES.get(domain, _PLAIN) if name == role)
    said = rendered(str(wiring.get(template) or wiring.get("value_template") or ""), text)
    if said is None or said in ("", "None", "unknown", "unavailable"):
        return None
    said = said[:MOST_VALUE]
    if role == "state":
        return replace(before, value=_value(domain, wiring, said), facts=_from_position(domain, wiring, said, before.facts))
    return _fact(domain, wiring, role, said, before)


def _value(domain: str, wiring: Mapping[str, Any], said: str) -> str:
    """``said`` in our words."""
    match domain:
        case "light" | "switch" | "fan" | "binary_sensor" | "siren":
            on = str(wiring.get("state_on") or wiring.get("payload_on") or "ON")
            off = str(wiring.get("state_off") or wiring.get("payload_off") or "OFF")
            return "on" if said == on else "off" if said == off else said.lower()
        case "lock":
            names = {str(wiring.get(f"state_{name}") or name.upper()): name
                     for name in ("locked", "unlocked", "locking", "unlocking", "jammed")}
            return names.get(said, said.lower())
        case "cover" | "valve":
            names = {str(wiring.get(f"state_{name}") or name): name for name in ("open", "closed", "opening", "closing", "stopped")}
            found = names.get(said, said.lower())
            position = number(said)
            return found if position is None else _opened(wiring, position)
        case "climate":
            return said.lower()
        case _:
            return said


def _fact(domain: str, wiring: Mapping[str, Any], role: str, said: str, before: State) -> State | None:
    facts = dict(before.facts)
    value = number(said)
    match role:
        case "rgb":
            facts["rgb"] = said
        case "fan_mode":
            facts["fan_mode"] = said.lower()
        case _ if value is None:
            return None
        case "brightness":
            facts["brightness"] = _percent(value, 0, number(wiring.get("brightness_scale")) or 255)
        case "percentage":
            facts["percentage"] = _percent(value, 0, number(wiring.get("speed_range_max")) or 100)
        case "position":
            facts["position"] = position(wiring, value)
            return replace(before, facts=facts, value=before.value if wiring.get("state_topic") else _opened(wiring, value))
        case _:
            facts[role] = value
    return replace(before, facts=facts)


def _from_position(domain: str, wiring: Mapping[str, Any], said: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    value = number(said) if domain in ("cover", "valve") else None
    return facts if value is None else {**facts, "position": position(wiring, value)}


def position(wiring: Mapping[str, Any], value: float) -> int:
    """Percent open."""
    closed, opened = number(wiring.get("position_closed")), number(wiring.get("position_open"))
    return _percent(value, 0.0 if closed is None else closed, 100.0 if opened is None else opened)


def _opened(wiring: Mapping[str, Any], value: float) -> str:
    return "open" if position(wiring, value) > 0 else "closed"


def _json_light(wiring: Mapping[str, Any], text: str, before: State) -> State | None:
    """Schema json: everything in one message."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    facts = dict(before.facts)
    if (bright := number(told.get("brightness"))) is not None:
        facts["brightness"] = _percent(bright, 0, number(wiring.get("brightness_scale")) or 255)
    if isinstance(told.get("color"), dict):
        facts["color"] = told["color"]
    if (kelvin := number(told.get("color_temp"))) is not None:
        facts["kelvin"] = kelvin
    state = told.get("state")
    value = {"on": "on", "off": "off"}.get(str(state).lower(), before.value) if state is not None else before.value
    return replace(before, value=value, facts=facts)


def _availabilities(wiring: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = wiring.get("availability")
    found: list[Mapping[str, Any]] = [one for one in (listed if isinstance(listed, list) else [listed]) if isinstance(one, dict)]
    if wiring.get("availability_topic"):
        found.append({"topic": wiring["availability_topic"], "payload_available": wiring.get("payload_available"),
                      "payload_not_available": wiring.get("payload_not_available"), "value_template": wiring.get("availability_template")})
    return found


def _available(listed: list[Mapping[str, Any]], n: int, text: str, before: State) -> State | None:
    if n >= len(listed):
        return None
    one = listed[n]
    said = rendered(str(one.get("value_template") or ""), text)
    if said == str(one.get("payload_available") or "online"):
        return replace(before, available=True)
    if said == str(one.get("payload_not_available") or "offline"):
        return replace(before, available=False)
    return None


def _percent(value: float, low: float, high: float) -> int:
    return 0 if high == low else round(min(100.0, max(0.0, 100 * (value - low) / (high - low))))


def number(value: Any) -> float | None:
    """``None`` for what is none, or not finite."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        made = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return made if abs(made) < 1e12 else None
