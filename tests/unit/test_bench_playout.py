"""What the playout benchmark counts, on arrivals counted by hand."""

from __future__ import annotations

import itertools

import pytest

from tests.bench.playout import buzz, packets, play, stream, synthetic
from tests.bench.slow_voice import Piece, load_of


def test_gaps_silence_and_latency_are_those_of_the_arrivals() -> None:
    reply = [Piece(0.5, buzz(1.0)), Piece(1.8, buzz(1.0)), Piece(2.0, buzz(1.0)), Piece(4.0, buzz(0.5))]
    heard = play([reply, reply], stretching=False)
    assert (heard.spoken_s, heard.gaps, heard.stretched_s) == (pytest.approx(7.0), 4, 0.0)
    assert heard.silent_s == pytest.approx(2 * (0.3 + 0.2), abs=0.021)
    assert heard.waits_s == pytest.approx([0.0, 0.0], abs=0.011)
    assert heard.a_minute(heard.gaps) == pytest.approx(4 * 60 / 7)


def test_stretching_hides_what_it_can() -> None:
    replies = [[Piece(0.0, buzz(1.0)), Piece(1.15, buzz(1.0)), Piece(2.2, buzz(1.0))]] * 12
    exact, ours = play(replies, stretching=False), play(replies, stretching=True)
    assert exact.gaps == 24 or exact.gaps == 12
    assert ours.gaps <= 6  # those of the first replies, from which it learns
    assert ours.stretched_s > 0.5 and ours.spoken_s == exact.spoken_s


def test_a_load_is_work_for_a_second_of_sound() -> None:
    assert load_of([[Piece(0.5, buzz(1.0)), Piece(2.0, buzz(3.0))], [Piece(1.0, buzz(2.0))]]) == pytest.approx(0.5)
    many = synthetic(0.7, 200)
    assert load_of(many) == pytest.approx(0.7, rel=0.05)
    assert [piece.at for piece in synthetic(0.7, 3)[2]] == [piece.at for piece in many[2]]


def test_nothing_is_held_back_by_default() -> None:
    replies = [[Piece(0.0, buzz(1.0)), Piece(1.8, buzz(1.0))]] * 8
    exact, held = play(replies, stretching=False), play(replies, stretching=True)
    assert play(replies, stretching=True, most_hold_s=0.0).waits_s == exact.waits_s
    assert held.wait_ms > exact.wait_ms + 100


def test_a_live_stream_in_time_has_no_gap_and_its_delay() -> None:
    even = [Piece(0.02 * (i + 1), buzz(0.02)) for i in range(500)]
    steady = stream(even, (0.0, 0.1, 0.0))
    assert (steady.gaps_a_minute, steady.delay_ms) == (0.0, pytest.approx(100, abs=11))
    jittery = packets(30, bursts=True)
    assert all(a.at <= b.at for a, b in itertools.pairwise(jittery))
    assert stream(jittery, None).delay_ms < 0.8 * stream(jittery, (0.0, 0.05, 0.0)).delay_ms
