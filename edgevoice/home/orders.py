"""What has to be published so that a thing does something: ``order(thing, act, state)``.

Theory: an ``Act`` is what words ask of a thing, in people's units (percent, degrees, kelvin, names of colours).  For each domain a function
turns it into messages by the thing's wiring, with a test of the state that shows that it was done.  ``Cannot`` says in words why a thing
cannot do it; nothing is ever published that its wiring does not name.

Source: Home Assistant's documentation of the MQTT light (default and JSON schema), switch, fan, cover, lock, climate, scene and button.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgevoice.home.house import Thing
from edgevoice.home.states import State, number
from edgevoice.home.templates import rendered

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "red": (255, 0, 0), "orange": (255, 165, 0), "yellow": (255, 255, 0),
    "green": (0, 128, 0), "blue": (0, 0, 255), "purple": (128, 0, 128), "brown": (165, 42, 42), "pink": (255, 192, 203),
    "turquoise": (64, 224, 208)}
"""CSS's"""
NEAR = 2
"""percent, within which a brightness that is told is the one that was asked for"""


@dataclass(frozen=True, slots=True)
class Act:
    """``verb``: on, off, open, close, stop, lock, unlock, press, brightness, colour, kelvin, position, percentage, temperature,
    fan_mode."""

    verb: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Order:
    """``messages``: topics and payloads.  ``done``: whether a state is what was wanted; ``None`` where the thing tells of none."""

    messages: tuple[tuple[str, str], ...]
    done: Callable[[State], bool] | None
    retain: bool = False


class Cannot(Exception):
    """Why a thing cannot do it: the rest of a sentence that begins with its name."""


def order(thing: Thing, act: Act) -> Order:
    """How to let ``thing`` do ``act``; raises ``Cannot``."""
    make = _BY_DOMAIN.get(thing.domain, _none)
    messages, done = make(thing, act)
    if not messages or not all(topic for topic, _ in messages):
        raise Cannot("can't be told anything" if not thing.wiring.get("command_topic") else "can't do that")
    tells = any(str(key).endswith("state_topic") or key == "position_topic" for key, topic in thing.wiring.items() if topic)
    return Order(tuple(messages), done if tells else None, bool(thing.wiring.get("retain")))


_Made = tuple[list[tuple[str, str]], Callable[[State], bool]]


def _none(thing: Thing, act: Act) -> _Made:
    raise Cannot("can't be told anything")


def _to(wiring: Mapping[str, Any], topic: str, value: str, template: str = "") -> tuple[str, str]:
    """A message to the topic that ``wiring`` names, through its template where it has one."""
    if not wiring.get(topic):
        raise Cannot("can't do that")
    made = rendered(str(wiring.get(template) or "") if template else "", value)
    if made is None:
        raise Cannot("has a template that I can't read")
    return str(wiring[topic]), made


def _is(value: str) -> Callable[[State], bool]:
    return lambda state: state.value == value


def _near(fact: str, value: float, slack: float = NEAR) -> Callable[[State], bool]:
    return lambda state: fact in state.facts and abs(float(state.facts[fact]) - value) <= slack


