"""``edgevoice say``: text as speech, into a file or out of the loudspeaker.

The text is taken as a reply of the language model would be: markdown is left out, numbers and units are spoken as words.  The
loudspeaker begins with the first piece while the next ones are made.  Ctrl-C stops both; a file is written whole or not at all.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevoice.cli import common
from edgevoice.errors import UsageError

if TYPE_CHECKING:
    from edgevoice.engines.protocols import Float32, Tts
    from edgevoice.settings import Settings

SUMMARY = "speak a text, into a WAV file or out of the loudspeaker"
EXAMPLE = """
edgevoice say "It is 21.5 °C in the kitchen." --out kitchen.wav
echo "Dinner is ready." | edgevoice say -
"""

AHEAD = 4
"""pieces that synthesis may be ahead of the loudspeaker, so that memory does not grow with the text"""
LOOK_S = 0.1
END_S = 5.0
"""after Ctrl-C the piece under way is not waited for longer than this"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="+", help="what to say, plain or markdown; - reads it from standard input")
    parser.add_argument("--out", metavar="F.wav", type=Path, help="write it to this file instead of playing it")
    parser.add_argument("--model", metavar="NAME", help="voice to use: a model's name or folder; default: tts.model of the settings")
    common.add_json(parser)
    common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    from edgevoice.dialog.spoken import spoken
    from edgevoice.engines import tts
    from edgevoice.models import find

    settings = common.settings(args)
    text = _text(args.text)
    words = spoken(text)
    if not words:
        raise UsageError(f"there is nothing to say in {text.strip()[:40]!r}; give it words")
    if args.out is not None:
        _check_place(args.out)
    voice = tts.load(settings.tts, find(settings.paths, args.model or settings.tts.model))
    speech = _Speech(voice, words)
    try:
        facts = _into_file(speech, args.out) if args.out is not None else _aloud(speech, settings)
    finally:
        speech.stop()
        voice.close()
    document = {"text": text.strip(), "spoken": words, "rate": voice.rate, **speech.facts(), **facts}
    if args.json:
        common.print_json(document)
    elif args.out is not None:
        print(f"{args.out}: {document['seconds']} s of speech, made in {document['synthesis_s']} s")
    return 0


def _into_file(speech: _Speech, path: Path) -> dict[str, Any]:
    import numpy as np

    from edgevoice.audio import write_wav

    pieces = [np.zeros(0, np.float32)]
    while (piece := speech.next()) is not None:
        pieces.append(piece)
    write_wav(path, np.concatenate(pieces), speech.rate)
    return {"file": str(path)}


def _aloud(speech: _Speech, settings: Settings) -> dict[str, Any]:
    import numpy as np

    from edgevoice.audio import Resampler, to_int16
    from edgevoice.rt.loudspeaker import Loudspeaker

    with Loudspeaker(settings.audio.output, speech.rate) as speaker:
        resampler = Resampler(speech.rate, speaker.rate)
        while (piece := speech.next()) is not None:
            speaker.write(to_int16(resampler.process(piece * np.float32(settings.audio.volume))))
        speaker.write(to_int16(resampler.process(np.zeros(0, np.float32), last=True)))
        speaker.drain()
        assert speaker.card is not None
        return {"device": speaker.card.name}


class _Speech:
    """One text on its way: a thread synthesizes, ``next`` hands over the pieces.  It is its own ``Cancel``."""

    def __init__(self, voice: Tts, words: str) -> None:
        self.rate = voice.rate
        self._voice, self._words = voice, words
        self._pieces: queue.Queue[Float32 | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._samples = 0
        self._began = time.monotonic()
        self._first_s: float | None = None
        self._busy_s = 0.0
        self._worker = threading.Thread(target=self._work, name="mouth", daemon=True)
        self._worker.start()

    def next(self) -> Float32 | None:
        """The next piece; ``None`` after the last; what went wrong in the thread is raised here."""
        while True:
            try:
                piece = self._pieces.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if isinstance(piece, BaseException):
                raise piece
            return piece

    def stop(self) -> None:
        self._stopped.set()
        self._worker.join(END_S)

    def facts(self) -> dict[str, Any]:
        seconds = self._samples / self.rate
        return {"seconds": round(seconds, 3), "first_piece_s": round(self._first_s or 0.0, 3), "synthesis_s": round(self._busy_s, 3),
                "real_time_factor": round(self._busy_s / seconds, 3) if seconds else None}

    def cancelled(self) -> bool:
        return self._stopped.is_set()

    def abort_pointers(self) -> tuple[int, int] | None:
        return None

    def _work(self) -> None:
        waited = 0.0

        def emit(samples: Float32) -> None:
            nonlocal waited
            handed = time.monotonic()
            if self._first_s is None:
                self._first_s = handed - self._began
            self._samples += len(samples)
            self._put(samples)
            waited += time.monotonic() - handed

        try:
            self._voice.synthesize(self._words, emit, self)
            self._busy_s = time.monotonic() - self._began - waited
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._put(error)

    def _put(self, piece: Float32 | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._pieces.put(piece, timeout=LOOK_S)
                return
            except queue.Full:
                continue


def _text(given: list[str]) -> str:
    text = " ".join(given)
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 text (byte {error.start})") from error


def _check_place(path: Path) -> None:
    """Before the work: a place that cannot be written to is told at once."""
    from edgevoice.files import check_writable

    check_writable(path)
