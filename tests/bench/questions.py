"""Spoken questions for benchmarks: recorded orders and questions that the default voice says, with exact ends of speech."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio
from edgevoice.engines.protocols import Tts
from edgevoice.engines.whole import speech

RATE = 16_000

SPOKEN = (
    "Why is the sky blue?", "What can I cook with rice and eggs?", "How do I get a coffee stain out of a shirt?",
    "Tell me something about the moon.", "What is a good name for a black cat?", "How does a battery work?",
    "Why do cats purr?", "Should I take an umbrella when it is cloudy?", "What is the difference between a lake and a pond?",
    "How long should I boil an egg?", "Who wrote Romeo and Juliet?", "What makes bread rise?")

SHARED_ORDERS = 12

SILENCE_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class Question:
    """``samples`` int16 at 16 kHz; speech ends at sample ``end``."""

    name: str
    samples: NDArray[np.int16]
    end: int


def spoken(tts: Tts, text: str, level: float = 0.25) -> Question:
    """``text`` by the synthesizer, its silence cut off at both ends, half a second of silence before."""
    dry = speech(tts, text, RATE)
    loud = np.flatnonzero(np.abs(dry) > 0.01 * np.abs(dry).max())
    dry = dry[loud[0]:loud[-1] + 1] * (level / np.abs(dry).max())
    lead = np.zeros(RATE // 2, np.float32)
    samples = audio.to_int16(np.concatenate([lead, dry, np.zeros(int(SILENCE_AFTER_S * RATE), np.float32)]))
    return Question(text, samples, len(lead) + len(dry))


def orders(shared: Path, count: int) -> list[Question]:
    """Recorded coffee orders whose end of speech is known, spread over the alphabet of their names."""
    folder = shared / "audio" / "commands"
    edges = {name: segments for name, segments in sorted(json.loads((folder / "edges.json").read_text()).items()) if segments}
    names = list(edges)[::max(1, len(edges) // count)][:count]
    found = []
    for name in names:
        samples = audio.to_int16(audio.read(folder / name, RATE))
        found.append(Question(name, samples, int(edges[name][-1][1] * RATE)))
    return found
