"""Frames for the tests of a core: what goes in, what comes out, and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE, HOP = 16000, 160
FADE = RATE // 200


def ramp(count: int, start: int = 1) -> np.ndarray:
    """Samples that are all different and none 0, so that a lost, repeated or misplaced one is seen."""
    return (np.arange(start, start + count) % 30000 + 1).astype(np.int16)


def faded(samples: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """samples * gains / FADE, rounded towards zero."""
    return np.trunc(samples * gains / FADE).astype(np.int16)


DOWN = np.arange(FADE - 1, -1, -1)
UP = np.arange(1, FADE + 1)


def run(core: Any, frames: int, period: int = HOP) -> np.ndarray:
    """Silent periods; what was played."""
    played = [core.process(np.zeros(min(period, frames - at), np.int16), min(period, frames - at)) for at in range(0, frames, period)]
    return np.concatenate(played) if played else np.zeros(0, np.int16)


def kinds(core: Any) -> list[tuple[str, int, int, int]]:
    return [(event.kind, event.generation, event.sample, event.frames) for event in core.events()]


def balanced(core: Any) -> Any:
    counters = core.counters()
    assert counters.captured == counters.consumed + counters.dropped + counters.depth
    return counters
