"""A desk: one engine on loan, the thread that works with it, and the queue of those who asked (``lending``)."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from edgevoice.errors import EngineError
from edgevoice.host import be_nice, name_thread
from edgevoice.settings import LendSettings

log = logging.getLogger(__name__)

DEPTH = 64
"""things made that nobody has taken yet"""
HELD_S = 10.0
"""for which whoever takes none of them holds the desk"""
REST_S = 0.005
"""between two looks whether the device is free again"""
LOWEST = 19
"""nice(2): with a conversation on the same core, one part in 68"""


class Closable(Protocol):
    def close(self) -> None: ...


Engine = TypeVar("Engine", bound=Closable)


class Busy(Exception):
    """Too many wait already, or the device is about to end."""


class Unfit(Exception):
    """What was asked for is beyond what the engine can do; the text says why."""


class Gone(Exception):
    """Whoever asked does not wait any more.  On the desk's thread only."""


class Job:
    """One request.  For its work it is the right to go on (a ``Cancel``), and where what was made is put."""

    def __init__(self, who: str, loop: asyncio.AbstractEventLoop, wanted: Callable[[], bool]) -> None:
        self.who = who
        self._loop, self._wanted = loop, wanted
        self._over = threading.Event()
        self._made: collections.deque[Any] = collections.deque()
        self._taken = threading.Condition()
        self._came = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    # The desk's thread.

    def cancelled(self) -> bool:
        return self._over.is_set()

    def abort_pointers(self) -> tuple[int, int] | None:
        return None

    def rest(self) -> None:
        """Stand still while the device is wanted; ``Gone`` once nobody waits."""
        while self._wanted() and not self._over.is_set():
            time.sleep(REST_S)
        if self._over.is_set():
            raise Gone

    def put(self, item: Any) -> None:
        """Waits while too much was not taken yet."""
        with self._taken:
            if not self._taken.wait_for(lambda: len(self._made) < DEPTH or self._over.is_set(), HELD_S):
                self._over.set()
                raise Busy(f"what was made was not taken within {HELD_S:g} s")
        if self._over.is_set():
            raise Gone
        self._made.append(item)
        self._tell()

    def end(self, error: BaseException | None = None) -> None:
        self._ended, self._error = True, error
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._came.set)

    # The loop that asked.

    def cancel(self) -> None:
        self._over.set()
        with self._taken:
            self._taken.notify_all()

    async def items(self) -> AsyncGenerator[Any, None]:
        while True:
            self._came.clear()
            ended = self._ended  # before the last look at what was made
            while self._made:
                item = self._made.popleft()
                with self._taken:
                    self._taken.notify_all()
                yield item
            if ended:
                if self._error is not None:
                    raise self._error
                return
            await self._came.wait()


Work = Callable[[Engine, Job], None]


class Desk(Generic[Engine]):
    """``load`` is called on the desk's thread, and so is all work; everything else on any."""

    def __init__(self, name: str, load: Callable[[], Engine], settings: LendSettings, wanted: Callable[[], bool]) -> None:
        self._name, self._load, self._settings, self._wanted = name, load, settings, wanted
        self._lock = threading.Condition()
        self._lines: collections.OrderedDict[str, collections.deque[tuple[Job, Work[Engine]]]] = collections.OrderedDict()
        """who waits, the next one first"""
        self._present: Job | None = None
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._kept = 0
        self._closed = False

    @property
    def loaded(self) -> bool:
        return self._engine is not None

    @property
    def pending(self) -> int:
        """Requests that wait, and the one at hand."""
        return sum(map(len, list(self._lines.values()))) + (self._present is not None)

    async def ask(self, who: str, work: Work[Engine], *, bounded: bool = True) -> AsyncGenerator[Any, None]:
        """What ``work`` puts, as it comes; raises what it raises, and ``Busy`` before anything where too many wait."""
        job = Job(who, asyncio.get_running_loop(), self._wanted)
        self._queue(job, work, bounded)
        try:
            async for item in job.items():
                yield item
        finally:
            job.cancel()

    async def once(self, who: str, work: Work[Engine]) -> Any:
        """The last thing that ``work`` puts; a part of what was begun, so it is never refused."""
        found = None
        async with contextlib.aclosing(self.ask(who, work, bounded=False)) as items:
            async for item in items:
                found = item
        return found

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """The engine stays while the block runs; ``Busy`` where too many do that already."""
        with self._lock:
            if self._kept >= self._settings.waiting or self._closed:
                raise Busy(f"{self._kept} listen already")
            self._kept += 1
        try:
            yield
        finally:
            with self._lock:
                self._kept -= 1

    def close(self) -> None:
        """Ask it to end, and whoever waits to go; ``join`` waits for it."""
        with self._lock:
            self._closed = True
            waiting = [job for line in self._lines.values() for job, _ in line]
            self._lines.clear()
            present = self._present
            self._lock.notify_all()
        for job in waiting:
            job.end(Busy("the device is about to end"))
        if present is not None:
            present.cancel()

    def join(self, timeout_s: float) -> bool:
        """False if its thread did not end in time."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _queue(self, job: Job, work: Work[Engine], bounded: bool) -> None:
        with self._lock:
            line, most = self._lines.get(job.who, ()), self._settings.waiting
            if self._closed:
                raise Busy("the device is about to end")
            if bounded and (self.pending >= most + 1 or len(line) >= max(1, most // 2)):
                raise Busy(f"{self.pending} requests wait or are worked on already; lend.waiting = {most}")
            self._lines.setdefault(job.who, collections.deque()).append((job, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"edgevoice-{self._name}", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    # The desk's thread.

    def _run(self) -> None:
        name_thread()
        be_nice(LOWEST)
        while (found := self._next()) is not None:
            job, work = found
            error: BaseException | None = None
            try:
                if not job.cancelled():
                    job.rest()
                    if self._engine is None:
                        self._engine = self._load()
                    work(self._engine, job)
            except Gone:
                error = Busy("the device is about to end") if self._closed else None
            except (Busy, Unfit) as refused:
                error = refused
            except Exception as failure:  # noqa: BLE001 - it is raised to whoever asked
                log.warning("on loan: %s", failure)
                error = failure
                self._drop()
            self._present = None
            job.end(error)

    def _next(self) -> tuple[Job, Work[Engine]] | None:
        """Whose turn it is; ``None``, without an engine, once nobody has come for long enough."""
        with self._lock:
            until = time.monotonic() + self._settings.idle_s
            while not self._lines and not self._closed:
                if (left := until - time.monotonic()) <= 0 and not self._kept:
                    break
                self._lock.wait(max(left, 1.0))
            if not self._lines:
                self._drop()
                self._thread = None
                return None
            who, line = self._lines.popitem(last=False)
            found = line.popleft()
            if line:
                self._lines[who] = line  # behind the others
            self._present = found[0]
            return found

    def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            with contextlib.suppress(EngineError):
                engine.close()
