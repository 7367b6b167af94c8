"""``edgevoice check-config``: tells every mistake of a configuration file at once, or writes out what is in effect."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgevoice.cli.common import add_json, print_json
from edgevoice.errors import EXIT_OK, ConfigError, EdgeVoiceError, UsageError

if TYPE_CHECKING:
    from edgevoice.config import Problem
    from edgevoice.settings import Settings

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
    problems = [*problems, *_beyond_the_file(args.file, settings)]
    if args.json:
        print_json({"file": str(args.file), "ok": not problems, "problems": [dataclasses.asdict(problem) for problem in problems]})
        return ConfigError.exit_code if problems else EXIT_OK
    refuse(problems)
    sys.stdout.write(f"{args.file}: no mistakes\n")
    return EXIT_OK


def _beyond_the_file(path: Path, settings: Settings) -> list[Problem]:
    """What the file by itself cannot tell: wake words that nobody knows, and the files that it names."""
    from edgevoice.config import Problem
    from edgevoice.engines import lexicon, wake
    from edgevoice.home import file as home_file
    from edgevoice.pipeline.rules import safety_of, toolbox_of

    def words() -> None:
        wake.check_words(settings.wake)

    def pronunciations() -> None:
        if settings.tts.lexicon:
            lexicon.load(Path(settings.tts.lexicon).expanduser())

    def rules() -> None:
        safety_of(settings.safety)

    def tools() -> None:
        toolbox_of(settings)

    def house() -> None:
        if settings.home.file:
            home_file.read(Path(settings.home.file).expanduser())

    def sentences() -> None:
        if settings.home.sentences:
            home_file.sentence_files(Path(settings.home.sentences).expanduser())

    found = []
    for key, look in (("wake.words", words), ("tts.lexicon", pronunciations), ("safety.patterns", rules), ("tools.file", tools),
                      ("home.file", house), ("home.sentences", sentences)):
        try:
            look()
        except EdgeVoiceError as error:
            wrong, _, right = str(error).partition("; ")
            told = re.fullmatch(r"(\w+\.\w+) = (.+?): (.+)", wrong)  # an engine may name the very key, such as wake.folder
            key, value, wrong = (told[1], told[2], told[3]) if told else (key, None, wrong)
            found.append(Problem(str(path), 0, key, value, wrong, right or "see `edgevoice check-config --help`"))
    return found
