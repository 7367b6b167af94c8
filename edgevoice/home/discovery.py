"""What a broker's retained discovery messages tell of a house: ``things_of(prefix, topic, payload)``.

Theory: devices describe themselves under ``<prefix>/<component>/[<node>/]<object>/config``, one message for each entity, or one for a whole
device with its ``components``.  Keys may be abbreviated and topics may begin or end with ``~``.  What is found becomes ``Thing``, with the
full names of its keys; what is no message of this kind, or is of no use to words, becomes nothing.

Source: Home Assistant's documentation of MQTT discovery, and the list of abbreviations in its integration (``mqtt/abbreviations.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from edgevoice.home.house import DOMAINS, MOST_NAME, Thing

OURS = "edgevoice"
"""``origin.name`` of devices like this one, which are no part of the house"""
MOST_PAYLOAD = 256_000
"""bytes; a device with a hundred entities has a tenth of that"""
_WORDS = {
    "avty": "availability", "bri": "brightness", "clr": "color", "cmd": "command", "cmps": "components", "curr": "current", "dev": "device",
    "cla": "class", "ent": "entity", "cat": "category", "ic": "icon", "ids": "identifiers", "obj": "object", "o": "origin",
    "ops": "options",
    "opt": "optimistic", "p": "platform", "pct": "percentage", "pl": "payload", "pos": "position", "pow": "power", "pr": "preset",
    "ret": "retain", "rng": "range", "scl": "scale", "spd": "speed", "stat": "state", "sup": "supported", "temp": "temperature",
    "tpl": "template", "t": "topic", "uniq": "unique", "meas": "measurement", "val": "value", "clsd": "closed", "cls": "close",
    "unlk": "unlock", "avail": "available", "prs": "press", "clrm": "color_modes", "sa": "suggested_area", "en": "enabled_by_default",
    "e": "encoding", "def": "default", "mirs": "mireds", "fx": "effect", "atype": "automation_type", "osc": "oscillation", "dsc": "disarm"}
_WHOLE = {"color_temp_command_topic", "color_temp_state_topic", "color_temp_value_template", "color_temp_command_template",
          "color_temp_kelvin"}
_TOPIC = re.compile(r"(?P<component>[a-z_]+)/(?:(?P<node>[A-Za-z0-9_-]+)/)?(?P<object>[A-Za-z0-9_-]+)/config")


def subscriptions(prefix: str) -> tuple[str, ...]:
    return f"{prefix}/+/+/config", f"{prefix}/+/+/+/config"


def things_of(prefix: str, topic: str, payload: bytes) -> tuple[str, list[Thing]] | None:
    """The start of the ids of all that ``topic`` may tell of, and the things it tells of now (none: they are gone); ``None`` if it is no
    discovery message, is not understood, or is one of ours."""
    found = _TOPIC.fullmatch(topic.removeprefix(f"{prefix}/")) if topic.startswith(f"{prefix}/") else None
    if found is None or len(payload) > MOST_PAYLOAD:
        return None
    root = f"{found['component']}/{found['node'] or ''}/{found['object']}"
    if not payload:
        return root, []
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    told = full(told)
    origin = told.get("origin")
    if isinstance(origin, dict) and origin.get("name") == OURS:
        return None
    if found["component"] != "device":
        thing = _thing(root, found["component"], told, told.get("device"))
        return root, [] if thing is None else [thing]
    shared = {key: value for key, value in told.items() if key not in ("components", "device", "origin")}
    parts = told.get("components")
    made = []
    for key, part in parts.items() if isinstance(parts, dict) else ():
        if isinstance(part, dict):
            part = full({**shared, **part})
            thing = _thing(f"{root}/{key}", str(part.get("platform", "")), part, told.get("device"))
            made += [] if thing is None else [thing]
    return root, made


def _thing(id: str, domain: str, wiring: dict[str, Any], device: Any) -> Thing | None:
    if domain not in DOMAINS or wiring.get("entity_category") or wiring.get("enabled_by_default") is False:
        return None
    device = full(device) if isinstance(device, dict) else {}
    names = _names(wiring.get("name"), device.get("name"), str(wiring.get("device_class") or ""))
    if not names:
        return None
    area = _name(device.get("suggested_area"))
    unit = wiring.get("unit_of_measurement") or (wiring.get("temperature_unit") and f"°{wiring['temperature_unit']}")
    return Thing(id, names[0], domain, area, str(wiring.get("device_class") or ""), str(unit or ""), tuple(names[1:]), wiring)


def _names(own: Any, device: Any, device_class: str) -> list[str]:
    """How people call it: as Home Assistant does, by the device's name and its own."""
    own, device = _name(own), _name(device)
    if not own:
        own = "" if device else device_class.replace("_", " ")
    if not device or own.lower().startswith(device.lower()):
        return [own] if own else []
    if not own:
        return [device]
    return [f"{device} {own}", own] if " " in own else [f"{device} {own}"]


def _name(said: Any) -> str:
    """Plain words, or "": a name is spoken, and becomes part of what is listened for."""
    if not isinstance(said, str):
        return ""
    return " ".join(re.sub(r"[^\w'&.+-]+", " ", said.replace("_", " ")).split())[:MOST_NAME].strip()


def full(told: Mapping[str, Any]) -> dict[str, Any]:
    """With whole keys and whole topics."""
    base = told.get("~")
    return {name: value for key, short in told.items() if key != "~"
            for name in [_key(key)] for value in [_whole(name, short, base)]}


def _whole(name: str, value: Any, base: Any) -> Any:
    if isinstance(base, str) and isinstance(value, str) and name.endswith("topic"):
        return base + value[1:] if value.startswith("~") else value[:-1] + base if value.endswith("~") else value
    if name == "availability" and isinstance(value, list):
        return [full({"~": base, **one}) if isinstance(one, dict) else one for one in value]
    return value


def _key(key: str) -> str:
    if key in _WHOLE:
        return key
    made = "_".join(_WORDS.get(part, part) for part in key.split("_"))
    return {"color_temperature_command_topic": "color_temp_command_topic", "color_temperature_state_topic": "color_temp_state_topic",
            "color_temperature_value_template": "color_temp_value_template",
            "color_temperature_command_template": "color_temp_command_template",
            "min_temperature": "min_temp", "max_temperature": "max_temp"}.get(made, made)


def gone(root: str, ids: Iterator[str], left: list[Thing]) -> list[str]:
    """Of ``ids``, those that ``root`` told of and does no more."""
    kept = {thing.id for thing in left}
    return [id for id in ids if (id == root or id.startswith(f"{root}/")) and id not in kept]
