"""Events of the Wyoming protocol on a stream of bytes.

An event is one line of JSON, which may announce ``data_length`` bytes of more JSON and ``payload_length`` bytes of sound after it.
Source: the protocol's README (github.com/OHF-voice/wyoming), version 1.10; its package is what the tests speak with.  It is not used here:
its reader takes any length that a client names into memory, and what is left of it is the names of some fields.

Law: what is read is bounded before it is read; anything that is no event raises ``Malformed``, after which nothing on that stream has a
meaning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.adapters.verbs import Refused, dumps, parsed
from edgevoice.audio import Resampler, to_float32
from edgevoice.pipeline.lending import HEARD_RATE

Float32 = NDArray[np.float32]

MOST_LINE = 65_536
"""bytes; also of the data"""
MOST_PAYLOAD = 1 << 20
"""bytes: five seconds of 48 kHz stereo; clients send some hundredths of a second"""
MOST_TYPE = 64
VERSION = "1.10.2"
"""of the protocol, told with each event"""


class Malformed(Exception):
    """No event, or none of its kind; the text says why."""


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def text(self, name: str, most: int) -> str:
        """A field that is a text; empty if it is absent.  ``Malformed`` otherwise."""
        value = self.data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > most:
            raise Malformed(f"{self.type}.{name}: wants a text of at most {most} characters")
        return value


async def read(reader: asyncio.StreamReader) -> Event | None:
    """The next one; ``None`` at the end.  The reader's limit is to be ``MOST_LINE``."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise Malformed(f"a line of more than {MOST_LINE} bytes") from error
    head = _object(line)
    name, data = head.get("type"), head.get("data") or {}
    if not isinstance(name, str) or not 0 < len(name) <= MOST_TYPE:
        raise Malformed("an event has a type")
    if not isinstance(data, dict):
        raise Malformed(f"{name}: data wants an object")
    try:
        if length := _length(head, "data_length", MOST_LINE):
            data = data | _object(await reader.readexactly(length))
        length = _length(head, "payload_length", MOST_PAYLOAD)
        return Event(name, data, await reader.readexactly(length) if length else b"")
    except asyncio.IncompleteReadError:
        return None


def written(type: str, data: Mapping[str, Any] | None = None, payload: bytes = b"") -> bytes:
    head: dict[str, Any] = {"type": type, "version": VERSION}
    body = dumps(data) if data else b""
    if body:
        head["data_length"] = len(body)
    if payload:
        head["payload_length"] = len(payload)
    return dumps(head) + b"\n" + body + payload


class Sounds:
    """The sound of ``audio-chunk`` events, as float32 at ``rate``, mono."""

    RATES = 8_000, 48_000

    def __init__(self, rate: int = HEARD_RATE) -> None:
        self._to = rate
        self._form: tuple[int, int] | None = None
        self._resampler: Resampler | None = None

    def take(self, event: Event) -> Float32:
        """``Malformed`` for a form that is none, or not understood here."""
        rate, channels = form_of(event)
        if (rate, channels) != self._form:
            self._form = rate, channels
            self._resampler = None if rate == self._to else Resampler(rate, self._to)
        if len(event.payload) % (2 * channels):
            raise Malformed(f"audio-chunk: {len(event.payload)} bytes are no whole frames of {channels} x 16 bit")
        samples = to_float32(np.frombuffer(event.payload, "<i2").astype(np.int16, copy=False))
        if channels > 1:
            samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
        return samples if self._resampler is None else self._resampler.process(samples)


def form_of(event: Event) -> tuple[int, int]:
    """Its rate in Hz, and its channels."""
    rate, width, channels = (event.data.get(name) for name in ("rate", "width", "channels"))
    low, high = Sounds.RATES
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in (rate, width, channels))
    if not whole or width != 2 or channels not in (1, 2) or not low <= rate <= high:  # type: ignore[operator]
        raise Malformed(f"{event.type}: wants 16 bit, 1 or 2 channels, {low} to {high} Hz, not width {str(width)[:20]}, "
                        f"channels {str(channels)[:20]}, rate {str(rate)[:20]}")
    return rate, channels  # type: ignore[return-value]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return parsed(raw)
    except Refused as error:
        raise Malformed(str(error)) from error


def _length(head: Mapping[str, Any], name: str, most: int) -> int:
    value = head.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Malformed(f"{name}: wants 0 to {most}")
    return value
