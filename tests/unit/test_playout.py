"""How the mouth judges the lateness of its synthesizer, in stepped time."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice.clock import ManualClock
from edgevoice.pipeline.playout import BAND_S, HIDDEN, HIGH, LEAST_S, LEAST_TARGET_S, MARGIN_S, MOST_S, MOST_TARGET_S, Ahead, Live
from edgevoice.pipeline.playout_health import LIMITS, PlayoutHealth, PlayoutLimits, PlayoutMeter, alerts
from edgevoice.rt.twin import Core

RATE = 16000


def reply(playout: Ahead, chunks: list[tuple[float, float]], start: float = 100.0) -> None:
    """Chunks (seconds after the start, seconds long); the queue is what an exact loudspeaker leaves of them."""
    playout.begin()
    dry = 0.0
    for at, long in chunks:
        playout.arrived(start + at, int(long * RATE), int(max(dry - at, 0.0) * RATE))
        dry = max(dry, at) + long


class TestLateness:
    def test_nothing_is_concluded_from_little(self) -> None:
        playout = Ahead(RATE, 0.3)
        reply(playout, [(0.0, 1.0), (3.0, 1.0)])
        assert (playout.lateness_s, playout.stretch_below_s, playout.hold_s) == (None, LEAST_S, 0.0)

    def test_who_keeps_up_waits_for_nothing(self) -> None:
        playout = Ahead(RATE, 0.3)
        for _ in range(5):
            reply(playout, [(0.0, 1.0), (0.3, 2.0), (0.9, 2.0), (1.4, 1.0)])
        assert playout.lateness_s == pytest.approx(-0.7, abs=0.001)
        assert (playout.stretch_below_s, playout.hold_s) == (LEAST_S, 0.0)

    def test_a_little_late_is_left_to_stretching(self) -> None:
        playout = Ahead(RATE, 0.3)
        for _ in range(5):
            reply(playout, [(0.0, 1.0), (1.1, 2.0), (2.0, 1.0)])
        assert playout.lateness_s == pytest.approx(0.1, abs=0.001)
        assert playout.stretch_below_s == pytest.approx((0.1 + MARGIN_S) / HIDDEN, abs=0.01)
        assert playout.hold_s == pytest.approx(0.0, abs=1e-9)

    def test_very_late_holds_the_start_back_within_bounds(self) -> None:
        for late, held in ((0.5, 0.5 + MARGIN_S - HIDDEN * MOST_S), (2.0, 0.3)):
            playout = Ahead(RATE, 0.3)
            for _ in range(5):
                reply(playout, [(0.0, 1.0), (1.0 + late, 2.0)])
            assert playout.stretch_below_s == MOST_S
            assert playout.hold_s == pytest.approx(held, abs=0.001)

    def test_a_chunk_late_once_shifts_the_rest(self) -> None:
        playout = Ahead(RATE, 0.3)
        reply(playout, [(0.0, 1.0), (1.5, 1.0), (2.4, 1.0), (3.3, 1.0)])
        assert sorted(playout._late) == pytest.approx([-0.2, -0.1, 0.5], abs=0.001)

    def test_what_the_loudspeaker_hides_stays_measured(self) -> None:
        playout = Ahead(RATE, 0.3)
        for _ in range(4):
            playout.begin()
            playout.arrived(10.0, RATE, 0)
            playout.arrived(11.1, RATE, int(0.05 * RATE))  # stretching left a queue where there would be none
        assert playout.lateness_s == pytest.approx(0.1, abs=0.001)

    def test_a_pause_of_the_reply_is_no_lateness(self) -> None:
        playout = Ahead(RATE, 0.3)
        for _ in range(4):
            playout.begin()
            playout.arrived(10.0, RATE, 0)
            playout.arrived(15.0, RATE, RATE // 2)
        assert playout.lateness_s == pytest.approx(-0.5, abs=0.001)

    def test_old_chunks_are_forgotten(self) -> None:
        playout = Ahead(RATE, 0.3)
        reply(playout, [(0.0, 0.1), (1.0, 0.1), (2.0, 0.1), (3.0, 0.1)])
        assert playout.hold_s == 0.3
        for _ in range(40):
            reply(playout, [(0.0, 1.0), (0.2, 1.0)])
        assert playout.hold_s == 0.0

    def test_the_target_stays_within_its_bounds(self) -> None:
        for late, target in ((-0.5, LEAST_TARGET_S), (0.1, 0.1 + MARGIN_S), (3.0, MOST_TARGET_S)):
            ahead = Ahead(RATE, 0.3)
            for _ in range(5):
                reply(ahead, [(0.0, 1.0), (1.0 + late, 2.0)])
            assert ahead.target_s == pytest.approx(target, abs=0.001)
            assert ahead.jitter_s == pytest.approx(max(late, 0.0), abs=0.001)

    def test_a_reply_is_never_hurried(self) -> None:
        ahead = Ahead(RATE, 0.3)
        for _ in range(5):
            reply(ahead, [(0.0, 30.0), (0.1, 30.0), (0.2, 30.0)])
        assert ahead.orders == (LEAST_S, 0.0, 0.0)


class TestLive:
    @staticmethod
    def heard(delays: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Live:
        live = Live(RATE)
        live.begin()
        for packet, delay in enumerate(delays):
            live.arrived(100 + 0.02 * packet + float(delay), RATE // 50, 0)
        return live

    def test_nothing_is_concluded_from_little(self) -> None:
        live = self.heard(np.array([0.0, 0.3]))
        assert (live.jitter_s, live.target_s) == (None, LEAST_TARGET_S)

    def test_the_jitter_is_the_95th_percentile_of_the_relative_delay(self) -> None:
        delays = np.random.default_rng(4).permutation(np.linspace(0.03, 0.23, 500))
        live = self.heard(delays)
        assert live.jitter_s == pytest.approx(0.19, abs=0.002)
        target = 0.19 + MARGIN_S
        assert live.orders == pytest.approx((target, target, HIGH * target), abs=0.002)

    def test_the_target_stays_within_its_bounds(self) -> None:
        steady, wild = self.heard(np.zeros(100)), self.heard(np.arange(100) * 0.1)
        assert steady.orders == pytest.approx((LEAST_TARGET_S, LEAST_TARGET_S, LEAST_TARGET_S + BAND_S))
        assert wild.target_s == MOST_TARGET_S

    def test_a_new_stream_begins_anew(self) -> None:
        live = self.heard(np.arange(100) * 0.1)
        live.begin()
        assert live.jitter_s is None


def played_so(clock: ManualClock, core: Core, meter: PlayoutMeter, gaps: int, generation: int) -> None:
    """A reply with so many gaps, a second each."""
    core.live.begin(generation)
    for _ in range(gaps):
        core.write(generation, np.ones(1600, np.int16))
        core.process(None, RATE // 5)
        clock.advance(1.0)
        meter.note()
    core.write(generation, np.ones(1600, np.int16), last=True)


class TestHealth:
    def test_a_minute_slides(self) -> None:
        clock, core = ManualClock(), Core(RATE, 160)
        meter, ahead = PlayoutMeter(core, clock), Ahead(RATE, 0.0)
        assert meter.of(ahead) == PlayoutHealth("ahead", 0, 0, 0.0, None, LEAST_TARGET_S, None, 0.0, 0.0)
        played_so(clock, core, meter, 5, 1)
        health = meter.of(ahead)
        assert (health.underruns, health.underruns_per_minute, health.depth_s, health.depth_least_s) == (5, 5, 0.1, 0.0)
        clock.advance(57.0)
        assert meter.of(ahead).underruns_per_minute == 3
        clock.advance(10.0)
        assert (meter.of(ahead).underruns, meter.of(ahead).underruns_per_minute) == (5, 0)

    def test_shares_are_of_the_last_minute(self) -> None:
        clock, core = ManualClock(), Core(RATE, 160, playback_ms=4000)
        meter, ahead = PlayoutMeter(core, clock), Ahead(RATE, 0.0)
        hum = np.rint(5000 * np.sin(np.arange(RATE) / 16)).astype(np.int16)
        core.live.begin(1)
        core.set_playout(0.5)
        core.write(1, hum)
        core.process(None, RATE)
        slow = meter.of(ahead)
        assert slow.stretch_share == pytest.approx(core.counters().stretched / RATE) and 0.05 < slow.stretch_share < 0.2
        assert slow.shorten_share == 0.0
        clock.advance(61.0)
        meter.note()
        core.set_playout(0.0, 0.0, 0.1)
        for _ in range(3):
            core.write(1, hum)
        core.process(None, RATE)
        fast = meter.of(ahead)
        assert fast.stretch_share == 0.0 and 0.05 < fast.shorten_share < 0.11

    def test_every_limit_of_the_field_is_told_beyond_it_and_not_at_it(self) -> None:
        assert PlayoutLimits(3, 0.05, 0.5, 0.1) == LIMITS
        assert alerts(PlayoutHealth("live", 100, 3, 0.5, 0.05, 0.1, 0.1, 0.25, 0.1)) == []
        assert alerts(PlayoutHealth("live", 0, 0, 0.0, None, 0.05, None, 0.0, 0.0)) == []
        found = alerts(PlayoutHealth("live", 100, 4, 0.51, 0.049, 0.1, 0.101, 0.25, 0.1))
        for words, line in zip(("ran dry 4 times", "only 49 ms", "510 ms of a live stream", "more than 101 ms late"), found, strict=True):
            assert words in line

    def test_a_reply_far_ahead_is_no_alert(self) -> None:
        assert alerts(PlayoutHealth("ahead", 0, 0, 8.0, 0.4, 0.05, 0.0, 0.0, 0.0)) == []
