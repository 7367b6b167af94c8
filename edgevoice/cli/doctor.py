"""``edgevoice doctor``: one page of checks with what to do; ``--acoustic`` is the one that makes a sound, ``--bundle`` packs all up."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK, EXIT_PROBLEM, EXIT_WARNING, UsageError

if TYPE_CHECKING:
    from edgevoice.checks import Result, Status

SUMMARY = "find out what is wrong with this device, and what to do"
EXAMPLE = """\
edgevoice doctor --config /etc/edgevoice.toml
edgevoice doctor --bundle support.tar.gz     # for whoever helps; no secret and no word said is in it
edgevoice doctor --acoustic --png echo.png   # by a sound that is played and heard
"""

_MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM", "skipped": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", metavar="FILE", type=Path, help="also write what was found, versions and settings into this archive "
                        "(.tar.gz), without secrets and without anything that was said")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="this check alone (its name in --json); may be repeated")
    parser.add_argument("--acoustic", action="store_true",
                        help="instead, play three sine sweeps (11 s, keep quiet) and measure delay, clock drift, noise, clipping, echo "
                             "path and gain")
    parser.add_argument("--level", metavar="dBFS", type=float, default=-12.0, help="how loud the sweeps are sent (default: -12)")
    parser.add_argument("--png", metavar="FILE", type=Path, help="draw the echo path, its response and the noise into this picture")
    parser.add_argument("--virtual", action="store_true", help="measure a room that is not there, on a machine without sound")
    common.add_config(parser)
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.acoustic:
        if args.bundle is not None or args.only:
            raise UsageError("doctor: --acoustic is a check by itself; leave out --bundle and --only")
        from edgevoice.cli import doctor_acoustic

        return doctor_acoustic.run(args)
    for name, given in (("--png", args.png is not None), ("--virtual", args.virtual)):
        if given:
            raise UsageError(f"doctor: {name} belongs to --acoustic")
    return _checks(args)


def _checks(args: argparse.Namespace) -> int:
    from edgevoice import checks, files

    settings = common.settings(args)
    wanted = [check for check in checks.TABLE if not args.only or check.name in args.only]
    unknown = set(args.only) - {check.name for check in checks.TABLE}
    if unknown:
        raise UsageError(f"doctor: --only {', '.join(sorted(unknown))}: there are {', '.join(check.name for check in checks.TABLE)}")
    if args.bundle is not None:
        files.check_writable(args.bundle)
    place = checks.Place(settings)
    results = checks.carry_out(wanted, place, (lambda result: None) if args.json else _print)
    status = checks.worst(results)
    if args.bundle is not None:
        from edgevoice.checks import bundle

        bundle.write(args.bundle, place, results)
    if args.json:
        common.print_json({"status": status, "checks": [result.document() for result in results],
                           "bundle": None if args.bundle is None else str(args.bundle)})
    else:
        _sum_up(results, status, args.bundle)
    return {"ok": EXIT_OK, "warning": EXIT_WARNING, "problem": EXIT_PROBLEM}[status]


def _print(result: Result) -> None:
    found = result.found
    sys.stdout.write(f"{_MARKS[found.status]:8}{result.title:22}{_plain(found.text)}\n")
    if found.remedy and found.status != "ok":
        sys.stdout.write(f"{'':30}-> {_plain(found.remedy)}\n")
    sys.stdout.flush()


def _sum_up(results: list[Result], status: Status, bundle: Path | None) -> None:
    counts = {name: sum(result.found.status == name for result in results) for name in _MARKS}
    told = {"ok": "nothing is wrong", "warning": f"{counts['warning']} to look at",
            "problem": f"{counts['problem']} to mend" + (f", {counts['warning']} to look at" if counts["warning"] else "")}[status]
    sys.stdout.write(f"{told}; {counts['ok']} well, {counts['skipped']} not looked at\n")
    if bundle is not None:
        sys.stdout.write(f"{bundle}: for whoever helps; look through it before you send it\n")


def _plain(text: str) -> str:
    """A line that cannot command the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
