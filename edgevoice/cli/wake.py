"""``edgevoice wake``: where in a file a wake word is heard."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK

SUMMARY = "find wake words in an audio file"
EXAMPLE = """\
edgevoice wake evening.wav
edgevoice wake evening.wav --word okay_nabu --word hey_jarvis --json
edgevoice wake evening.wav --word ~/my_word.json
"""

TAIL_S = 0.5
"""silence put after the file: a word at its very end is heard only with the frames that follow"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="F.wav", type=Path, help="audio of any common rate, width and channel count")
    parser.add_argument("--word", action="append", metavar="NAME", help="a wake word, or a microWakeWord .json; may be repeated; "
                        "default: wake.words of the settings")
    common.add_json(parser)
    common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    settings = common.settings(args)
    import numpy as np

    from edgevoice import app
    from edgevoice.audio import read, to_int16
    from edgevoice.engines.protocols import SPEECH_RATE

    audio = to_int16(read(args.file, SPEECH_RATE))
    chosen = dataclasses.replace(settings.wake, words=args.word, keywords=[]) if args.word else settings.wake
    engine = app.load_wake(dataclasses.replace(settings, wake=chosen))
    engine.attend(True)  # the whole file is listened to, whatever speaks in it
    try:
        hits = engine.process(np.concatenate((audio, np.zeros(int(TAIL_S * SPEECH_RATE), np.int16))))
    finally:
        engine.close()
    rows = [{"t": round(min(hit.sample, len(audio)) / SPEECH_RATE, 3), "model": hit.model, "score": hit.score} for hit in hits]
    if args.json:
        common.print_json(rows)
        return EXIT_OK
    for row in rows:
        sys.stdout.write(f"{row['t']:8.2f} s   {row['model']}   score {row['score']:.3f}\n")
    if not rows:
        sys.stdout.write(f"{args.file}: no wake word in {len(audio) / SPEECH_RATE:.2f} s\n")
    return EXIT_OK
