"""Whether somebody who speaks over the reply means it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.bargein import MEANT, Meaning, weigh

WORDS = ("can", "i", "have", "a", "coffee", "yeah", "mm", "you", "right", "stop", "the", "kitchen", "oh", "what", "okay")


@pytest.mark.parametrize("text", [
    "Stop.", "stop it", "Wait!", "No.", "No, no.", "Hold on.", "hang on a second", "Okay, stop.", "Oh wait", "That’s enough.", "Never mind",
    "Actually, make it tea", "Cancel that."])
def test_a_word_of_stopping_confirms_at_once(text: str) -> None:
    assert weigh(text, over=False) is Meaning.STOP
    assert weigh(text, over=True) is Meaning.STOP


@pytest.mark.parametrize("text", [
    "Can I have?", "Give me it.", "What time", "Brew it.", "I'd like a latte", "yeah but what about tomorrow", "okay and the other one"])
def test_a_few_words_confirm_while_they_are_spoken(text: str) -> None:
    assert weigh(text, over=False) is Meaning.WORDS


@pytest.mark.parametrize("text", [
    "Mm-hm.", "Mm-mh.", "Uh-huh.", "Yeah.", "Yeah, yeah.", "Okay.", "Right.", "I see.", "Oh, I see.", "Sure.", "Wow.", "Got it.", "Really?",
    "Mhm, okay."])
def test_assent_is_no_interruption_however_long(text: str) -> None:
    for over in (False, True):
        assert weigh(text, over=over) is Meaning.BACKCHANNEL


@pytest.mark.parametrize("text", ["", "…", "You", "You.", "M.", "Bye.", "The", "M. H. M."])
def test_what_the_recognizer_makes_of_noise_is_nothing(text: str) -> None:
    for over in (False, True):
        assert weigh(text, over=over) not in MEANT | {Meaning.DOUBTFUL}


def test_one_other_word_is_believed_only_when_no_more_came() -> None:
    assert weigh("Kitchen", over=False) is Meaning.DOUBTFUL
    assert weigh("Kitchen", over=True) is Meaning.WORDS
    assert weigh("Can I have?", over=False, enough=4) is Meaning.DOUBTFUL


@pytest.mark.parametrize("text", ["I notice it", "nowhere to go", "waiter please", "stopwatch two minutes"])
def test_a_word_that_begins_like_stopping_is_none(text: str) -> None:
    assert weigh(text, over=False) is not Meaning.STOP


@given(st.lists(st.sampled_from(WORDS), max_size=8), st.lists(st.sampled_from(WORDS), max_size=4))
def test_more_words_never_take_a_confirmation_back(said: list[str], more: list[str]) -> None:
    if weigh(" ".join(said), over=False) in MEANT:
        assert weigh(" ".join(said + more), over=False) in MEANT
        assert weigh(" ".join(said), over=True) in MEANT
