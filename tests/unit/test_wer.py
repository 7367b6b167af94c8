"""What the word error rate forgives, and what it counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.wer import cardinal, count, distance, normalize, ordinal

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@pytest.mark.parametrize(("written", "spoken"), [
    ("2.30 p.m.", "two thirty p m"), ("2:30 PM", "two thirty p m"), ("Two thirty p m..", "two thirty p m"), ("2 30 pm", "two thirty p m"),
    ("it's 12:05", "it's twelve oh five"), ("10:00 a.m. sharp", "ten a m sharp"), ("at 7 am I am", "at seven a m i am"),
    ("the 15th century", "the fifteenth century"), ("21st, 40th and 12th", "twenty first fortieth and twelfth"),
    ("20,000", "twenty thousand"), ("3.14", "three point one four"), ("99:99", "ninety nine ninety nine"),
    ("It costs $5 & 10%.", "it costs five dollars and ten percent"),
    ("Mr. Quilter’s", "mister quilter's"), ("'tis ill-disposed", "tis ill disposed"), ("Counseled!", "counselled"), ("… ♪", ""),
])
def test_what_sounds_alike_is_alike(written: str, spoken: str) -> None:
    assert normalize(written) == spoken.split()


def test_numbers_are_spelled() -> None:
    assert [cardinal(n) for n in (0, 13, 20, 99, 100, 1234, 1_000_000)] == [
        "zero", "thirteen", "twenty", "ninety nine", "one hundred", "one thousand two hundred thirty four", "one million"]
    assert [ordinal(n) for n in (1, 2, 3, 8, 12, 20, 101)] == [
        "first", "second", "third", "eighth", "twelfth", "twentieth", "one hundred first"]


def test_errors_are_summed_before_dividing() -> None:
    found = count([("turn on the light", "turn off light"), ("stop", "stop"), ("go", "")])
    assert (found.errors, found.words) == (3, 6)
    assert found.rate == 0.5
    assert count([]).rate == 0.0


def test_words_heard_where_none_were_said_count() -> None:
    assert count([("", "you")]).errors == 1
    assert count([("blockbooks", "block books")]).errors == 2


@given(WORDS, WORDS, WORDS)
def test_distance_is_a_metric(a: list[str], b: list[str], c: list[str]) -> None:
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
