"""A room that is not there: its echoes, its noise, and a dry voice put into it.  For demonstrations and tests.

Theory: in a box-shaped room a wall is a mirror, so each reflection is the sound of an image of the speaker, delayed by its distance and
weakened by it and by every wall it met (Allen and Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65,
1979).  Delays fall between samples and are placed with a windowed sinc (Peterson, JASA 80, 1986).  Images are moved a little at random,
since a perfect box rings as no real one does (De Sena et al., IEEE TASLP 23, 2015), and walls turn the sign, since images of one sign pile
up at low frequencies.  The walls' absorption comes from the wanted reverberation time by Eyring's formula, which a box exceeds by a fifth.

Laws: everything follows from its seed, on every machine; signals are float32, shape (samples,), in [-1, 1]; levels are RMS in dB of full
scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.sweep import through

Float32 = NDArray[np.float32]

SPEED_OF_SOUND = 343.0
"""m/s at 20 °C"""
SINC_HALF = 16
"""taps on each side of a delay that falls between two samples"""
JITTER_M = 0.05
"""how far an image is moved from its exact place"""
BLOCK_IMAGES = 20_000
"""images worked on at a time: 10 MB"""
QUIET_DB = -40.0
"""parts of a voice this much below its loudest are pauses, which a speech level does not count"""
_FRAME_S = 0.02


def impulse_response(seed: int, rate: int, *, rt60_s: float = 0.3, distance_m: float = 1.5,
                     size_m: tuple[float, float, float] = (5.2, 4.1, 2.6)) -> Float32:
    """From the mouth to the microphone: direct sound at index 0 with a gain of 1, then the room, ``rt60_s`` long.

    Where both stand is chosen by ``seed``, ``distance_m`` apart.  ``ValueError`` if the room cannot be so: too small for the distance,
    or a reverberation time outside 0.05 .. 1.5 s.
    """
    size = np.asarray(size_m, np.float64)
    if not 0.05 <= rt60_s <= 1.5:
        raise ValueError(f"rt60_s {rt60_s}: wants 0.05 to 1.5")
    if size.min() < 1.5 or not 0.1 <= distance_m <= size.max() - 1.0:
        raise ValueError(f"distance_m {distance_m} in a room of {size_m} m: wants sides of at least 1.5 m and a distance that fits")
    chance = np.random.default_rng(seed)
    microphone, mouth = _places(chance, size, distance_m)
    volume, surface = size.prod(), 2.0 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    reflection = float(np.sqrt(np.exp(-0.161 * volume / (surface * rt60_s))))
    direct = float(np.linalg.norm(mouth - microphone))
    distance, bounces = _images(chance, size, microphone, mouth, reach=SPEED_OF_SOUND * rt60_s + direct)
    delays = (distance - direct) / SPEED_OF_SOUND * rate
    gains = direct / distance * (-reflection) ** bounces
    length = int(rt60_s * rate) + 1
    response = np.zeros(length + 2 * SINC_HALF)
    taps = np.arange(-SINC_HALF + 1, SINC_HALF + 1)
    for at in range(0, len(delays), BLOCK_IMAGES):
        delay, gain = delays[at:at + BLOCK_IMAGES], gains[at:at + BLOCK_IMAGES]
        whole = np.floor(delay).astype(np.int64)
        offset = taps[None, :] - (delay - whole)[:, None]
        weight = gain[:, None] * np.sinc(offset) * (0.5 + 0.5 * np.cos(np.pi * offset / (SINC_HALF + 1)))
        index = whole[:, None] + taps[None, :] + SINC_HALF
        inside = (index >= 0) & (index < len(response))
        response += np.bincount(index[inside], weight[inside], minlength=len(response))
    made: Float32 = response[SINC_HALF:SINC_HALF + length].astype(np.float32)
    return made


def reverberate(voice: Float32, response: Float32) -> Float32:
    """``voice`` as it sounds in the room: the whole convolution, ``len(voice) + len(response) - 1`` samples."""
    if len(voice) == 0 or len(response) == 0:
        return np.zeros(0, np.float32)
    wet: Float32 = through(response.astype(np.float64), voice.astype(np.float64)).astype(np.float32)
    return wet


def noise(seed: int, frames: int, rate: int, level_db: float) -> Float32:
    """What a quiet room sounds like: noise whose power falls by 3 dB an octave above 40 Hz, and a faint mains hum, at ``level_db``.

    End and beginning fit together, so that it can be repeated.
    """
    if frames <= 0:
        return np.zeros(0, np.float32)
    chance = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(frames, 1.0 / rate)
    shape = np.where(frequency < 40.0, frequency / 40.0**1.5, 1.0 / np.sqrt(np.maximum(frequency, 40.0)))
    sound = np.fft.irfft(shape * (chance.standard_normal(len(frequency)) + 1j * chance.standard_normal(len(frequency))), frames)
    cycles = np.round(100.0 * frames / rate)
    sound = sound / max(_rms(sound), 1e-12) + 0.1 * np.sin(2.0 * np.pi * cycles * np.arange(frames) / frames)
    return _scaled(sound, 10.0 ** (level_db / 20.0) / max(_rms(sound), 1e-12))


def speech_level_db(voice: NDArray[Any], rate: int) -> float:
    """Level of the parts that are speech (frames of 20 ms within 40 dB of the loudest); -inf for silence."""
    frame = max(1, int(_FRAME_S * rate))
    whole = np.asarray(voice, np.float64)[:len(voice) // frame * frame].reshape(-1, frame)
    power = np.mean(whole**2, axis=1)
    if len(power) == 0 or power.max() <= 0.0:
        return float("-inf")
    return float(10.0 * np.log10(power[power > power.max() * 10.0 ** (QUIET_DB / 10.0)].mean()))


def at_level(voice: Float32, rate: int, level_db: float) -> Float32:
    """``voice`` with its speech at ``level_db``; silence stays silence."""
    present = speech_level_db(voice, rate)
    return voice if not np.isfinite(present) else _scaled(voice, 10.0 ** ((level_db - present) / 20.0))


def place(voice: Float32, rate: int, seed: int, *, snr_db: float, level_db: float = -26.0, rt60_s: float = 0.3,
          distance_m: float = 1.5, before_s: float = 0.0, after_s: float = 0.0) -> Float32:
    """A dry ``voice`` in a noisy room: its speech at ``level_db``, the room's noise ``snr_db`` below it.

    The voice begins at ``before_s``; after its last dry sample the room dies away for as long as it takes, and ``after_s`` more.
    """
    wet = at_level(reverberate(voice, impulse_response(seed, rate, rt60_s=rt60_s, distance_m=distance_m)), rate, level_db)
    start = round(before_s * rate)
    mixed = noise(seed + 1, start + len(wet) + round(after_s * rate), rate, level_db - snr_db)
    mixed[start:start + len(wet)] += wet
    return np.clip(mixed, -1.0, 1.0)


def _places(chance: np.random.Generator, size: NDArray[np.float64], distance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two points at ``distance``, both at least 0.4 m from every wall."""
    margin = 0.4
    for _ in range(10_000):
        microphone = chance.uniform(margin, size - margin)
        direction = chance.standard_normal(3) * (1.0, 1.0, 0.3)  # mouths and microphones are at about one height
        mouth = microphone + distance * direction / np.linalg.norm(direction)
        if (mouth > margin).all() and (mouth < size - margin).all():
            return microphone, mouth
    raise ValueError(f"no two places {distance} m apart in a room of {tuple(size)} m")


