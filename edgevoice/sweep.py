"""An exponential sine sweep, and what a system that it went through did to it.

Theory (A. Farina, "Simultaneous measurement of impulse response and distortion with a swept-sine technique", AES 108, 2000): the frequency
rises from ``low`` to ``high`` by the same factor in every second.  Correlating what came back with the sweep, weighted by its own
frequency because it spends ever less time at higher ones, gives the impulse response.  The n-th harmonic of the sweep is the same sweep,
``growth · ln n`` seconds early, so each order of distortion shows as an impulse response of its own, that much ahead of the linear one.
A microphone whose clock runs faster sees the sweep stretched: then the reference is stretched alike.

Laws: pure numpy; signals are float64, shape (n,), full scale 1; positions are in samples and may be fractions; levels are RMS in dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

HIGHEST_HZ = 20_000.0
FADE_IN_S, FADE_OUT_S = 0.02, 0.004
"""against clicks; a whole period of the lowest frequency, and some of the highest"""
FLOOR_DB = -120.0
"""what silence is called, since it has no level; the last bit of 16 lies at -96"""
SINC_HALF = 32
"""samples on each side that a value between two samples is made of"""
FINE = 32
"""steps between two samples in which a peak is looked for, before a parabola is laid through the three highest"""
NOMINAL_HZ = (63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000,
              10_000, 12_500, 16_000)
"""third octaves as ISO 266 calls them"""


def decibels(amplitude: float) -> float:
    return 20.0 * math.log10(max(amplitude, 10.0 ** (FLOOR_DB / 20.0)))


def rms(signal: Float64) -> float:
    return float(np.sqrt(np.mean(signal**2))) if len(signal) else 0.0


@dataclass(frozen=True, slots=True)
class Sweep:
    rate: int
    seconds: float = 1.5
    low: float = 60.0
    """Hz"""

    @property
    def high(self) -> float:
        """Hz; below half the rate by what a converter's filter needs"""
        return min(HIGHEST_HZ, 0.45 * self.rate)

    @property
    def growth(self) -> float:
        """seconds in which the frequency grows e-fold"""
        return self.seconds / math.log(self.high / self.low)

    @property
    def frames(self) -> int:
        return round(self.seconds * self.rate)

    def frequency(self, seconds: Float64) -> Float64:
        """Hz, at these times after its first sample."""
        hertz: Float64 = self.low * np.exp(np.clip(seconds, 0.0, self.seconds) / self.growth)
        return hertz

    def samples(self, stretch: float = 1.0) -> Float64:
        """With a peak of 1; ``stretch`` times as long."""
        seconds = np.arange(round(self.frames * stretch)) / (self.rate * stretch)
        wave = np.sin(2.0 * np.pi * self.low * self.growth * np.expm1(seconds / self.growth))
        rise = np.clip(seconds / FADE_IN_S, 0.0, 1.0)
        fall = np.clip((self.seconds - seconds) / FADE_OUT_S, 0.0, 1.0)
        faded: Float64 = wave * np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2
        return faded

    def responses(self, heard: Float64, stretch: float = 1.0) -> Float64:
        """What each place of ``heard`` would be as the start of a sweep with a peak of 1: where one was, an impulse response stands.

        Same length as ``heard``.  Within the sweep's band a signal passed on unchanged gives an impulse with a flat spectrum of 1.
        """
        wave = self.samples(stretch)
        weighted = wave * np.exp(np.arange(len(wave)) / (self.rate * stretch * self.growth))
        size = 1 << (len(heard) + len(wave)).bit_length()
        reference = np.conj(np.fft.rfft(weighted, size))
        hertz = np.fft.rfftfreq(size, 1.0 / self.rate)
        middle = (hertz > 4.0 * self.low) & (hertz < 0.5 * self.high)
        gain = np.abs(np.fft.rfft(wave, size)[middle] * reference[middle]).mean()
        found: Float64 = np.fft.irfft(np.fft.rfft(heard, size) * reference / gain, size)[:len(heard)]
        return found

    def ahead(self, order: int) -> float:
        """Samples by which the response of that harmonic stands before the linear one."""
        return self.growth * math.log(order) * self.rate

    def bands(self) -> list[int]:
        """The third octaves that lie within the sweep, by their nominal frequency in Hz."""
        return [hz for hz in NOMINAL_HZ if band_edges(hz)[0] > 1.1 * self.low and band_edges(hz)[1] <= self.high]


def band_edges(nominal: int) -> tuple[float, float]:
    """Hz; of the third octave that is called so."""
    centre = 1000.0 * 2.0 ** (round(3.0 * math.log2(nominal / 1000.0)) / 3.0)
    return centre * 2.0 ** (-1.0 / 6.0), centre * 2.0 ** (1.0 / 6.0)


