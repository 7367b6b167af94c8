"""The twin's mixer, as ``ext/mixer.c`` is the C core's: the theory stands there, names follow it, the samples are the same."""

from __future__ import annotations

import collections

import numpy as np
from numpy.typing import NDArray

from edgevoice.rt.contract import CHANNELS, UNITY, Int16

UP = 40
"""times slower than down: 200 ms"""
VOICE, ANNOUNCEMENT, ALARM, EARCON = range(len(CHANNELS))


class Over:
    """A ring whose sound is mixed over the reply; ``slots`` are (order, samples)."""

    def __init__(self) -> None:
        self.slots: collections.deque[tuple[int, Int16]] = collections.deque()
        self.at = 0
        """frames of the front slot done"""
        self.ramp = 0

    def mix(self, out: Int16, gain: int, order: int, fade: int) -> None:
        done = 0
        while done < len(out) and self.slots:
            given, samples = self.slots[0]
            piece = samples[self.at:self.at + len(out) - done]
            silenced = given != order
            if silenced:
                piece = piece[:self.ramp]
                piece = scaled(piece, self.ramp - 1 - np.arange(len(piece), dtype=np.int32), fade)
                self.ramp -= len(piece)
            else:
                self.ramp = fade
            to = out[done:done + len(piece)]
            to[:] = np.clip(to.astype(np.int32) + by_gain(piece, gain), -32768, 32767)
            done += len(piece)
            self.at += len(piece)
            if self.at == len(samples) or (silenced and not self.ramp):
                self.slots.popleft()
                self.at = 0
        if not self.slots:
            self.ramp = 0


class Mixer:
    """What a core plays over and under a reply.  ``fade``: frames in 5 ms."""

    def __init__(self, fade: int) -> None:
        self._fade = fade
        self._sounding = 0
        self._earcons, self._alarms = Over(), Over()
        self._alarm_order = 0
        self._gain = self._gain_now = self._voice_now = self._duck = UNITY
        self._channel_gain = [UNITY] * len(CHANNELS)
        self._announcement = self._voiced = 0
        self._announced_as = ANNOUNCEMENT

    def _mix(self, out: Int16) -> None:
        self._voice(out, bool(self._earcons.slots or self._alarms.slots))
        self._earcons.mix(out, self._channel_gain[EARCON], 0, self._fade)
        self._alarms.mix(out, self._channel_gain[ALARM], self._alarm_order, self._fade)
        self._gain_now = glided(out, self._gain_now, self._gain, max(1, UNITY // self._fade))

    def _voice(self, out: Int16, ducked: bool) -> None:
        announced = self._announcement and self._announcement == self._sounding
        target = self._channel_gain[self._announced_as if announced else VOICE]
        if ducked:
            target = target * self._duck // UNITY
        if self._sounding and self._sounding != self._voiced:
            self._voiced, self._voice_now = self._sounding, target
        down = target < self._voice_now
        self._voice_now = glided(out, self._voice_now, target, max(1, UNITY // (self._fade * (1 if down else UP))))


def glided(out: Int16, now: int, target: int, step: int) -> int:
    """``ev_dsp_gain``: ``out`` times a gain that moves from ``now`` to ``target``; the gain reached."""
    if target == UNITY and now == UNITY:
        return now
    steps = step * np.arange(1, len(out) + 1)
    moved = now + steps if target >= now else now - steps
    gains = np.minimum(moved, target) if target >= now else np.maximum(moved, target)
    out[:] = np.where(gains == UNITY, out, by_gain(out, gains))
    return int(gains[-1])


def by_gain(samples: Int16, gain: int | NDArray[np.int64]) -> Int16:
    """Times a gain in Q13, rounded and saturated."""
    made: Int16 = np.clip((samples.astype(np.int64) * gain + UNITY // 2) >> 13, -32768, 32767).astype(np.int16)
    return made


def scaled(samples: Int16, gains: NDArray[np.int32], length: int) -> Int16:
    """samples * gains / length, rounded towards zero as C does."""
    product = samples.astype(np.int32) * gains
    made: Int16 = (np.sign(product) * (np.abs(product) // length)).astype(np.int16)
    return made
