"""What can be asked of a scripted device: cues, each at an exact device frame.

A period is cut so that one begins exactly at a cue's frame; cues of one frame are obeyed in the order given.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
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


def validated(script: Sequence[Cue], period: int) -> tuple[Cue, ...]:
    """The cues by rising frame; ``ValueError`` names one that makes no sense for a device of that ``period``."""
    for cue in script:
        if not isinstance(cue, Cue):
            raise ValueError(f"{cue!r} is not a cue of edgevoice.rt.script")
        if cue.at < 0:
            raise ValueError(f"{cue}: at must be a device frame, 0 or more")
        if isinstance(cue, Late) and not 0.0 <= cue.ms <= 3_600_000.0:
            raise ValueError(f"{cue}: ms must be 0 to 3600000")
        if isinstance(cue, Short) and (not 1 <= cue.frames <= period or not 1 <= cue.count < 2**32):
            raise ValueError(f"{cue}: frames must be 1 to the period of {period}, and count 1 or more")
        if isinstance(cue, Xrun) and cue.lost < 0:
            raise ValueError(f"{cue}: lost must be 0 or more frames")
    return tuple(sorted(script, key=lambda cue: cue.at))
