"""Late synthesis: audible gaps a minute with and without stretching, the latency that it costs, and its time a period.

Arrivals are played through the C core in stepped time, period by period of 10 ms, once exactly as they come (the baseline) and once under
the mouth's own policy (``edgevoice/pipeline/playout.py``), which knows of each chunk only when it has come.  Synthetic: chunks of 0.6 to
1.2 s first and 1.5 to 3 s then, each made in its length times a load, times a lognormal factor (sigma 0.4), one after the other; seeded.
Slow voice: the default voice speaks real sentences, in the chunks that the product cuts them into; the times that it took are all
multiplied by what brings its mean to that load, as a slower machine's would be.  A gap is a time when a reply has nothing to play
before its end; minutes are of speech.  Added latency: from the first chunk to its first frame, the mean over replies; none
is allowed where nothing was late.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevoice.audio import Resampler, to_int16
from edgevoice.benchmarks import Result, median, progress
from edgevoice.clock import MonotonicClock
from edgevoice.dialog.chunker import Chunker
from edgevoice.engines import tts
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import find
from edgevoice.pipeline.playout import Playout
from edgevoice.rt._core import Core, stretch
from edgevoice.rt.contract import Int16
from edgevoice.settings import DialogSettings, PathSettings, TtsSettings

RATE, PERIOD = 16000, 160
SEED = 20
HOLD_S = 0.3
"""the longest hold that is tried here; the default configuration holds nothing back"""
SIGMA = 0.4
LOADS = (0.3, 0.7, 0.9, 1.1, 1.25)
"""seconds of work for a second of sound; from 1 on no machine keeps up"""

TEXTS = (
    "The kitchen light is on. It has been on since seven this morning, and nobody has been in the room for the last two hours.",
    "Tomorrow will be cloudy with a little rain in the afternoon. In the evening it clears up, and the night stays dry and rather cold.",
    "You have three things to do today. Call the dentist before noon, bring the books back to the library, and water the plants upstairs.",
    "The moon is made of rock and dust. Its crust is rich in oxygen and silicon, and deep inside there is a small core of iron.",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """``samples`` were ready ``at`` seconds after their reply was begun."""

    at: float
    samples: Int16


Reply = Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of replies; ``waits_s`` from the first chunk to its first frame."""

    spoken_s: float
    gaps: int
    silent_s: float
    stretched_s: float
    waits_s: list[float]

    def a_minute(self, value: float) -> float:
        return value * 60 / self.spoken_s

    @property
    def wait_ms(self) -> float:
        return 1000 * sum(self.waits_s) / len(self.waits_s)


def play(replies: Sequence[Reply], *, stretching: bool) -> Heard:
    """All replies, one after the other, in stepped time."""
    core = Core(RATE, PERIOD, playback_ms=30000)
    policy = Playout(RATE, HOLD_S)
    gaps = silent = 0
    waits = []
    frames = 0
    for generation, reply in enumerate(replies, 1):
        core.live.begin(generation)
        start = core.counters().captured
        before = core.counters().stretched
        policy.begin()
        if stretching:
            core.set_playout(policy.stretch_below_s, policy.hold_s)
        waiting = list(reply)
        first = end = 0
        while not end:
            now = core.counters().captured
            while waiting and now >= start + waiting[0].at * RATE:
                piece = waiting.pop(0)
                policy.arrived(now / RATE, len(piece.samples), core.queued(generation))
                if stretching:
                    core.set_playout(policy.stretch_below_s, policy.hold_s)
                core.write(generation, piece.samples, last=not waiting, timeout_s=0)
            core.process(None, PERIOD)
            core.read(0)
            for event in core.events():
                gaps += event.kind == "underrun"
                first = event.sample if event.kind == "first" else first
                end = event.sample if event.kind == "end" else end
        total = sum(len(piece.samples) for piece in reply)
        frames += total
        silent += end - first - total - (core.counters().stretched - before)
        waits.append((first - start) / RATE - reply[0].at)
    stretched = core.counters().stretched
    core.close()
    return Heard(frames / RATE, gaps, silent / RATE, stretched / RATE, waits)


