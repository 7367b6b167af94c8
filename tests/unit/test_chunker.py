"""Pieces of a reply: independent of the model's tokens, short at first, natural later, and nothing lost."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgevoice.dialog.chunker import GROWTH, IDLE_S, LONGEST_WORD, STRETCH, Chunk, Chunker
from edgevoice.dialog.spoken import spoken

FIRST, MOST = 4, 24

REPLIES = (
    "The capital of France is Paris. It is known for the Eiffel Tower, the Louvre museum, and a long history of art and fashion that "
    "draws millions of visitors every year.",
    "Yes. The capital of France is Paris.",
    "Sure! I can help with that. What would you like to know?",
    "Dr. Smith lives at 5 km from here, e.g. near St. Mary. He arrived on May 5, 2024 at 7 p.m. and left at 10:30 with $5 million.",
    "It is 3.5 degrees... maybe 4. Well, I think that 1,234,567 people in the U.S. know it, i.e. not many at all.",
    "**The capital** of *France* is **Paris**. Here is a list:\n\n- one thing\n- another thing\n\n1. First step\n2. Second step\n\n"
    "```\ncode here\n```\nDone 😊\n",
    "# Weather\n\n| day | high |\n|---|---|\n| Monday | 20 °C |\n\nSee [the full report](https://x.org/r) — it is long.",
    "I do not know that, but if you tell me a little more about it, then I will try to find an answer which is of use to you and yours.",
    "Yes.", "I am", "Hello", "😊", "", " ", "...", "No. 5 is it. No. It is not—really.",
    " ".join(["word"] * 100), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20", "x" * 700,
)


def cut(deltas: list[str], first: int = FIRST, most: int = MOST) -> list[Chunk]:
    chunker = Chunker(first, most)
    return [chunk for delta in deltas for chunk in chunker.feed(delta, 0.0)] + chunker.flush()


def said(text: str, first: int = FIRST, most: int = MOST) -> list[str]:
    return [chunk.spoken for chunk in cut([text], first, most)]


def count(text: str) -> int:
    return sum(any(c.isalnum() for c in word) for word in text.split())


TEXT = st.one_of(
    st.sampled_from(REPLIES),
    st.lists(st.sampled_from([
        "the", "cat", "sat", "on", "mats,", "and", "Paris.", "Dr.", "Smith", "5", "km", "$5", "May", "5,", "2024", "10:30", "e.g.", "...",
        "-", "—", "**bold**", "*it", "is*", "`x`", "[a", "link](u)", "\n", "\n\n", "- item", "1. one", "# head\n", "```\n", "😊",
        "(so", "far)", '"quote"', "U.S.", "what?", "No!", "3.14", "%", "etc.", "|", "A|B", "supercalifragilistic", "\\*", "a.b",
        "...well"]), max_size=40).map(" ".join),
    st.text(st.sampled_from("aB 1.,!?-—*_#`[]()\n|<>&$%😊"), max_size=80))


@given(text=TEXT, cuts=st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=500)
@example("Yes. The 5 km", [1, 2, 3, 5, 9])
def test_deltas_do_not_matter(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(at for at in cuts if at < len(text))})
    whole = cut([text])
    assert cut([text[a:b] for a, b in itertools.pairwise(edges)]) == whole
    assert cut(list(text)) == whole


@given(text=TEXT, first=st.integers(2, 8), more=st.integers(0, 30))
@settings(max_examples=500)
def test_nothing_is_lost_or_doubled(text: str, first: int, more: int) -> None:
    chunks = cut([text], first, first + more)
    assert "".join(chunk.shown for chunk in chunks) == text
    assert [chunk.start for chunk in chunks] == [0, *(chunk.end for chunk in chunks)][:len(chunks)]
    assert all(text[chunk.start:chunk.end] == chunk.shown for chunk in chunks)
    assert [chunk.first for chunk in chunks] == [i == 0 for i in range(len(chunks))]
    assert [chunk.last for chunk in chunks] == [i == len(chunks) - 1 for i in range(len(chunks))]
    assert all(chunk.spoken for chunk in chunks[:-1])


@given(text=TEXT)
@settings(max_examples=300)
def test_no_lone_word_before_the_end(text: str) -> None:
    for chunk in cut([text])[:-1]:
        assert count(chunk.spoken) >= 2


@given(words=st.lists(st.sampled_from(["the", "cat", "house", "of", "red,", "and", "blue.", "why?", "is"]), min_size=1, max_size=120))
@settings(max_examples=300)
def test_sizes(words: list[str]) -> None:
    """The first within its limit, each later one within what the growth allows, none over the most."""
    sizes = [count(chunk.spoken) for chunk in cut([" ".join(words)])]
    assert sizes[0] <= FIRST
    for i, size in enumerate(sizes[1:], 1):
        assert size <= min(MOST, round(round(FIRST * GROWTH ** i) * STRETCH))


@pytest.mark.parametrize("text", [reply for reply in REPLIES if len(reply) < 600])
def test_pieces_say_what_the_whole_says(text: str) -> None:
    """No cut goes through what is read as one: numbers, dates, units, titles."""
    assert " ".join(filter(None, said(text))) == spoken(text)


@pytest.mark.parametrize(("text", "pieces"), [
    ("The capital of France is Paris.", ["The capital of France", "is Paris."]),
    ("Hello there, my friend.", ["Hello there,", "my friend."]),
    ("Yes. The capital of France is Paris.", ["Yes. The capital", "of France is Paris."]),
    ("Well, I think that it rains.", ["Well, I think", "that it rains."]),
    ("It is in the kitchen.", ["It is in", "the kitchen."]),
    ("Yes.", ["Yes."]),
    ("Dr. Smith lives in St. Mary. So do I.", ["Dr. Smith lives", "in Saint Mary.", "So do I."]),
    ("There are 5 km to go.", ["There are 5 km", "to go."]),
    ("The number 1,234,567 is big.", ["The number", "one million two hundred thirty-four thousand five hundred sixty-seven is big."]),
    ("Wait... what is this? Oh.", ["Wait... what is this?", "Oh."]),
    ("One moment... here it is.", ["One moment...", "here it is."]),
    ("**One two** three *four five* six.", ["One two three four", "five six."]),
    ("It costs\n$5 million or so, he said.", ["It costs $5 million", "or so, he said."]),
])
def test_places(text: str, pieces: list[str]) -> None:
    assert said(text) == [spoken(piece) for piece in pieces]


def test_the_first_piece_does_not_wait_for_more_than_it_needs() -> None:
    """The beginning of the fifth word is what shows that the fourth has ended."""
    chunker = Chunker(4, 24)
    assert chunker.feed("The capital of France", 0) == []
    assert chunker.feed(" ", 0) == []
    (chunk,) = chunker.feed("i", 0)
    assert chunk == Chunk("The capital of France", "The capital of France ", 0, 22, first=True, last=False)


def test_a_clause_ends_the_first_piece_early() -> None:
    chunker = Chunker(8, 24)
    assert [chunk.spoken for chunk in chunker.feed("Of course, t", 0)] == ["Of course,"]


def test_later_pieces_end_with_sentences_where_they_can() -> None:
    text = ("The weather will be fine today. " * 12).strip()
    pieces = said(text)
    assert all(piece.endswith(".") for piece in pieces[1:])
    assert all(count(piece) <= MOST for piece in pieces)


def test_a_long_sentence_is_cut_before_a_phrase() -> None:
    text = ("If you look at the big red house over there you will see a man who plays with a very small brown dog while his sister reads "
            "another old book in the shade of a tall tree")
    for piece in said(text)[2:]:
        assert piece.split()[0] in ("who", "with", "while", "in", "that", "and", "over"), piece


class TestIdle:
    def test_hands_out_whole_words_after_a_pause(self) -> None:
        chunker = Chunker(4, 24)
        assert chunker.feed("Let me thi", 1.0) == []
        assert chunker.idle(1.0 + IDLE_S / 2) == []
        (chunk,) = chunker.idle(1.0 + IDLE_S)
        assert (chunk.spoken, chunk.shown, chunk.first, chunk.last) == ("Let me", "Let me ", True, False)
        assert chunker.idle(9.0) == []
        chunks = chunker.feed("nk about it for a while.", 9.0) + chunker.flush()
        assert " ".join(chunk.spoken for chunk in chunks) == "think about it for a while."

    def test_never_a_lone_word(self) -> None:
        chunker = Chunker(4, 24)
        chunker.feed("Well ", 0.0)
        assert chunker.idle(5.0) == []
        assert [chunk.spoken for chunk in chunker.flush()] == ["Well"]

    def test_a_sentence_that_is_complete(self) -> None:
        chunker = Chunker(12, 24)
        chunker.feed("I am here.", 0.0)
        assert [chunk.spoken for chunk in chunker.idle(1.0)] == ["I am here."]
        assert [(chunk.spoken, chunk.last) for chunk in chunker.flush()] == [("", True)]

    @pytest.mark.parametrize("text", ["It costs 5", "It costs 5 ", "I saw Dr. ", "He came in May ", "on May 5, "])
    def test_keeps_what_belongs_together(self, text: str) -> None:
        chunker = Chunker(12, 24)
        chunker.feed(text, 0.0)
        for chunk in chunker.idle(1.0):
            assert not re.search(r"(\d|Dr\.|May|five,?|Doctor)$", chunk.spoken)

    def test_before_anything_and_after_the_end(self) -> None:
        chunker = Chunker(4, 24)
        assert chunker.idle(100.0) == []
        chunker.feed("one two", 0.0)
        chunker.flush()
        assert chunker.idle(100.0) == []

    @given(text=TEXT, stops=st.sets(st.integers(0, 400), max_size=5))
    @settings(max_examples=300)
    def test_nothing_is_lost(self, text: str, stops: set[int]) -> None:
        chunker = Chunker(4, 24)
        chunks: list[Chunk] = []
        for i, c in enumerate(text):
            chunks += chunker.feed(c, float(i))
            if i in stops:
                chunks += chunker.idle(i + 1.0)
        chunks += chunker.flush()
        assert "".join(chunk.shown for chunk in chunks) == text
        assert all(chunk.spoken for chunk in chunks[:-1])


class TestEdges:
    def test_empty_reply(self) -> None:
        assert Chunker(4, 24).flush() == []
        assert cut([""]) == []

    def test_unspeakable_reply(self) -> None:
        assert cut(["😊\n"]) == [Chunk("", "😊\n", 0, 2, first=True, last=True)]

    def test_flush_twice_and_feed_after_it(self) -> None:
        chunker = Chunker(4, 24)
        chunker.feed("Hello", 0.0)
        assert len(chunker.flush()) == 1 and chunker.flush() == []
        with pytest.raises(ValueError, match="flushed"):
            chunker.feed("x", 0.0)

    def test_without_spaces_it_does_not_wait_for_ever(self) -> None:
        chunks = cut(["字" * 5000])
        assert len(chunks) >= 3 and max(len(chunk.shown) for chunk in chunks) <= (MOST + 1) * LONGEST_WORD

    @pytest.mark.parametrize("sizes", [(1, 24), (5, 4)])
    def test_sizes_that_make_no_sense(self, sizes: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="first_words"):
            Chunker(*sizes)
