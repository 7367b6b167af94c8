"""Groups of routes: what one part of the HTTP edge serves, and who may have it.

A group lists its routes; the server puts its gate, its limits and its headers before all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """``scope``: what a token must allow, "" where it depends on the verb in the path, ``None`` for anybody.  ``about``: its OpenAPI
    operation object, made of the schemas that the handler checks with."""

    method: str
    path: str
    scope: str | None
    handler: Handler
    about: Mapping[str, Any] | None = None


class Group(Protocol):
    """A part of what is served."""

    def routes(self) -> Iterable[Route]: ...
