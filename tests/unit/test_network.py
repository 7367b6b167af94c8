"""Sound from a network: order, gaps, what is late, and the clock of a device that lives on it."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

from edgevoice.pipeline.network import AHEAD_S, MOST_S, WAIT_S, Jitter, NetworkDevice
from edgevoice.rt.twin import Core

RATE, HOP = 16_000, 160


def tone(start: int, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Every sample tells its number."""
    return (np.arange(start, start + frames) % 30_000 + 1).astype(np.int16)


def drained(jitter: Jitter) -> list[int]:
    made: list[int] = []
    while (piece := jitter.take(HOP)) is not None:
        made += piece.tolist()
    return made


class TestJitter:
    def test_whatever_the_order_and_the_cuts_every_sample_comes_once(self) -> None:
        chance = random.Random(1)
        for _ in range(50):
            jitter = Jitter(RATE)
            cuts = sorted({0, *(chance.randrange(1, 8000) for _ in range(chance.randrange(40))), 8000})
            pieces = [(start, tone(start, end - start)) for start, end in itertools.pairwise(cuts)]
            first, *rest = pieces
            chance.shuffle(rest)
            for start, piece in [first, *rest, *chance.sample(pieces, len(pieces) // 2)]:
                jitter.put(start, piece, 0.0)
            assert drained(jitter) == tone(0, 8000).tolist() and jitter.concealed == 0

    def test_a_gap_is_silence_after_a_fade_and_what_comes_for_it_later_is_dropped(self) -> None:
        jitter = Jitter(RATE)
        jitter.put(0, np.full(HOP, 20_000, np.int16), 0.0)
        jitter.put(3 * HOP, np.full(HOP, 20_000, np.int16), 0.0)
        assert jitter.take(HOP) is not None and jitter.take(HOP) is None
        gap = np.concatenate([jitter.conceal(HOP), jitter.conceal(HOP)])
        assert 0 < gap[0] <= 20_000 and np.all(np.diff(gap[:80].astype(int)) <= 0) and not gap[80:].any()
        after = jitter.take(HOP)
        assert after is not None and after[0] < 500 and after[-1] == 20_000, "it fades in again"
        jitter.put(HOP, np.full(HOP, 20_000, np.int16), 0.1)
        assert (jitter.late, jitter.concealed, jitter.take(HOP)) == (HOP, 2 * HOP, None)

    def test_how_long_is_waited_follows_the_jitter(self) -> None:
        chance = random.Random(2)
        steady, wild = Jitter(RATE), Jitter(RATE)
        for number in range(100):
            steady.put(number * HOP, tone(0, HOP), number * 0.01)
            wild.put(number * HOP, tone(0, HOP), number * 0.01 + chance.random() * 0.4)
        assert steady.wait_s == pytest.approx(0.01 + WAIT_S) and 0.35 < wild.wait_s < 0.5

    def test_what_waits_is_bounded_and_another_count_begins_anew(self) -> None:
        jitter = Jitter(RATE)
        for number in range(1000):
            jitter.put(number * HOP, tone(0, HOP), 0.0)
            assert jitter.waiting <= MOST_S * RATE
        jitter.put(10 ** 12, tone(5, HOP), 0.0)
        assert drained(jitter) == tone(5, HOP).tolist()
        jitter.put(10 ** 12 - int(2 * AHEAD_S * RATE), tone(9, HOP), 0.0)
        assert drained(jitter) == tone(9, HOP).tolist()


class TestDevice:
    def test_its_clock_is_the_microphones_and_goes_on_without_one(self) -> None:
        core = Core(RATE, HOP)
        device = NetworkDevice(core)
        device.start()
        try:
            device.open()
            sent = tone(0, 20 * HOP)
            for at in range(0, len(sent), 4 * HOP):
                device.put(at, sent[at:at + 4 * HOP])
            heard = b""
            while len(heard) < 2 * len(sent):
                hops = core.read(1.0)
                assert hops is not None
                heard += hops.near.tobytes()
            assert np.frombuffer(heard, np.int16)[-len(sent):].tolist() == sent.tolist(), "at once: nothing waits for a clock"
            device.shut()
            before, began = core.counters().captured, time.monotonic()
            while core.counters().captured < before + 20 * HOP:
                assert core.read(1.0) is not None
            assert time.monotonic() - began > 0.15, "by itself it goes at the pace of a card"
        finally:
            device.stop()
