"""Utterances for benchmarks of turn-taking, each with the seconds at which somebody speaks: complete ones, and ones with a pause inside.

Theory: recorded clips bring measured edges (``edges.json``); what the default voice says is cut at its own edges.  A pause is put into a
recorded clip where its level is lowest for longest near its middle, which is between two words or nearly always so; the pause holds the
clip's own background.  The voice's hesitations are two halves of a sentence, each synthesized by itself, the first of which asks to go on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio
from edgevoice.engines.protocols import Tts
from tests.bench.questions import RATE, SPOKEN, spoken

Int16 = NDArray[np.int16]
Kind = Literal["order", "recorded", "spoken", "spliced", "hesitation", "dictated"]

MORE_SPOKEN = (
    "Where does the river Nile end?", "Can you tell me a short joke?", "How far away is the sun?", "What should I wear when it snows?",
    "Who painted the Mona Lisa?", "How do I keep my plants alive?", "What is a good book for a long flight?", "Why do leaves turn red?")
HESITATIONS = (
    ("Set a timer for", "ten minutes."), ("I would like a large coffee with", "oat milk, please."),
    ("Remind me to call", "my sister tomorrow."), ("What is the difference between", "a lake and a pond?"),
    ("Turn on the light in the", "kitchen."), ("How long does it take to", "boil an egg?"), ("Please play something by", "the Beatles."),
    ("My number is four, two,", "seven, nine."), ("Can you tell me if", "it will rain today?"),
    ("I need eggs, milk, and", "a loaf of bread."), ("Where can I find the", "nearest pharmacy?"),
    ("Add to my list that I", "have to buy apples."), ("How many people live in", "South America?"), ("Wake me up at", "seven thirty."),
    ("Tell me a story about", "a dragon and a cat."), ("The name is spelled B, R,", "O, W, N."),
    ("If I leave now, will I", "be there by noon?"), ("What was the name of the", "first man on the moon?"),
    ("Well, I was thinking that", "we could eat at eight."), ("Send a message to my", "brother, please."),
    ("Make the living room", "a little warmer."), ("Could you repeat the", "last sentence?"),
    ("Why is it that", "cats always land on their feet?"), ("Translate good morning to", "French."), ("Book a table for", "two people."),
    ("Is there a train to", "Boston tonight?"), ("I think we should", "go home now."), ("Which of the planets is", "the biggest one?"),
    ("Count from ten down to", "one."), ("Do you know who", "wrote this song?"), ("Let me have a small", "green tea."),
    ("What happens when you mix", "yellow and blue?"), ("Tell me how to get a stain out of", "a white shirt."),
    ("The meeting is on", "Friday at nine."), ("Find me a recipe with", "rice and eggs."), ("What is seven times", "eight?"),
    ("Who was the president before", "Abraham Lincoln?"), ("Please write down that", "the car needs oil."),
    ("Lower the volume to", "twenty percent."), ("I want to know why", "the sky is blue."))
DICTATED = (
    ("The code is four, nine,", "zero, two."), ("My name is spelled M, A, R,", "T, I, N."), ("Um,", "what time does the museum open?"),
    ("Please call five, five, five,", "one, two, three."), ("We need flour, sugar,", "butter and salt."),
    ("Eight, seven, six,", "five, four."), ("I would like, um,", "a slice of the apple cake."),
    ("The room number is three, one,", "seven."), ("So, uh,", "how do I get to the station?"),
    ("Write down rice, beans,", "onions and garlic."), ("It is P, as in Peter, E,", "T, E."),
    ("Well, let me see,", "I will have the soup."), ("The plate is K, seven, nine,", "X, L."),
    ("Monday, Tuesday,", "Wednesday, Thursday."), ("I want, hmm,", "two tickets for Friday."),
    ("Her address is two, two, one,", "Baker Street."), ("Twenty, thirty,", "forty, fifty."),
    ("Is it, er,", "going to be cold tonight?"), ("The word is spelled C, H, A,", "I, R."), ("Buy candles, matches,", "and a lighter."))
"""who spells, counts, lists or thinks aloud"""
PAUSES_S = (0.3, 1.0)
LEAD_S, TAIL_S = 0.5, 1.5
"""of silence around an utterance; the tail outlasts the longest wait"""


@dataclass(frozen=True, slots=True)
class Utterance:
    """``samples`` int16 at 16 kHz; ``speech`` is [(start, end), …] in seconds, in order."""

    name: str
    kind: Kind
    samples: Int16
    speech: tuple[tuple[float, float], ...]

    @property
    def end(self) -> int:
        """The sample after the last one of speech."""
        return round(self.speech[-1][1] * RATE)


def complete(shared: Path, tts: Tts, *, orders: int, recorded: int, voice: int) -> list[Utterance]:
    """Whole orders, commands and sentences of ``shared``, and questions that the voice asks."""
    made = clips(shared, "commands", orders, "order") + clips(shared, "stt", recorded, "recorded")
    return made + [question(tts, text) for text in (SPOKEN + MORE_SPOKEN)[:voice]]


def question(tts: Tts, text: str) -> Utterance:
    """Said by the voice."""
    said = spoken(tts, text)
    return _padded(text, "spoken", said.samples[:said.end], [(LEAD_S, said.end / RATE)], lead=False)


def clips(shared: Path, folder: str, count: int, kind: Kind, offset: int = 0) -> list[Utterance]:
    """Recorded ones of ``shared``, spread over the alphabet of their names from the ``offset``th on."""
    return [_clip(shared, folder, name, spans, kind) for name, spans in _spread(shared, folder, count, offset)]


def paused(shared: Path, tts: Tts, *, spliced: int, hesitations: int, dictated: int = 0, seed: int = 5) -> list[Utterance]:
    """Utterances with one pause of 300 to 1000 ms inside, evenly spread over that."""
    rng = np.random.default_rng(seed)
    made = []
    lengths = rng.permutation(np.linspace(*PAUSES_S, max(1, spliced)))
    for order, length in zip(clips(shared, "commands", spliced, "order", offset=1), lengths, strict=False):
        made.append(splice(order, float(length)))
    lengths = rng.permutation(np.linspace(*PAUSES_S, max(1, hesitations)))
    for (first, second), length in zip(HESITATIONS[:hesitations], lengths, strict=False):
        made.append(hesitation(tts, first, second, float(length)))
    lengths = rng.permutation(np.linspace(*PAUSES_S, max(1, dictated)))
    for (first, second), length in zip(DICTATED[:dictated], lengths, strict=False):
        made.append(hesitation(tts, first, second, float(length), "dictated"))
    return made


def with_noise(said: Utterance, noise: NDArray[np.float32], snr_db: float, seed: int) -> Utterance:
    """The same in a noisy room; the level is counted over the speech alone."""
    clean = audio.to_float32(said.samples)
    inside = np.concatenate([clean[round(start * RATE):round(end * RATE)] for start, end in said.speech])
    piece = np.resize(np.roll(noise, -(seed * 7919 * 16) % len(noise)), len(clean))
    gain = np.sqrt(np.mean(np.square(inside)) / np.mean(np.square(piece))) * 10 ** (-snr_db / 20)
    return Utterance(said.name, said.kind, audio.to_int16(np.clip(clean + piece * np.float32(gain), -1, 1)), said.speech)


def _spread(shared: Path, folder: str, count: int, offset: int = 0) -> Sequence[tuple[str, list[tuple[float, float]]]]:
    """``count`` clips with known edges, spread over the alphabet of their names; digits and single words are no turns."""
    edges = json.loads((shared / "audio" / folder / "edges.json").read_text())
    found = [(name, [(a, b) for a, b in spans]) for name, spans in sorted(edges.items())
             if spans and 0.8 <= spans[-1][1] - spans[0][0] <= 9.0 and "fsdd" not in name]
    return found[offset::max(1, (len(found) - offset) // max(1, count))][:count]


def _clip(shared: Path, folder: str, name: str, spans: list[tuple[float, float]], kind: Kind) -> Utterance:
    samples = audio.to_int16(audio.read(shared / "audio" / folder / name, RATE))
    begin = max(0, round((spans[0][0] - 0.3) * RATE))
    shifted = [(start - begin / RATE, end - begin / RATE) for start, end in spans]
    return _padded(name, kind, samples[begin:round((spans[-1][1] + 0.3) * RATE)], shifted)


def _padded(name: str, kind: Kind, samples: Int16, spans: Sequence[tuple[float, float]], *, lead: bool = True) -> Utterance:
    """Silence around it, the same for all."""
    before = LEAD_S if lead else 0.0
    pieces = [np.zeros(round(before * RATE), np.int16), samples, np.zeros(round(TAIL_S * RATE), np.int16)]
    return Utterance(name, kind, np.concatenate(pieces), tuple((start + before, end + before) for start, end in spans))


def splice(said: Utterance, pause_s: float) -> Utterance:
    """The same with a pause inside."""
    start, end = said.speech[0][0], said.speech[-1][1]
    hop = RATE // 200
    x = audio.to_float32(said.samples)
    levels = np.sqrt(np.mean(np.square(x[:len(x) // hop * hop].reshape(-1, hop)), axis=1))
    smooth = np.convolve(levels, np.ones(12) / 12, "same")  # 60 ms: longer than the closure of a stop inside a word
    low, high = round((start + 0.3 * (end - start)) * 200), round((start + 0.7 * (end - start)) * 200)
    at = (low + int(np.argmin(smooth[low:high]))) * hop
    background = said.samples[:round(start * RATE)][-RATE // 10:] if start > 0.1 else np.zeros(RATE // 10, np.int16)
    gap = np.resize(background, round(pause_s * RATE))
    samples = np.concatenate([said.samples[:at], gap, said.samples[at:]])
    return Utterance(said.name, "spliced", samples, ((start, at / RATE), (at / RATE + pause_s, end + pause_s)))


def hesitation(tts: Tts, first: str, second: str, pause_s: float, kind: Kind = "hesitation") -> Utterance:
    """Two halves of a sentence, said by the voice."""
    one, other = spoken(tts, first + ","), spoken(tts, second)
    head = one.samples[:one.end]
    tail = other.samples[round(LEAD_S * RATE):other.end]
    gap = np.zeros(round(pause_s * RATE), np.int16)
    start = one.end / RATE + pause_s
    return _padded(f"{first} … {second}", kind, np.concatenate([head, gap, tail]),
                   [(LEAD_S, one.end / RATE), (start, start + len(tail) / RATE)], lead=False)
