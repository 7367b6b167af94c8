"""``edgevoice check-config``: tells every mistake of a configuration file at once, or writes out what is in effect."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from edgevoice.cli.common import add_json, print_json
from edgevoice.errors import EXIT_OK, ConfigError, UsageError

SUMMARY = "check a configuration file and tell every mistake, with its line"
EXAMPLE = """\
edgevoice check-config configs/pi5.toml
edgevoice check-config --print > mine.toml     # every setting with its default, explained
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the configuration (TOML); with --print it may be left out")
    parser.add_argument("--print", action="store_true", help="write the settings in effect as a commented configuration file")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from edgevoice.checks import beyond
    from edgevoice.config import load, read, refuse, to_toml
    from edgevoice.settings import Settings

    if args.file is None and not args.print:
        raise UsageError("check-config: FILE is missing; name a configuration, or use --print for the defaults")
    if args.print:
        settings = Settings() if args.file is None else load(args.file)
        if args.json:
            print_json(dataclasses.asdict(settings))
        else:
            sys.stdout.write(to_toml(settings))
        return EXIT_OK
    settings, problems = read(args.file)
    problems = [*problems, *beyond.problems(args.file, settings)]
    if args.json:
        print_json({"file": str(args.file), "ok": not problems, "problems": [dataclasses.asdict(problem) for problem in problems]})
        return ConfigError.exit_code if problems else EXIT_OK
    refuse(problems)
    sys.stdout.write(f"{args.file}: no mistakes\n")
    return EXIT_OK
