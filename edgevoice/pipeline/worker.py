"""A worker: one thread around one engine, fed by a bounded queue, which never dies of a job's failure.

``idle`` is true only when nothing is queued and nothing is being done; a stepped device moves its clock on by it.

A thread that is stuck inside an engine cannot be ended.  It is left with what it holds, and another one takes its place; should it
ever come back, it finds that it is not the worker's thread any more, and ends.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from edgevoice.errors import EngineError
from edgevoice.host import name_thread
from edgevoice.pipeline.watch import Watch

Job = TypeVar("Job")
log = logging.getLogger(__name__)


class Worker(Generic[Job]):
    """Subclasses implement ``work`` (and ``failed``, ``timed_out``, ``salvage``); ``start``, ``leave`` and ``stop`` are called from the
    loop's thread."""

    name = "worker"

    def __init__(self, limit: int) -> None:
        self.watch = Watch()
        """of the present thread; a job that calls back asks it once, at its beginning"""
        self._jobs: queue.Queue[Job | None] = queue.Queue(limit)
        self._thread: threading.Thread | None = None
        self._job: Job | None = None
        self._pending = 0
        self._count = threading.Lock()

    def start(self) -> None:
        self._begin(None)

    def submit(self, job: Job, timeout_s: float | None = None) -> None:
        """Any thread; waits while the queue is full (``queue.Full`` after ``timeout_s``; 0 does not wait)."""
        with self._count:
            self._pending += 1
        try:
            self._jobs.put(job, block=timeout_s != 0, timeout=timeout_s)
        except queue.Full:
            self._done()
            raise

    @property
    def pending(self) -> int:
        """Jobs that wait, and the one at hand.  Any thread."""
        return self._pending

    @property
    def idle(self) -> bool:
        return self._pending == 0

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def give_up(self) -> bool:
        """The job at hand takes too long: say so.  False if it came back meanwhile, or may yet come to a good end."""
        with self._count:
            job = self._job
        if job is None or self.watch.overdue_s() is None:
            return False
        return self.timed_out(job, EngineError(self.watch.told))

    def leave(self, came_back: Callable[[], None] | None = None) -> bool:
        """Go on with a new thread, which salvages the job at hand first.  False if the old one came back meanwhile; if it does later, it
        calls ``came_back`` and ends."""
        with self._count:
            job = self._job
            if job is None:
                return False
            self._job = None
            self._thread = None
        self.watch = self.watch.leave(came_back)
        self._begin(job)
        return True

    def stop(self, timeout_s: float = 3.0) -> bool:
        """End after the job at hand; what is queued is thrown away.  False if the thread did not end in time."""
        if self._thread is None:
            return True
        while True:
            with contextlib.suppress(queue.Empty):
                while True:
                    if self._jobs.get_nowait() is not None:
                        self._done()
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(None)
                break
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def work(self, job: Job) -> None:
        raise NotImplementedError

    def failed(self, job: Job, error: Exception) -> None:
        """A job raised; the worker goes on with the next."""

    def timed_out(self, job: Job, error: Exception) -> bool:
        """A job takes too long; on the loop's thread.  It may still come back.  Whether that is a failure."""
        self.failed(job, error)
        return True

    def salvage(self, job: Job) -> None:
        """What can be made of the job that the thread before was stuck in; by default nothing, since it was told to have failed."""

    @property
    def on_duty(self) -> bool:
        """Whether the calling thread is still the worker's."""
        return threading.current_thread() is self._thread

    def _begin(self, left: Job | None) -> None:
        self._thread = threading.Thread(target=self._run, args=(left, self.watch), name=f"edgevoice-{self.name}", daemon=True)
        self._thread.start()

    def _run(self, left: Job | None, watch: Watch) -> None:
        name_thread()
        mine = left is None or self._attend(left, salvage=True)
        while mine and (job := self._jobs.get()) is not None:
            mine = self._attend(job)
        if not mine and watch.came_back is not None:
            watch.came_back()

    def _attend(self, job: Job, *, salvage: bool = False) -> bool:
        """Do a job; False if the thread was given up meanwhile."""
        with self._count:
            self._job = job
        try:
            self.salvage(job) if salvage else self.work(job)
        except Exception as error:
            log.debug("%s failed", self.name, exc_info=True)
            if self.on_duty:
                self.failed(job, error)
        with self._count:
            if not self.on_duty:
                return False
            self._job = None
            self._pending -= 1
        return True

    def _done(self) -> None:
        with self._count:
            self._pending -= 1
