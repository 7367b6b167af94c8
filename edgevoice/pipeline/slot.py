"""The place of an engine that may be taken away and replaced while its worker lives."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from edgevoice.errors import EngineError

E = TypeVar("E")

WAIT_S = 3.0
"""a job waits so long for an engine that is being loaded"""


class Slot(Generic[E]):
    """``get`` from the worker's thread, the rest from any."""

    def __init__(self, name: str, engine: E) -> None:
        self.name = name
        self._engine: E | None = engine
        self._changed = threading.Condition()

    def get(self, timeout_s: float = WAIT_S) -> E:
        """The engine; ``EngineError`` if there is none after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._engine is not None, timeout_s)
            if self._engine is None:
                raise EngineError(f"{self.name} is being loaded anew, and is not there after {timeout_s:g} s")
            return self._engine

    def take(self) -> E | None:
        """Empty it; what was in it."""
        with self._changed:
            engine, self._engine = self._engine, None
            return engine

    def fill(self, engine: E) -> None:
        with self._changed:
            self._engine = engine
            self._changed.notify_all()
