"""What the people of a soak do and what goes wrong meanwhile: a sequence without an end, the same for the same seed.  Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from tests.soak.faults import PLACES

T = TypeVar("T")
Opening = Literal["voice", "listen", "asked", "http", "announcement"]
"""by the wake word; by a button; typed at the device; typed over HTTP; told by the house"""


@dataclass(frozen=True, slots=True)
class Line:
    """``pieces`` are spoken with a pause between them, after "Okay nabu."; ``text`` is what a perfect recognizer makes of the rest."""

    name: str
    pieces: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.pieces).rstrip(".?!")


LINES = (
    Line("moon", ("What is the moon made of?",)), Line("sum", ("What is twelve times seven?",)),
    Line("timer", ("Set a timer for twenty seconds.",)), Line("list", ("Add milk to the shopping list.",)),
    Line("light", ("Turn on the kitchen light.",)), Line("story", ("Tell me a long story about a dragon and a princess.",)),
    Line("slow", ("Why is the sky", "blue in the evening?")), Line("time", ("What time is it?",)))
INTERRUPTION = Line("interruption", ("No, wait, what about the sun?",))

FROM_OUTSIDE = ("barge-in", "stop", "mute", "unplug", "broker cut", "broker gone", "broker swallows", "client gone", "disk full",
                "clock jump")
MISHAPS = (*FROM_OUTSIDE, *(f"{place} {how}" for place in PLACES for how in ("hang", "raise")))


@dataclass(frozen=True, slots=True)
class Conversation:
    number: int
    opening: Opening
    line: Line
    quiet_s: float
    """before it"""
    mishap: str | None
    after_s: float
    """from the opening, or from the reply's first sound where it is about a reply"""
    lasts_s: float


def conversations(seed: int) -> Iterator[Conversation]:
    """Every other one with a mishap; mishaps and lines come round like cards, each once before any comes again."""
    chance = random.Random(seed)
    mishaps, lines = _dealt(chance, MISHAPS), _dealt(chance, LINES)
    named = {line.name: line for line in LINES}
    number = 0
    while True:
        number += 1
        mishap = next(mishaps) if chance.random() < 0.5 else None
        opening: Opening = chance.choices(("voice", "listen", "asked", "http", "announcement"), (60, 10, 10, 12, 8))[0]
        line, after_s = next(lines), chance.uniform(0.0, 4.0)
        match (mishap or "").split(".")[0].split(" ")[0]:
            case "client":
                opening = "http"
            case "stt" | "turn" if opening not in ("voice", "listen"):
                opening = "voice"
            case "llm" | "tts" | "barge-in" | "stop":  # it is about an answer, and a long one
                line, opening = named["story"], "voice" if opening == "announcement" else opening
            case "disk":  # before something is to be written down
                line, opening, after_s = named[chance.choice(("timer", "list"))], "voice", 0.0
            case "clock":  # while something is waited for
                line, opening = named["timer"], "voice"
        yield Conversation(number, opening, line, chance.uniform(0.5, 4.0), mishap, after_s, chance.uniform(4.0, 6.0)
                           if mishap == "disk full" else chance.uniform(0.5, 4.0))


def _dealt(chance: random.Random, cards: tuple[T, ...]) -> Iterator[T]:
    while True:
        yield from chance.sample(cards, len(cards))
