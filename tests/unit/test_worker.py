"""A worker outlives its jobs."""

from __future__ import annotations

import queue
import threading

import pytest

from edgevoice.pipeline.worker import Worker


class Doubler(Worker[int]):
    name = "doubler"

    def __init__(self, limit: int = 4) -> None:
        super().__init__(limit)
        self.gate = threading.Event()
        self.gate.set()
        self.done: list[int] = []
        self.failures: list[tuple[int, str]] = []

    def work(self, job: int) -> None:
        self.gate.wait(5.0)
        if job < 0:
            raise ValueError("negative")
        self.done.append(job * 2)

    def failed(self, job: int, error: Exception) -> None:
        self.failures.append((job, str(error)))


def test_jobs_run_in_order_and_a_failure_is_told_and_survived() -> None:
    worker = Doubler()
    worker.start()
    for job in (1, -1, 2):
        worker.submit(job)
    while not worker.idle:
        pass
    assert worker.done == [2, 4] and worker.failures == [(-1, "negative")]
    assert worker.alive and worker.stop() and not worker.alive


def test_a_full_queue_holds_the_producer_and_idle_counts_the_job_at_hand() -> None:
    worker = Doubler(limit=1)
    worker.gate.clear()
    worker.start()
    worker.submit(1)
    worker.submit(2, timeout_s=5.0)
    with pytest.raises(queue.Full):
        worker.submit(3, timeout_s=0.02)
    assert not worker.idle
    worker.gate.set()
    while not worker.idle:
        pass
    assert worker.done == [2, 4]
    assert worker.stop()


def test_stop_throws_away_what_waits() -> None:
    worker = Doubler(limit=8)
    worker.gate.clear()
    worker.start()
    for job in range(5):
        worker.submit(job)
    threading.Timer(0.05, worker.gate.set).start()
    assert worker.stop()
    assert len(worker.done) <= 1
