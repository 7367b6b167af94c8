"""Audio with exact labels: utterances with measured edges, between silences, in a kitchen or a room.

Theory: the labelled clips are clean, so that an utterance is cut out at its own edges, brought to one level and put where a seeded
generator says; where speech is then follows from arithmetic.  A room's response begins at its direct sound, so labels stay true at
onsets; at offsets its tail still sounds, and a detector that goes on for a while is not wrong, only late.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevoice.audio import read
from edgevoice.engines.protocols import SPEECH_RATE, Float32

LEVEL_DB = -26.0
"""RMS of every utterance inside its edges, in dB of full scale: ordinary speech at an ordinary gain"""
MARGIN_S = 0.05
"""of a clip's own background kept on each side of an utterance, faded"""
PAUSES_S = (0.9, 2.5)
FOLDERS = ("commands", "stt")


@dataclass(frozen=True, slots=True)
class Mixture:
    """``spans``: (start, end) seconds of speech, in order, exact."""

    condition: str
    audio: Float32
    spans: list[tuple[float, float]]


CONDITIONS: dict[str, tuple[float | None, bool]] = {
    "quiet": (None, False), "kitchen 10 dB": (10.0, False), "kitchen 5 dB": (5.0, False), "kitchen 0 dB": (0.0, False),
    "room": (None, True), "room and kitchen 10 dB": (10.0, True)}
"""name -> (signal-to-noise ratio in dB, in a room)"""


def mixtures(shared: Path, clips: int, seed: int = 1) -> list[Mixture]:
    """One mixture a condition, of the same ``clips`` utterances in the same places."""
    rng = np.random.default_rng(seed)
    dry, spans = _dry(shared / "audio", clips, rng)
    kitchen = read(next(iter(sorted((shared / "audio" / "noise").glob("*.flac")))), rate=SPEECH_RATE)
    noise = np.resize(np.roll(kitchen, -int(rng.integers(len(kitchen)))), len(dry))
    wet = _in_room(dry, read(shared / "audio" / "rir" / "speechbrain_rir1.wav", rate=SPEECH_RATE))
    made = []
    for name, (snr_db, room) in CONDITIONS.items():
        audio = wet if room else dry
        if snr_db is not None:
            audio = audio + noise * np.float32(10 ** ((LEVEL_DB - snr_db) / 20) / _rms(noise))
        made.append(Mixture(name, np.clip(audio, -1, 1).astype(np.float32), spans))
    return made


def speaking(spans: list[tuple[float, float]], times: NDArray[np.float64], margin_s: float = 0.0) -> NDArray[np.bool_]:
    """Whether somebody speaks at each of ``times``, or did or will within ``margin_s``."""
    inside = np.zeros(times.shape, bool)
    for start, end in spans:
        inside |= (times >= start - margin_s) & (times < end + margin_s)
    return inside


def _dry(audio: Path, clips: int, rng: np.random.Generator) -> tuple[Float32, list[tuple[float, float]]]:
    listed = [(audio / folder / name, spans) for folder in FOLDERS
              for name, spans in sorted(json.loads((audio / folder / "edges.json").read_text()).items()) if spans]
    chosen = [listed[i] for i in rng.permutation(len(listed))[:clips]]
    pieces: list[Float32] = []
    labels: list[tuple[float, float]] = []
    at = 0
    fade = np.linspace(0, 1, int(MARGIN_S * SPEECH_RATE), dtype=np.float32)
    for path, spans in chosen:
        pause = np.zeros(int(rng.uniform(*PAUSES_S) * SPEECH_RATE), np.float32)
        clip = read(path, rate=SPEECH_RATE)
        begin = max(0, round((spans[0][0] - MARGIN_S) * SPEECH_RATE))
        piece = clip[begin:min(len(clip), round((spans[-1][1] + MARGIN_S) * SPEECH_RATE))].copy()
        inside = np.concatenate([clip[round(start * SPEECH_RATE):round(end * SPEECH_RATE)] for start, end in spans])
        piece *= np.float32(10 ** (LEVEL_DB / 20) / max(_rms(inside), 1e-6))
        edge = min(len(fade), len(piece) // 2)
        piece[:edge] *= fade[:edge]
        piece[len(piece) - edge:] *= fade[:edge][::-1]
        at += len(pause)
        labels += [((at - begin) / SPEECH_RATE + start, (at - begin) / SPEECH_RATE + end) for start, end in spans]
        pieces += [pause, piece]
        at += len(piece)
    pieces.append(np.zeros(2 * SPEECH_RATE, np.float32))
    return np.concatenate(pieces), labels


def _in_room(dry: Float32, response: Float32) -> Float32:
    response = response[int(np.argmax(np.abs(response))):]
    size = 1 << (len(dry) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[:len(dry)]
    return np.asarray(wet * (_rms(dry) / _rms(wet)), np.float32)


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
