"""``edgevoice devices``: what can capture and play here, and at which rates, found through PyAudio by trying."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK
from edgevoice.rt.cards import RATES, Card

SUMMARY = "list sound devices and the rates that each can do"
EXAMPLE = """\
edgevoice devices
edgevoice devices --json
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """A card, and the rates of ``RATES`` (Hz, int16, mono) at which it said that it can capture and play."""

    card: Card
    input_rates: list[int]
    output_rates: list[int]

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {**asdict(self.card), "input_rates": self.input_rates, "output_rates": self.output_rates}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    found = probe()
    if args.json:
        common.print_json({"devices": [one.document() for one in found]})
    else:
        sys.stdout.write(table(found))
    return EXIT_OK


def probe() -> list[Probed]:
    """Every device of this machine.  ``DeviceError`` if PyAudio is missing or the sound system cannot be reached."""
    from edgevoice.rt.pyaudio_device import PyAudioLibrary
    from edgevoice.rt.quiet import without_noise

    with without_noise(), PyAudioLibrary() as library:
        return [Probed(card,
                       [rate for rate in RATES if card.inputs and library.supports(card.index, "input", rate)],
                       [rate for rate in RATES if card.outputs and library.supports(card.index, "output", rate)])
                for card in library.cards()]


def table(found: list[Probed]) -> str:
    """For people; a star marks the system's default."""
    if not found:
        return "no sound device found (in a container or over SSH, is the card or the sound server reachable?)\n"
    rows = [("", "device", "by", "captures (Hz)", "plays (Hz)")]
    for one in found:
        card = one.card
        rows.append((str(card.index), card.name, card.system, _rates(card.inputs, one.input_rates, card.default_input),
                     _rates(card.outputs, one.output_rates, card.default_output)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n* the system's default.  Choose others by index or part of a name: [audio] input and output.\n"


def _rates(channels: int, rates: list[int], default: bool) -> str:
    if not channels:
        return "-"
    return ("* " if default else "") + (" ".join(map(str, rates)) or "busy, or none of these rates")
