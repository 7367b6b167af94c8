"""The speech detector: hysteresis, back-dated edges, and its laws under any probabilities."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.speech import SpeechDetector, SpeechEnd, SpeechEvent, SpeechStart

FRAME = 512


def detector(min_ms: float = 64, hang_ms: float = 160, *, start_lag_ms: float = 0, end_lag_ms: float = 0) -> SpeechDetector:
    return SpeechDetector(0.5, 0.35, min_ms, hang_ms, 32, start_lag_ms=start_lag_ms, end_lag_ms=end_lag_ms)


def feed(machine: SpeechDetector, probs: list[float], first: int = 0) -> list[tuple[int, SpeechEvent]]:
    """(frame number, event) for each event."""
    return [(n, event) for n, p in enumerate(probs) for event in machine.feed(p, first + n * FRAME)]


def test_a_segment_carries_its_real_edges_and_is_told_late() -> None:
    events = feed(detector(), [0.1] * 3 + [0.9] * 5 + [0.1] * 8)
    assert events == [(4, SpeechStart(3 * FRAME)), (12, SpeechEnd(8 * FRAME))]


def test_the_networks_own_lateness_is_taken_off() -> None:
    events = feed(detector(start_lag_ms=16, end_lag_ms=48), [0.1] * 3 + [0.9] * 5 + [0.1] * 8)
    assert [event.sample for _, event in events] == [3 * FRAME - 256, 8 * FRAME - 768]


def test_speech_shorter_than_the_minimum_is_none() -> None:
    assert feed(detector(min_ms=96), [0.9, 0.9, 0.1, 0.9, 0.9, 0.1]) == []


def test_between_the_thresholds_speech_goes_on_but_does_not_begin() -> None:
    assert feed(detector(), [0.4] * 20) == []
    assert feed(detector(), [0.9] * 2 + [0.4] * 20) == [(1, SpeechStart(0))]


def test_a_pause_shorter_than_the_hangover_does_not_end_it() -> None:
    machine = detector(hang_ms=160)
    assert feed(machine, [0.9] * 3 + [0.0] * 4 + [0.9] + [0.0] * 4) == [(1, SpeechStart(0))]
    assert (machine.speaking, machine.quiet_frames, machine.last_speech) == (True, 4, 8 * FRAME)


def test_finish_closes_what_is_open_and_only_that() -> None:
    machine = detector()
    feed(machine, [0.9] * 4 + [0.0])
    assert machine.finish() == [SpeechEnd(4 * FRAME)]
    assert machine.finish() == []
    feed(machine, [0.9])
    assert machine.finish() == []


def test_indices_may_count_at_another_rate() -> None:
    machine = SpeechDetector(0.5, 0.35, 64, 64, 32, rate=48_000, start_lag_ms=0, end_lag_ms=0)
    events = [event for n, p in enumerate([0.9] * 3 + [0.0] * 2) for event in machine.feed(p, n * 1536)]
    assert events == [SpeechStart(0), SpeechEnd(3 * 1536)]


@pytest.mark.parametrize(("onset", "offset"), [(0.3, 0.5), (1.0, 0.5), (0.5, 0.0)])
def test_thresholds_that_make_no_sense_are_refused(onset: float, offset: float) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        SpeechDetector(onset, offset, 64, 160, 32)


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(0, 200), st.integers(32, 400), st.integers(0, 60), st.integers(0, 60))
def test_starts_and_ends_alternate_and_edges_never_go_back(probs: list[float], min_ms: int, hang_ms: int, early: int, late: int) -> None:
    machine = detector(min_ms, hang_ms, start_lag_ms=early, end_lag_ms=late)
    told = feed(machine, probs, 4096)
    now = [4096 + (n + 1) * FRAME for n, _ in told]
    events = [event for _, event in told]
    speaking = machine.speaking
    closing = machine.finish()
    assert len(closing) == speaking
    events += closing
    assert [type(event) for event in events] == [SpeechStart, SpeechEnd] * (len(events) // 2)
    samples = [event.sample for event in events]
    assert all(a <= b for a, b in pairwise(samples))
    assert all(start < end for start, end in zip(samples[::2], samples[1::2], strict=True))
    assert all(event.sample <= moment for event, moment in zip(events, now, strict=False))


@given(st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), max_size=120))
def test_every_end_follows_a_whole_hangover_of_silence(probs: list[float]) -> None:
    for n, event in feed(detector(64, 160), probs):
        if isinstance(event, SpeechEnd):
            assert max(probs[n - 4:n + 1]) < 0.35
        else:
            assert probs[event.sample // FRAME] >= 0.5 and min(probs[event.sample // FRAME:n + 1]) >= 0.35
