"""A text's whole speech at once, for whoever has no use for it piece by piece: demonstrations, tests, benchmarks."""

from __future__ import annotations

import numpy as np

from edgevoice import audio
from edgevoice.engines.never import Never
from edgevoice.engines.protocols import Float32, Tts


def speech(tts: Tts, text: str, rate: int, pitch: float = 1.0) -> Float32:
    """float32, shape (n,), at ``rate``: ``text`` by the synthesizer, dry; ``pitch`` times as high, and as fast."""
    pieces: list[Float32] = []
    tts.synthesize(text, pieces.append, Never())
    return audio.resample(np.concatenate(pieces), round(tts.rate * pitch), rate)
