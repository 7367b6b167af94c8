"""One conversation as its listeners see it: events, replies, sound, state and where the time went, each kept once, whoever listens.

Theory: everything here is a bounded ring or a list that the reply keeps anyway; a listener is a set of numbers in them (``listener.py``).
He is told by his ``wake`` that something is new, and looks for himself.

Threads: ``begin`` on the edge's loop, as all of it, but for a stream's own call that something is new.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from edgevoice.adapters.http.feed import Feed
from edgevoice.adapters.http.sound import Sound
from edgevoice.adapters.http.wire import message
from edgevoice.adapters.verbs import dumps
from edgevoice.events import ReplyFrame
from edgevoice.pipeline.reply import ReplyStream

REPLIES = 8
"""whose frames a listener can still come back for"""
TIMED = ("playback_end", "playback_silent")
"""rows after which a turn's time is told of"""
SETTLE_S = 0.1
"""after those, until their own rows are all there"""
CHANGING = frozenset({"state", "muted", "volume", "settings"})
"""rows after which the state is another"""


class Tale:
    """A reply's frames, as they come; ``told`` when there are more."""

    def __init__(self, stream: ReplyStream, told: Callable[[], None]) -> None:
        self.stream, self._told = stream, told
        self.frames: list[ReplyFrame] = []
        self.made: list[bytes] = []
        """the same as messages, for all who did not ask for it themselves"""
        self._reader = stream.read()
        self._loop, self._coming = asyncio.get_running_loop(), False
        stream.listen(self._call)
        self._poll()

    @property
    def over(self) -> bool:
        return bool(self.frames) and self.frames[-1].finish is not None

    def _call(self) -> None:
        """Any thread."""
        if not self._coming:
            self._coming = True
            with contextlib.suppress(RuntimeError):  # the edge has ended
                self._loop.call_soon_threadsafe(self._poll)

    def _poll(self) -> None:
        self._coming = False
        new = self._reader.poll()
        self.frames += new
        self.made += [b""] * len(new)
        if new:
            self._told()

    def message(self, seq: int, where: Mapping[str, str]) -> bytes:
        if not self.made[seq]:
            self.made[seq] = message("frame", **where, **self.frames[seq].as_dict())
        return self.made[seq]


class Source:
    """``where``: what its messages say of it; ``look`` fetches the state, ``timing`` a turn's time."""

    def __init__(self, where: Mapping[str, str], rate: int, *, boot: str, words: bool, look: Callable[[], Awaitable[dict[str, Any]]],
                 timing: Callable[[int], Awaitable[dict[str, Any] | None]]) -> None:
        self.where, self.rate, self.words = where, rate, words
        self.events = Feed(words=words, boot=boot, made=self._made)
        self.sound = Sound(rate, self.tell)
        self.tales: collections.deque[Tale] = collections.deque(maxlen=REPLIES)
        self.state = b""
        """the newest, as a message"""
        self.states = 0
        """that there were"""
        self.first: tuple[int, int] = (0, 0)
        """generation that sounded last, and the device frame of its first sound"""
        self._spans: dict[int, tuple[int, float]] = {}
        """device frames at which generations began and ceased to sound"""
        self.began: list[Callable[[Tale], None]] = []
        """called with each reply"""
        self.timed: list[Callable[[dict[str, Any]], None]] = []
        """called with each turn's time"""
        self.wakes: set[Callable[[], None]] = set()
        self._look, self._timing = look, timing
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = self._again = False

    def tell(self) -> None:
        for wake in tuple(self.wakes):
            wake()

    def put(self, row: Mapping[str, Any], time_s: float) -> None:
        """A row of the trace that is told of."""
        self.events.put(row, time_s)
        event = row["event"]
        if event == "playback_first_sample":
            self.first = row["generation"], row["sample"]
            self._spans[row["generation"]] = row["sample"], math.inf
            while len(self._spans) > REPLIES:
                del self._spans[next(iter(self._spans))]
        if event in TIMED and row.get("generation") in self._spans:
            self._spans[row["generation"]] = self._spans[row["generation"]][0], row["sample"]
        if event in CHANGING:
            self.look()
        if event in TIMED and self.timed and row.get("turn"):
            self._start(self._time(row["turn"]))
        self.tell()

    def begin(self, stream: ReplyStream) -> None:
        tale = Tale(stream, self.tell)
        self.tales.append(tale)
        for began in tuple(self.began):
            began(tale)

    def sounding(self, begin: float, end: float) -> int:
        """The generation that sounds in all of these device frames; 0 for none."""
        return next((generation for generation, (first, last) in self._spans.items() if first <= begin and end <= last), 0)

    def tale(self, stream: ReplyStream) -> Tale:
        """Of a stream that may be older than those that are kept."""
        return next((tale for tale in self.tales if tale.stream is stream), None) or Tale(stream, self.tell)

    def look(self) -> None:
        """See what the state is now."""
        if not self._looking:
            self._start(self._look_anew())
        self._again = True

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _look_anew(self) -> None:
        self._looking = True
        try:
            while self._again:
                self._again = False
                self.state = message("state", **self.where, state=await self._look())
                self.states += 1
                self.tell()
        finally:
            self._looking = False

    async def _time(self, turn: int) -> None:
        await asyncio.sleep(SETTLE_S)
        timing = await self._timing(turn)
        if timing is not None:
            for timed in tuple(self.timed):
                timed(timing)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _made(self, data: bytes, event: str, id: str) -> bytes:
        """A feed's entry as a message."""
        del id
        where = b"".join(b',"%b":%b' % (name.encode(), dumps(value)) for name, value in self.where.items())
        if event == "gap":
            return b'{"type":"gap"%b,%b' % (where, data[1:])
        return b'{"type":"event"%b,"event":%b}' % (where, data)
