"""How requests are read and answered, whichever group of routes they are for: bounded in bytes and in seconds both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from edgevoice.adapters.verbs import Refused

BODY_S = 10.0
"""for a request to come in whole, from the connection on"""
STALL_S = 10.0
"""for a client to take what it is sent"""
_STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


class Slow(ConnectionResetError):
    """The client takes nothing, and is sent away."""


async def whole(request: web.Request, most: int) -> bytes:
    """Its body; ``Refused`` if that has more than ``most`` bytes or takes longer than ``BODY_S``."""
    if request.content_length is not None and request.content_length > most:
        raise Refused("oversized", f"{request.content_length} bytes; at most {most}")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_any():
                size += len(part)
                if size > most:  # also what was compressed
                    raise Refused("oversized", f"more than {most} bytes")
                parts.append(part)
    except TimeoutError:
        raise Refused("late", f"it did not come whole within {BODY_S:g} s") from None
    return b"".join(parts)


async def json_body(request: web.Request, most: int) -> bytes:
    """The same of a request that says that it is JSON, ``{}`` for none at all."""
    body = await whole(request, most)
    if body and request.content_type != "application/json":
        raise Refused("type", "wants Content-Type: application/json")
    return body or b"{}"


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), status=status,
                        headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})})


async def events_answer(request: web.Request, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    """Begins a stream of server-sent events."""
    return await begun(request, {**_STREAM, **(headers or {})})


async def begun(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    """An answer whose body follows piece by piece, by ``send``."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def send(response: web.StreamResponse, data: bytes) -> None:
    """``Slow`` if the client does not take it."""
    try:
        async with asyncio.timeout(STALL_S):
            await response.write(data)
    except TimeoutError:
        raise Slow("it takes nothing") from None
