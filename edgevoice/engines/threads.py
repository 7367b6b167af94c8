"""How many threads an engine computes with."""

from __future__ import annotations

import os


def threads_for(setting: int) -> int:
    """0 is the cores this process may use, less one: with all of them, any other busy thread makes each token wait for it."""
    return setting or max(1, len(os.sched_getaffinity(0)) - 1)
