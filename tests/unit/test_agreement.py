"""Committed words: agreed twice, never taken back; and a decoder's loops are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.engines.agreement import Transcript, aligned, keys, without_loops

WORDS = st.lists(st.sampled_from(["turn", "Turn,", "on", "on.", "the", "light.", "lights", "off?"]), max_size=10)


def after(*hypotheses: str) -> Transcript:
    transcript = Transcript()
    for hypothesis in hypotheses:
        transcript.update(hypothesis.split())
    return transcript


def test_two_hypotheses_commit_what_they_share_but_for_the_newest_words() -> None:
    transcript = after("turn on the", "Turn on the light please")
    assert transcript.committed == ["Turn", "on", "the"]
    assert after("turn on the", "turn on the").committed == ["turn"]
    assert after("turn on the light").committed == []


def test_case_and_punctuation_are_no_disagreement() -> None:
    assert after("At that high level.", "At that high level, the air is").committed == ["At", "that", "high", "level"]


def test_committed_words_outlive_a_hypothesis_that_contradicts_them() -> None:
    transcript = after("the small dog ran", "the small dog ran away", "a tall frog ran away home")
    assert transcript.committed[:3] == ["the", "small", "dog"]
    assert transcript.words == ["the", "small", "dog", "ran", "away", "home"]


def test_a_word_more_or_less_before_the_end_does_not_shift_the_rest() -> None:
    transcript = after("would you please turn on", "would you please turn on the", "you please turn on the living room")
    assert transcript.words == ["would", "you", "please", "turn", "on", "the", "living", "room"]


def test_the_last_committed_word_takes_its_punctuation_from_what_follows() -> None:
    transcript = after("stop. And go on", "stop, and go")
    assert transcript.committed == ["stop"]
    transcript.update(["stop;", "and", "go", "on"])
    assert transcript.words == ["stop;", "and", "go", "on"]


@given(st.lists(WORDS, max_size=12))
def test_committed_text_only_grows_and_begins_every_text(hypotheses: list[list[str]]) -> None:
    transcript = Transcript()
    committed = ""
    for hypothesis in hypotheses:
        transcript.update(hypothesis)
        assert " ".join(transcript.words).startswith(committed)
        now = " ".join(transcript.committed)
        assert now.startswith(committed)
        committed = now


@given(st.lists(WORDS, min_size=2, max_size=6), WORDS)
def test_a_forced_cut_keeps_what_was_committed(hypotheses: list[list[str]], left: list[str]) -> None:
    transcript = Transcript()
    for hypothesis in hypotheses:
        transcript.update(hypothesis)
    committed = " ".join(transcript.committed)
    settled, rest = transcript.cut_forced(left)
    assert " ".join(settled + rest.words).startswith(committed)
    assert len(keys(settled + rest.committed)) >= len(transcript.committed)


@given(st.integers(0, 6))
def test_an_agreed_cut_divides_the_committed_words(count: int) -> None:
    transcript = after("a b c d e f g h", "a b c d e f g h")
    settled, rest = transcript.cut_agreed(count)
    assert settled + rest.committed == transcript.committed == list("abcdef")


@given(WORDS, WORDS)
def test_alignment_finds_the_prefix_nearest_in_words(committed: list[str], rest: list[str]) -> None:
    assert aligned(committed, committed + rest) == len(committed)


@pytest.mark.parametrize(("heard", "seconds", "kept"), [
    ("Six, six, six, six", 0.5, "Six,"),
    ("Three three three three", 0.3, "Three"),
    ("no no no no", 1.5, "no no no no"),
    ("The first is the first is the first is the first is the first is", 2.0, "The first is"),
    ("And then, I'm going to say, I'm going to say, I'm going to say, I'm going to say, I'm going", 12.0, "And then, I'm going to say,"),
    ("you you you you you you", 9.0, "you"),
    ("ha ha ha ha ha", 2.0, "ha ha ha ha ha"),
    ("what time is it what time is it", 3.0, "what time is it what time is it"),
    ("eight of spades four of clubs seven of hearts", 3.0, "eight of spades four of clubs seven of hearts"),
    ("", 0.0, ""),
])
def test_loops_are_cut_and_repeated_speech_is_not(heard: str, seconds: float, kept: str) -> None:
    assert " ".join(without_loops(heard.split(), seconds)) == kept
