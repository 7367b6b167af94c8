"""One client of WS /v1/stream: what it says is done, and what it has not seen is sent, at its own pace.

Theory: two loops for each.  One receives, and hands whatever takes its time to a task; one sends, text before sound, and waits for the
socket alone.  The socket's buffers are kept small, so that what waits, waits in the rings, where it can be left out (``sound.py``).

Laws: who does not take his text within ``STALL_S``, or says nothing for three pings, is disconnected; whatever he says that does not fit
is answered with an error, and too much of it ends the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from edgevoice.adapters.house import Failed
from edgevoice.adapters.http import wire
from edgevoice.adapters.http.answers import STALL_S
from edgevoice.adapters.http.asked import Asked
from edgevoice.adapters.http.talk import Talk
from edgevoice.adapters.http.view import View
from edgevoice.adapters.limits import Bucket
from edgevoice.adapters.verbs import CONTROL, Refused

if TYPE_CHECKING:
    from edgevoice.adapters.http.stream import Streams

log = logging.getLogger(__name__)

HELLO_S = 10.0
"""from the connection to its hello"""
PING_S = 5.0
"""between two pings; after three without any sign of life a client is dead"""
LOOK_S = 0.25
"""between two looks at a client on which nothing happens, and at a question that waits"""
SOON_S = 0.02
"""before the first look at a question"""
SOUNDS_A_SECOND = 200
"""messages of sound that a client may send"""
MOST_TASKS = 8
"""commands and questions of one client that may be on their way"""
MOST_WRONG = 100
"""refused messages in a row"""
UNSENT = 16_384
"""bytes that the kernel takes beyond what is on its way"""
CLOSE_S = 1.0


class Closed(Exception):
    """The connection is to end; the text is for the client."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Listener:
    def __init__(self, streams: Streams, ws: web.WebSocketResponse, transport: asyncio.Transport, peer: str) -> None:
        self._streams, self._ws, self._transport, self._peer = streams, ws, transport, peer
        self._scopes: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._answers: list[bytes] = []
        self._device: View | None = None
        self._own = Talk(streams, self._answer, self._wake.set)
        self._tasks: set[asyncio.Task[None]] = set()
        per_s = streams.settings.requests_per_s
        self._texts, self._stops = Bucket(per_s), Bucket(5 * per_s)
        self._sounds = Bucket(SOUNDS_A_SECOND)
        self._told_wrong = Bucket(1.0)
        self._wrong = 0
        self._ping = 0, 0.0
        self._rtt_s: float | None = None
        self._heard_at = time.monotonic()
        self._answering = 0

    async def run(self, token: str) -> None:
        """Until the client goes, or is sent away.  ``token``: of its header."""
        self._limit_buffers()
        sending: asyncio.Task[None] | None = None
        closed = None
        try:
            await self._begin(token)
            sending = asyncio.create_task(self._send_all())
            receiving = asyncio.create_task(self._receive())
            self._tasks.add(receiving)
            done, _ = await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Closed as error:
            closed = error
        except ConnectionError:
            pass
        finally:
            tasks = [task for task in (sending, *self._tasks) if task is not None]
            for task in tasks:
                task.cancel()
            self._leave()
            self._streams.left(self)
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close(closed)

    async def close(self) -> None:
        """The device goes away."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await self._ws.close(code=wire.GOING_AWAY)

    def _limit_buffers(self) -> None:
        self._transport.set_write_buffer_limits(high=UNSENT // 4)
        connection = self._transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)

    # The beginning and the end.

    async def _begin(self, token: str) -> None:
        streams = self._streams
        try:
            async with asyncio.timeout(HELLO_S):
                came = await self._ws.receive()
        except TimeoutError:
            raise Closed("late", f"no hello within {HELLO_S:g} s") from None
        if came.type is not WSMsgType.TEXT:
            raise Closed("late", "wants hello first")
        try:
            kind, said = wire.said(came.data)
            if kind != "hello":
                raise Refused("late", "wants hello first")
            if said["version"] != wire.VERSION:
                raise Refused("version", f"there is version {wire.VERSION}")
            self._scopes = streams.allowed(self._peer, said.get("token") or token)
        except Refused as error:
            raise Closed(error.reason, str(error)) from error
        self._device = View(streams.device, wire.DEVICE)
        self._device.source.wakes.add(self._wake.set)
        self._answers.append(wire.message("welcome", **streams.welcome(), scopes=sorted(self._scopes)))

    def _leave(self) -> None:
        if self._device is not None:
            self._device.source.wakes.discard(self._wake.set)
            self._device.close()
        self._own.leave()

    async def _close(self, closed: Closed | None) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                if closed is None:
                    await self._ws.close()
                else:
                    self._streams.refused[closed.reason] += 1
                    if closed.reason not in ("slow", "silent"):  # who does not take it, does not read it
                        await self._ws.send_frame(wire.error(closed.reason, str(closed), fatal=True), WSMsgType.TEXT)
                    await self._ws.close(code=wire.CLOSING.get(closed.reason, 4400), message=str(closed).encode()[:120])
        if not self._transport.is_closing():
            self._transport.abort()

    # What is sent.

    async def _send_all(self) -> None:
        assert self._device is not None
        behind_since: float | None = None
        while True:
            self._wake.clear()
            now = time.monotonic()
            self._ping_now_and_then(now)
            answers, self._answers = self._answers, []
            views = [view for view in (self._device, self._own.view) if view is not None]
            texts = [*answers, *(text for view in views for text in view.text())]
            for text in texts:
                await self._send(text, WSMsgType.TEXT)
            behind_since = (behind_since or now) if texts else None
            if behind_since is not None and now - behind_since > STALL_S:
                raise Closed("slow", f"it has been behind for {STALL_S:g} s")
            sounds = [sound for view in views if (sound := view.sound(now)) is not None]
            for sound in sounds:
                await self._send(sound, WSMsgType.BINARY)
            if not sounds and not texts and not self._answers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()

    async def _send(self, data: bytes, kind: WSMsgType) -> None:
        try:
            async with asyncio.timeout(STALL_S):
                await self._ws.send_frame(data, kind)
        except TimeoutError:
            raise Closed("slow", f"it took nothing for {STALL_S:g} s") from None

    def _ping_now_and_then(self, now: float) -> None:
        every = min(PING_S, self._streams.settings.heartbeat_s)
        if now - self._heard_at > 3 * every:
            raise Closed("silent", f"nothing came for {3 * every:g} s")
        if now - self._ping[1] >= every:
            self._ping = self._ping[0] + 1, now
            self._answers.append(wire.message("ping", n=self._ping[0]))

    def _answer(self, data: bytes) -> None:
        self._answers.append(data)
        self._wake.set()

    # What is received.

    async def _receive(self) -> None:
        async for came in self._ws:
            self._heard_at = now = time.monotonic()
            id = ""
            try:
                if came.type is WSMsgType.TEXT:
                    kind, said = wire.said(came.data)
                    id = str(said.get("id", ""))
                    stops = kind == "pong" or (kind == "do" and said["verb"] in CONTROL)
                    if not (self._stops if stops else self._texts).take(now):
                        raise Refused("too_many", "more messages a second than http.requests_per_s")
                    self._do(kind, said, now)
                elif came.type is WSMsgType.BINARY:
                    if not self._sounds.take(now):
                        raise Refused("too_many", f"more than {SOUNDS_A_SECOND} messages of sound a second")
                    self._own.hear(wire.sound(came.data))
                self._wrong = 0
            except (Refused, Failed) as error:
                self._refuse(error.reason, str(error), id, now)

    def _refuse(self, reason: str, text: str, id: str, now: float) -> None:
        self._streams.refused[reason] += 1
        self._wrong += 1
        if self._wrong > MOST_WRONG:
            raise Closed("too_many", f"more than {MOST_WRONG} messages in a row that were refused")
        if id or self._told_wrong.take(now):
            self._answer(wire.error(reason, text, **({"id": id} if id else {})))

    def _want(self, scope: str) -> None:
        if scope not in self._scopes:
            raise Refused("scope", f"the token does not allow {scope}")

    def _do(self, kind: str, said: dict[str, Any], now: float) -> None:
        assert self._device is not None
        match kind:
            case "subscribe":
                self._subscribe(self._device, said)
            case "ask":
                self._want("speak")
                self._start(self._ask(said, self._view(said)), said.get("id", ""))
            case "do":
                self._want("speak" if said.get("where") == "mine" else self._streams.scope(said["verb"]))
                self._start(self._command(said), said.get("id", ""), at_once=said["verb"] in CONTROL)
            case "talk":
                self._want("speak")
                self._start(self._own.talk(said), "")
            case "buffer":
                for view in (self._device, self._own.view):
                    if view is not None:
                        view.pace.buffer(said["full"], now)
                self._wake.set()
            case "played":
                view = self._view(said)
                view.played(said["generation"], now - said.get("late_ms", 0.0) / 1000 - (self._rtt_s or 0.0) / 2)
            case "pong":
                number, at = self._ping
                if said["n"] == number:
                    self._rtt_s = now - at
                    for view in (self._device, self._own.view):
                        if view is not None:
                            view.rtt_s = self._rtt_s
            case _:
                raise Refused("late", f"{kind} comes first, and once")

    def _view(self, said: dict[str, Any]) -> View:
        """Of the conversation that a message is about."""
        view = self._device if said.get("where") != "mine" else self._own.view
        if view is None:
            raise Refused("unavailable", "no conversation of its own is open: talk first")
        return view

    def _subscribe(self, view: View, said: dict[str, Any]) -> None:
        self._want("listen")
        after = said.get("after", {})
        if "events" in said:
            view.events = view.source.events.place(after.get("event", "")) if said["events"] else None
        view.state = said.get("state", view.state)
        view.waterfall = said.get("waterfall", view.waterfall)
        view.pace.wanted = said.get("sound", view.pace.wanted)
        if "replies" in said:
            view.replies = said["replies"] and self._streams.settings.words
            if view.replies:
                view.resume(after.get("frame", ""))
        if view.state:
            view.source.look()
        self._answer(wire.message("subscribed", events=view.events is not None, replies=view.replies, state=view.state,
                                  waterfall=view.waterfall, sound=view.pace.quality))

    def _start(self, work: Coroutine[Any, Any, None], id: str, *, at_once: bool = False) -> None:
        if self._answering >= MOST_TASKS and not at_once:
            work.close()
            raise Refused("busy", f"{MOST_TASKS} of its commands are on their way")
        task = asyncio.create_task(self._answered(work, id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, work: Coroutine[Any, Any, None], id: str) -> None:
        self._answering += 1
        try:
            await work
        except (Refused, Failed) as error:
            self._streams.refused[error.reason] += 1
            self._answer(wire.error(error.reason, str(error), **({"id": id} if id else {})))
        except Exception as error:
            log.exception("HTTP: a message of /v1/stream failed")
            self._answer(wire.error("failed", f"{type(error).__name__}, see the device's log", **({"id": id} if id else {})))
        finally:
            self._answering -= 1

    async def _command(self, said: dict[str, Any]) -> None:
        verb, id = said["verb"], said.get("id", "")
        facts: dict[str, Any] = {"verb": verb, **({"id": id} if id else {})}
        try:
            data = await self._streams.do(verb, said.get("arguments", {}), self._own.private if said.get("where") == "mine" else None)
        except (Refused, Failed) as error:
            self._streams.refused[error.reason] += 1
            self._answer(wire.message("done", **facts, ok=False, reason=error.reason, message=str(error)[:500]))
        else:
            self._answer(wire.message("done", **facts, ok=True, data=data))

    async def _ask(self, said: dict[str, Any], view: View) -> None:
        """Have it answered, or follow the answer that there is; its frames come by the view."""
        streams = self._streams
        id = said.get("id") or secrets.token_urlsafe(12)
        asked = streams.question(id, said["text"], keep=said.get("keep", False))
        after = said.get("after", -1)
        if not asked.stream.done() and any(other.id != id for other, _ in view.own.values()):
            raise Refused("busy", "another question of this client waits already")
        fresh = not asked.stream.done()
        if fresh:
            view.own[id] = asked, after
        try:
            with asked.waiting():
                private = None if view is self._device else self._own.private
                streams.begin(asked, patient=not said.get("now", False), mine=self, private=private)
                await self._tell_waiting(asked)
                stream = await asyncio.shield(asked.stream)
                if not fresh or view.own.pop(id, None) is not None:  # otherwise the view has seen it begin
                    view.follow(view.source.tale(stream), after, asked)
                    self._wake.set()
        except Failed as error:
            streams.forget(asked)
            self._answer(wire.message("asked", id=id, ok=False, reason=error.reason, message=str(error)[:500]))
        finally:
            view.own.pop(id, None)

    async def _tell_waiting(self, asked: Asked) -> None:
        told, look_s = None, SOON_S
        while not asked.stream.done():
            await asyncio.wait((asked.stream,), timeout=look_s)
            look_s = LOOK_S
            if not asked.stream.done() and (before := await self._streams.before(asked)) is not None and before != told:
                told = before
                self._answer(wire.message("waiting", id=asked.id, before=before))

