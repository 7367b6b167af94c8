"""What can be asked of a scripted device: cues, each at an exact device frame.

A period is cut so that one begins exactly at a cue's frame; cues of one frame are obeyed in the order given.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Late:
    """The period that begins at ``at`` comes ``ms`` late; the ones after it catch up.  Means something in real time only."""

    at: int
    ms: float


@dataclass(frozen=True, slots=True)
class Short:
    """From ``at`` on, ``count`` periods have only ``frames`` frames each (no more than the device's period)."""

    at: int
    frames: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Xrun:
    """At ``at`` the device loses ``lost`` frames of input, and reports an input overflow with the next period.

    As with a sound card, nobody is told how many: frame indices go on without a jump and the user's voice has a hole.
    """

    at: int
    lost: int


@dataclass(frozen=True, slots=True)
class Underflow:
    """The period that begins at ``at`` reports an output underflow."""

    at: int


@dataclass(frozen=True, slots=True)
class Unplug:
    """The device is gone before frame ``at`` and does not come back."""

    at: int


Cue = Late | Short | Xrun | Underflow | Unplug


def jitter(*, until: int, period: int, worst_ms: float, seed: int = 0) -> tuple[Late, ...]:
    """Every period up to frame ``until`` late by a random time of at most ``worst_ms``."""
    chance = random.Random(seed)
    return tuple(Late(at, chance.uniform(0.0, worst_ms)) for at in range(0, until, period))
