"""What goes over WS /v1/stream (docs/stream.md): messages of text and their schemas, the header of messages of sound, reasons to close.

Law: whatever a client sends is looked at here before anything is done with it; what does not fit is ``Refused``.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.adapters.verbs import COUNT, MOST, MOST_BYTES, Refused, Schema, described, dumps, parsed, wrong

VERSION = 1
MOST_SOUND = 16_384
"""bytes of a binary message"""
DEVICE, VOICE, MICROPHONE = 1, 2, 3
"""what a binary message is"""
S16, MULAW = 0, 1
"""its format"""
LOW_RATE = 8000
"""Hz, of what is sent to who is slow: telephone sound, a quarter of the bytes of the default rate"""
MICROPHONE_RATES = 8000, 48_000
"""Hz, the least and the most"""
CLOSING: Mapping[str, int] = {"token": 4401, "late": 4408, "slow": 4409, "silent": 4409, "too_many": 4429}
"""WebSocket close codes by reason"""
GOING_AWAY = 1001

_HEADER = struct.Struct("<BBHIQ")

ID: Schema = {"type": "string", "minLength": 8, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"}
_WHERE: Schema = {"enum": ["device", "mine"]}
_FLAG: Schema = {"type": "boolean"}
_PLACE: Schema = {"type": "string", "maxLength": 40}
_AFTER: Schema = {"type": "object", "properties": {"event": _PLACE, "frame": _PLACE}}
_SEQ: Schema = {"type": "integer", "minimum": -1, "maximum": MOST}
_TYPES: Mapping[str, tuple[Mapping[str, Schema], tuple[str, ...]]] = {
    "hello": ({"version": COUNT, "token": {"type": "string", "maxLength": 512}}, ("version",)),
    "subscribe": ({"events": _FLAG, "replies": _FLAG, "state": _FLAG, "waterfall": _FLAG, "sound": {"enum": ["full", "low", "none"]},
                   "after": _AFTER}, ()),
    "ask": ({"text": {"type": "string", "minLength": 1, "maxLength": 2000}, "id": ID, "keep": _FLAG, "now": _FLAG, "after": _SEQ,
             "where": _WHERE}, ("text",)),
    "do": ({"verb": {"type": "string", "maxLength": 40}, "id": {"type": "string", "maxLength": 64}, "where": _WHERE}, ("verb",)),
    "talk": ({"on": _FLAG, "end": _FLAG, "rate": {"type": "integer", "minimum": MICROPHONE_RATES[0], "maximum": MICROPHONE_RATES[1]},
              "echo": _FLAG, "conversation": ID, "after": _AFTER}, ("on",)),
    "buffer": ({"full": _FLAG}, ("full",)),
    "played": ({"generation": COUNT, "late_ms": {"type": "number", "minimum": 0, "maximum": 60_000}, "where": _WHERE}, ("generation",)),
    "pong": ({"n": COUNT}, ("n",)),
}
MESSAGES: Mapping[str, Schema] = {name: described(name, {"type": {"enum": [name]}, **properties}, ("type", *required))
                                  for name, (properties, required) in _TYPES.items()}
"""what a client may say; the ``arguments`` of ``do`` are the verb's"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A binary message that came."""

    what: int
    format: int
    number: int
    sample: int
    """of its first sample, at the rate that was announced"""
    data: bytes


def said(text: str) -> tuple[str, dict[str, Any]]:
    """Type and fields of a client's message.  ``Refused`` if it is none."""
    if len(text) > MOST_BYTES:
        raise Refused("oversized", f"{len(text)} characters; at most {MOST_BYTES} bytes")
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MOST_BYTES:
        raise Refused("oversized", f"{len(raw)} bytes; at most {MOST_BYTES}")
    message = parsed(raw)
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in MESSAGES:
        raise Refused("unknown", f"type: there are {', '.join(MESSAGES)}")
    arguments = message.pop("arguments", {}) if kind == "do" else None
    if (told := wrong(MESSAGES[kind], message)) is not None:
        raise Refused("malformed", told)
    if arguments is not None:
        message["arguments"] = arguments
    return kind, message


def sound(data: bytes) -> Piece:
    """``Refused`` if it is none."""
    if len(data) < _HEADER.size:
        raise Refused("malformed", f"{len(data)} bytes; a header has {_HEADER.size}")
    what, form, zero, number, sample = _HEADER.unpack_from(data)
    if what != MICROPHONE or form != S16 or zero or (len(data) - _HEADER.size) % 2:
        raise Refused("malformed", f"wants {MICROPHONE}, {S16}, 0 and whole samples; there are {what}, {form}, {zero} "
                                   f"and {len(data) - _HEADER.size} bytes")
    return Piece(what, form, number, sample, data[_HEADER.size:])


def pack(what: int, form: int, number: int, sample: int, data: bytes) -> bytes:
    return _HEADER.pack(what, form, 0, number & 0xFFFFFFFF, sample) + data


def message(kind: str, **facts: Any) -> bytes:
    return dumps({"type": kind, **facts})


def error(reason: str, text: str, **facts: Any) -> bytes:
    return message("error", reason=reason, message=text[:500], **facts)


def mulaw(samples: NDArray[np.int16]) -> bytes:
    """G.711 µ-law, a byte a sample."""
    return bytes(_mulaw_table()[samples.view(np.uint16)].tobytes())


@functools.cache
def _mulaw_table() -> NDArray[np.uint8]:
    """Of every int16, by its bits: the sign, the octave above 132 / 4, four bits within it, all inverted (ITU-T G.711)."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(samples), 32635) + 132
    octave = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (octave + 3)) & 0x0F
    table: NDArray[np.uint8] = (~(np.where(samples < 0, 0x80, 0) | (octave << 4) | mantissa) & 0xFF).astype(np.uint8)
    return table
