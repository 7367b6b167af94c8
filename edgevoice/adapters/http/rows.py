"""Rows of a trace, from whichever thread they come, to the edge's loop: through one bounded queue."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from edgevoice.adapters import events

MOST = 5000
"""that may wait for the loop"""


class Rows:
    """``take`` gets those that are told of, with their Unix time, on ``loop``: that of whoever makes this, if none is named."""

    def __init__(self, take: Callable[[Mapping[str, Any], float], None], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._take, self._loop = take, loop or asyncio.get_running_loop()
        self._waiting: collections.deque[Mapping[str, Any]] = collections.deque()
        self._draining = False
        self.overrun = 0
        """rows that found the queue full"""

    def put(self, row: Mapping[str, Any]) -> None:
        """Any thread."""
        if row["event"] not in events.EVENTS:
            return
        if len(self._waiting) >= MOST:
            self.overrun += 1
            return
        self._waiting.append(row)
        if not self._draining:
            self._draining = True
            with contextlib.suppress(RuntimeError):  # the edge has ended
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._draining = False
        offset = time.time() - time.monotonic()
        while self._waiting:
            row = self._waiting.popleft()
            self._take(row, row["t"] + offset)
