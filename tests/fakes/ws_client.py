"""A client of WS /v1/stream as docs/stream.md has it, for tests and benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

HEADER = struct.Struct("<BBHIQ")


class WsClient:
    """``messages`` holds what came, in order, each with ``at`` (monotonic seconds); ``pieces`` the sound: (what, format, number, sample,
    bytes, at)."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.messages: list[dict[str, Any]] = []
        self.pieces: list[tuple[int, int, int, int, bytes, float]] = []
        self.answers = True
        """whether it answers pings"""
        self._came = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def read_on(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def say(self, type: str, **facts: Any) -> None:
        await self.ws.send_str(json.dumps({"type": type, **facts}))

    async def microphone(self, number: int, sample: int, samples: NDArray[np.int16]) -> None:
        await self.ws.send_bytes(HEADER.pack(3, 0, 0, number, sample) + samples.astype("<i2").tobytes())

    def of(self, type: str, **facts: Any) -> list[dict[str, Any]]:
        return [message for message in self.messages
                if message["type"] == type and all(message.get(name) == value for name, value in facts.items())]

    def events(self, name: str, **facts: Any) -> list[dict[str, Any]]:
        return [message["event"] for message in self.of("event", **facts) if message["event"]["event"] == name]

    async def until(self, done: Callable[[], Any], within_s: float = 20.0) -> Any:
        async with asyncio.timeout(within_s):
            while not (found := done()):
                if self._reading is not None and self._reading.done():
                    raise AssertionError(f"closed with {self.ws.close_code}; the last was {self.messages[-1:]}")
                self._came.clear()
                await self._came.wait()
        return found

    async def hears(self, type: str, within_s: float = 20.0, **facts: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await self.until(lambda: self.of(type, **facts), within_s))[-1]
        return found

    async def ended(self, within_s: float = 20.0) -> int | None:
        """The close code."""
        assert self._reading is not None
        await asyncio.wait_for(asyncio.shield(self._reading), within_s)
        return self.ws.close_code

    def cut(self) -> None:
        """Without a goodbye."""
        if self._reading is not None:
            self._reading.cancel()
        connection = self.ws._response.connection  # type: ignore[attr-defined]
        if connection is not None and connection.transport is not None:
            connection.transport.abort()

    async def _read(self) -> None:
        async for came in self.ws:
            at = time.monotonic()
            if came.type is aiohttp.WSMsgType.TEXT:
                message = json.loads(came.data)
                self.messages.append({**message, "at": at})
                if message["type"] == "ping" and self.answers:
                    await self.say("pong", n=message["n"])
            else:
                self.pieces.append((*HEADER.unpack_from(came.data)[:2], *HEADER.unpack_from(came.data)[3:], came.data[HEADER.size:], at))
            self._came.set()
        self._came.set()


@contextlib.asynccontextmanager
async def streaming(web: aiohttp.ClientSession, *, token: str = "", hello: bool = True, reads: bool = True,
                    **subscribed: Any) -> AsyncIterator[WsClient]:
    """Connected, and subscribed to what ``subscribed`` says."""
    async with web.ws_connect("/v1/stream", autoping=True, max_msg_size=0) as ws:
        client = WsClient(ws)
        if reads:
            client.read_on()
        if hello:
            await client.say("hello", version=1, **({"token": token} if token else {}))
        if hello and reads:
            await client.hears("welcome")
        if subscribed:
            await client.say("subscribe", **subscribed)
            if reads:
                await client.hears("subscribed")
        try:
            yield client
        finally:
            if client._reading is not None:
                client._reading.cancel()


class Microphone:
    """Sends a client's sound at the pace of a real one: silence, and what it is told to ``say``."""

    def __init__(self, client: WsClient, rate: int = 16_000, piece_s: float = 0.02) -> None:
        self._client, self._rate, self._piece = client, rate, int(piece_s * rate)
        self._said = np.zeros(0, np.int16)
        self.number = self.sample = 0
        self._sending: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sending = asyncio.create_task(self._run())

    def stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()

    def say(self, samples: NDArray[np.int16]) -> None:
        self._said = np.concatenate([self._said, samples])

    @property
    def silent(self) -> bool:
        return not len(self._said)

    async def _run(self) -> None:
        began = time.monotonic()
        while True:
            piece, self._said = self._said[:self._piece], self._said[self._piece:]
            await self._client.microphone(self.number, self.sample, np.pad(piece, (0, self._piece - len(piece))))
            self.number, self.sample = self.number + 1, self.sample + self._piece
            await asyncio.sleep(max(0.0, began + self.sample / self._rate - time.monotonic()))
