"""The wake word at both ends: what the loudspeaker says itself must not wake the device.

Theory: a second detector listens to the far end, which the hops carry under the same index as the near end.  It is the more sensitive of
the two and hears clean sound, so it notices a wake word in a reply first: by 0.2 to 0.4 s in 8 of 8 simulated rooms.  A hit at the
microphone that follows one at the loudspeaker within ``FOLLOWS_S`` is the device's own voice and is told as such.  The far end's detector
runs only while the far end is not silent.  Guarded like that, the near end's detector may be woken more easily meanwhile (``ease``): what
the canceller leaves of a user under a reply scores lower than the same word in quiet.

A user who says the wake word within ``FOLLOWS_S`` after the device did is taken for its voice: the price of not waking by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgevoice.audio import Resampler, to_float32, to_int16
from edgevoice.engines.protocols import SPEECH_RATE, Int16, WakeWord
from edgevoice.events import WakeHit

FOLLOWS_S = 1.3
"""from a hit at the loudspeaker to the last that it may cause at the microphone: the score of a word stays high for 0.8 s after it rose,
the way through the room takes up to 0.25 s (as far as the canceller looks), the room's own tail and the canceller's blocks the rest"""

LINGER_S = 1.0
"""of silence after which the far end is asleep; pauses between sentences are shorter"""

PRIME = SPEECH_RATE // 2
"""samples of silence that the detector hears before the first sound, so that it knows the word that a reply begins with"""


@dataclass(frozen=True, slots=True)
class WakeCounts:
    """Since the start."""

    heard: int
    """wake words at the microphone that count"""
    own: int
    """those that were the device's own voice, and were ignored"""
    listened_s: float
    """of the far end, by its detector"""


class Wakes:
    """Belongs to the ears' thread, but for ``counts``.  ``rate``: of the far end; without ``far`` nothing is masked, and nothing eased."""

    def __init__(self, near: WakeWord, far: WakeWord | None, rate: int) -> None:
        self._near, self._far, self._rate = near, far, rate
        self._resampler: Resampler | None = None
        self._silent_from = 0
        self._awake = False
        self._listened = self._before = 0
        self._said: int | None = None
        self._heard = self._own = 0

    @property
    def counts(self) -> WakeCounts:
        return WakeCounts(self._heard, self._own, round((self._before + self._listened) / SPEECH_RATE, 1))

    def attend(self, speech: bool) -> None:
        self._near.attend(speech)

    def loudspeaker(self, samples: Int16, index: int) -> None:
        """What was played, from device frame ``index`` on; before ``microphone`` gets what was captured under the same index."""
        if self._far is None or not len(samples):
            return
        end = index + len(samples)
        sounding = np.flatnonzero(samples)
        if len(sounding):
            self._silent_from = index + int(sounding[-1]) + 1
            if not self._awake:
                self._wake_up(self._far)
        if not self._awake:
            return
        heard = self._at_speech_rate(samples)
        self._listened += len(heard)
        offset = end * SPEECH_RATE // self._rate - self._listened - PRIME
        for hit in self._far.process(heard):
            self._said = hit.sample + offset
        if end - self._silent_from > LINGER_S * self._rate:
            self._awake = False
            self._far.attend(False)
            self._near.ease(False)

    def microphone(self, samples: Int16) -> list[tuple[WakeHit, bool]]:
        """What was captured next, at 16 kHz: each hit, and whether it is the device's own voice."""
        hits = []
        for hit in self._near.process(samples):
            own = self._said is not None and hit.sample - self._said <= FOLLOWS_S * SPEECH_RATE
            self._own += own
            self._heard += not own
            hits.append((hit, own))
        return hits

    def _wake_up(self, far: WakeWord) -> None:
        self._awake = True
        self._before += self._listened
        self._resampler = None if self._rate == SPEECH_RATE else Resampler(self._rate, SPEECH_RATE)
        far.reset()
        far.process(np.zeros(PRIME, np.int16))
        far.attend(True)
        self._listened = 0
        self._near.ease(True)

    def _at_speech_rate(self, samples: Int16) -> Int16:
        return samples if self._resampler is None else to_int16(self._resampler.process(to_float32(samples)))