def _images(chance: np.random.Generator, size: NDArray[np.float64], microphone: NDArray[np.float64], mouth: NDArray[np.float64], *,
            reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance and number of walls met, of every image within ``reach`` metres; the mouth itself is among them, at its place."""
    axes = []
    for k in range(3):
        order = np.arange(-int(reach / size[k] / 2) - 2, int(reach / size[k] / 2) + 3)
        place = np.concatenate([2 * order * size[k] + mouth[k], 2 * order * size[k] - mouth[k]]) - microphone[k]
        met = np.concatenate([np.abs(2 * order), np.abs(2 * order - 1)])
        near = np.abs(place) <= reach
        axes.append((place[near], met[near]))
    (x, mx), (y, my), (z, mz) = axes
    distances, bounces = [], []
    for place, met in zip(x, mx, strict=True):
        square = place**2 + (y**2)[:, None] + (z**2)[None, :]
        count = met + my[:, None] + mz[None, :]
        near = square <= reach**2
        moved = np.sqrt(square[near]) + np.where(count[near] > 0, chance.uniform(-JITTER_M, JITTER_M, near.sum()), 0.0)
        distances.append(moved)
        bounces.append(count[near].astype(np.float64))
    distance, bounce = np.concatenate(distances), np.concatenate(bounces)
    direct = distance[bounce == 0].min()
    return np.maximum(distance, direct), bounce


def _rms(sound: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.asarray(sound, np.float64) ** 2)))


def _scaled(sound: NDArray[Any], gain: float) -> Float32:
    made: Float32 = np.clip(np.asarray(sound, np.float64) * gain, -1.0, 1.0).astype(np.float32)
    return made
