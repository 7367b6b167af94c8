"""A wake word detector without a model: it hears what its script says, where it says so.

``FakeWake([(16_000, "okay_nabu")])`` reports a hit once the audio since the last reset has reached sample 16,000.  ``fail="text"`` raises.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevoice.engines.protocols import Int16
from edgevoice.errors import EngineError
from edgevoice.events import WakeHit


class FakeWake:
    """A ``WakeWord``."""

    def __init__(self, script: Sequence[tuple[int, str]] = (), *, fail: str = "") -> None:
        self.script, self.fail = sorted(script), fail
        self.heard = 0
        self.resets = 0
        self.closed = self.attended = self.eased = False

    def attend(self, speech: bool) -> None:
        self.attended = speech

    def ease(self, eased: bool) -> None:
        self.eased = eased

    def process(self, samples: Int16) -> list[WakeHit]:
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError(f"samples of {samples.dtype} and shape {samples.shape}: wants int16, one dimension")
        if self.closed:
            raise EngineError("the wake word detector is closed")
        if self.fail:
            raise EngineError(self.fail)
        before, self.heard = self.heard, self.heard + len(samples)
        return [WakeHit(model, 0.99, sample) for sample, model in self.script if before < sample <= self.heard]

    def reset(self) -> None:
        self.heard = 0
        self.resets += 1

    def close(self) -> None:
        self.closed = True
