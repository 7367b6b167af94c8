"""Rooms in which a device hears its own loudspeaker, and users who talk over it: seeded, with exact labels.

Theory: the far end is speech with pauses; the echo is that speech through a simulated room (``edgevoice.room``) behind a bulk delay of
20 to 250 ms.  A ``Scene`` may have a loudspeaker that clips softly, a clock that drifts by 200 ppm, a path that changes halfway (other
room, other delay), or two cards whose clocks drift, with the core's converter between them.  Users' clips have measured edges;
``snr_db`` is a clip's speech level over that of the echo.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgevoice import room
from edgevoice.audio import read, to_float32, to_int16
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Int16
from edgevoice.rt._core import Asrc, Core
from edgevoice.rt.contract import VAD_FRAME, FrontState

Kind = Literal["plain", "clipping", "drift", "change", "two cards"]
KINDS: tuple[Kind, ...] = ("plain", "clipping", "drift", "change", "two cards")
FAR_DB = -20.0
DRIFT_PPM = 200.0
LATE_S = 0.002
"""the most by which a card's callback is late"""
CONVERTER_MS = 40.0
"""the most that the converter adds to the way of the echo"""
RUNNING_S = 60.0
"""for which the two cards have run in silence: a device begins to listen long before it speaks"""
QUIET_S = 2.0
"""between two users"""
FIRST_S = 6.0
"""of echo alone, before the first user"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who talks over the reply; samples at 16 kHz."""

    start: int
    end: int
    snr_db: float


@dataclass(frozen=True, slots=True)
class Scene:
    """int16 at 16 kHz, of equal length."""

    far: Int16
    near: Int16
    users: tuple[User, ...]
    delay_ms: float


