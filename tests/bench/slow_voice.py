"""The default voice on a machine that is really too slow: when its pieces came.

A process of its own speaks; it is stopped and let go on again, so that of each ``PERIOD_S`` it has a share, as under a quota of the
kernel's scheduler.  What it notes is the clock on the wall, with all that the machine did beside.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgevoice.audio import Resampler, to_int16
from edgevoice.clock import MonotonicClock
from edgevoice.dialog.chunker import Chunker
from edgevoice.engines import tts
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import find
from edgevoice.rt.contract import Float32, Int16
from edgevoice.settings import DialogSettings, PathSettings, TtsSettings

RATE = 16000
PERIOD_S = 0.1
LONGEST_S = 300.0
READY = "ready"


@dataclass(frozen=True, slots=True)
class Piece:
    """``samples`` were ready ``at`` seconds after their reply was begun."""

    at: float
    samples: Int16


Reply = Sequence[Piece]


def load_of(replies: Sequence[Reply]) -> float:
    """Seconds for a second of sound."""
    return sum(reply[-1].at for reply in replies) * RATE / sum(len(piece.samples) for reply in replies for piece in reply)


def record(texts: Sequence[str], share: float) -> list[Reply]:
    """Each text spoken with that share of the time; ``EdgeVoiceError`` where the voice cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pieces.npz"
        child = subprocess.Popen([sys.executable, "-m", "tests.bench.slow_voice", str(path), *texts], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        try:
            if child.stdout.readline().strip() != READY:
                raise EdgeVoiceError(child.communicate(timeout=60)[1].strip().splitlines()[-1])
            _throttle(child, share)
            if child.returncode:
                raise EdgeVoiceError(child.stderr.read().strip().splitlines()[-1])
        finally:
            child.kill()
            child.communicate()
        with np.load(path) as made:
            owners, times = made["owners"], made["times"]
            pieces = [made[f"piece{i}"] for i in range(len(owners))]
    found = [(int(owner), Piece(float(at), samples)) for owner, at, samples in zip(owners, times, pieces, strict=True)]
    return [[piece for _, piece in of_one] for _, of_one in itertools.groupby(found, key=lambda entry: entry[0])]


def _throttle(child: subprocess.Popen[str], share: float) -> None:
    until = time.monotonic() + LONGEST_S
    while child.poll() is None:
        if time.monotonic() > until:
            raise EdgeVoiceError(f"the slow voice did not end within {LONGEST_S:.0f} s")
        if share < 1.0:
            child.send_signal(signal.SIGSTOP)
            time.sleep((1.0 - share) * PERIOD_S)
            child.send_signal(signal.SIGCONT)
        time.sleep(share * PERIOD_S)


class _Never:
    def cancelled(self) -> bool:
        return False

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


def speak(path: str, texts: Sequence[str]) -> None:
    """The child: into ``path``, each piece with its reply's number and its time."""
    settings, dialog, clock = TtsSettings(), DialogSettings(), MonotonicClock()
    voice = tts.load(settings, find(PathSettings(), settings.model))
    voice.synthesize("Ready.", lambda samples: None, _Never())
    print(READY, flush=True)
    owners: list[int] = []
    times: list[float] = []
    pieces: list[Int16] = []
    for number, text in enumerate(texts):
        chunker, resampler, begun = Chunker(dialog.first_chunk_words, settings.max_chunk_words), Resampler(voice.rate, RATE), clock.now()

        def keep(samples: Float32, number: int = number, resampler: Resampler = resampler, begun: float = begun) -> None:
            owners.append(number)
            times.append(clock.now() - begun)
            pieces.append(to_int16(resampler.process(samples)))

        for chunk in [*chunker.feed(text, begun), *chunker.flush()]:
            voice.synthesize(chunk.spoken, keep, _Never())
    voice.close()
    np.savez(path, owners=np.array(owners), times=np.array(times), **{f"piece{i}": piece for i, piece in enumerate(pieces)})


if __name__ == "__main__":
    speak(sys.argv[1], sys.argv[2:])
