"""What others leave for the ears' thread to do with the next hop."""

from __future__ import annotations

from dataclasses import dataclass

from edgevoice.dialog.commands import Listen


@dataclass(frozen=True, slots=True)
class SetTimer:
    seconds: float
    timer: int


@dataclass(frozen=True, slots=True)
class Forget:
    """What was heard before device frame ``sample``."""

    sample: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What is known of the pause at device frame ``sample``, or of whichever pause follows the words ``after``."""

    turn: int
    sample: int = -1
    probability: float | None = None
    text: str | None = None
    after: str | None = None
    ending: float | None = None


Order = Listen | SetTimer | Forget | Vote | int
"""listen, set the timer, forget, a vote on the turn's end, or (a turn) stop listening"""
