"""The time that an engine takes, and whether it may be asked at all.

Theory: who waits for a person's next word may wait long, who waits for an engine may not.  A ``Watch`` knows since when its worker is
inside an engine and how long that may last: little to the first token or sound, more to each further one, nothing while the worker
waits for somebody else.  A ``Breaker`` counts failures in a row.  After a few it is open, and every call fails at once, which costs a
turn an apology and no silence, until the engine has been loaded anew and one call is let through as a trial.  The pauses between
trials double.

Laws: a watch that was ``left`` (its thread is stuck and was given up) changes nothing any more.  Without a clock nothing is watched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from edgevoice.clock import Clock
from edgevoice.errors import EngineError

BreakerState = Literal["closed", "open", "trial"]


class Breaker:
    """Around one engine.  Thread-safe; times are seconds of ``clock``."""

    def __init__(self, name: str, clock: Clock, *, failures: int = 3, first_s: float = 1.0, most_s: float = 60.0) -> None:
        self.name = name
        self.state: BreakerState = "closed"
        self.opened = 0
        """times that it went open"""
        self._clock, self._limit, self._first_s, self._most_s = clock, failures, first_s, most_s
        self._failures = 0
        self._pause_s = 0.0
        self._due = 0.0
        self._lock = threading.Lock()

    @property
    def due(self) -> bool:
        """Open, and the pause is over: load the engine anew and call ``trial``."""
        return self.state == "open" and self._clock.now() >= self._due

    def check(self) -> None:
        """``EngineError`` while no call may go through."""
        if self.state == "open":
            left = max(0.0, self._due - self._clock.now())
            raise EngineError(f"{self.name} failed {self._failures} times in a row; it is tried again in {left:.0f} s")

    def trial(self) -> None:
        """Let the next call through."""
        with self._lock:
            if self.state == "open":
                self.state = "trial"

    def succeeded(self) -> None:
        with self._lock:
            self.state, self._failures, self._pause_s = "closed", 0, 0.0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self.state != "closed" or self._failures >= self._limit:
                self.opened += self.state != "open"
                self.state = "open"
                self._pause_s = min(max(2 * self._pause_s, self._first_s), self._most_s)
                self._due = self._clock.now() + self._pause_s


class Watch:
    """Of one worker's thread, which calls ``call`` and ``elsewhere``; anybody asks the rest."""

    def __init__(self, clock: Clock | None = None, breaker: Breaker | None = None) -> None:
        self.breaker = breaker
        self.left = False
        self.calls = 0
        """counts the limits that were set, so that each is told of once"""
        self.came_back: Callable[[], None] | None = None
        """what the thread does should it ever come back after it was left"""
        self._clock = clock
        self._due: float | None = None
        self._told = ""

    @contextmanager
    def call(self, what: str, limit_s: float) -> Iterator[None]:
        """Inside an engine, which ``what`` says of when it takes longer than ``limit_s``; its errors count."""
        if self.breaker is not None:
            self.breaker.check()
        self._begin(what, limit_s)
        try:
            yield
        except Exception:
            if self.breaker is not None and not self.left:
                self.breaker.failed()
            raise
        else:
            if self.breaker is not None and not self.left:
                self.breaker.succeeded()
        finally:
            self._due = None

    @contextmanager
    def elsewhere(self, what: str, limit_s: float) -> Iterator[None]:
        """Inside what the engine calls, which may wait for as long as it likes; then the engine has ``limit_s`` anew."""
        self._due = None
        try:
            yield
        finally:
            self._begin(what, limit_s)

    def hurry(self, limit_s: float) -> None:
        """The call under way has at most so long from now on; any thread."""
        due = self._due
        if due is not None and self._clock is not None:
            self._due = min(due, self._clock.now() + limit_s)

    def overdue_s(self) -> float | None:
        """How long ago the engine should have answered; ``None`` while it is in time."""
        due = self._due
        if due is None or self._clock is None:
            return None
        late = self._clock.now() - due
        return late if late >= 0 else None

    @property
    def told(self) -> str:
        """What to say of the call that takes too long."""
        return self._told

    def leave(self, came_back: Callable[[], None] | None) -> Watch:
        """The thread is given up; the watch of the next one."""
        self.left, self.came_back = True, came_back
        return Watch(self._clock, self.breaker)

    def _begin(self, what: str, limit_s: float) -> None:
        if self._clock is not None:
            self.calls += 1
            self._told = f"{what} within {limit_s:.1f} s"
            self._due = self._clock.now() + limit_s
