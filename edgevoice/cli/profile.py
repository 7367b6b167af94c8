"""``edgevoice profile detect``: which of the profiles in configs/ fits this machine."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK

SUMMARY = "propose a profile (configs/*.toml) for this machine"
EXAMPLE = """\
edgevoice profile detect
edgevoice profile detect --json --no-bench
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="detect")
    detect = actions.add_parser("detect", help="by the board's name, memory and cores, and one sentence through the engines",
                                description="Look at the machine, take one sentence through the engines (20 s at most), and propose.")
    detect.add_argument("--no-bench", action="store_true", help="do not measure")
    common.add_config(detect)
    common.add_json(detect)


def run(args: argparse.Namespace) -> int:
    from edgevoice import profiles

    settings = common.settings(args)
    machine = profiles.look()
    figures = {} if args.no_bench else profiles.measure(settings)
    proposal = profiles.propose(machine, figures)
    file = None if proposal.file is None else str(proposal.file)
    if args.json:
        common.print_json({"profile": proposal.profile, "file": file, "why": proposal.why, "warnings": list(proposal.warnings),
                           "machine": asdict(machine), "figures": figures, "times_slower": profiles.slowness(figures)})
        return EXIT_OK
    memory = "unknown memory" if machine.memory_mb is None else f"{machine.memory_mb} MB"
    lines = [f"{machine.board} ({machine.machine}), {machine.cores} cores, {memory}"]
    if profiles.slowness(figures) is not None:
        lines.append(f"{figures['tokens_per_s']:.0f} tokens a second, first token after {figures['first_token_ms']:.0f} ms; "
                     f"recognition at {figures['stt_rtf']:.2f}, speech at {figures['tts_rtf']:.2f} of real time")
    lines += [f"warning: {warning}" for warning in proposal.warnings]
    lines.append(f"{proposal.profile}: {proposal.why}")
    if file is not None:
        lines.append(f"edgevoice run --config {file}")
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK
