"""What may be asked of the device, whatever the edge: each verb's arguments, as JSON Schema (2020-12), and who checks them.

Theory: an edge puts what comes of its own (an id, who is meant) beside the arguments; ``made`` makes the whole schema of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

CONTROL = frozenset({"barge_in", "stop", "cancel", "mute"})
"""verbs that overtake all others"""
MOST_BYTES = 8192
"""of a command"""

TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}
MOST = 2 ** 53
"""of any number: what a double, and so every reader of JSON, holds exactly; also NaN and infinity are none"""
COUNT = {"type": "integer", "minimum": 0, "maximum": MOST}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
TIME = {"type": "number", "minimum": 0, "maximum": MOST, "description": "Unix time, in seconds"}


ARGUMENTS: Mapping[str, tuple[str, Mapping[str, Schema], tuple[str, ...]]] = {
    "barge_in": ("fall silent and listen", {}, ()),
    "stop": ("silence: end whatever goes on, and drop the announcements that wait", {}, ()),
    "cancel": ("as stop, only if the named turn is the present one",
               {"turn": {"type": "integer", "minimum": 1, "maximum": MOST}}, ()),
    "mute": ("no microphone; without an argument the other way round", {"muted": {"type": "boolean"}}, ()),
    "listen": ("as if the wake word had been said", {}, ()),
    "resume": ("let a reply go on that is paused because somebody spoke", {}, ()),
    "say": ("speak a text", {"text": TEXT, "priority": {"enum": ["normal", "urgent"], "description": "urgent interrupts"},
                             "channel": {"enum": ["announcement", "voice", "alarm"], "description": "whose volume"}}, ("text",)),
    "ask": ("answer a question aloud", {"text": TEXT}, ("text",)),
    "volume": ("1 is as recorded, 0 is silence", {"volume": {"type": "number", "minimum": 0, "maximum": 4},
                                                  "channel": {"enum": ["voice", "announcement", "alarm", "earcon"]}}, ("volume",)),
    "wake_word": ("other words, or another sensitivity, until the next restart",
                  {"words": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 8}, "sensitivity": SHARE}, ()),
    "profile": ("the settings of another file", {"name": {**NAME, "pattern": "^[A-Za-z0-9_-]+$"}}, ("name",)),
    "reload": ("read the configuration anew", {}, ()),
    "models": ("which models are installed", {}, ()),
    "doctor": ("what is wrong", {}, ()),
    "restart": ("end in order, to be started afresh", {}, ()),
}
"""Of each verb: what it does, its arguments, and those that must be given."""


def described(title: str, properties: Mapping[str, Schema], required: tuple[str, ...] = (), *, more: bool = False) -> dict[str, Any]:
    whole: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "type": "object",
                            "properties": dict(properties)}
    if required:
        whole["required"] = list(required)
    if not more:
        whole["additionalProperties"] = False
    return whole


def wrong(schema: Schema, value: Any, path: str = "") -> str | None:
    """Why ``value`` is none of ``schema``, in one line; ``None`` if it is.  Knows the keywords that stand in ``COMMANDS`` and no others."""
    where = path or "the payload"
    if "enum" in schema:
        fits = any(type(value) is type(choice) and value == choice for choice in schema["enum"])
        return None if fits else f"{where}: wants one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        found = [wrong(each, value, path) for each in schema["anyOf"]]
        return None if None in found else next((text for text in found if text and not text.startswith(f"{where}: wants ")), found[0])
    kind = schema.get("type")
    if not _KINDS[kind](value):
        return f"{where}: wants {kind}"
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        return None if low <= value <= high else f"{where}: wants {low:g} to {high:g}"
    if kind == "string":
        least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        if not least <= len(value) <= most:
            return f"{where}: wants {least} to {most} characters"
        return None if re.search(schema.get("pattern", ""), value) else f"{where}: wants {schema['pattern']}"
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if not least <= len(value) <= most:
            return f"{where}: wants {least} to {most} items"
        return next(filter(None, (wrong(schema["items"], item, f"{where}[{k}]") for k, item in enumerate(value))), None)
    if kind == "object":
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                return f"{path + '.' if path else ''}{name}: is missing"
        for name, item in value.items():
            if name not in known and schema.get("additionalProperties") is True:
                continue
            if name not in known:
                return f"{name[:40]!r}: is not known here"
            if (told := wrong(known[name], item, f"{path + '.' if path else ''}{name}")) is not None:
                return told
    return None


_KINDS: Mapping[Any, Any] = {
    "boolean": lambda v: isinstance(v, bool), "string": lambda v: isinstance(v, str), "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict), "null": lambda v: v is None,
    "integer": lambda v: not isinstance(v, bool) and -MOST <= v <= MOST and v == int(v) if isinstance(v, (int, float)) else False,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and -MOST <= v <= MOST}


class Refused(Exception):
    """``reason`` is one of ``schemas.REASONS``."""

    def __init__(self, reason: str, text: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.reason, self.data = reason, data


def checked(schema: Schema, payload: bytes) -> dict[str, Any]:
    """The arguments; ``Refused`` unless they are what ``schema`` wants."""
    if len(payload) > MOST_BYTES:
        raise Refused("oversized", f"{len(payload)} bytes; at most {MOST_BYTES}")
    arguments = parsed(payload)
    if (told := wrong(schema, arguments)) is not None:
        raise Refused("malformed", told)
    return arguments


def parsed(payload: bytes) -> dict[str, Any]:
    """``Refused`` unless a JSON object.  Nothing at all is none: that is how a retained message is cleared, and whoever tidies up a
    retained "restart" does not mean one."""
    if not payload:
        raise Refused("malformed", "wants a JSON object, {} at least")
    try:
        value = json.loads(payload.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"not JSON ({str(error)[:100]})") from error
    if not isinstance(value, dict):
        raise Refused("malformed", "wants a JSON object")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def dumps(value: Any) -> bytes:
    """Compact JSON, UTF-8; half a surrogate pair, which no UTF-8 can hold, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
