"""What was heard, from frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.ledger import Ledger


def ledger(*chunks: tuple[str, int]) -> Ledger:
    out = Ledger()
    for text, frames in chunks:
        out.begin(text)
        out.add(frames)
        out.end()
    return out


def test_everything_was_heard() -> None:
    assert ledger(("One two. ", 1000), ("Three four.", 1000)).heard(2000) == "One two. Three four."


def test_nothing_was_heard() -> None:
    assert ledger(("One two. ", 1000)).heard(0) == ""
    assert Ledger().heard(500) == ""


def test_a_chunk_is_cut_at_a_word() -> None:
    assert ledger(("One two. ", 1000), ("alpha bravo carol delta", 2000)).heard(2000) == "One two. alpha bravo"


def test_a_chunk_still_being_made_counts_as_far_as_it_is() -> None:
    out = ledger(("One. ", 100))
    out.begin("two three")
    out.add(400)
    assert out.heard(100) == "One."
    assert out.heard(500) == "One. two three"


CHUNKS = st.lists(st.tuples(st.sampled_from(["a bc. ", "def ", "ghi jkl, "]), st.integers(1, 50)), min_size=1, max_size=6)


@given(CHUNKS, st.integers(0, 400))
def test_heard_is_always_a_prefix(chunks: list[tuple[str, int]], frames: int) -> None:
    whole = "".join(text for text, _ in chunks)
    assert whole.startswith(ledger(*chunks).heard(frames))
