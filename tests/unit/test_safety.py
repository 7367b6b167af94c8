"""Nothing of what must not be said is let through, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.safety import Safety


def said(safety: Safety, pieces: list[str]) -> tuple[str, str | None]:
    text = safety.begin()
    out = []
    for piece in pieces:
        out.append(text.feed(piece))
        if text.hit is not None:
            return "".join(out), text.hit
    return "".join([*out, text.end()]), text.hit


def test_without_rules_everything_passes_at_once() -> None:
    text = Safety().begin()
    assert text.feed("any") == "any" and text.feed("thing") == "thing" and text.end() == "" and text.hit is None
    assert Safety().empty


@pytest.mark.parametrize(("rule", "whole", "passed"), [
    ("darn", "Well, darn it.", "Well, "),
    ("darn", "Well, DARN.", "Well, "),
    ("very bad thing", "It is a very  bad\nthing to do.", "It is a "),
    ("c++", "I like C++ most.", "I like "),
    ("naïve", "How Naïve!", "How ")])
def test_words_are_found_whole_in_any_case_and_nothing_of_them_passes(rule: str, whole: str, passed: str) -> None:
    for pieces in ([whole], list(whole), [whole[i:i + 3] for i in range(0, len(whole), 3)]):
        assert said(Safety([rule]), pieces) == (passed, rule)


@pytest.mark.parametrize("whole", ["The class assesses it.", "Assume nothing", "as s", "a ssh key", "grass"])
def test_a_word_inside_another_is_no_hit(whole: str) -> None:
    assert said(Safety(["ass"]), list(whole)) == (whole, None)


def test_the_beginning_of_a_phrase_is_held_until_it_is_none() -> None:
    text = Safety(["kill the process"]).begin()
    assert text.feed("Please kill") == "Please " and text.feed(" the ") == "" and text.feed("light.") == "kill the light."


def test_a_pattern_may_span_words() -> None:
    safety = Safety(patterns=[r"\b\d{3}-\d{4}\b"])
    assert said(safety, ["Call 555", "-01", "23 now."]) == ("Call ", r"\b\d{3}-\d{4}\b")
    assert said(safety, ["Call 555", "-01", "."]) == ("Call 555-01.", None)


def test_a_pattern_that_does_not_compile_is_named() -> None:
    with pytest.raises(ValueError, match=r"'\(x' is no regular expression"):
        Safety(patterns=["(x"])


def test_a_pattern_that_takes_too_long_is_a_hit() -> None:
    safety = Safety(patterns=[r"(?:a|a|aa)+(?:a|aa)+(?:a|aa)+b$"])
    _, hit = said(safety, ["a" * 4000 + "c"])
    assert hit is not None


def test_the_hook_is_asked_clause_by_clause() -> None:
    asked: list[str] = []

    def hook(clause: str) -> bool:
        asked.append(clause)
        return "secret" not in clause

    passed, hit = said(Safety(hook=hook), list("It is so. Now, the secret is out. More."))
    assert (passed, hit) == ("It is so. Now,", "hook") and asked == ["It is so.", " Now,", " the secret is out."]
    asked.clear()
    assert said(Safety(hook=hook), list("Fine, then")) == ("Fine, then", None) and asked == ["Fine,", " then"]


def test_a_hook_that_raises_allows_nothing() -> None:
    def hook(clause: str) -> bool:
        raise RuntimeError(clause)

    assert said(Safety(hook=hook), ["Hello there. "]) == ("", "hook")


WORDS = st.lists(st.sampled_from(["bad", "badly", "very", "bad thing", "thing", " ", "a", ".", "é"]), max_size=12).map("".join)


@given(WORDS, st.lists(st.integers(1, 5), max_size=40))
def test_however_a_text_is_cut_the_same_is_let_through(whole: str, sizes: list[int]) -> None:
    safety = Safety(["bad", "bad thing", "very bad"])
    pieces, at = [], 0
    for size in sizes:
        pieces.append(whole[at:at + size])
        at += size
    cut, hit = said(safety, [*pieces, whole[at:]])
    at_once, hit_at_once = said(safety, [whole])
    assert cut == at_once and (hit is None) == (hit_at_once is None)
    assert whole.startswith(cut) and (hit is not None or cut == whole)
