"""Requests: each goes through the same gate, and is answered with JSON, text, or a stream of events.

Laws: what is refused is told as ``{"ok": false, "reason", "message"}``, never as a traceback; a client that does not take what it is sent
within ``answers.STALL_S`` is disconnected, and holds nobody meanwhile; every number of clients, bytes and seconds has a bound.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edgevoice.adapters import metrics
from edgevoice.adapters.house import Conversations, Failed
from edgevoice.adapters.http import answers, commands
from edgevoice.adapters.http.answers import Slow, events_answer, json_answer, json_body, send
from edgevoice.adapters.http.asked import Asked, Questions
from edgevoice.adapters.http.commands import ASK, COMMANDS
from edgevoice.adapters.http.feed import Feed, sse
from edgevoice.adapters.http.guard import Hosts, Peers, Tokens, allowed
from edgevoice.adapters.http.routes import Group, Handler, Refusal, Route, refusal
from edgevoice.adapters.http.stream import Streams
from edgevoice.adapters.limits import Bucket
from edgevoice.adapters.verbs import CONTROL, MOST_BYTES, Refused, checked, dumps
from edgevoice.settings import HttpSettings

if TYPE_CHECKING:
    from edgevoice.adapters.http.edge import HttpEdge

log = logging.getLogger(__name__)

MOST_WAITING = 16
"""commands that may be on their way, but for those that stop something"""

_STATUS: Mapping[str, int] = {"oversized": 413, "malformed": 400, "unknown": 404, "busy": 503, "unavailable": 409, "duplicate": 409,
                              "too_many": 429, "host": 421, "origin": 403, "token": 401, "scope": 403, "failed": 500, "late": 408,
                              "type": 415, "cancelled": 409}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Server": "edgevoice"}


class Server:
    """On the edge's loop alone."""

    def __init__(self, settings: HttpSettings, edge: HttpEdge, tokens: Tokens, peers: Peers, hosts: Hosts,
                 groups: Iterable[Group] = (), conversations: Conversations | None = None) -> None:
        self._settings, self._edge, self._tokens, self._peers, self._hosts = settings, edge, tokens, peers, hosts
        boot = secrets.token_hex(4)
        self.feed = Feed(words=settings.words, boot=boot)
        self.requests = 0
        self.refused: collections.Counter[str] = collections.Counter()
        """by reason"""
        self._questions = Questions()
        self.streams = Streams(settings, edge, partial(allowed, tokens, peers), self._questions, self.refused, boot,
                               conversations)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._live: dict[Any, float] = {}
        """connections, and since when each of them has owed a request; 0 for not"""
        self._errors = Bucket(1.0)
        self._routes: dict[Any, Route] = {}
        self.app = web.Application(middlewares=[self._gate], client_max_size=MOST_BYTES)
        self.app.on_response_prepare.append(_headers)
        for route in (*self.routes(), *(route for group in groups for route in group.routes())):
            self._routes[self.app.router.add_route(route.method, route.path, route.handler).handler] = route

    def routes(self) -> Iterable[Route]:
        """Those of the device itself."""
        return (Route("GET", "/health", "listen", self._health), Route("GET", "/metrics", "listen", self._metrics),
                Route("GET", "/v1/state", "listen", self._state), Route("GET", "/v1/events", "listen", self._events),
                Route("POST", "/v1/ask", "speak", self._ask), Route("GET", "/v1/replies/{id}", "speak", self._reply),
                Route("POST", "/v1/cmd/{verb}", "", self._command), *self.streams.routes())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.streams.close()

    def guarded(self, make: Callable[[], Any]) -> Callable[[], asyncio.Protocol]:
        """Connections by ``make``, up to as many as are allowed, each of which brings its request within ``BODY_S`` or is closed."""
        loop = asyncio.get_running_loop()

        def one() -> asyncio.Protocol:
            now = time.monotonic()
            self._live = {protocol: since for protocol, since in self._live.items()
                          if protocol.transport is not None or (since and now - since < 1.0)}  # just made, it is not open yet
            if len(self._live) >= self._settings.clients:
                self.refused["connections"] += 1
                return _Full()
            protocol: asyncio.Protocol = make()
            self._live[protocol] = now
            loop.call_later(answers.BODY_S, self._silent, protocol)
            return protocol
        return one

    @property
    def connections(self) -> int:
        """Those that are open.  Any thread."""
        return sum(protocol.transport is not None for protocol in list(self._live))

    def _silent(self, protocol: Any) -> None:
        if self._live.get(protocol) and protocol.transport is not None:
            self.refused["late"] += 1
            protocol.transport.abort()

    # The gate.

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._live[request.protocol] = 0.0
        self.requests += 1
        route = self._routes.get(request.match_info.handler)
        no = partial(self._no, route.refusal if route else refusal)
        try:
            self._judge(request)
            return await handler(request)
        except Refused as error:
            return no(error.reason, str(error), error.data)
        except Failed as error:
            return no(error.reason, str(error))
        except web.HTTPException as error:
            reason = {404: "unknown", 405: "unknown", 413: "oversized"}.get(error.status, "malformed")
            return no(reason, error.reason, status=error.status)
        except ConnectionError as error:  # the client went away, or is sent away
            self.refused["slow"] += isinstance(error, Slow)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except Exception as error:
            if self._errors.take(time.monotonic()):
                log.exception("HTTP: %s %s failed", request.method, request.match_info.route.resource)
            return no("failed", f"{type(error).__name__}, see the device's log")

    def _judge(self, request: web.Request) -> None:
        """``Refused`` unless it may be answered."""
        now, peer, verb = time.monotonic(), request.remote or "", request.match_info.get("verb", "")
        route = self._routes.get(request.match_info.handler)
        if not self._peers.may(peer, now, stop=verb in CONTROL):
            raise Refused("too_many", "more requests a second than http.requests_per_s", {"retry_s": 1})
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not self._hosts.knows(host):
            raise Refused("host", "it does not go by that name; http.hosts may name more")
        if origin is not None and origin.lower() != f"{request.scheme}://{host}".lower():
            raise Refused("origin", "no other page may use it")
        scope = commands.scope(verb) if verb else route.scope if route else None
        if scope is None:
            return
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if scope not in allowed(self._tokens, self._peers, peer, token.strip() if kind.lower() == "bearer" else "", now):
            raise Refused("scope", f"the token does not allow {scope}")

    def _no(self, told: Refusal, reason: str, message: str, data: Mapping[str, Any] | None = None, *, status: int = 0) -> web.Response:
        self.refused[reason] += 1
        headers = {}
        status = status or _STATUS[reason]
        if status in (429, 503):
            headers["Retry-After"] = str((data or {}).get("retry_s", 1))
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return json_answer(told(reason, message[:500], data or {}), status=status, headers=headers)

    # What is answered at once.

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return json_answer(await self._edge.look())

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=metrics.prometheus(await self._edge.look()), headers={
            "Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _state(self, _: web.Request) -> web.StreamResponse:
        return json_answer(await self._edge.look(state=True))

    async def _command(self, request: web.Request) -> web.StreamResponse:
        began, verb = time.monotonic(), request.match_info["verb"]
        if verb not in COMMANDS or verb not in self._edge.verbs:
            raise Refused("unknown", f"there are {', '.join(COMMANDS)}")
        arguments = checked(COMMANDS[verb], await json_body(request, MOST_BYTES))
        if verb not in CONTROL and self._waiting >= MOST_WAITING:
            raise Refused("busy", f"{MOST_WAITING} commands wait already")
        self._waiting += 1
        try:
            data = await self._edge.do(verb, arguments)
        finally:
            self._waiting -= 1
        made = {"verb": verb, "ok": True, "took_ms": round(1000 * (time.monotonic() - began), 3), "time": round(time.time(), 3)}
        return json_answer({**made, "data": data} if data else made)

    # Streams.

    async def _events(self, request: web.Request) -> web.StreamResponse:
        place = self.feed.place(request.headers.get("Last-Event-ID", ""))
        response = await events_answer(request)
        await send(response, b":\n\n")
        while True:
            changed = self.feed.changed
            new, place = self.feed.after(place)
            if new:
                await send(response, b"".join(new))
            if changed is self.feed.changed:
                try:
                    await asyncio.wait_for(changed.wait(), self._settings.heartbeat_s)
                except TimeoutError:
                    await send(response, b":\n\n")

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        arguments = checked(ASK, await json_body(request, MOST_BYTES))
        id, text = arguments.get("id") or secrets.token_urlsafe(12), arguments["text"]
        asked = self._questions.find(id)
        if asked is None:
            asked = Asked(id, text, self._settings.grace_s, None if arguments.get("keep") else self._edge.give_up)
            asked.begun = True
            self._questions.keep(asked)
            task = asyncio.create_task(self._edge.ask(asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif asked.text != text:
            raise Refused("duplicate", "something else was asked with this id")
        return await self._follow(request, asked)

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        asked = self._questions.find(request.match_info["id"])
        if asked is None:
            raise Refused("unknown", "nothing is kept of such a question")
        return await self._follow(request, asked)

    async def _follow(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        with asked.waiting():
            try:
                stream = await asyncio.shield(asked.stream)
            except Exception:
                self._questions.forget(asked)
                raise
            generation, _, seq = request.headers.get("Last-Event-ID", "").partition("-")
            known = generation == str(stream.generation) and seq.isascii() and seq.isdigit() and len(seq) < 10
            response = await events_answer(request, {"X-Reply-Id": asked.id})
            await send(response, b":\n\n")
            async for frames in asked.frames(int(seq) if known else -1, self._settings.heartbeat_s):
                made = [sse(dumps(frame.as_dict()), event="frame", id=f"{frame.generation}-{frame.seq}") for frame in frames]
                await send(response, b"".join(made) or b":\n\n")
        return response


class _Full(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        transport.close()


async def _headers(_: web.Request, response: web.StreamResponse) -> None:
    own = {name: response.headers[name] for name in ("Cache-Control", "Content-Security-Policy") if name in response.headers}
    response.headers.update({**_HEADERS, **own})
