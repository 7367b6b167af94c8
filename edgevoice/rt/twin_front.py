"""The twin's front end: voice activity and reflex, as ``ext/front.c`` does them, in the thread that reads; no echo canceller.

Without a canceller the loudspeaker's own voice is heard as speech, so an onset while the far end sounds, or did just now, is no reflex.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgevoice.audio import Resampler
from edgevoice.rt.contract import VAD_FRAME, Float32, FrontState, Int16, front_frames

RATE = 16000
START_LAG = 256
"""samples at 16 kHz: the network reports an onset this late"""
ECHO_S = 0.5
"""the far end may be heard this long after it was played"""
SILENCE = 3
"""a far end below this is silent"""


class Judge(Protocol):
    """An ``engines.protocols.Vad``, which is a layer above."""

    def process(self, frame: Float32) -> float: ...


class Front:
    """One stream of hops.  Not for two threads."""

    def __init__(self, vad: Judge, rate: int, onset: float, offset: float, min_speech_ms: float, hangover_ms: float) -> None:
        self._vad, self._rate, self._onset, self._offset = vad, rate, onset, offset
        self._min_frames, self._hang_frames = front_frames(onset, offset, min_speech_ms, hangover_ms)
        self._resampler = None if rate == RATE else Resampler(rate, RATE)
        self._next_index = self._made = self._judged = 0
        self._rest = np.zeros(0, np.float32)
        self._run = self._quiet = self._candidate = 0
        self._speaking = False
        self._sounded = -10 * rate
        self._hops = self._reflexes = 0

    def hear(self, index: int, near: Int16, far: Int16, hop: int) -> tuple[Float32, int, Float32, int, int | None]:
        """(clean, its 16 kHz sample, probabilities, theirs, device frame of an onset that may pause) of a gapless run of hops."""
        if index > self._next_index:
            near = np.concatenate([np.zeros(index - self._next_index, np.int16), near])
        self._next_index = index + len(far)
        self._hops += len(far) // hop
        if (np.abs(far.astype(np.int32)) > SILENCE).any():
            self._sounded = self._next_index
        samples = near.astype(np.float32) / np.float32(32768.0)
        clean = samples if self._resampler is None else self._resampler.process(samples)
        clean_index, frame_index = self._made, self._judged * VAD_FRAME
        self._made += len(clean)
        self._rest = np.concatenate([self._rest, clean])
        found = []
        onset = None
        while len(self._rest) >= VAD_FRAME:
            found.append(self._vad.process(self._rest[:VAD_FRAME]))
            self._rest = self._rest[VAD_FRAME:]
            if self._begins(found[-1]) and self._next_index - self._sounded > ECHO_S * self._rate:
                onset = max(0, self._candidate * VAD_FRAME - START_LAG) * self._rate // RATE
            self._judged += 1
        return clean, clean_index, np.array(found, np.float32), frame_index, onset

    def paused(self) -> None:
        """An onset did pause."""
        self._reflexes += 1

    def state(self) -> FrontState:
        return FrontState(hops=self._hops, blocks=0, path_changes=0, reflexes=self._reflexes, dropped=0, erle_db=0.0, delay_ms=None,
                          drift_ppm=0.0, busy_s=0.0, slowest_s=0.0, cancelling=False, awake=False, converged=False, noncausal=False,
                          useless=False, fifo=False)

    def _begins(self, probability: float) -> bool:
        if self._speaking:
            self._quiet = 0 if probability >= self._offset else self._quiet + 1
            if self._quiet >= self._hang_frames:
                self._speaking, self._run = False, 0
            return False
        if probability < (self._offset if self._run else self._onset):
            self._run = 0
            return False
        if self._run == 0:
            self._candidate = self._judged
        self._run += 1
        if self._run < self._min_frames:
            return False
        self._speaking, self._quiet, self._run = True, 0, 0
        return True
