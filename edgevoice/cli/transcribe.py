"""``edgevoice transcribe``: the words in audio files, heard as a conversation would hear them.

The voice detector says where somebody speaks; what lies between two long silences is one utterance, and each goes through the recognizer
with the audio that a conversation would give it.  ``--stream`` feeds it piece by piece and shows the words as they come; time is the
audio's own, so it runs as fast as the machine can.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevoice.cli import common
from edgevoice.cli.vad import segments
from edgevoice.errors import EXIT_OK, AudioFileError

if TYPE_CHECKING:
    from edgevoice.engines.protocols import Float32, Stt, Vad
    from edgevoice.settings import Settings

SUMMARY = "write down what is said in audio files"
EXAMPLE = """\
edgevoice transcribe note.wav
edgevoice transcribe --stream note.wav
edgevoice transcribe *.wav --json
"""

PIECE_MS = 32
"""audio handed over at a time, as in a conversation"""
GAP_S = 1.0
"""silence between two utterances; shorter ones are pauses inside one"""
TAIL_S = 0.3
"""audio kept after an utterance, so that its last sound is whole"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="F.wav", type=Path, nargs="+", help="audio of any common rate, width and channel count")
    parser.add_argument("--stream", action="store_true", help="show the words while they are recognized, the settled ones before a bar")
    parser.add_argument("--model", metavar="NAME", help="recognizer to use: a model's name or folder; default: stt.model of the settings")
    common.add_json(parser)
    common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    settings = common.settings(args)
    from edgevoice.engines import stt, vad
    from edgevoice.models import find

    detector = vad.load(settings.vad, find(settings.paths, settings.vad.model))
    recognizer = stt.load(settings.stt, find(settings.paths, args.model or settings.stt.model))
    code = EXIT_OK
    documents = []
    for path in args.files:
        try:
            document = _transcribe(path, recognizer, detector, settings, args)
        except AudioFileError as error:
            code = code or error.exit_code
            document = {"file": str(path), "error": str(error)}
            sys.stderr.write(f"edgevoice: {' '.join(str(error).split())}\n")
        documents.append(document)
    recognizer.close()
    detector.close()
    if args.json:
        common.print_json(documents)
    return code


def _transcribe(path: Path, recognizer: Stt, detector: Vad, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """One file's words, printed unless a program reads them."""
    from edgevoice.audio import read
    from edgevoice.engines.protocols import SPEECH_RATE

    audio = read(path, SPEECH_RATE)
    started = time.monotonic()
    spoken = []
    partials: list[dict[str, Any]] = []
    for begin, end in _utterances(detector, settings, audio):
        stream = recognizer.open()
        if args.stream:
            step = PIECE_MS * SPEECH_RATE // 1000
            shown = ""
            for at in range(begin, end, step):
                stream.accept(audio[at:min(at + step, end)])
                partial = stream.partial()
                if partial.text != shown:
                    shown = partial.text
                    t = round(min(at + step, end) / SPEECH_RATE, 3)
                    partials.append({"t": t, "text": partial.text, "stable": partial.stable})
                    if not args.json:
                        sys.stdout.write(f"{t:8.2f} s  {partial.text[:partial.stable]}|{partial.text[partial.stable:]}\n")
                        sys.stdout.flush()
        else:
            stream.accept(audio[begin:end])
        text = stream.finish()
        if text:
            spoken.append({"start": round(begin / SPEECH_RATE, 3), "end": round(end / SPEECH_RATE, 3), "text": text})
    whole = " ".join(str(part["text"]) for part in spoken)
    if not args.json:
        sys.stdout.write(f"{path}: {whole}\n" if len(args.files) > 1 else f"{whole}\n")
        sys.stdout.flush()
    document = {"file": str(path), "text": whole, "seconds": round(len(audio) / SPEECH_RATE, 3),
                "compute_s": round(time.monotonic() - started, 3), "utterances": spoken}
    return document | {"partials": partials} if args.stream else document


def _utterances(detector: Vad, settings: Settings, audio: Float32) -> Iterator[tuple[int, int]]:
    """(begin, end) samples of each utterance, with what belongs around it; they do not overlap."""
    from edgevoice.engines.protocols import SPEECH_RATE

    before, after = settings.vad.preroll_ms * SPEECH_RATE // 1000, int(TAIL_S * SPEECH_RATE)
    spans = segments(detector, settings.vad, audio)[1]
    done = 0
    while spans:
        start, end = spans.pop(0)
        while spans and spans[0][0] - end < GAP_S * SPEECH_RATE:
            end = spans.pop(0)[1]
        begin, done = max(done, start - before), min(len(audio), end + after)
        yield begin, done
