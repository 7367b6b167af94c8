"""A voice detector without a model: loud is speech.

``FakeVad(script=[0.9, 0.1])`` says these probabilities first, frame by frame; then, as without a script, 1 for a frame above ``loud`` RMS
and 0 otherwise.  ``fail="text"`` raises at every frame.  ``frames`` counts what it was given since the last reset.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevoice.engines.protocols import Float32
from edgevoice.errors import EngineError


class FakeVad:
    """A ``Vad``."""

    frame = 512

    def __init__(self, script: Sequence[float] = (), *, loud: float = 0.01, fail: str = "") -> None:
        self.script, self.loud, self.fail = list(script), loud, fail
        self.frames = 0
        self.resets = 0
        self.closed = False

    def process(self, frame: Float32) -> float:
        if frame.shape != (self.frame,):
            raise ValueError(f"a frame of shape {frame.shape}: wants ({self.frame},)")
        if self.closed:
            raise EngineError("the VAD is closed")
        if self.fail:
            raise EngineError(self.fail)
        self.frames += 1
        if self.frames <= len(self.script):
            return self.script[self.frames - 1]
        return 1.0 if float(np.sqrt(np.mean(np.square(frame)))) > self.loud else 0.0

    def reset(self) -> None:
        self.frames = 0
        self.resets += 1

    def close(self) -> None:
        self.closed = True
