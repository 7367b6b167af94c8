"""What may be asked of the lent engines, as JSON Schema: that which the code checks with and which is published.

Theory: a parameter that would change the answer and that no engine here knows is refused by its name, not dropped; one that changes
nothing (a user's name, ``n`` = 1) is let through.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgevoice.adapters.verbs import MOST, NAME, Schema, described

FORMATS = ("mp3", "opus", "flac", "wav", "pcm")
ANSWERS = ("json", "text", "verbose_json")
MOST_CHAT = 65_536
"""bytes of a conversation"""
MOST_AUDIO = 25 << 20
"""bytes of a recording"""
LONGEST_INPUT = 4096
"""characters to be spoken"""


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


_FREE: Schema = {"type": "object", "additionalProperties": True}
_TEXT: Schema = {"type": "string", "maxLength": MOST_CHAT}
_FUNCTION: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9_-]+$"}
_PARTS: Schema = {"type": "array", "minItems": 1, "maxItems": 64,
                  "items": _object({"type": {"enum": ["text"]}, "text": _TEXT}, ("type", "text"))}
_CALL = _object({"id": NAME, "type": {"enum": ["function"]}, "function": _object({"name": _FUNCTION, "arguments": _TEXT},
                                                                                 ("name", "arguments"))}, ("id", "type", "function"))
_MESSAGE = _object({"role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                    "content": {"anyOf": [_TEXT, _PARTS, {"type": "null"}]}, "name": NAME, "tool_call_id": NAME,
                    "tool_calls": _or_null({"type": "array", "maxItems": 16, "items": _CALL}), "refusal": {"type": "null"}}, ("role",))
_TOOL = _object({"type": {"enum": ["function"]}, "function": _object(
    {"name": _FUNCTION, "description": {"type": "string", "maxLength": 1000}, "parameters": _FREE,
     "strict": _or_null({"type": "boolean"})}, ("name",))}, ("type", "function"))
_STOP: Schema = {"type": "string", "minLength": 1, "maxLength": 100}

CHAT = described("write the next message of a conversation", {
    "model": NAME,
    "messages": {"type": "array", "minItems": 1, "maxItems": 256, "items": _MESSAGE},
    "max_tokens": _or_null({"type": "integer", "minimum": 1, "maximum": MOST}),
    "max_completion_tokens": _or_null({"type": "integer", "minimum": 1, "maximum": MOST}),
    "temperature": _or_null({"type": "number", "minimum": 0, "maximum": 2}),
    "top_p": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
    "seed": _or_null({"type": "integer", "minimum": -MOST, "maximum": MOST}),
    "stop": {"anyOf": [_STOP, {"type": "array", "maxItems": 4, "items": _STOP}, {"type": "null"}]},
    "stream": _or_null({"type": "boolean"}),
    "stream_options": _or_null(_object({"include_usage": {"type": "boolean"}, "include_obfuscation": {"type": "boolean"}})),
    "tools": {"type": "array", "maxItems": 16, "items": _TOOL},
    "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, _object(
        {"type": {"enum": ["function"]}, "function": _object({"name": _FUNCTION}, ("name",))}, ("type", "function"))]},
    "parallel_tool_calls": {"type": "boolean"},
    "response_format": {"anyOf": [_object({"type": {"enum": ["text", "json_object"]}}, ("type",)), _object(
        {"type": {"enum": ["json_schema"]}, "json_schema": _object(
            {"name": _FUNCTION, "description": {"type": "string", "maxLength": 1000}, "schema": _FREE,
             "strict": _or_null({"type": "boolean"})}, ("name", "schema"))}, ("type", "json_schema"))]},
    "n": _or_null({"type": "integer", "minimum": 1, "maximum": 1}),
    "frequency_penalty": _or_null({"type": "number", "minimum": 0, "maximum": 0}),
    "presence_penalty": _or_null({"type": "number", "minimum": 0, "maximum": 0}),
    "logprobs": _or_null({"enum": [False]}), "store": _or_null({"enum": [False]}),
    "user": NAME, "safety_identifier": NAME, "metadata": _or_null(_FREE), "service_tier": _or_null({"enum": ["auto", "default"]}),
}, ("model", "messages"))

SPEECH = described("speak a text", {
    "model": NAME, "voice": NAME, "input": {"type": "string", "minLength": 1, "maxLength": LONGEST_INPUT},
    "response_format": {"enum": list(FORMATS)}, "speed": {"type": "number", "minimum": 0.25, "maximum": 4},
    "stream_format": {"enum": ["audio"]},
}, ("model", "input", "voice"))

TRANSCRIPTION = described("write a recording down", {
    "model": NAME, "response_format": {"enum": list(ANSWERS)}, "stream": {"enum": ["true", "false"]},
    "temperature": {"enum": ["0", "0.0"]}, "chunking_strategy": {"enum": ["auto"]}, "timestamp_granularities[]": {"enum": ["segment"]},
}, ("model",))
"""of the fields that come beside ``file``"""