def synthetic(load: float, count: int) -> list[Reply]:
    random = np.random.default_rng([SEED, round(load * 100)])
    replies = []
    for _ in range(count):
        at, reply = 0.0, []
        for chunk in range(int(random.integers(3, 7))):
            seconds = random.uniform(1.5, 3.0) if chunk else random.uniform(0.6, 1.2)
            at += seconds * load * random.lognormal(-SIGMA**2 / 2, SIGMA)
            reply.append(Piece(at, buzz(seconds)))
        replies.append(reply)
    return replies


def buzz(seconds: float) -> Int16:
    """Something with a pitch, so that the search has what it has in a voice."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.rint(6000 * np.sin(2 * np.pi * (120 * t + 3 * np.sin(3 * t))) * (0.6 + 0.4 * np.sin(20 * t))).astype(np.int16)


class _Never:
    def cancelled(self) -> bool:
        return False

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


def spoken(texts: Sequence[str]) -> list[list[tuple[float, Int16]]]:
    """Each text by the default voice: (seconds that a piece took, its samples)."""
    settings, dialog = TtsSettings(), DialogSettings()
    voice = tts.load(settings, find(PathSettings(), settings.model))
    clock = MonotonicClock()
    made = []
    try:
        voice.synthesize("Ready.", lambda samples: None, _Never())
        for text in texts:
            chunker = Chunker(dialog.first_chunk_words, settings.max_chunk_words)
            resampler = Resampler(voice.rate, RATE)
            pieces: list[tuple[float, Int16]] = []
            since = time.thread_time()

            def keep(samples: np.ndarray, pieces: list[tuple[float, Int16]] = pieces, resampler: Resampler = resampler) -> None:
                nonlocal since
                now = time.thread_time()
                pieces.append((now - since, to_int16(resampler.process(samples))))
                since = now

            for chunk in [*chunker.feed(text, clock.now()), *chunker.flush()]:
                voice.synthesize(chunk.spoken, keep, _Never())
            made.append(pieces)
    finally:
        voice.close()
    return made


def slowed(pieces: list[list[tuple[float, Int16]]], load: float, repeats: int) -> list[Reply]:
    took = sum(seconds for reply in pieces for seconds, _ in reply)
    factor = load * sum(len(samples) for reply in pieces for _, samples in reply) / RATE / took
    replies = []
    for reply in pieces * repeats:
        at, timed = 0.0, []
        for seconds, samples in reply:
            at += seconds * factor
            timed.append(Piece(at, samples))
        replies.append(timed)
    return replies


def compared(name: str, replies: Sequence[Reply]) -> list[Result]:
    progress(f"playout: {name}, {len(replies)} replies")
    plain, ours = play(replies, stretching=False), play(replies, stretching=True)
    exact = "played as it comes"
    return [
        Result(f"{name}: gaps", ours.a_minute(ours.gaps), "1/min", None, exact, plain.a_minute(plain.gaps)),
        Result(f"{name}: silence within replies", 1000 * ours.a_minute(ours.silent_s), "ms/min", None, exact,
               1000 * plain.a_minute(plain.silent_s)),
        Result(f"{name}: made up", 1000 * ours.a_minute(ours.stretched_s), "ms/min"),
        Result(f"{name}: added latency", ours.wait_ms - plain.wait_ms, "ms", "<= 300" if plain.gaps else "<= 0"),
    ]


def kernel() -> list[Result]:
    """Noise is the dearest sound: nothing in it is alike, so that every search is made and half of them in vain."""
    results = []
    for rate in (16000, 48000):
        noise = np.random.default_rng(SEED).normal(0, 3000, 10 * rate).astype(np.int16)
        periods = len(noise) * 100 / rate
        for factor, name in ((1.0, "exact"), (1.25, "a quarter longer")):
            times = []
            for _ in range(7):
                begun = time.perf_counter()
                stretch(noise, rate, factor)
                times.append((time.perf_counter() - begun) / periods * 1e6)
            results.append(Result(f"kernel at {rate} Hz, {name}", median(times), "µs/10 ms"))
    return results


def run(quick: bool) -> list[Result]:
    results = kernel()
    for load in LOADS:
        results += compared(f"synthetic, load {load}", synthetic(load, 20 if quick else 100))
    try:
        pieces = spoken(TEXTS[:2] if quick else TEXTS)
    except EdgeVoiceError as error:
        progress(f"playout: no slow voice: {error}")
        return [*results, Result("slow voice: gaps", None, "1/min")]
    for load in LOADS:
        results += compared(f"slow voice, load {load}", slowed(pieces, load, 5 if quick else 10))
    return results
