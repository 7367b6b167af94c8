"""A worker: one thread around one engine, fed by a bounded queue, which never dies of a job's failure.

``idle`` is true only when nothing is queued and nothing is being done; a stepped device moves its clock on by it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import Generic, TypeVar

Job = TypeVar("Job")
log = logging.getLogger(__name__)


class Worker(Generic[Job]):
    """Subclasses implement ``work`` (and ``failed``); ``start`` and ``stop`` are called from the loop's thread."""

    name = "worker"

    def __init__(self, limit: int) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(limit)
        self._thread: threading.Thread | None = None
        self._pending = 0
        self._count = threading.Lock()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"edgevoice-{self.name}", daemon=True)
        self._thread.start()

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
    def idle(self) -> bool:
        return self._pending == 0

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

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

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                self.work(job)
            except Exception as error:
                log.debug("%s failed", self.name, exc_info=True)
                self.failed(job, error)
            finally:
                self._done()

    def _done(self) -> None:
        with self._count:
            self._pending -= 1
