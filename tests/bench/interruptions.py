"""What people do while a device speaks, for ``bench bargein``: labelled, int16 at 16 kHz, each with the samples of its beginning and end.

Those who mean it: recorded orders, and short commands.  Those who do not: assent, said by the voice at another pitch; coughs and doors,
made here; a kitchen.  A cough is two bursts of noise with the resonances of a throat (550, 1500 and 2700 Hz), the first sharp, the second
longer (after the phases of a cough in J. Korpas et al., Analysis of the cough sound, 1996); a door is a thump that rings low.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio
from edgevoice.engines.protocols import Float32, Tts
from edgevoice.engines.whole import speech
from tests.bench.utterances import RATE, clips

Kind = Literal["order", "command", "assent", "cough", "door", "kitchen"]
MEANT: tuple[Kind, ...] = ("order", "command")
COMMANDS = ("Stop.", "Wait, that is not what I meant.", "No, tell me about cats.", "What time is it?", "Hold on a second.",
            "Can you say that again?", "Please be quiet.", "Turn on the kitchen light.")
ASSENTS = ("Hmm.", "Uh-huh.", "Yeah.", "Okay.", "I see.", "Right.", "Oh, really.", "Wow.")
"""the phonemizer would spell "mm-hm" letter by letter"""
OTHER_VOICE = 1.15
"""times as fast and as high as the device's own"""
RESONANCES_HZ = ((550.0, 120.0), (1500.0, 250.0), (2700.0, 400.0))
"""(frequency, bandwidth)"""


@dataclass(frozen=True, slots=True)
class Interruption:
    name: str
    kind: Kind
    samples: NDArray[np.int16]
    start: int
    end: int

    @property
    def meant(self) -> bool:
        return self.kind in MEANT


def interruptions(shared: Path, tts: Tts, counts: dict[Kind, int], seed: int = 11) -> list[Interruption]:
    """``counts`` of each kind, at speech level."""
    chance = np.random.default_rng(seed)
    made = [_labelled(order.name, "order", _cut(audio.to_float32(order.samples), order.speech))
            for order in clips(shared, "commands", counts.get("order", 0), "order")]
    texts: list[tuple[Kind, Sequence[str]]] = [("command", COMMANDS), ("assent", ASSENTS)]
    for kind, said_of_it in texts:
        said = itertools.islice(itertools.cycle(said_of_it), counts.get(kind, 0))
        made += [_labelled(text, kind, speech(tts, text, RATE, OTHER_VOICE)) for text in said]
    made += [_labelled(f"cough {k}", "cough", cough(chance)) for k in range(counts.get("cough", 0))]
    made += [_labelled(f"door {k}", "door", door(chance)) for k in range(counts.get("door", 0))]
    if counts.get("kitchen"):
        noise = audio.read(shared / "audio" / "noise" / "kitchen.flac", RATE)
        made += [_labelled(f"kitchen {k}", "kitchen", noise[at:at + int(1.5 * RATE)])
                 for k, at in enumerate(chance.integers(0, len(noise) - 2 * RATE, counts["kitchen"]))]
    return made


def cough(chance: np.random.Generator) -> Float32:
    """One cough of about 0.4 s."""
    burst = _shaped(chance, 0.09 + 0.03 * chance.random(), attack_s=0.004, decay_s=0.03)
    voiced = _shaped(chance, 0.22 + 0.08 * chance.random(), attack_s=0.03, decay_s=0.09) * np.float32(0.6)
    gap = np.zeros(int(0.03 * RATE), np.float32)
    return np.concatenate([burst, gap, voiced])


def door(chance: np.random.Generator) -> Float32:
    t = np.arange(int(0.35 * RATE)) / RATE
    ring = sum(np.sin(2 * np.pi * f * t + chance.uniform(0, 6)) * np.exp(-t / d) for f, d in ((70, 0.12), (140, 0.08), (310, 0.04)))
    click = chance.standard_normal(len(t)) * np.exp(-t / 0.008)
    made: Float32 = (ring + 0.7 * click).astype(np.float32)
    return made


def _shaped(chance: np.random.Generator, seconds: float, *, attack_s: float, decay_s: float) -> Float32:
    """Noise through the throat's resonances (two poles each), with an envelope."""
    count = int(seconds * RATE)
    source = chance.standard_normal(count)
    total = np.zeros(count)
    for frequency, width in RESONANCES_HZ:
        radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * frequency / RATE
        out, before, last = np.zeros(count), 0.0, 0.0
        for i in range(count):
            out[i] = source[i] + 2 * radius * np.cos(angle) * last - radius * radius * before
            before, last = last, out[i]
        total += out / np.abs(out).max()
    t = np.arange(count) / RATE
    shaped: Float32 = (total * (1 - np.exp(-t / attack_s)) * np.exp(-t / decay_s)).astype(np.float32)
    return shaped


def _cut(samples: Float32, speech: Sequence[tuple[float, float]]) -> Float32:
    return samples[round(speech[0][0] * RATE):round(speech[-1][1] * RATE)]


def _labelled(name: str, kind: Kind, samples: Float32) -> Interruption:
    """Beginning and end are where it passes 2 % of its own peak."""
    peak = float(np.abs(samples).max())
    loud = np.flatnonzero(np.abs(samples) > 0.02 * peak)
    whole = audio.to_int16(samples * np.float32(0.3 / peak))
    return Interruption(name, kind, whole, int(loud[0]), int(loud[-1]) + 1)
