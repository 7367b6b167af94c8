"""What may stand in each payload, as JSON Schema (2020-12): published in docs/mqtt/, and held here against every command that comes.

``write`` makes the files; a test keeps both equal.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgevoice.adapters.mqtt.events import EVENTS
from edgevoice.adapters.mqtt.topics import OFFLINE, ONLINE, VERB

Schema = Mapping[str, Any]

_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
MOST = 2 ** 53
"""of any number: what a double, and so every reader of JSON, holds exactly; also NaN and infinity are none"""
_COUNT = {"type": "integer", "minimum": 0, "maximum": MOST}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_TIME = {"type": "number", "minimum": 0, "maximum": MOST, "description": "Unix time, in seconds"}

ENVELOPE: Mapping[str, Schema] = {
    "id": {"type": "string", "minLength": 1, "maxLength": 64,
           "description": "comes back with the result; a command whose id was seen before is not obeyed again"},
    "device": {"type": "string", "maxLength": 64, "description": "the device that is meant; any other refuses"},
    "time": {**_TIME, "description": "when it was sent; with ttl_s"},
    "ttl_s": {"type": "number", "minimum": 0, "maximum": 86400, "description": "seconds after time for which it shall be obeyed"},
}
"""What may stand in every command."""

_ARGUMENTS: Mapping[str, tuple[str, Mapping[str, Schema], tuple[str, ...]]] = {
    "barge_in": ("fall silent and listen", {}, ()),
    "stop": ("silence: end whatever goes on, and drop the announcements that wait", {}, ()),
    "cancel": ("as stop, only if the named turn is the present one",
               {"turn": {"type": "integer", "minimum": 1, "maximum": MOST}}, ()),
    "mute": ("no microphone; without an argument the other way round", {"muted": {"type": "boolean"}}, ()),
    "listen": ("as if the wake word had been said", {}, ()),
    "resume": ("let a reply go on that is paused because somebody spoke", {}, ()),
    "say": ("speak a text", {"text": _TEXT, "priority": {"enum": ["normal", "urgent"], "description": "urgent interrupts"},
                             "channel": {"enum": ["announcement", "voice", "alarm"], "description": "whose volume"}}, ("text",)),
    "ask": ("answer a question aloud", {"text": _TEXT}, ("text",)),
    "volume": ("1 is as recorded, 0 is silence", {"volume": {"type": "number", "minimum": 0, "maximum": 4},
                                                  "channel": {"enum": ["voice", "announcement", "alarm", "earcon"]}}, ("volume",)),
    "wake_word": ("other words, or another sensitivity, until the next restart",
                  {"words": {"type": "array", "items": _NAME, "minItems": 1, "maxItems": 8}, "sensitivity": _SHARE}, ()),
    "profile": ("the settings of another file", {"name": {**_NAME, "pattern": "^[A-Za-z0-9_-]+$"}}, ("name",)),
    "reload": ("read the configuration anew", {}, ()),
    "models": ("which models are installed", {}, ()),
    "doctor": ("what is wrong", {}, ()),
    "restart": ("end in order, to be started afresh", {}, ()),
    "replay": ("frames of a recent reply once more",
               {"turn": {"type": "integer", "minimum": 1, "maximum": MOST}, "first": _COUNT, "last": _COUNT}, ("turn",)),
    "discovery": ("publish to Home Assistant anew, or take the device out of it", {"remove": {"type": "boolean"}}, ()),
}


def _object(title: str, properties: Mapping[str, Schema], required: tuple[str, ...] = (), *, more: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "type": "object",
                            "properties": dict(properties)}
    if required:
        made["required"] = list(required)
    if not more:
        made["additionalProperties"] = False
    return made


COMMANDS: Mapping[str, Schema] = {
    verb: _object(does, {**arguments, **ENVELOPE}, required) for verb, (does, arguments, required) in _ARGUMENTS.items()}
"""By verb."""

REASONS = ("retained", "oversized", "malformed", "unknown", "other_device", "expired", "duplicate", "too_many", "busy", "unavailable",
           "failed")
"""why a command was not carried out"""

_EVENT_FACTS: Mapping[str, Schema] = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]+$", "description": "the process, and a number without gaps in it"},
    "event": {"enum": list(EVENTS)}, "time": _TIME, "turn": _COUNT, "generation": _COUNT,
    "sample": {"type": "integer", "description": "device frame"}, "chars": {**_COUNT, "description": "length of the words"},
    "text": {"type": "string", "description": "only where mqtt.words is set"}}

STATE = _object("what the device does", {
    "state": {"enum": ["idle", "listening", "speculating", "thinking", "speaking", "holding", "followup"]}, "turn": _COUNT,
    "muted": {"type": "boolean"}, "volume": {"type": "number"}, "volumes": {"type": "object", "additionalProperties": {"type": "number"}},
    "wake_words": {"type": "array", "items": {"type": "string"}}, "wake_words_known": {"type": "array", "items": {"type": "string"}},
    "sensitivity": _SHARE, "profile": {"type": "string"}, "profiles": {"type": "array", "items": {"type": "string"}},
    "models": {"type": "object", "additionalProperties": {"type": "string"}}, "models_installed": {"type": "string"},
    "models_latest": {"type": "string", "description": "other than models_installed: pull them anew"}, "version": {"type": "string"},
    "time": _TIME, "agenda": {"type": "object", "description": "timers, alarms and reminders that are pending, as in health"}},
    ("state", "muted", "volume", "version", "time"))
EVENT = _object("something happened", _EVENT_FACTS, ("id", "event", "time"), more=True)
REPLY = _object("frames first to last of a reply", {
    "generation": _COUNT, "turn": _COUNT, "first": _COUNT, "last": _COUNT, "chars": _COUNT,
    "delta": {"type": "string", "description": "only where mqtt.words is set"}, "provisional": {"type": "boolean"},
    "error": {"type": "string"}, "finish": {"enum": ["stop", "length", "cancelled", "filtered", "error"]},
    "usage": {"type": "object"}}, ("generation", "turn", "first", "last", "chars", "provisional"))
RESULT = _object("what became of a command", {
    "verb": {"type": "string"}, "id": {"type": "string"}, "ok": {"type": "boolean"}, "reason": {"enum": list(REASONS)},
    "message": {"type": "string"}, "took_ms": {"type": "number", "minimum": 0, "description": "from its coming to its being done"},
    "time": _TIME, "data": {"type": "object"}}, ("verb", "ok", "took_ms", "time"))
AVAILABILITY: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "plain text, not JSON",
                        "enum": [ONLINE, OFFLINE]}


def documents() -> dict[str, Schema]:
    """File name to schema, all but the health's, which belongs to its module."""
    from edgevoice.pipeline.health import SCHEMA

    made: dict[str, Schema] = {"availability": AVAILABILITY, "state": STATE, "health": SCHEMA, "event": EVENT, "reply": REPLY,
                               "result": RESULT}
    return {f"{name}.schema.json": schema for name, schema in (made | {f"cmd-{verb}": COMMANDS[verb] for verb in COMMANDS}).items()}


def wrong(schema: Schema, value: Any, path: str = "") -> str | None:
    """Why ``value`` is none of ``schema``, in one line; ``None`` if it is.  Knows the keywords that stand in ``COMMANDS`` and no others."""
    where = path or "the payload"
    if "enum" in schema:
        fits = any(type(value) is type(choice) and value == choice for choice in schema["enum"])
        return None if fits else f"{where}: wants one of {', '.join(map(str, schema['enum']))}"
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
            if name not in known:
                return f"{name[:40]!r}: is not known here"
            if (told := wrong(known[name], item, f"{path + '.' if path else ''}{name}")) is not None:
                return told
    return None


_KINDS: Mapping[Any, Any] = {
    "boolean": lambda v: isinstance(v, bool), "string": lambda v: isinstance(v, str), "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "integer": lambda v: not isinstance(v, bool) and -MOST <= v <= MOST and v == int(v) if isinstance(v, (int, float)) else False,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and -MOST <= v <= MOST}

assert all(VERB.fullmatch(verb) for verb in COMMANDS)


def text(schema: Schema) -> str:
    """As it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """All of them, into ``folder``."""
    for name, schema in documents().items():
        (folder / name).write_text(text(schema), encoding="utf-8")
