"""The HTTP edge, between whoever asks from outside and the device's loop.

Theory: requests are read, judged and answered on the edge's loop; a verb is handed to the device's loop, carried out there, and its
result handed back.  Rows of the trace come on any thread and go through one bounded queue.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import inspect
import ssl
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from edgevoice.adapters.house import Conversations, Failed, House
from edgevoice.adapters.http.answers import BODY_S
from edgevoice.adapters.http.asked import BEGIN_S, Asked
from edgevoice.adapters.http.guard import Hosts, Peers, Tokens
from edgevoice.adapters.http.openapi import OpenApi
from edgevoice.adapters.http.pages import Pages
from edgevoice.adapters.http.routes import Group
from edgevoice.adapters.http.rows import Rows
from edgevoice.adapters.http.server import Server
from edgevoice.adapters.served import Served
from edgevoice.adapters.verbs import MOST_BYTES
from edgevoice.errors import ConfigError
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.settings import HttpSettings

T = TypeVar("T")

HEALTH_S = 0.5
"""for which a look at health serves all who ask"""
LOOK_S = 0.25
"""between two looks at a question that waits"""


class HttpEdge(Served):
    """``conversations``: of clients over their own microphones."""

    def __init__(self, settings: HttpSettings, house: House, *, told: Callable[[str], None] = lambda text: None,
                 conversations: Conversations | None = None, groups: Sequence[Group] = ()) -> None:
        super().__init__("HTTP", "http", settings.address, settings.port, told)
        self._settings, self._house, self._conversations, self._groups = settings, house, conversations, groups
        self._rows = Rows(self._put, self._loop)
        self._replies: collections.deque[ReplyStream] = collections.deque(maxlen=8)
        self._replied = asyncio.Event()
        self._looked = 0.0, dict[str, Any]()
        self._server: Server | None = None

    def start(self) -> None:
        self._house.listen_to(self._rows.put)
        self._house.listen_replies(self._on_reply)
        super().start()

    def health(self) -> tuple[dict[str, Any], list[Alert]]:
        """How the edge itself does.  Any thread."""
        server = self._server
        facts = {"serving": bool(self.port), "port": self.port, "problem": self.problem, "rows_lost": self._rows.overrun,
                 "connections": server.connections if server else 0, "requests": server.requests if server else 0,
                 "streams": server.streams.clients if server else 0, "refused": dict(server.refused) if server else {}}
        return facts, [Alert("http_not_served", self.problem)] if self.problem else []

    # The device's loop.

    def _on_reply(self, stream: ReplyStream) -> None:
        self._replies.append(stream)
        self._replied.set()
        self._replied = asyncio.Event()
        with contextlib.suppress(RuntimeError):  # the edge has ended
            self._loop.call_soon_threadsafe(self._replied_here, stream)

    async def _do(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        made = self._house.verbs[verb](arguments)
        return await made if inspect.isawaitable(made) else made

    async def _ask(self, asked: Asked, patient: bool, over: Collection[str]) -> ReplyStream:
        patient = patient and not any(stream.origin in over and stream.turn == self._house.state()["turn"] for stream in self._replies)
        await self._do("ask", {"text": asked.text, "patient": patient, "origin": asked.id})
        waited, last = False, time.monotonic() + BEGIN_S
        while True:
            replied = self._replied
            for stream in self._replies:
                if stream.origin == asked.id:
                    return stream
            if self._house.before(asked.id) is not None:
                waited, last = True, time.monotonic() + BEGIN_S
            elif waited:
                raise Failed("cancelled", "it was dropped from the line: somebody wanted silence, or nobody waits for it any more")
            elif time.monotonic() > last:
                raise Failed("failed", "no reply began")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(replied.wait(), LOOK_S)

    async def _give_up(self, asked: Asked) -> None:
        self._house.withdraw(asked.id)
        stream = next((stream for stream in self._replies if stream.origin == asked.id), None)
        if stream is not None:
            with contextlib.suppress(Failed):  # another turn is the present one: nothing is left to be given up
                await self._do("cancel", {"turn": stream.turn})

    async def _before(self, id: str) -> int | None:
        return self._house.before(id)

    async def _look(self, state: bool) -> dict[str, Any]:
        if state:
            return self._house.state()
        if time.monotonic() - self._looked[0] > HEALTH_S:
            self._looked = time.monotonic(), self._house.health()
        return self._looked[1]

    # The edge's loop.

    async def do(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """``Failed`` as the verb says."""
        return await self._there(self._do(verb, arguments))

    async def ask(self, asked: Asked, *, patient: bool = False, over: Collection[str] = ()) -> None:
        """Have it answered: now, or (``patient``) after what goes on, unless that is the answer to a question among ``over``; nothing is
        raised, whoever waits for its stream is told."""
        try:
            asked.answered_by(await self._there(self._ask(asked, patient, over)))
        except Exception as error:  # noqa: BLE001 - it is raised to whoever waits
            asked.failed(error)

    def give_up(self, asked: Asked) -> None:
        with contextlib.suppress(RuntimeError):
            self._device.call_soon_threadsafe(lambda: self._device.create_task(self._give_up(asked)))

    async def before(self, asked: Asked) -> int | None:
        """How many questions go before it; ``None`` if it does not wait."""
        return await self._there(self._before(asked.id))

    async def timing(self, turn: int) -> dict[str, Any] | None:
        """Where the turn's time went."""
        return await asyncio.to_thread(self._house.timing, turn)

    @property
    def rate(self) -> int:
        return self._house.rate

    async def look(self, *, state: bool = False) -> dict[str, Any]:
        """The health, or the state."""
        return await self._there(self._look(state))

    @property
    def verbs(self) -> frozenset[str]:
        return frozenset(self._house.verbs)

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done on the device's loop, to its end, also if whoever asked goes away."""
        return await asyncio.shield(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._device)))

    def _put(self, row: Mapping[str, Any], time_s: float) -> None:
        if self._server is not None:
            self._server.feed.put(row, time_s)
            self._server.streams.put(row, time_s)

    def _replied_here(self, stream: ReplyStream) -> None:
        if self._server is not None:
            self._server.streams.replied(stream)

    async def _serve(self) -> None:
        settings = self._settings
        context = None
        if settings.cert_file:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            except ssl.SSLError as error:
                why = error.reason or error
                raise ConfigError(f"http.cert_file = {settings.cert_file}: {why}; name a PEM certificate and its key") from error
        server = Server(settings, self, Tokens(settings.token_file), Peers(settings.requests_per_s), Hosts(settings.hosts),
                        conversations=self._conversations, groups=(Pages(), OpenApi(), *self._groups))
        runner = web.AppRunner(server.app, handler_cancellation=True, access_log=None, handle_signals=False, keepalive_timeout=BODY_S,
                               shutdown_timeout=0.5, max_line_size=MOST_BYTES, max_field_size=MOST_BYTES)
        await runner.setup()
        try:
            assert runner.server is not None
            listening = await self._loop.create_server(server.guarded(runner.server), settings.address, settings.port, ssl=context)
            self._house.listen_sound(server.streams.device.sound.hear)
            self._server, self.port = server, listening.sockets[0].getsockname()[1]
            scheme = "https" if context else "http"
            self._told(f"HTTP: {scheme}://{settings.address}:{self.port}")
            await self._ending.wait()
            listening.close()
        finally:
            await server.close()
            await runner.cleanup()
