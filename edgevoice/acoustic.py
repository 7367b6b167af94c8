"""The path from loudspeaker to microphone, measured: what is played for that, and what the recording of both tells.

Theory: after some silence, in which the noise is measured, a sweep is played several times.  The core stamps what it played and what it
captured with the same frame indices, so that the place of a sweep in one against its place in the other is the round trip, and the way
that this place moves from sweep to sweep is the drift between the two clocks.  The recording is looked at twice: with the sweep as it was
sent, which gives the drift, and with one stretched by the drift, which gives everything else.

Laws: no I/O and no clock; nothing is configured that can be measured; what cannot be told from the recording is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgevoice import sweep as sweeps
from edgevoice.sweep import Float64, Sweep, decibels, rms

Int16 = NDArray[np.int16]

FULL_SCALE = 32_768.0
SETTLE_S = 0.5
"""left out at the beginning: converters and automatic gains come to rest"""
QUIET_S = 2.25
"""of silence after that; longer than a sweep, so that a part of it shows what noise alone would make of an impulse response"""
GAP_S = 1.0
"""after each sweep; bounds the delay that can be measured"""
REPEATS = 3
"""sweeps: two tell a drift, a third tells whether it was one"""
EARLY_S, AHEAD_S, RESPONSE_S = 0.15, 0.6, 0.8
"""around a sweep's start: how early an echo is looked for; what is kept before the echo (five harmonics) and after it"""
PRE_S = 0.05
"""before the peak, what still belongs to it: the ringing of the lowest band"""
CREST = 8.0
"""peak over RMS of what could be an impulse response; noise alone has 4.4, a room more than 12"""
STEADY_MS = 0.1
"""by so much the delay's steps from sweep to sweep may differ if it is a clock that moves it"""
PLAUSIBLE_PPM = 2000.0
"""no two clocks differ by more"""
NEAR_FULL = 32_700
"""a sample from here on was cut by the converter"""
TOP, TOP_STEP, TOP_RUN = 0.7, 0.002, 4
"""a flat top: above so much of the loudest sample, samples that differ by no more than so much of it, so many in a row"""
DISTORTED = 0.1
"""of the fundamental in harmonics: from here on they stand in the impulse response as if a room had made them"""
ORDERS = (2, 3, 4, 5)
HARMONIC_S = (0.005, 0.05)
"""before and after its peak, what of each harmonic's response counts; the fourth and the fifth are 70 ms apart"""
FUNDAMENTALS_HZ = 300.0
"""lowest tone of which the harmonics are looked at; the highest is a fifth of the sweep's end"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: ``REPEATS`` sweeps at ``level_db`` (of their peak, dB of full scale), each with a gap behind it."""

    rate: int
    level_db: float = -12.0

    @property
    def sweep(self) -> Sweep:
        return Sweep(self.rate)

    @property
    def quiet_frames(self) -> int:
        """Frames to record before the first sweep."""
        return round((SETTLE_S + QUIET_S) * self.rate)

    @property
    def pitch(self) -> int:
        """Frames from one sweep's start to the next one's."""
        return self.sweep.frames + round(GAP_S * self.rate)

    @property
    def frames(self) -> int:
        """Of all sweeps."""
        return REPEATS * self.pitch

    def signal(self) -> Int16:
        one = np.zeros(self.pitch)
        one[:self.sweep.frames] = self.sweep.samples() * 10.0 ** (self.level_db / 20.0)
        made: Int16 = np.rint(np.tile(one, REPEATS) * (FULL_SCALE - 1.0)).astype(np.int16)
        return made


@dataclass(frozen=True, slots=True)
class Recording:
    """Both sides from the same frame on, int16, equally long: at least the quiet frames before the first sweep."""

    near: Int16
    far: Int16
    lost: int = 0
    """frames that never came; zeros stand for them"""
    xruns: int = 0
    """times that the device itself lost sound, in or out"""


