"""WS /v1/stream: text and sound both ways (docs/stream.md), for a bounded number of clients.

Each of them is a ``Listener``; what they hear is a ``Source``, made once for all.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edgevoice.adapters.house import VERBS, Conversations, Failed
from edgevoice.adapters.http import commands, wire
from edgevoice.adapters.http.asked import Asked, Questions
from edgevoice.adapters.http.listener import Listener
from edgevoice.adapters.http.private import Private
from edgevoice.adapters.http.routes import Route
from edgevoice.adapters.http.source import Source
from edgevoice.adapters.verbs import Refused, wrong
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.settings import HttpSettings

if TYPE_CHECKING:
    from edgevoice.adapters.http.edge import HttpEdge


class Streams:
    """On the edge's loop alone.  ``allowed``: the scopes of a token that came from an address at a time, or ``Refused``."""

    def __init__(self, settings: HttpSettings, edge: HttpEdge, allowed: Callable[[str, str, float], frozenset[str]], questions: Questions,
                 refused: collections.Counter[str], boot: str, conversations: Conversations | None) -> None:
        self.settings, self.refused = settings, refused
        self._edge, self._allowed, self._questions, self._boot = edge, allowed, questions, boot
        self.device = Source({}, edge.rate, boot=boot, words=settings.words, look=lambda: edge.look(state=True), timing=edge.timing)
        self._conversations = conversations
        self._privates: dict[str, Private] = {}
        self._listeners: set[Listener] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._mine: dict[str, Listener] = {}
        """whose the questions are that were asked last"""

    @property
    def clients(self) -> int:
        return len(self._listeners)

    def routes(self) -> Iterable[Route]:
        return (Route("GET", "/v1/stream", None, self._open),)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Who he is, the client says in his first message."""
        if len(self._listeners) >= self.settings.streams:
            raise Refused("busy", f"{self.settings.streams} clients are there already; http.streams allows more")
        ws = web.WebSocketResponse(max_msg_size=wire.MOST_SOUND, compress=False, writer_limit=1024, timeout=1.0)
        if not ws.can_prepare(request).ok:
            raise Refused("type", "wants a WebSocket (Connection: Upgrade)")
        await ws.prepare(request)
        assert request.transport is not None
        listener = Listener(self, ws, request.transport, request.remote or "")
        self._listeners.add(listener)
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            await listener.run(token.strip() if kind.lower() == "bearer" else "")
        finally:
            self._listeners.discard(listener)
        return ws

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.device.close()
        await asyncio.gather(*(listener.close() for listener in tuple(self._listeners)))
        for private in tuple(self._privates.values()):
            private.close("away")
        if self._conversations is not None:
            await self._conversations.close()

    # What listeners ask for.

    def welcome(self) -> dict[str, Any]:
        settings, rate = self.settings, self._edge.rate
        return {"version": wire.VERSION, "boot": self._boot, "words": settings.words, "rate": rate,
                "formats": {"full": {"format": wire.S16, "rate": rate}, "low": {"format": wire.MULAW, "rate": wire.LOW_RATE},
                            "voice": {"format": wire.S16, "rate": rate},
                            "microphone": {"format": wire.S16, "rates": wire.MICROPHONE_RATES}},
                "conversations": 0 if self._conversations is None else self._conversations.most,
                "heartbeat_s": settings.heartbeat_s, "grace_s": settings.grace_s,
                "limits": {"text_bytes": 8192, "sound_bytes": wire.MOST_SOUND, "texts_per_s": settings.requests_per_s}}

    def allowed(self, peer: str, token: str) -> frozenset[str]:
        """What who says ``token`` may do; ``Refused`` if there is none like it."""
        return self._allowed(peer, token, time.monotonic())

    def scope(self, verb: str) -> str:
        if verb not in commands.COMMANDS or verb not in self._edge.verbs or verb == "ask":
            raise Refused("unknown", f"there are {', '.join(verb for verb in commands.COMMANDS if verb != 'ask')}")
        return commands.scope(verb)

    async def do(self, verb: str, arguments: Any, private: Private | None = None) -> dict[str, Any]:
        """Of the device, or of a conversation of a client's own."""
        if private is not None and (verb not in VERBS or verb == "ask"):
            raise Refused("unknown", f"there are {', '.join(verb for verb in VERBS if verb != 'ask')}")
        if (told := wrong(commands.COMMANDS[verb], arguments)) is not None:
            raise Refused("malformed", told)
        return await (self._edge.do(verb, arguments) if private is None else private.do(verb, arguments))

    def question(self, id: str, text: str, *, keep: bool) -> Asked:
        """The one of this id, or a new one.  ``Refused`` where the id is another's."""
        asked = self._questions.find(id)
        if asked is None:
            asked = Asked(id, text, self.settings.grace_s, None if keep else self._edge.give_up)
            self._questions.keep(asked)
        elif asked.text != text:
            raise Refused("duplicate", "something else was asked with this id")
        return asked

    def begin(self, asked: Asked, *, patient: bool, mine: Listener, private: Private | None = None) -> None:
        """Have it answered, if that did not begin yet: at once if not ``patient``, or if the present answer is the same listener's."""
        if asked.begun:
            return
        asked.begun = True
        own = [id for id, listener in self._mine.items() if listener is mine]
        self._mine[asked.id] = mine
        task = asyncio.create_task(self._edge.ask(asked, patient=patient, over=own) if private is None else private.ask(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, asked: Asked) -> None:
        self._questions.forget(asked)

    def left(self, listener: Listener) -> None:
        for id in [id for id, whose in self._mine.items() if whose is listener]:
            del self._mine[id]

    async def before(self, asked: Asked) -> int | None:
        return await self._edge.before(asked)

    def private(self, id: str) -> Private:
        """A conversation of a client's own that has begun; ``Refused`` if it is over, or never was."""
        if id not in self._privates:
            raise Refused("unknown", "there is no such conversation any more")
        return self._privates[id]

    async def converse(self, *, echo: bool) -> Private:
        """Another one; ``Failed`` if it cannot be had."""
        if self._conversations is None:
            raise Failed("unavailable", "this device has no conversations of a client's own (http.conversations)")
        settings = self.settings
        private = Private(self._conversations, idle_s=settings.conversation_idle_s, grace_s=settings.grace_s,
                          over=self._over)
        await private.begin(echo=echo)
        self._privates[private.id] = private
        return private

    def _over(self, private: Private) -> None:
        self._privates.pop(private.id, None)

    # What the edge hands in.

    def put(self, row: Mapping[str, Any], time_s: float) -> None:
        self.device.put(row, time_s)

    def replied(self, stream: ReplyStream) -> None:
        self.device.begin(stream)
