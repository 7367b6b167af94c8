"""A cancel that nobody flips: for work that is always done to its end."""

from __future__ import annotations


class Never:
    """A ``Cancel``."""

    def cancelled(self) -> bool:
        return False

    def abort_pointers(self) -> tuple[int, int] | None:
        return None