@dataclass(frozen=True, slots=True)
class Band:
    hz: int
    db: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All levels are dB of full scale (RMS, unless it is a peak)."""

    rate: int
    level_db: float
    """of the sweep's peak, as sent"""
    played_peak_db: float | None
    """of the sweep as it left for the loudspeaker; None: nothing left"""
    noise_db: float
    noise_a_db: float
    """weighted as the ear does (A)"""
    noise_bands: list[Band]
    """third octaves of the silence"""
    dead: bool
    """every sample of the microphone's is zero"""
    lost: int
    xruns: int
    clipped: float
    """share of the microphone's samples at full scale while the sweep was heard"""
    flattened: float
    """share of them in flat tops, at full scale or below it"""
    peak_db: float | None = None
    """of the microphone's signal while the sweep was heard; this and all below: None (or empty) if it was not heard"""
    echo_peak_db: float | None = None
    """of the echo in it, without the noise: what the measured path makes of the sweep; clipping makes it less than it would be"""
    delay_ms: float | None = None
    """round trip, of the strongest path, at the first sweep; negative: heard before the core says that it was played"""
    delays_ms: list[float] = field(default_factory=list)
    """at each sweep"""
    drift_ppm: float | None = None
    """by how much the microphone's clock is faster than the loudspeaker's; None if the delay moved as no clock moves it"""
    return_loss_db: float | None = None
    """by how much the echo is weaker in the microphone than it was sent; negative: stronger"""
    reverberation_s: float | None = None
    """time to fall by 60 dB, by the slope from -5 to -25 dB; None where noise or distortion hides it"""
    length_ms: float | None = None
    """until what is left of the echo path lies 20 dB under the whole; None as above"""
    response: list[Band] = field(default_factory=list)
    """third octaves: dB from what was sent to what was heard"""
    distortion: float | None = None
    """harmonics 2 to 5 over the fundamental; None where noise hides them"""
    decay: Float64 = field(default_factory=lambda: np.zeros(0), repr=False)
    """energy left in the echo path, dB, at ``rate``, from its peak on"""
    impulse: Float64 = field(default_factory=lambda: np.zeros(0), repr=False)
    """what came of an impulse as strong as the sweep that was played, ``PRE_S`` before its peak and on"""


