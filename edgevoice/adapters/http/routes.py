"""Groups of routes: what one part of the HTTP edge serves, and who may have it.

A group lists its routes; the server puts its gate, its limits and its headers before all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


Refusal = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
"""Of a reason for programs, a text for people, and further facts: the answer's body."""


def refusal(reason: str, message: str, _: Mapping[str, Any]) -> dict[str, Any]:
    """As the device's own routes say it."""
    return {"ok": False, "reason": reason, "message": message}


class Route(NamedTuple):
    """``scope``: what a token must allow, "" where it depends on the verb in the path, ``None`` for anybody.  ``refusal``: how its
    clients are told that something is refused."""

    method: str
    path: str
    scope: str | None
    handler: Handler
    refusal: Refusal = refusal


class Group(Protocol):
    """A part of what is served."""

    def routes(self) -> Iterable[Route]: ...