def _switch(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    if act.verb not in ("on", "off"):
        raise Cannot("can only be turned on and off")
    payload = str(wiring.get(f"payload_{act.verb}") or act.verb.upper())
    return [_to(wiring, "command_topic", payload, "command_template")], _is(act.verb)


def _light(thing: Thing, act: Act) -> _Made:
    if thing.wiring.get("schema") == "template":
        return _template_light(thing, act)
    if thing.wiring.get("schema") == "json":
        return _json_light(thing, act)
    wiring = thing.wiring
    scale = number(wiring.get("brightness_scale")) or 255
    on = [_to(wiring, "command_topic", str(wiring.get("payload_on") or "ON"))] if wiring.get("command_topic") else []
    match act.verb:
        case "on" | "off":
            return _switch(thing, act)
        case "brightness" if act.value == 0:
            return _switch(thing, Act("off"))
        case "brightness":
            if not wiring.get("brightness_command_topic"):
                raise Cannot("can't be dimmed")
            level = str(max(1, round(float(act.value) * scale / 100)))
            dim = [_to(wiring, "brightness_command_topic", level, "brightness_command_template")]
            return _ordered(wiring, on, dim), _near("brightness", act.value)
        case "colour":
            red, green, blue = _rgb(act.value)
            if wiring.get("rgb_command_topic"):
                made = rendered(str(wiring.get("rgb_command_template") or ""), f"{red},{green},{blue}", red=red, green=green, blue=blue)
                paint = [(str(wiring["rgb_command_topic"]), made or f"{red},{green},{blue}")]
            elif wiring.get("hs_command_topic"):
                hue, saturation = _hs(red, green, blue)
                paint = [(str(wiring["hs_command_topic"]), f"{hue:g},{saturation:g}")]
            else:
                raise Cannot("has no colours")
            return _ordered(wiring, on, paint), _is("on")
        case "kelvin":
            if not wiring.get("color_temp_command_topic"):
                raise Cannot("has no colour temperature")
            told = round(act.value) if wiring.get("color_temp_kelvin") else round(1_000_000 / act.value)
            return _ordered(wiring, on, [_to(wiring, "color_temp_command_topic", str(told), "color_temp_command_template")]), _is("on")
        case _:
            raise Cannot("can't do that")


def _ordered(wiring: Mapping[str, Any], on: list[tuple[str, str]], more: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """By ``on_command_type``: whether a light is told to be on before, after, or by its brightness alone."""
    kind = wiring.get("on_command_type") or "last"
    return more if kind == "brightness" else on + more if kind == "first" else more + on


def _json_light(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    modes = wiring.get("supported_color_modes")
    modes = {str(mode) for mode in modes} if isinstance(modes, list) else set()
    told: dict[str, Any] = {"state": "ON"}
    done: Callable[[State], bool] = _is("on")
    match act.verb:
        case "on":
            pass
        case "off":
            told, done = {"state": "OFF"}, _is("off")
        case "brightness":
            if not (wiring.get("brightness") or modes - {"onoff"}):
                raise Cannot("can't be dimmed")
            if act.value == 0:
                told, done = {"state": "OFF"}, _is("off")
            else:
                told["brightness"] = max(1, round(float(act.value) * (number(wiring.get("brightness_scale")) or 255) / 100))
                done = _near("brightness", act.value)
        case "colour":
            if not modes & {"hs", "rgb", "rgbw", "rgbww", "xy"}:
                raise Cannot("has no colours")
            red, green, blue = _rgb(act.value)
            hue, saturation = _hs(red, green, blue)
            told["color"] = ({"h": hue, "s": saturation} if "hs" in modes else _xy(red, green, blue) if modes & {"xy"}
                             else {"r": red, "g": green, "b": blue})
        case "kelvin":
            if "color_temp" not in modes:
                raise Cannot("has no colour temperature")
            told["color_temp"] = round(act.value) if wiring.get("color_temp_kelvin") else round(1_000_000 / act.value)
        case _:
            raise Cannot("can't do that")
    return [_to(wiring, "command_topic", json.dumps(told))], done


def _template_light(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    if act.verb == "off" or (act.verb == "brightness" and act.value == 0):
        made = rendered(str(wiring.get("command_off_template") or "off"), "", state="off")
        return [(str(wiring.get("command_topic", "")), made or "")], _is("off")
    facts: dict[str, Any] = {"state": "on"}
    if act.verb == "brightness":
        facts["brightness"] = max(1, round(float(act.value) * 255 / 100))
    elif act.verb == "colour":
        facts["red"], facts["green"], facts["blue"] = _rgb(act.value)
    elif act.verb != "on":
        raise Cannot("can't do that")
    made = rendered(str(wiring.get("command_on_template") or "on"), "", **facts)
    if made is None:
        raise Cannot("has a template that I can't read")
    return [(str(wiring.get("command_topic", "")), made)], _is("on")


def _fan(thing: Thing, act: Act) -> _Made:
    if act.verb != "percentage":
        return _switch(thing, act)
    wiring = thing.wiring
    if not wiring.get("percentage_command_topic"):
        raise Cannot("has one speed")
    if act.value == 0:
        return _switch(thing, Act("off"))
    low, high = number(wiring.get("speed_range_min")) or 1, number(wiring.get("speed_range_max")) or 100
    speed = str(max(round(low), round(float(act.value) * high / 100)))
    return ([_to(wiring, "percentage_command_topic", speed, "percentage_command_template")],
            _near("percentage", float(act.value), max(NEAR, 100 / high)))


def _cover(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    match act.verb:
        case "open" | "on":
            return [_to(wiring, "command_topic", str(wiring.get("payload_open") or "OPEN"))], lambda s: s.value in ("open", "opening")
        case "close" | "off":
            return [_to(wiring, "command_topic", str(wiring.get("payload_close") or "CLOSE"))], lambda s: s.value in ("closed", "closing")
        case "stop":
            return ([_to(wiring, "command_topic", str(wiring.get("payload_stop") or "STOP"))],
                    lambda s: s.value not in ("opening", "closing"))
        case "position":
            if not wiring.get("set_position_topic"):
                raise Cannot("only opens and closes")
            closed, opened = number(wiring.get("position_closed")), number(wiring.get("position_open"))
            low, high = 0.0 if closed is None else closed, 100.0 if opened is None else opened
            told = str(round(low + float(act.value) * (high - low) / 100))
            return ([_to(wiring, "set_position_topic", told, "set_position_template")],
                    lambda s: s.value in ("opening", "closing") or _near("position", float(act.value))(s))
        case _:
            raise Cannot("can't do that")


def _lock(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    match act.verb:
        case "lock" | "on":
            return ([_to(wiring, "command_topic", str(wiring.get("payload_lock") or "LOCK"), "command_template")],
                    lambda s: s.value in ("locked", "locking"))
        case "unlock" | "off":
            return ([_to(wiring, "command_topic", str(wiring.get("payload_unlock") or "UNLOCK"), "command_template")],
                    lambda s: s.value in ("unlocked", "unlocking"))
        case _:
            raise Cannot("can't do that")


def _climate(thing: Thing, act: Act) -> _Made:
    wiring = thing.wiring
    match act.verb:
        case "temperature":
            low, high = number(wiring.get("min_temp")), number(wiring.get("max_temp"))
            if (low is not None and act.value < low) or (high is not None and act.value > high):
                raise Cannot(f"goes from {low:g} to {high:g} degrees" if low is not None and high is not None else "does not go so far")
            return ([_to(wiring, "temperature_command_topic", f"{act.value:g}", "temperature_command_template")],
                    _near("temperature", float(act.value), 0.3))
        case "fan_mode":
            return ([_to(wiring, "fan_mode_command_topic", str(act.value), "fan_mode_command_template")],
                    lambda s: s.facts.get("fan_mode") == act.value)
        case "off":
            return [_to(wiring, "mode_command_topic", "off", "mode_command_template")], _is("off")
        case "on":
            modes = wiring.get("modes")
            known = [str(mode) for mode in modes] if isinstance(modes, list) else ["auto", "off", "cool", "heat", "dry", "fan_only"]
            mode = next((mode for mode in ("auto", "heat_cool", "heat", "cool") if mode in known), "")
            if not mode:
                raise Cannot("can't do that")
            return [_to(wiring, "mode_command_topic", mode, "mode_command_template")], _is(mode)
        case _:
            raise Cannot("can't do that")


def _press(thing: Thing, act: Act) -> _Made:
    """Scenes and buttons: there is no state to wait for."""
    if act.verb not in ("on", "press"):
        raise Cannot("can't be turned off")
    payload = str(thing.wiring.get("payload_press") or "PRESS") if thing.domain == "button" else str(thing.wiring.get("payload_on") or "ON")
    return [_to(thing.wiring, "command_topic", payload, "command_template")], lambda state: True


_BY_DOMAIN: Mapping[str, Callable[[Thing, Act], _Made]] = {
    "light": _light, "switch": _switch, "siren": _switch, "fan": _fan, "cover": _cover, "valve": _cover, "lock": _lock,
    "climate": _climate, "scene": _press, "button": _press}


def _rgb(name: Any) -> tuple[int, int, int]:
    if name not in COLOURS:
        raise Cannot("does not know that colour")
    return COLOURS[name]


def _hs(red: int, green: int, blue: int) -> tuple[float, float]:
    """Hue in degrees and saturation in percent."""
    most, least = max(red, green, blue), min(red, green, blue)
    if most == least:
        return 0.0, 0.0
    span = most - least
    if most == red:
        hue = ((green - blue) / span) % 6
    elif most == green:
        hue = (blue - red) / span + 2
    else:
        hue = (red - green) / span + 4
    return round(hue * 60, 1), round(100 * span / most, 1)


def _xy(red: int, green: int, blue: int) -> dict[str, float]:
    """CIE 1931, from sRGB with D65 (IEC 61966-2-1)."""
    r, g, b = ((c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))
    x, y, z = 0.4124 * r + 0.3576 * g + 0.1805 * b, 0.2126 * r + 0.7152 * g + 0.0722 * b, 0.0193 * r + 0.1192 * g + 0.9505 * b
    whole = x + y + z
    return {"x": round(x / whole, 4), "y": round(y / whole, 4)} if whole else {"x": 0.3127, "y": 0.329}
