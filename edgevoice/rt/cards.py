"""Sound cards by index or part of a name, and the one line that a person is told when a card will not do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgevoice.errors import DeviceError

Direction = Literal["input", "output"]
Streams = Literal["one", "two"]

RATES = (16000, 44100, 48000)
"""Hz; tried to tell what a card can do: the rate of speech, and the two that hardware has."""


@dataclass(frozen=True, slots=True)
class Card:
    """A device as the sound system lists it."""

    index: int
    name: str
    system: str
    """the host API behind it: ALSA, JACK, …"""
    inputs: int
    """channels"""
    outputs: int
    rate: float
    """Hz; its own default"""
    default_input: bool
    default_output: bool

    def has(self, direction: Direction) -> bool:
        return (self.inputs if direction == "input" else self.outputs) > 0


def choose(cards: Sequence[Card], wanted: str, direction: Direction) -> Card:
    """The card that ``wanted`` means: an index, a whole name, part of a name (the first that fits, in any case), or "" for the default."""
    fit = [card for card in cards if card.has(direction)]
    if not fit:
        raise DeviceError(f"there is no {direction} device on this machine (edgevoice devices lists what there is)")
    if not wanted:
        marked = [card for card in fit if (card.default_input if direction == "input" else card.default_output)]
        return (marked or fit)[0]
    if wanted.isdecimal():
        found = [card for card in fit if card.index == int(wanted)]
    else:
        found = [card for card in fit if card.name.lower() == wanted.lower()]
        found = found or [card for card in fit if wanted.lower() in card.name.lower()]
    if not found:
        offered = ", ".join(f"{card.index} {card.name!r}" for card in fit)
        raise DeviceError(f"no {direction} device is {wanted!r}; there are: {offered}")
    return found[0]


def pair(cards: Sequence[Card], wanted: tuple[str, str], rate: int, channels: int,
         supports: Callable[[int, Direction, float], bool]) -> tuple[Card, Card]:
    """The cards to capture and to play with; ``DeviceError`` unless they can do ``rate``, and the first so many channels."""
    capture, playback = choose(cards, wanted[0], "input"), choose(cards, wanted[1], "output")
    require_channels(capture, channels)
    require_rate(capture, "input", rate, supports)
    require_rate(playback, "output", rate, supports)
    return capture, playback


def streams(capture: Card, playback: Card, wanted: str) -> tuple[Streams, ...]:
    """What to try in turn, by ``audio.clocks``.  "auto": one stream where both ends have one clock, that is where they are one device, or
    devices of one ALSA card (``hw:1,0`` and ``hw:1,3``), and two if the sound system refuses that; two streams for any other pair."""
    if wanted == "one":
        return ("one",)
    if wanted == "two":
        return ("two",)
    numbers = [re.search(r"\bhw:(\w+)", card.name) for card in (capture, playback)]
    same = capture.index == playback.index or (numbers[0] is not None and numbers[1] is not None and numbers[0][1] == numbers[1][1])
    return ("one", "two") if same else ("two",)


def require_channels(card: Card, channels: int) -> None:
    """``DeviceError`` if the card captures fewer."""
    if card.inputs < channels:
        raise DeviceError(f"input device {card.index} {card.name!r} has {card.inputs} channel{'s' * (card.inputs != 1)}, and "
                          f"audio.channels asks for {channels}")


def require_rate(card: Card, direction: Direction, rate: int, supports: Callable[[int, Direction, float], bool]) -> None:
    """``DeviceError`` unless the card does ``rate``; it says which rates the card does."""
    if supports(card.index, direction, rate):
        return
    can = [str(other) for other in sorted({*RATES, round(card.rate)}) if other != rate and supports(card.index, direction, other)]
    remedy = f"it can do {', '.join(can)} Hz" if can else "nor any other common rate: it is busy or not usable"
    raise DeviceError(f"{direction} device {card.index} {card.name!r} cannot do {rate} Hz mono; {remedy}")
