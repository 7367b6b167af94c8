"""``edgevoice devices``: what can capture and play here, and at which rates, found through PyAudio by trying."""

from __future__ import annotations

import argparse
import sys

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK
from edgevoice.rt.probe import Probed, probe

SUMMARY = "list sound devices and the rates that each can do"
EXAMPLE = """\
edgevoice devices
edgevoice devices --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    found = probe()
    if args.json:
        common.print_json({"devices": [one.document() for one in found]})
    else:
        sys.stdout.write(table(found))
    return EXIT_OK


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