def measure(plan: Plan, recording: Recording) -> Measured:
    """``ValueError`` if near and far differ in length, or the first sweep has less than the plan's silence before it."""
    if len(recording.near) != len(recording.far) or len(recording.near) < plan.quiet_frames:
        raise ValueError(f"near has {len(recording.near)} and far {len(recording.far)} frames; wants as many in both, at least "
                         f"{plan.quiet_frames}")
    near, far = recording.near / FULL_SCALE, recording.far / FULL_SCALE
    starts = _starts(plan, far)
    if starts and starts[0] < plan.quiet_frames - plan.rate // 100:
        raise ValueError(f"the first sweep begins at frame {starts[0]}; wants silence before it, up to frame {plan.quiet_frames}")
    quiet = near[round(SETTLE_S * plan.rate):starts[0] if starts else plan.quiet_frames]
    noise, noise_a, noise_bands = _noise(plan, quiet)
    found = _find(plan, near, starts)
    sections = _sections(plan, near, starts, found)
    values: dict[str, object] = {}
    if found is not None:
        values = _path(plan, near, far, starts, found, quiet)
    return Measured(
        rate=plan.rate, level_db=plan.level_db, played_peak_db=decibels(float(np.abs(far).max())) if starts else None,
        noise_db=noise, noise_a_db=noise_a, noise_bands=noise_bands, dead=not recording.near.any(), lost=recording.lost,
        xruns=recording.xruns, clipped=float(np.mean(np.abs(np.concatenate(sections)) >= NEAR_FULL / FULL_SCALE)) if sections else 0.0,
        flattened=_flattened(plan, sections), **values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the sweeps were heard."""

    delays: list[float]
    """samples after each sweep's start, by the sweep as sent"""
    drift: float | None
    """samples a sample"""

    @property
    def stretch(self) -> float:
        return 1.0 + (self.drift or 0.0)


def _starts(plan: Plan, far: Float64) -> list[int]:
    """Frames at which the sweeps were played; empty if they were not."""
    rest = (REPEATS - 1) * plan.pitch
    if not far.any() or len(far) <= rest:
        return []
    places = np.abs(plan.sweep.responses(far))
    together = sum(places[k * plan.pitch:len(places) - rest + k * plan.pitch] for k in range(REPEATS))
    first = int(np.argmax(together))
    return [first + k * plan.pitch for k in range(REPEATS)]


def _find(plan: Plan, near: Float64, starts: list[int]) -> _Found | None:
    """None if fewer than two sweeps were heard."""
    if not starts or not near.any():
        return None
    places = plan.sweep.responses(near)
    early, late = round(EARLY_S * plan.rate), round(GAP_S * plan.rate)
    peaks = []
    for start in starts:
        window = np.abs(places[start - early:start + late])
        if len(window) and window.max() > CREST * rms(window):
            peaks.append((start, start - early + int(np.argmax(window))))
    if len(peaks) < 2:
        return None
    before, length = round(0.005 * plan.rate), round(0.06 * plan.rate)
    pieces = [places[peak - before:peak - before + length] for _, peak in peaks]
    first = sweeps.peak_near(places, peaks[0][1]) - peaks[0][0]
    delays = [first] + [first + (peak - start) - (peaks[0][1] - peaks[0][0]) + sweeps.lag(pieces[0], piece)
                        for (start, peak), piece in zip(peaks[1:], pieces[1:], strict=True)]
    steps = np.diff(delays)
    drift = float(steps.mean()) / plan.pitch
    steady = len(peaks) == REPEATS and np.ptp(steps) <= STEADY_MS * plan.rate / 1000.0 and abs(drift) <= PLAUSIBLE_PPM * 1e-6
    return _Found(delays, drift if steady else None)


def _sections(plan: Plan, near: Float64, starts: list[int], found: _Found | None) -> list[Float64]:
    """What the microphone gave while each sweep was heard, or would have been."""
    by = round(found.delays[0]) if found is not None else 0
    return [near[max(0, start + by):start + by + plan.sweep.frames] for start in starts]


def _path(plan: Plan, near: Float64, far: Float64, starts: list[int], found: _Found, quiet: Float64) -> dict[str, object]:
    """What ``Measured`` says of an echo that was heard."""
    rate = plan.rate
    sent = plan.sweep.responses(far)
    heard = plan.sweep.responses(near, found.stretch)
    sent_at = sweeps.peak_near(sent, starts[0])
    peaks, delays = [], []
    for k, start in enumerate(starts[:len(found.delays)]):
        guess = round(start + found.delays[k])
        around = round(0.005 * rate)
        peak = guess - around + int(np.argmax(np.abs(heard[guess - around:guess + around])))
        peaks.append(sweeps.peak_near(heard, peak))
        delays.append((peaks[-1] - sent_at - (start - starts[0])) * 1000.0 / rate)
    near_path, far_path = _aligned(plan, heard, peaks), _aligned(plan, sent, [sent_at])
    noise_only = plan.sweep.responses(quiet)[:max(0, len(quiet) - plan.sweep.frames)]
    ahead, pre = round(AHEAD_S * rate), round(PRE_S * rate)
    impulse = near_path[ahead - pre:]
    curve = sweeps.decay(near_path[ahead:], rate)
    distortion = _distortion(plan, near_path, noise_only, len(peaks))
    pure = distortion is None or distortion < DISTORTED
    length = sweeps.time_to_s(curve, -20.0, rate) if pure else None
    sections = _sections(plan, near, starts, found)
    power = float(np.mean([rms(section) ** 2 for section in sections])) - rms(quiet) ** 2
    sent_power = float(np.mean([rms(far[start:start + plan.sweep.frames]) ** 2 for start in starts]))
    return {
        "peak_db": decibels(max(float(np.abs(section).max()) for section in sections)),
        "echo_peak_db": decibels(float(np.abs(far).max()) * _loudest(plan, impulse) / _loudest(plan, far_path[ahead - pre:])),
        "delay_ms": delays[0] if found.drift is not None else float(np.median(delays)), "delays_ms": delays,
        "drift_ppm": None if found.drift is None else found.drift * 1e6,
        "return_loss_db": decibels(float(np.sqrt(sent_power))) - decibels(float(np.sqrt(max(power, 0.0)))),
        "reverberation_s": sweeps.reverberation_s(curve, rate) if pure else None, "length_ms": None if length is None else 1000.0 * length,
        "response": _response(plan, impulse, far_path[ahead - pre:], noise_only, len(peaks)),
        "distortion": distortion, "decay": curve, "impulse": impulse}


def _loudest(plan: Plan, path: Float64) -> float:
    """The highest sample of a sweep that went through the path."""
    return float(np.abs(sweeps.through(path, plan.sweep.samples())).max())


def _aligned(plan: Plan, places: Float64, peaks: list[float]) -> Float64:
    """The mean of the responses around these peaks, each moved so that its peak lies ``AHEAD_S`` after the start."""
    ahead, after = round(AHEAD_S * plan.rate), round(RESPONSE_S * plan.rate)
    total = np.zeros(ahead + after)
    for peak in peaks:
        whole = round(peak)
        piece = places[whole - ahead:whole + after]
        total += sweeps.moved(np.pad(piece, (0, len(total) - len(piece))), whole - peak)
    return total / len(peaks)


def _noise(plan: Plan, quiet: Float64) -> tuple[float, float, list[Band]]:
    """Level, A-weighted level and third octaves of the silence."""
    still = quiet - quiet.mean()
    spectrum = np.fft.rfft(still)
    hertz: Float64 = np.fft.rfftfreq(len(still), 1.0 / plan.rate).astype(np.float64)
    weighted = np.fft.irfft(spectrum * sweeps.a_weighting(hertz), len(still))
    bands = plan.sweep.bands()
    powers = sweeps.band_powers(still, plan.rate, bands) / len(still)
    return decibels(rms(still)), decibels(rms(weighted)), _as_bands(bands, powers)


def _response(plan: Plan, heard: Float64, sent: Float64, noise_only: Float64, averaged: int) -> list[Band]:
    bands = plan.sweep.bands()
    powers = sweeps.band_powers(heard, plan.rate, bands)
    if len(noise_only):
        powers = powers - sweeps.band_powers(noise_only, plan.rate, bands) * len(heard) / len(noise_only) / averaged
    return _as_bands(bands, np.maximum(powers, 0.0) / sweeps.band_powers(sent, plan.rate, bands))


def _as_bands(bands: list[int], powers: Float64) -> list[Band]:
    return [Band(hz, decibels(float(np.sqrt(power)))) for hz, power in zip(bands, powers, strict=True)]


def _distortion(plan: Plan, path: Float64, noise_only: Float64, averaged: int) -> float | None:
    rate = plan.rate
    before, after = (round(seconds * rate) for seconds in HARMONIC_S)
    centre = round(AHEAD_S * rate)
    tones = np.arange(int(FUNDAMENTALS_HZ), int(plan.sweep.high / max(ORDERS)))  # a bin is 1 Hz

    def spectrum(at: int, signal: Float64) -> Float64:
        power: Float64 = np.abs(np.fft.rfft(signal[at - before:at + after], rate)) ** 2
        return power

    fundamental = float(spectrum(centre, path)[tones].sum())
    harmonics = sum(float(spectrum(round(centre - plan.sweep.ahead(order)), path)[order * tones].sum()) for order in ORDERS)
    places = range(before, len(noise_only) - after, before + after)
    noise = sum(float(spectrum(at, noise_only)[order * tones].sum()) for at in places for order in ORDERS) / max(1, len(places)) / averaged
    if harmonics < 2.0 * noise:
        return None
    return float(np.sqrt((harmonics - noise) / fundamental))


def _flattened(plan: Plan, sections: list[Float64]) -> float:
    """Share of the samples in flat tops.  A sine has a flat top of its own, the longer the slower it is, which is allowed for."""
    flat = total = 0
    for section in sections:
        loudest = float(np.abs(section).max()) if len(section) else 0.0
        total += len(section)
        if loudest * FULL_SCALE < 1.0 / TOP_STEP:  # the last bit alone is a step of more
            continue
        level = (np.abs(section[1:]) > TOP * loudest) & (np.abs(np.diff(section)) <= TOP_STEP * loudest)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], level.astype(np.int8), [0]])))
        begins, ends = edges[::2], edges[1::2]
        turn = 2.0 * np.pi * plan.sweep.frequency(begins / plan.rate) / plan.rate
        lengths = ends - begins
        flat += int(lengths[lengths >= TOP_RUN + 2.0 * 2.0 * TOP_STEP / turn**2].sum())
    return flat / total if total else 0.0
