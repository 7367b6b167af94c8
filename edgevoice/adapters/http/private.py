"""A conversation of a client's own, as the edge keeps it: what happens in it for its one listener, and its microphone.

Theory: it outlives a connection by the grace time, so that a client that comes back goes on where it was; who has its id, a secret, is
that client.  Everything of it comes from threads of its own and is brought to the edge's loop here.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.adapters.house import Conversation, Conversations, Failed
from edgevoice.adapters.http.asked import BEGIN_S, Asked
from edgevoice.adapters.http.rows import Rows
from edgevoice.adapters.http.source import Source
from edgevoice.pipeline.reply import ReplyStream

WHERE = {"where": "mine"}


class Private:
    """``begin`` once; on the edge's loop.  ``over`` is called when it has ended."""

    def __init__(self, conversations: Conversations, *, idle_s: float, grace_s: float, over: Callable[[Private], None]) -> None:
        self.id = f"c-{secrets.token_urlsafe(16)}"
        self._conversations, self._idle_s, self._grace_s, self._over = conversations, idle_s, grace_s, over
        self._loop = asyncio.get_running_loop()
        self._conversation: Conversation | None = None
        self._source: Source | None = None
        self._rows = Rows(self._put)
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = time.monotonic()
        self._on = self._busy = self.closed = False
        self._left: Callable[[str], None] | None = None
        self._asked: dict[str, Asked] = {}

    async def begin(self, *, echo: bool) -> None:
        """Takes seconds where engines are to be loaded; ``Failed`` where it cannot be."""
        try:
            self._conversation = await self._conversations.open(echo=echo, told=self._rows.put, replied=self._replied,
                                                                sounded=self._sounded)
        except BaseException:
            self.closed = True
            self._over(self)
            raise
        conversation = self._conversation
        self._source = Source(WHERE, conversation.rate, boot=self.id[-8:], words=True, look=conversation.state, timing=self._timing)
        self._source.look()

    @property
    def source(self) -> Source:
        assert self._source is not None
        return self._source

    @property
    def rate(self) -> int:
        return self.source.rate

    @property
    def on(self) -> bool:
        """Whether its microphone is."""
        return self._on

    def attach(self, left: Callable[[str], None]) -> None:
        """A connection follows it from now on, and no other; ``left`` is told why that is over."""
        if self._left is not None:
            self._left("elsewhere")
        self._left = left
        self._watch()

    def detach(self) -> None:
        """The connection is gone."""
        self._left = None
        self.listen(False, 0)
        self._later(self._grace_s, self.close)

    def listen(self, on: bool, rate: int) -> None:
        if on or self._on:
            self._on = on
            assert self._conversation is not None
            self._conversation.listen(on, rate)

    def hear(self, sample: int, data: bytes) -> None:
        assert self._conversation is not None
        self._conversation.hear(sample, np.frombuffer(data, "<i2").astype(np.int16, copy=False))

    async def do(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert self._conversation is not None
        return await self._conversation.do(verb, arguments)

    async def ask(self, asked: Asked) -> None:
        """Have it answered; nothing is raised, whoever waits for its stream is told."""
        self._asked[asked.id] = asked
        try:
            await self.do("ask", {"text": asked.text, "origin": asked.id})
            async with asyncio.timeout(BEGIN_S):
                await asyncio.shield(asked.stream)
        except TimeoutError:
            asked.failed(Failed("failed", "no reply began"))
        except Failed as error:
            asked.failed(error)
        finally:
            self._asked.pop(asked.id, None)

    def close(self, why: str = "idle") -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._left is not None:
            self._left(why)
        if self._conversation is not None:
            self._conversation.close()
        if self._source is not None:
            self._source.close()
        self._over(self)

    def _watch(self) -> None:
        """End it when nothing has happened for long; an answer is heard to its end."""
        left = self._idle_s - (0.0 if self._busy else time.monotonic() - self._heard_at)
        if left <= 0:
            self.close()
        else:
            self._later(left, self._watch)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, what)

    async def _timing(self, turn: int) -> dict[str, Any] | None:
        assert self._conversation is not None
        return await asyncio.to_thread(self._conversation.timing, turn)

    # From its threads.

    def _put(self, row: Mapping[str, Any], time_s: float) -> None:
        self._heard_at = time.monotonic()
        if row["event"] == "state":
            self._busy = row["state"] not in ("idle", "followup")
        if self._source is not None:
            self._source.put(row, time_s)

    def _replied(self, stream: ReplyStream) -> None:
        with contextlib.suppress(RuntimeError):  # the edge has ended
            self._loop.call_soon_threadsafe(self._begin, stream)

    def _begin(self, stream: ReplyStream) -> None:
        asked = self._asked.get(stream.origin)
        if asked is not None:
            asked.answered_by(stream)
        if self._source is not None:
            self._source.begin(stream)

    def _sounded(self, index: int, samples: NDArray[np.int16]) -> None:
        source = self._source
        if source is not None:
            source.sound.hear(index, samples)
