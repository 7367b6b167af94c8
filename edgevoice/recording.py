"""A conversation on disk: the stereo recording, the trace and the timeline page, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio, files, timeline, trace
from edgevoice.rt.contract import Hops

Int16 = NDArray[np.int16]

FILES = ("conversation.wav", "trace.jsonl", "timeline.html")


def write(folder: Path, events: list[dict[str, Any]], mic: Int16, speaker: Int16, rate: int) -> None:
    """``conversation.wav`` (left: microphone, right: loudspeaker, sharing sample 0), ``trace.jsonl`` and ``timeline.html``."""
    audio.write_wav(folder / FILES[0], np.stack([mic, speaker], axis=1), rate)
    files.write_text(folder / FILES[1], trace.lines(events))
    timeline.write(folder / FILES[2], events, mic, speaker, rate)


class Recorder:
    """Collects both sides from the ears' tap.  Lost hops become silence, so that positions stay device frames."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._near: list[Int16] = []
        self._far: list[Int16] = []
        self._next = 0

    def take(self, hops: Hops) -> None:
        """On the ears' thread."""
        if hops.index > self._next:
            silence = np.zeros(hops.index - self._next, np.int16)
            self._near.append(silence)
            self._far.append(silence)
        self._near.append(hops.near)
        self._far.append(hops.far)
        self._next = hops.index + len(hops.near)

    def write(self, folder: Path, events: list[dict[str, Any]]) -> None:
        nothing = np.zeros(0, np.int16)
        write(folder, events, np.concatenate([nothing, *self._near]), np.concatenate([nothing, *self._far]), self._rate)