def between(signal: Float64, positions: Float64) -> Float64:
    """Values at fractional positions, by a Hann-windowed sinc; outside the signal it is 0."""
    whole = np.floor(positions).astype(np.int64)
    taps = np.arange(-SINC_HALF + 1, SINC_HALF + 1)
    index = whole[:, None] + taps[None, :]
    offset = index - positions[:, None]
    weight = np.sinc(offset) * np.cos(0.5 * np.pi * offset / SINC_HALF) ** 2
    inside = (index >= 0) & (index < len(signal))
    values: Float64 = np.sum(np.where(inside, signal[np.clip(index, 0, len(signal) - 1)], 0.0) * weight, axis=1)
    return values


def peak_near(signal: Float64, index: int) -> float:
    """Where the largest value of either sign lies, within a sample of ``index``; its error is some thousandths of a sample."""
    fine = index + np.arange(-FINE, FINE + 1) / FINE
    values = np.abs(between(signal, fine))
    k = min(max(int(np.argmax(values)), 1), len(values) - 2)
    left, middle, right = (float(value) for value in values[k - 1:k + 2])
    bend = left - 2.0 * middle + right
    return float(fine[k]) + (0.5 * (left - right) / bend if bend < 0.0 else 0.0) / FINE


def lag(first: Float64, second: Float64) -> float:
    """Samples by which ``second``, of the same length, is later than ``first``: where their correlation is highest."""
    size = 1 << (2 * len(first)).bit_length()
    spectrum = np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))
    correlation = np.fft.fftshift(np.fft.irfft(spectrum, size))
    return peak_near(correlation, int(np.argmax(correlation))) - size // 2


def moved(signal: Float64, by: float) -> Float64:
    """Later by ``by`` samples, whole or not (by the spectrum's phase, so it goes round the ends)."""
    cycles = np.fft.rfftfreq(len(signal))
    later: Float64 = np.fft.irfft(np.fft.rfft(signal) * np.exp(-2j * np.pi * cycles * by), len(signal))
    return later


def through(path: Float64, signal: Float64) -> Float64:
    """What a path with this impulse response makes of a signal: the whole convolution."""
    length = len(path) + len(signal) - 1
    size = 1 << (length - 1).bit_length()
    made: Float64 = np.fft.irfft(np.fft.rfft(path, size) * np.fft.rfft(signal, size), size)[:length]
    return made


def band_powers(signal: Float64, rate: int, bands: list[int]) -> Float64:
    """Energy of ``signal`` in each third octave, shape (bands,)."""
    size = max(len(signal), rate)  # bins of at most 1 Hz: the narrowest band has 15
    spectrum = np.abs(np.fft.rfft(signal, size)) ** 2
    hertz = np.fft.rfftfreq(size, 1.0 / rate)
    edges = [band_edges(hz) for hz in bands]
    return np.array([spectrum[(hertz >= low) & (hertz < high)].sum() for low, high in edges]) * 2.0 / size


def a_weighting(hertz: Float64) -> Float64:
    """Gain (amplitude) at each frequency, 1 at 1 kHz (IEC 61672-1, annex E)."""
    square = hertz**2
    gain: Float64 = 10.0 ** (2.0 / 20.0) * 12194.0**2 * square**2 / (
        (square + 20.6**2) * np.sqrt((square + 107.7**2) * (square + 737.9**2)) * (square + 12194.0**2))
    return gain


def decay(response: Float64, rate: int) -> Float64:
    """How the energy of an impulse response dies away from its peak, at index 0, on: dB, 0 at first, shape (n,), n <= len(response).

    Backward integration (M. R. Schroeder, JASA 37, 1965) from where the response goes under in noise, whose power (that of the last
    tenth) is taken off before (Lundeby et al., Acustica 81, 1995, in its simplest form).  What is under noise is missing in it, which
    shows in the last 10 dB before that: so far the curve is not given.
    """
    energy = response**2
    noise = float(energy[-max(1, len(energy) // 10):].mean())
    block = max(1, rate // 200)
    blocks = energy[:len(energy) // block * block].reshape(-1, block).mean(axis=1)
    end, trusted = (max(1, int(np.argmax(blocks < times * noise)) * block) if (blocks < times * noise).any() else len(energy)
                    for times in (2.0, 20.0))
    left = np.cumsum((energy[:end] - noise)[::-1])[::-1]
    left = np.minimum.accumulate(np.maximum(left, left[0] * 1e-12))
    curve: Float64 = 10.0 * np.log10(np.maximum(left, 1e-30) / max(float(left[0]), 1e-30))
    return curve[:trusted]


def reverberation_s(curve: Float64, rate: int) -> float | None:
    """Time to fall by 60 dB, from a straight line through -5 to -25 dB of a ``decay`` (ISO 3382: T20); None where noise hides that."""
    inside = np.flatnonzero((curve <= -5.0) & (curve >= -25.0))
    if len(inside) < 3 or curve[-1] > -25.0:
        return None
    slope = float(np.polyfit(inside / rate, curve[inside], 1)[0])
    return -60.0 / slope if slope < 0.0 else None


def time_to_s(curve: Float64, level_db: float, rate: int) -> float | None:
    """When a ``decay`` first lies at ``level_db`` or below; None where noise hides that."""
    below = np.flatnonzero(curve <= level_db)
    return float(below[0]) / rate if len(below) else None
