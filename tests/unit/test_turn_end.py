"""How long to wait for more: what each vote does, and that no vote leaves the limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.turn_end import Votes, WaitRule, wait_ms

RULE = WaitRule(150.0, 1200.0, 600.0)
WORDS = ("set", "a", "timer", "for", "what", "is", "the", "time", "b", "r", "four", "two", "and", "coffee", "please", "you", "it")


def test_nothing_known_waits_as_a_fixed_rule_does() -> None:
    assert wait_ms(Votes(), RULE) == 600.0


@pytest.mark.parametrize("text", [
    "Set a timer for.", "Turn on the light in the", "I need eggs, milk, and", "Where can I find the?", "How long does it take to",
    "Well, I was thinking that", "What is the", "Can I", "Tell me a story about", "Um"])
def test_words_that_want_more_wait_long_however_final_they_sound(text: str) -> None:
    assert wait_ms(Votes(0.99, text), RULE) == RULE.longest


@pytest.mark.parametrize("text", ["The name is spelled B, R.", "My number is four, two", "It is 4 2 7", "A B C"])
def test_who_spells_or_counts_is_waited_for(text: str) -> None:
    assert wait_ms(Votes(0.99, text), RULE) == RULE.longest


@pytest.mark.parametrize("text", ["My number is 42.", "The code is 7", "Please dial 5"])
def test_a_number_that_is_told_may_grow(text: str) -> None:
    assert wait_ms(Votes(0.99, text, 0.9), RULE) == RULE.longest


@pytest.mark.parametrize("text", ["What's the weather like?", "What time is it?", "Where are you from?", "Turn off the kitchen light.",
                                  "A latte with milk, please.", "Play the Beatles."])
def test_whole_sentences_that_sound_and_read_final_are_answered_soon(text: str) -> None:
    assert wait_ms(Votes(0.97, text, 0.4), RULE) < 350.0


@pytest.mark.parametrize("text", ["Yes, please.", "No.", "Thank you."])
def test_a_word_that_is_a_whole_turn_needs_no_opinion_of_the_language_model(text: str) -> None:
    assert wait_ms(Votes(0.97, text), RULE) < 350.0
    assert 300.0 < wait_ms(Votes(0.97, text, 1e-3), RULE) < 350.0, "more may come"


def test_who_says_stop_may_say_more_since_nobody_waits_for_an_answer() -> None:
    assert wait_ms(Votes(0.97, "Okay, stop.", 0.9), RULE) == RULE.otherwise


def test_words_that_go_on_wait_long_however_final_they_sound() -> None:
    assert wait_ms(Votes(0.99, "Make the living room.", 1e-4), RULE) > 850.0
    assert wait_ms(Votes(0.99, "How long does it take you?", 1e-4), RULE) > 850.0


def test_a_sound_that_goes_on_waits_long_for_words_that_may_end() -> None:
    assert wait_ms(Votes(0.02, "I would like a coffee.", 0.1), RULE) > 850.0


def test_while_the_language_model_has_not_voted_nothing_is_hurried() -> None:
    assert wait_ms(Votes(0.9, "I would like a coffee."), RULE) > 400.0 > wait_ms(Votes(0.9, "I would like a coffee.", 0.6), RULE)


def test_a_whole_question_is_not_kept_waiting_by_a_doubtful_sound_alone() -> None:
    assert wait_ms(Votes(0.02, "What is the weather today?"), RULE) < 650.0 < wait_ms(Votes(0.02, "Half an hour."), RULE)


def test_a_vote_of_no_weight_is_none() -> None:
    deaf = WaitRule(150.0, 1200.0, 600.0, sound=0.0)
    assert len({wait_ms(Votes(sound, "A tea.", 0.3), deaf) for sound in (0.01, 0.99, None)}) == 1
    mute = WaitRule(150.0, 1200.0, 600.0, language=0.0)
    assert wait_ms(Votes(0.7, "A tea.", 0.001), mute) == wait_ms(Votes(0.7, "A tea.", 0.9), mute)


def test_who_pauses_long_is_given_more_than_before() -> None:
    assert wait_ms(Votes(0.97, "Play the Beatles.", 0.4, (500.0, 300.0)), RULE) == pytest.approx(650.0)
    assert wait_ms(Votes(0.97, "Play the Beatles.", 0.4, (5000.0,)), RULE) == RULE.longest


PROBABILITY = st.one_of(st.none(), st.floats(0, 1))


@given(st.floats(0, 1), st.floats(0, 1), PROBABILITY, st.one_of(st.none(), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)),
       st.lists(st.floats(0, 3000), max_size=3), st.floats(50, 500), st.floats(500, 3000), st.floats(0, 3), st.floats(0, 3))
def test_the_wait_stays_within_its_limits_and_never_grows_with_certainty(
        one: float, other: float, fixed: float | None, text: str | None, pauses: list[float], shortest: float, longest: float,
        sound: float, language: float) -> None:
    rule = WaitRule(shortest, longest, (shortest + longest) / 2, sound, language)
    low, high = sorted((one, other))
    for votes in ([Votes(p, text, fixed, pauses) for p in (low, high)], [Votes(fixed, text, p, pauses) for p in (low, high)]):
        unsure, sure = (wait_ms(vote, rule) for vote in votes)
        assert shortest <= sure <= unsure + 1e-9 <= longest + 1e-6
    assert shortest <= wait_ms(Votes(None, text, None, pauses), rule) <= longest
