"""The last minute of something that is noted now and then, so that what was added in it can be told."""

from __future__ import annotations

import collections
import threading
from typing import Generic, TypeVar

T = TypeVar("T")

MINUTE_S = 60.0
NOTES = 4096
"""that are kept of a minute"""


class LastMinute(Generic[T]):
    """A minute is the last one of the clock: a younger one counts what was until now.  Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: collections.deque[tuple[float, T]] = collections.deque(maxlen=NOTES)

    def note(self, t: float, now: T) -> T:
        """The newest note that is a minute old at ``t`` (seconds), or the oldest there is; ``now`` itself where it is the first."""
        with self._lock:
            self._notes.append((t, now))
            while len(self._notes) > 1 and self._notes[1][0] <= t - MINUTE_S:
                self._notes.popleft()
            return self._notes[0][1]