def far_end(seed: int, sentences: Sequence[Float32], seconds: float) -> Float32:
    """Sentences in random order, with pauses of 0.2 to 0.6 s."""
    chance = np.random.default_rng(seed)
    pieces = [np.zeros(SPEECH_RATE // 2, np.float32)]
    while sum(map(len, pieces)) < seconds * SPEECH_RATE:
        pieces += [sentences[chance.integers(len(sentences))], np.zeros(int(chance.uniform(0.2, 0.6) * SPEECH_RATE), np.float32)]
    return room.at_level(np.concatenate(pieces)[:int(seconds * SPEECH_RATE)], SPEECH_RATE, FAR_DB)


def scene(seed: int, kind: Kind, sentences: Sequence[Float32], seconds: float, commands: Path | None = None) -> Scene:
    """With ``commands`` (a folder with clips and ``edges.json``), users talk over the reply, 0 to 10 dB over the echo's level."""
    chance = np.random.default_rng((seed, 7))
    far = far_end(seed, sentences, seconds)
    delay = chance.uniform(20.0, 250.0 if kind != "two cards" else 250.0 - CONVERTER_MS)
    rt60 = chance.uniform(0.15, 0.5)
    source = far
    if kind == "clipping":
        limit = 0.7 * float(np.abs(far).max())
        source = (limit * np.tanh(far / limit)).astype(np.float32)
    if kind == "two cards":
        source = two_cards(seed, far, DRIFT_PPM if seed % 2 else -DRIFT_PPM)
    echo = _through(source, seed, delay, rt60, chance.uniform(0.3, 1.5))
    if kind == "change":
        other_delay = float(np.clip(delay + chance.uniform(-60.0, 60.0), 20.0, 250.0))
        other = _through(source, seed + 500, other_delay, rt60, chance.uniform(0.3, 1.5))
        half = len(far) // 2
        echo = np.concatenate([echo[:half], other[half:] * np.float32(_rms(echo) / _rms(other))])
    if kind == "drift":
        echo = drifted(echo, DRIFT_PPM if seed % 2 else -DRIFT_PPM)[:len(far)]
    level = chance.uniform(-30.0, -18.0)
    near = room.at_level(echo, SPEECH_RATE, level) + room.noise(seed, len(echo), SPEECH_RATE, chance.uniform(-75.0, -50.0))
    users = _talk_over(near, chance, level, commands) if commands is not None else ()
    return Scene(to_int16(far[:len(near)]), to_int16(np.clip(near, -1.0, 1.0)), users, delay)


def two_cards(seed: int, far: Float32, ppm: float) -> Float32:
    """``far`` as a loudspeaker on a card of its own plays it, whose clock is ``ppm`` fast, on the microphone's clock and as long as there
    is sound on both; drawn together by the core's converter from callbacks that come up to ``LATE_S`` late."""
    chance = np.random.default_rng((seed, 9))
    period, last_s = SPEECH_RATE // 100, 0.01
    asrc = Asrc(SPEECH_RATE, period)
    given = to_int16(np.concatenate([np.zeros(int(RUNNING_S * SPEECH_RATE), np.float32), far]))
    pushed, played = 0, []
    for pulled in range(1, len(given) // period + 1):
        due = pulled * last_s / (1.0 + ppm * 1e-6) + last_s / 3.0
        while pushed * last_s + last_s <= due and (pushed + 1) * period <= len(given):
            asrc.push(given[pushed * period:(pushed + 1) * period], 1.0 + (pushed + 1) * last_s + LATE_S * chance.random() ** 2)
            pushed += 1
        played.append(asrc.pull(period, 1.0 + due + LATE_S * chance.random() ** 2))
    return drifted(to_float32(np.concatenate(played)), ppm)[int(RUNNING_S * SPEECH_RATE):]


def drifted(sound: Float32, ppm: float) -> Float32:
    """As a clock that is ``ppm`` too fast would record it; by a windowed sinc of 32 taps."""
    at = np.arange(len(sound)) * (1.0 + ppm * 1e-6)
    at = at[at < len(sound) - 1]
    whole = np.floor(at).astype(np.int64)
    part = at - whole
    padded = np.concatenate([np.zeros(16), sound, np.zeros(17)])
    made = np.zeros(len(at))
    for tap in range(-15, 17):
        x = tap - part
        made += padded[whole + tap + 16] * np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * np.clip(x / 16.0, -1.0, 1.0)))
    return made.astype(np.float32)


def _through(source: Float32, seed: int, delay_ms: float, rt60_s: float, distance_m: float) -> Float32:
    response = room.impulse_response(seed, SPEECH_RATE, rt60_s=rt60_s, distance_m=distance_m)
    delay = np.zeros(int(delay_ms * SPEECH_RATE / 1000), np.float32)
    return room.reverberate(source, np.concatenate([delay, response]))[:len(source)]


def _talk_over(near: Float32, chance: np.random.Generator, level_db: float, commands: Path) -> tuple[User, ...]:
    edges = {name: spans for name, spans in sorted(json.loads((commands / "edges.json").read_text()).items()) if spans}
    names = list(edges)
    users: list[User] = []
    at = int(FIRST_S * SPEECH_RATE)
    while True:
        name = names[chance.integers(len(names))]
        start = max(0, int((edges[name][0][0] - 0.02) * SPEECH_RATE))
        end = min(int((edges[name][-1][1] + 0.05) * SPEECH_RATE), start + 3 * SPEECH_RATE // 2)
        voice = read(commands / name, rate=SPEECH_RATE)[start:end]
        wet = room.reverberate(voice, room.impulse_response(int(chance.integers(1 << 30)), SPEECH_RATE, rt60_s=0.25, distance_m=1.0))
        if at + len(wet) > len(near):
            return tuple(users)
        snr = float(chance.uniform(0.0, 10.0))
        near[at:at + len(wet)] += room.at_level(wet, SPEECH_RATE, level_db + snr)
        users.append(User(at + int(edges[name][0][0] * SPEECH_RATE) - start, at + len(wet), snr))
        at += len(wet) + int(QUIET_S * SPEECH_RATE)


def _rms(sound: Float32) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) + 1e-12


@dataclass(frozen=True, slots=True)
class Judged:
    """What the front end made of a scene.  ``decided[k]`` is the 16 kHz sample by which probability k was known."""

    clean: Float32
    probabilities: Float32
    decided: np.ndarray[tuple[int], np.dtype[np.int64]]
    state: FrontState

    def onsets(self, onset: float = 0.5, offset: float = 0.35, min_frames: int = 2, hang_frames: int = 5) -> list[int]:
        """Samples at which speech was said to begin (when it was said, not the edge)."""
        found = []
        run = quiet = 0
        speaking = False
        for probability, when in zip(self.probabilities, self.decided, strict=True):
            if speaking:
                quiet = 0 if probability >= offset else quiet + 1
                speaking = quiet < hang_frames
                continue
            run = run + 1 if probability >= (offset if run else onset) else 0
            if run >= min_frames:
                found.append(int(when))
                speaking, run, quiet = True, 0, 0
        return found


def through_front(vad: object, near: Int16, far: Int16, *, rate: int = SPEECH_RATE, cancel_echo: bool = True) -> Judged:
    """The product's front end on a recording, as fast as it can: ``far`` is played by the core, ``near`` captured by it."""
    hop = rate // 100
    core = Core(rate, hop, capture_ms=1000, playback_ms=1000)
    if not core.start_front(vad, cancel_echo=cancel_echo, threaded=False):
        raise RuntimeError("this voice-activity engine has no native network")
    core.live.begin(1)
    clean, probabilities, decided = [], [], []
    for at in range(0, min(len(near), len(far)) - hop + 1, hop):
        core.write(1, far[at:at + hop])
        core.process(near[at:at + hop], hop)
        core.step_front()
        hops = core.read(0)
        assert hops is not None and hops.clean is not None and hops.probabilities is not None
        clean.append(hops.clean)
        probabilities.append(hops.probabilities)
        decided += [(at + hop) * SPEECH_RATE // rate] * len(hops.probabilities)
    state = core.front()
    core.close()
    return Judged(np.concatenate(clean), np.concatenate(probabilities), np.array(decided, np.int64), state)


def erle_db(near: Int16, clean: Float32, start_s: float, end_s: float) -> float:
    """Of the linear output, over a stretch without users."""
    a, b = int(start_s * SPEECH_RATE), min(int(end_s * SPEECH_RATE), len(clean))
    return float(20.0 * np.log10(_rms(near[a:b].astype(np.float32) / np.float32(32768.0)) / _rms(clean[a:b])))


__all__ = ["KINDS", "VAD_FRAME", "Judged", "Kind", "Scene", "User", "drifted", "erle_db", "far_end", "scene", "through_front", "two_cards"]
