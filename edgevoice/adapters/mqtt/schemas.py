"""What may stand in each payload, as JSON Schema (2020-12): published in docs/mqtt/, and held here against every command that comes.

``write`` makes the files; a test keeps both equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgevoice.adapters.events import EVENTS
from edgevoice.adapters.mqtt.topics import OFFLINE, ONLINE, VERB
from edgevoice.adapters.verbs import ARGUMENTS, COUNT, MOST, SHARE, TIME, Schema, described

ENVELOPE: Mapping[str, Schema] = {
    "id": {"type": "string", "minLength": 1, "maxLength": 64,
           "description": "comes back with the result; a command whose id was seen before is not obeyed again"},
    "device": {"type": "string", "maxLength": 64, "description": "the device that is meant; any other refuses"},
    "time": {**TIME, "description": "when it was sent; with ttl_s"},
    "ttl_s": {"type": "number", "minimum": 0, "maximum": 86400, "description": "seconds after time for which it shall be obeyed"},
}
"""What may stand in every command."""

_OWN: Mapping[str, tuple[str, Mapping[str, Schema], tuple[str, ...]]] = {
    "replay": ("frames of a recent reply once more",
               {"turn": {"type": "integer", "minimum": 1, "maximum": MOST}, "first": COUNT, "last": COUNT}, ("turn",)),
    "discovery": ("publish to Home Assistant anew, or take the device out of it", {"remove": {"type": "boolean"}}, ()),
}
"""What only MQTT can be asked for."""

COMMANDS: Mapping[str, Schema] = {
    verb: described(does, {**arguments, **ENVELOPE}, required) for verb, (does, arguments, required) in {**ARGUMENTS, **_OWN}.items()}
"""By verb."""

REASONS = ("retained", "oversized", "malformed", "unknown", "other_device", "expired", "duplicate", "too_many", "busy", "unavailable",
           "failed")
"""why a command was not carried out"""

_EVENT_FACTS: Mapping[str, Schema] = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9]+$", "description": "the process, and a number without gaps in it"},
    "event": {"enum": [*EVENTS, "doctor"], "description": "doctor: a trial of what the broker allows"},
    "time": TIME, "turn": COUNT, "generation": COUNT,
    "sample": {"type": "integer", "description": "device frame"}, "chars": {**COUNT, "description": "length of the words"},
    "text": {"type": "string", "description": "only where mqtt.words is set"}}

STATE = described("what the device does", {
    "state": {"enum": ["idle", "listening", "speculating", "thinking", "speaking", "holding", "followup"]}, "turn": COUNT,
    "muted": {"type": "boolean"}, "volume": {"type": "number"}, "volumes": {"type": "object", "additionalProperties": {"type": "number"}},
    "wake_words": {"type": "array", "items": {"type": "string"}}, "wake_words_known": {"type": "array", "items": {"type": "string"}},
    "sensitivity": SHARE, "profile": {"type": "string"}, "profiles": {"type": "array", "items": {"type": "string"}},
    "models": {"type": "object", "additionalProperties": {"type": "string"}}, "models_installed": {"type": "string"},
    "models_latest": {"type": "string", "description": "other than models_installed: pull them anew"}, "version": {"type": "string"},
    "time": TIME, "agenda": {"type": "object", "description": "timers, alarms and reminders that are pending, as in health"}},
    ("state", "muted", "volume", "version", "time"))
EVENT = described("something happened", _EVENT_FACTS, ("id", "event", "time"), more=True)
REPLY = described("frames first to last of a reply", {
    "generation": COUNT, "turn": COUNT, "first": COUNT, "last": COUNT, "chars": COUNT,
    "delta": {"type": "string", "description": "only where mqtt.words is set"}, "provisional": {"type": "boolean"},
    "error": {"type": "string"}, "finish": {"enum": ["stop", "length", "cancelled", "filtered", "error"]},
    "usage": {"type": "object"}}, ("generation", "turn", "first", "last", "chars", "provisional"))
RESULT = described("what became of a command", {
    "verb": {"type": "string"}, "id": {"type": "string"}, "ok": {"type": "boolean"}, "reason": {"enum": list(REASONS)},
    "message": {"type": "string"}, "took_ms": {"type": "number", "minimum": 0, "description": "from its coming to its being done"},
    "time": TIME, "data": {"type": "object"}}, ("verb", "ok", "took_ms", "time"))
AVAILABILITY: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "plain text, not JSON",
                        "enum": [ONLINE, OFFLINE]}


def documents() -> dict[str, Schema]:
    """File name to schema, all but the health's, which belongs to its module."""
    from edgevoice.pipeline.health import SCHEMA

    found: dict[str, Schema] = {"availability": AVAILABILITY, "state": STATE, "health": SCHEMA, "event": EVENT, "reply": REPLY,
                               "result": RESULT}
    return {f"{name}.schema.json": schema for name, schema in (found | {f"cmd-{verb}": COMMANDS[verb] for verb in COMMANDS}).items()}


assert all(VERB.fullmatch(verb) for verb in COMMANDS)


def text(schema: Schema) -> str:
    """As it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """All of them, into ``folder``."""
    for name, schema in documents().items():
        (folder / name).write_text(text(schema), encoding="utf-8")
