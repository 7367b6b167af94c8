"""A bounded queue between two workers that a cancelled generation cannot block."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Generic, TypeVar

from edgevoice.engines.protocols import Cancel

T = TypeVar("T")

PATIENCE_S = 0.02
"""how long a blocked side waits before it looks at its cancel again; a cancel is noticed within this time"""


class Pipe(Generic[T]):
    """One producer, one consumer, one generation.  A full pipe holds the producer; a cancel frees both sides."""

    def __init__(self, limit: int, cancel: Cancel) -> None:
        self._queue: queue.Queue[T | None] = queue.Queue(limit)
        self._cancel = cancel

    def put(self, item: T) -> bool:
        """Wait for room; False (and the item is gone) once cancelled."""
        return self._put(item)

    def close(self) -> None:
        """Nothing more comes; the consumer sees the end after what is queued."""
        self._put(None)

    def get(self, timeout_s: float) -> T | None:
        """The next item; ``None`` at the end or once cancelled; ``TimeoutError`` where nothing came in time."""
        waited = 0.0
        while not self._cancel.cancelled():
            try:
                return self._queue.get(timeout=min(PATIENCE_S, timeout_s - waited))
            except queue.Empty:
                waited += PATIENCE_S
                if waited >= timeout_s:
                    raise TimeoutError from None
        return None

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self.get(timeout_s=3600.0)
            except TimeoutError:
                continue
            if item is None:
                return
            yield item

    def empty(self) -> bool:
        return self._queue.empty()

    def _put(self, item: T | None) -> bool:
        while not self._cancel.cancelled():
            try:
                self._queue.put(item, timeout=PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False
