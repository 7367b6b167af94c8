"""``edgevoice vad``: where in a file somebody speaks, by the network and the thresholds that a conversation uses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK

if TYPE_CHECKING:
    from edgevoice.engines.protocols import Float32, Vad
    from edgevoice.settings import VadSettings

SUMMARY = "find the speech in an audio file"
EXAMPLE = """\
edgevoice vad kitchen.wav
edgevoice vad kitchen.wav --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="F.wav", type=Path, help="audio of any common rate, width and channel count")
    common.add_json(parser)
    common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    settings = common.settings(args)
    from edgevoice.audio import read
    from edgevoice.engines import vad
    from edgevoice.engines.protocols import SPEECH_RATE
    from edgevoice.models import find

    audio = read(args.file, SPEECH_RATE)
    engine = vad.load(settings.vad, find(settings.paths, settings.vad.model))
    try:
        probabilities, spans = segments(engine, settings.vad, audio)
    finally:
        engine.close()
    seconds = [(round(start / SPEECH_RATE, 3), round(end / SPEECH_RATE, 3)) for start, end in spans]
    if args.json:
        common.print_json({"frame_ms": 1000 * engine.frame / SPEECH_RATE, "prob": [round(p, 4) for p in probabilities],
                           "segments": [list(span) for span in seconds]})
        return EXIT_OK
    for start, end in seconds:
        sys.stdout.write(f"{start:8.2f} s to {end:8.2f} s   {end - start:6.2f} s\n")
    total = sum(end - start for start, end in seconds)
    sys.stdout.write(f"{args.file}: {len(seconds)} segment{'' if len(seconds) == 1 else 's'}, {total:.2f} s of speech in "
                     f"{len(audio) / SPEECH_RATE:.2f} s\n")
    return EXIT_OK


def segments(engine: Vad, settings: VadSettings, audio: Float32) -> tuple[list[float], list[tuple[int, int]]]:
    """The probability of each frame of ``audio`` (16 kHz; the last is filled up with silence) and the (start, end) samples of speech."""
    import numpy as np

    from edgevoice.dialog.speech import SpeechDetector, SpeechStart
    from edgevoice.engines.protocols import SPEECH_RATE

    detector = SpeechDetector(settings.onset, settings.offset, settings.min_speech_ms, settings.hangover_ms,
                              1000 * engine.frame / SPEECH_RATE)
    engine.reset()
    padded = np.concatenate((audio, np.zeros(-len(audio) % engine.frame, np.float32)))
    probabilities: list[float] = []
    edges = []
    for at in range(0, len(padded), engine.frame):
        probabilities.append(engine.process(padded[at:at + engine.frame]))
        edges += detector.feed(probabilities[-1], at)
    edges += detector.finish()
    starts = [edge.sample for edge in edges if isinstance(edge, SpeechStart)]
    ends = [min(edge.sample, len(audio)) for edge in edges if not isinstance(edge, SpeechStart)]
    return probabilities, [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
