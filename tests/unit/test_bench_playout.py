"""What the playout benchmark counts, on arrivals counted by hand."""

from __future__ import annotations

import pytest

from tests.bench.playout import RATE, Piece, buzz, play, slowed, synthetic


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
    pieces = [[(0.01, buzz(1.0)), (0.03, buzz(3.0))], [(0.02, buzz(2.0))]]
    slow = slowed(pieces, 0.5, 2)
    assert [[round(piece.at, 3) for piece in reply] for reply in slow] == [[0.5, 2.0], [1.0]] * 2
    many = synthetic(0.7, 200)
    sound = sum(len(piece.samples) for reply in many for piece in reply) / RATE
    assert sum(reply[-1].at for reply in many) / sound == pytest.approx(0.7, rel=0.05)
    assert [piece.at for piece in synthetic(0.7, 3)[2]] == [piece.at for piece in many[2]]
