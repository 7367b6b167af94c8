"""The twin's atomic, as ``ext/cancel.h`` is the C core's: which generation may be heard, and the right of one to go on."""

from __future__ import annotations

import threading


class Token:
    """One generation's right to go on."""

    def __init__(self, live: Live, generation: int) -> None:
        self.generation = generation
        self._live = live

    def cancelled(self) -> bool:
        return self._live.current() != self.generation

    def abort_pointers(self) -> tuple[int, int] | None:
        """None: there is no C word to look at."""
        return None


class Live:
    """Which generation may be heard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current = 0
        self.newest = 0
        """The greatest generation ever begun."""

    def begin(self, generation: int) -> Token:
        generation = generation_number(generation)
        with self._lock:
            if generation <= self.newest:
                raise ValueError(f"generation {generation} is not greater than every one before it")
            self.newest = self._current = generation
        return Token(self, generation)

    def cancel(self, generation: int) -> bool:
        generation = generation_number(generation)
        with self._lock:
            if self._current != generation:
                return False
            self._current = 0
            return True

    def current(self) -> int:
        return self._current


def generation_number(generation: int) -> int:
    number = int(generation)
    if not 0 < number < 2**63:
        raise ValueError(f"a generation is a number from 1 to 2**63 - 1, not {number}")
    return number
