"""Short tones that say what no word needs to: computed once, at the device's rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgevoice.dialog.commands import EarconName

LEVEL = 0.2
"""of full scale: clearly below the voice"""

RAMP_S = 0.008
"""raised-cosine edges, so that a tone does not click"""

_NOTES: dict[EarconName, tuple[tuple[float, float], ...]] = {
    "listening": ((660.0, 0.07), (880.0, 0.09)),
    "done": ((660.0, 0.07), (440.0, 0.09)),
    "muted": ((520.0, 0.06), (390.0, 0.12)),
    "unmuted": ((390.0, 0.06), (520.0, 0.12)),
    "error": ((311.0, 0.12), (233.0, 0.18)),
}
"""(Hz, seconds) one after another"""

RING_LEVEL = 0.45
"""of full scale: it has to reach the next room, and has a volume of its own"""
_RING = 3 * (2 * ((880.0, 0.1), (1175.0, 0.12)) + ((0.0, 0.22),))
RING_S = sum(seconds for _, seconds in _RING)


def earcons(rate: int) -> dict[EarconName, NDArray[np.int16]]:
    """All earcons as int16 at ``rate`` Hz."""
    return {name: np.concatenate([_tone(hz, seconds, rate) for hz, seconds in notes]) for name, notes in _NOTES.items()}


def ring(rate: int) -> NDArray[np.int16]:
    """Of timers and alarms, once: ``RING_S`` long."""
    return np.concatenate([_tone(hz, seconds, rate, RING_LEVEL) for hz, seconds in _RING])


def _tone(hz: float, seconds: float, rate: int, level: float = LEVEL) -> NDArray[np.int16]:
    n = int(seconds * rate)
    tone = np.sin(2 * np.pi * hz * np.arange(n) / rate)
    ramp = min(n // 2, int(RAMP_S * rate))
    edge = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
    tone[:ramp] *= edge
    tone[n - ramp:] *= edge[::-1]
    return (tone * level * 32767).astype(np.int16)
