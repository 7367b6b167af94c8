"""A recording of sweeps through a path that is known: the wave is computed at the moments at which the microphone's clock samples it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgevoice.acoustic import Plan, Recording

Float64 = NDArray[np.float64]
TAIL_S = 0.6


def record(rate: int = 16000, *, delay_ms: float = 60.0, drift_ppm: float = 0.0, gain_db: float = -20.0, noise_db: float = -70.0,
           level_db: float = -12.0, shape: Callable[[Float64], Float64] = lambda wave: wave, room: Float64 | None = None,
           cut: float = 1.0, volume: float = 1.0, noise: Float64 | None = None, seed: int = 1) -> tuple[Plan, Recording]:
    """``shape`` is what the loudspeaker does to the wave; ``cut`` clips before the converter, of full scale; ``volume`` before the far end.

    The delay is that at the first sweep; ``drift_ppm`` is by how much the microphone's clock is faster.
    """
    plan = Plan(rate, level_db)
    frames = plan.quiet_frames + len(plan.signal()) + round(TAIL_S * rate)
    far = np.zeros(frames)
    far[plan.quiet_frames:plan.quiet_frames + len(plan.signal())] = plan.signal() * volume
    # frame n of the microphone is the loudspeaker's frame start + (n - start - delay) / (1 + drift)
    then = (np.arange(frames) - plan.quiet_frames - delay_ms * rate / 1000.0) / (1.0 + drift_ppm * 1e-6) / rate
    wave = sum((sweep_at(plan, then - k * plan.pitch / rate) for k in range(3)), np.zeros(frames))
    air = shape(wave * volume * 10.0 ** (level_db / 20.0))
    if room is not None:
        size = 1 << (frames + len(room)).bit_length()
        air = np.fft.irfft(np.fft.rfft(air, size) * np.fft.rfft(room, size), size)[:frames]
    air = air * 10.0 ** (gain_db / 20.0)
    air = air + (noise if noise is not None else np.random.default_rng(seed).standard_normal(frames) * 10.0 ** (noise_db / 20.0))
    near = np.clip(np.clip(air, -cut, cut) * 32768.0, -32768.0, 32767.0)
    return plan, Recording(np.rint(near).astype(np.int16), np.rint(far).astype(np.int16))


def frames_of(rate: int) -> int:
    """Length of what ``record`` makes."""
    return len(record(rate)[1].near)


def sweep_at(plan: Plan, seconds: Float64) -> Float64:
    """The sweep in closed form, at any times after its start."""
    sweep = plan.sweep
    growth = sweep.seconds / math.log(sweep.high / sweep.low)
    inside = (seconds >= 0.0) & (seconds < sweep.seconds)
    t = np.where(inside, seconds, 0.0)
    rise, fall = np.minimum(t / 0.02, 1.0), np.minimum((sweep.seconds - t) / 0.004, 1.0)
    wave = np.sin(2.0 * np.pi * sweep.low * growth * (np.exp(t / growth) - 1.0))
    return np.where(inside, wave * (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall)), 0.0)


def reverberant(rate: int, rt60_s: float, seed: int = 3) -> Float64:
    """Noise that dies away by 60 dB in that time."""
    seconds = np.arange(round(1.2 * rt60_s * rate)) / rate
    return np.random.default_rng(seed).standard_normal(len(seconds)) * 10.0 ** (-3.0 * seconds / rt60_s) * 0.1
