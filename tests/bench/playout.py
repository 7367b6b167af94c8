"""Late synthesis: audible gaps a minute with and without stretching, the latency that it costs, and its time a period.

Arrivals are played through the C core in stepped time, period by period of 10 ms: exactly as they come (the baseline), under the mouth's
own policy as by default (``edgevoice/pipeline/playout.py``: stretched, nothing held back), and with starts held back by up to 300 ms.
The policy knows of each chunk only when it has come.  Synthetic: chunks of 0.6 to 1.2 s first and 1.5 to 3 s then, each made in its
length times a load, times a lognormal factor (sigma 0.4), one after the other; seeded.  Slow voice: the default voice spoke real
sentences, in the chunks that the product cuts them into, in a process that was given so little of the machine that it came to about that
load; the times are those on the wall (``slow_voice.py``), and the load it really had is told.

A gap is a time when a reply has nothing to play before its end; minutes are of speech.  Below a load of 1 no more gaps are allowed than
the field alarms at.  Added latency: from the first chunk to its first frame, the mean over replies; by default none is allowed at any
load.  Held back, it is what was paid for fewer gaps, and has no target: even at a load of 0.3 a chunk in some thirty is late by chance,
and a policy that may wait waits.

Live streams: packets of 20 ms, sent as they are spoken, each late by a gamma distribution (mean 40 ms), in order; and once more with 300
ms held up at once ten times a minute, which is more than a 95th percentile provides for. Against a queue that begins with 50 ms and is
played as it comes: each gap makes it longer for good, so that it has fewer gaps the later it is; and against the same policy that never
hurries. Delay is what waits in the queue, the mean over time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgevoice.benchmarks import Result, median, progress
from edgevoice.errors import EdgeVoiceError
from edgevoice.pipeline.playout import Ahead, Live
from edgevoice.pipeline.playout_health import LIMITS
from edgevoice.rt._core import Core, stretch
from edgevoice.rt.contract import Int16
from tests.bench.slow_voice import RATE, Piece, Reply, load_of, record

PERIOD = 160
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


def play(replies: Sequence[Reply], *, stretching: bool, most_hold_s: float = HOLD_S) -> Heard:
    """All replies, one after the other, in stepped time."""
    core = Core(RATE, PERIOD, playback_ms=30000)
    policy = Ahead(RATE, most_hold_s)
    gaps = silent = 0
    waits = []
    frames = 0
    for generation, reply in enumerate(replies, 1):
        core.live.begin(generation)
        start = core.counters().captured
        before = core.counters().stretched
        policy.begin()
        if stretching:
            core.set_playout(*policy.orders)
        waiting = list(reply)
        first = end = 0
        while not end:
            now = core.counters().captured
            while waiting and now >= start + waiting[0].at * RATE:
                piece = waiting.pop(0)
                policy.arrived(now / RATE, len(piece.samples), core.queued(generation))
                if stretching:
                    core.set_playout(*policy.orders)
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


def compared(name: str, load: float, replies: Sequence[Reply]) -> list[Result]:
    progress(f"playout: {name}, {len(replies)} replies")
    plain, ours = play(replies, stretching=False), play(replies, stretching=True, most_hold_s=0.0)
    held = play(replies, stretching=True)
    exact = "played as it comes"
    few = f"<= {LIMITS.underruns_per_minute}" if load < 1 else None
    results = []
    for how, heard in (("", ours), (", held", held)):
        results += [
            Result(f"{name}: gaps{how}", heard.a_minute(heard.gaps), "1/min", few, exact, plain.a_minute(plain.gaps)),
            Result(f"{name}: silence within replies{how}", 1000 * heard.a_minute(heard.silent_s), "ms/min", None, exact,
                   1000 * plain.a_minute(plain.silent_s)),
            Result(f"{name}: made up{how}", 1000 * heard.a_minute(heard.stretched_s), "ms/min"),
            Result(f"{name}: added latency{how}", heard.wait_ms - plain.wait_ms, "ms", None if how else "<= 0"),
        ]
    return results


@dataclass(frozen=True, slots=True)
class Streamed:
    gaps_a_minute: float
    delay_ms: float


def packets(seconds: int, *, bursts: bool) -> list[Piece]:
    random = np.random.default_rng([SEED, seconds])
    count = seconds * 50
    late = random.gamma(2.0, 0.02, count)
    for first in random.integers(0, count - 15, seconds // 6 if bursts else 0):
        late[first:first + 15] += np.linspace(0.3, 0.02, 15)  # what was held up comes at once
    at = np.maximum.accumulate(np.arange(1, count + 1) * 0.02 + late)
    sound = buzz(count * 0.02)
    return [Piece(float(when), sound[i * RATE // 50:(i + 1) * RATE // 50]) for i, when in enumerate(at)]


def stream(sent: Sequence[Piece], orders: tuple[float, float, float] | None, *, hurry: bool = True) -> Streamed:
    """All packets, in stepped time, under fixed orders or the policy for live streams."""
    core = Core(RATE, PERIOD, playback_ms=10000)
    policy = Live(RATE)
    policy.begin()
    core.live.begin(1)
    core.set_playout(*(orders or policy.orders))
    waiting = list(reversed(sent))
    gaps = depth = periods = 0
    while waiting:
        now = core.counters().captured / RATE
        while waiting and now >= waiting[-1].at:
            piece = waiting.pop()
            policy.arrived(now, len(piece.samples), core.queued(1))
            core.write(1, piece.samples, timeout_s=0)
            if orders is None:
                below, hold, above = policy.orders
                core.set_playout(below, hold, above if hurry else 0.0)
        core.process(None, PERIOD)
        core.read(0)
        gaps += sum(event.kind == "underrun" for event in core.events())
        depth += core.queued(1)
        periods += 1
    core.close()
    return Streamed(gaps * 60 / (sum(len(piece.samples) for piece in sent) / RATE), 1000 * depth / periods / RATE)


def live(seconds: int) -> list[Result]:
    results = []
    for name, bursts in (("live stream", False), ("live stream with bursts", True)):
        progress(f"playout: {name}, {seconds} s")
        sent = packets(seconds, bursts=bursts)
        fixed, patient, ours = stream(sent, (0.0, 0.05, 0.0)), stream(sent, None, hurry=False), stream(sent, None)
        exact = "played as it comes"
        results += [
            Result(f"{name}: gaps", ours.gaps_a_minute, "1/min", None if bursts else f"<= {LIMITS.underruns_per_minute}", exact,
                   fixed.gaps_a_minute),
            Result(f"{name}: delay", ours.delay_ms, "ms", f"<= {1000 * LIMITS.most_depth_s:.0f}", exact, fixed.delay_ms),
            Result(f"{name}: delay, never hurried", patient.delay_ms, "ms", None, exact, fixed.delay_ms),
        ]
    return results


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
        results += compared(f"synthetic, load {load}", load, synthetic(load, 20 if quick else 100))
    results += live(60 if quick else 600)
    texts = TEXTS[:1] if quick else TEXTS
    try:
        progress("playout: slow voice, unthrottled")
        free = load_of(record(texts, 1.0))
        for load in (0.7, 1.1) if quick else (0.5, 0.7, 0.9, 1.1):
            progress(f"playout: slow voice, with {100 * free / load:.0f} % of the machine")
            recorded = record(texts if quick else texts * 2, min(1.0, free / load))
            real = load_of(recorded)
            results.append(Result(f"slow voice, about {load}: load", real, ""))
            results += compared(f"slow voice, about {load}", real, list(recorded) * 5)
    except EdgeVoiceError as error:
        progress(f"playout: no slow voice: {error}")
        results.append(Result("slow voice: gaps", None, "1/min"))
    return results
