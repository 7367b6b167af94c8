"""What happens, as it is told: one bounded ring that every listener reads at his own pace.

Theory: an event is made into bytes once, whoever listens; a listener is a number in the ring.  One that falls behind by more than the
ring loses events and is told how many; he holds nobody.  Ids are the process and a number, so that one that comes back after a restart
is told of a gap and not given another process's events.

Threads: ``put`` on the edge's loop alone.
"""

from __future__ import annotations

import asyncio
import collections
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from edgevoice.adapters import events
from edgevoice.adapters.verbs import dumps

RING = 2000
"""events kept: some minutes of talk"""


def sse(data: bytes, event: str = "", id: str = "") -> bytes:
    """One server-sent event; ``data`` is one line."""
    head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
    return head.encode() + b"data: " + data + b"\n\n"


class Feed:
    """``made`` makes what is sent of an event's JSON, its name and its id; ``boot`` names the process."""

    def __init__(self, *, words: bool, boot: str = "", made: Callable[[bytes, str, str], bytes] = sse) -> None:
        self._words, self._made = words, made
        self._boot = boot or secrets.token_hex(4)
        self._ring: collections.deque[bytes] = collections.deque(maxlen=RING)
        self._last = 0
        """number of the newest"""
        self.changed = asyncio.Event()

    def put(self, row: Mapping[str, Any], time_s: float) -> None:
        """A row of the trace that is told of (``rows.Rows`` lets no other through); ``time_s``: when it happened, in Unix seconds."""
        self._last += 1
        id = f"{self._boot}-{self._last}"
        self._ring.append(self._made(dumps(events.payload(row, id=id, time_s=time_s, words=self._words)), row["event"], id))
        self.changed.set()
        self.changed = asyncio.Event()

    def place(self, last_id: str) -> int:
        """The number after which somebody reads on who saw ``last_id`` last; without one, the newest."""
        if not last_id:
            return self._last
        boot, _, number = last_id.rpartition("-")
        known = boot == self._boot and number.isascii() and number.isdigit() and len(number) < 16
        return min(int(number), self._last) if known else -1

    def after(self, place: int) -> tuple[list[bytes], int]:
        """What came after it, and the new place."""
        first = self._last - len(self._ring)
        new: list[bytes] = []
        if place < first or place < 0:
            lost = first - place if place >= 0 else None
            new.append(self._made(dumps({"lost": lost}), "gap", ""))
            place = first
        new += [self._ring[at] for at in range(place - first, len(self._ring))]
        return new, self._last
