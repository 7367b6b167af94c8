"""How the mouth judges the lateness of its synthesizer, in stepped time."""

from __future__ import annotations

import pytest

from edgevoice.pipeline.playout import HIDDEN, LEAST_S, MARGIN_S, MOST_S, Playout

RATE = 16000


def reply(playout: Playout, chunks: list[tuple[float, float]], start: float = 100.0) -> None:
    """Chunks (seconds after the start, seconds long); the queue is what an exact loudspeaker leaves of them."""
    playout.begin()
    dry = 0.0
    for at, long in chunks:
        playout.arrived(start + at, int(long * RATE), int(max(dry - at, 0.0) * RATE))
        dry = max(dry, at) + long


class TestLateness:
    def test_nothing_is_concluded_from_little(self) -> None:
        playout = Playout(RATE, 0.3)
        reply(playout, [(0.0, 1.0), (3.0, 1.0)])
        assert (playout.lateness_s, playout.stretch_below_s, playout.hold_s) == (None, LEAST_S, 0.0)

    def test_who_keeps_up_waits_for_nothing(self) -> None:
        playout = Playout(RATE, 0.3)
        for _ in range(5):
            reply(playout, [(0.0, 1.0), (0.3, 2.0), (0.9, 2.0), (1.4, 1.0)])
        assert playout.lateness_s == pytest.approx(-0.7, abs=0.001)
        assert (playout.stretch_below_s, playout.hold_s) == (LEAST_S, 0.0)

    def test_a_little_late_is_left_to_stretching(self) -> None:
        playout = Playout(RATE, 0.3)
        for _ in range(5):
            reply(playout, [(0.0, 1.0), (1.1, 2.0), (2.0, 1.0)])
        assert playout.lateness_s == pytest.approx(0.1, abs=0.001)
        assert playout.stretch_below_s == pytest.approx((0.1 + MARGIN_S) / HIDDEN, abs=0.01)
        assert playout.hold_s == pytest.approx(0.0, abs=1e-9)

    def test_very_late_holds_the_start_back_within_bounds(self) -> None:
        for late, held in ((0.5, 0.5 + MARGIN_S - HIDDEN * MOST_S), (2.0, 0.3)):
            playout = Playout(RATE, 0.3)
            for _ in range(5):
                reply(playout, [(0.0, 1.0), (1.0 + late, 2.0)])
            assert playout.stretch_below_s == MOST_S
            assert playout.hold_s == pytest.approx(held, abs=0.001)

    def test_a_chunk_late_once_shifts_the_rest(self) -> None:
        playout = Playout(RATE, 0.3)
        reply(playout, [(0.0, 1.0), (1.5, 1.0), (2.4, 1.0), (3.3, 1.0)])
        assert sorted(playout._late) == pytest.approx([-0.2, -0.1, 0.5], abs=0.001)

    def test_what_the_loudspeaker_hides_stays_measured(self) -> None:
        playout = Playout(RATE, 0.3)
        for _ in range(4):
            playout.begin()
            playout.arrived(10.0, RATE, 0)
            playout.arrived(11.1, RATE, int(0.05 * RATE))  # stretching left a queue where there would be none
        assert playout.lateness_s == pytest.approx(0.1, abs=0.001)

    def test_a_pause_of_the_reply_is_no_lateness(self) -> None:
        playout = Playout(RATE, 0.3)
        for _ in range(4):
            playout.begin()
            playout.arrived(10.0, RATE, 0)
            playout.arrived(15.0, RATE, RATE // 2)
        assert playout.lateness_s == pytest.approx(-0.5, abs=0.001)

    def test_old_chunks_are_forgotten(self) -> None:
        playout = Playout(RATE, 0.3)
        reply(playout, [(0.0, 0.1), (1.0, 0.1), (2.0, 0.1), (3.0, 0.1)])
        assert playout.hold_s == 0.3
        for _ in range(40):
            reply(playout, [(0.0, 1.0), (0.2, 1.0)])
        assert playout.hold_s == 0.0
