"""What every command shares: how it is declared, how it reads settings, how it prints for programs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Protocol

from edgevoice.settings import Settings


class Command(Protocol):
    """A module in ``edgevoice.cli`` is one command; these are its public names."""

    SUMMARY: str
    EXAMPLE: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """The exit code; expected failures are raised as ``EdgeVoiceError``."""


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings (TOML); default: the built-in ones")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout, for programs")


def settings(args: argparse.Namespace) -> Settings:
    """The settings in force: those that ``--config`` names, or the defaults, and what an update brought; ``ConfigError`` if they are
    wrong."""
    from edgevoice.update import in_force

    return in_force.load(args.config)


def print_json(document: Any) -> None:
    json.dump(document, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()
