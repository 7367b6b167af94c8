"""Facts come with the questions that ask for them, and with no other."""

from __future__ import annotations

from datetime import datetime

import pytest

from edgevoice.dialog.facts import Facts

FACTS = Facts("Berlin in Germany", lambda: datetime(2026, 11, 7, 14, 5))
TIME = "The clock says 2:05 PM. Today is Saturday, November 7, 2026."


@pytest.mark.parametrize("question", ["What time is it?", "what's the time", "Which day is today?", "What is tomorrow's date?"])
def test_the_time(question: str) -> None:
    assert FACTS.told_with(question) == f"{TIME} {question}"


@pytest.mark.parametrize("question", ["Where are we?", "what city is this", "Where is the nearest pharmacy?"])
def test_the_place(question: str) -> None:
    assert FACTS.told_with(question) == f"We are in Berlin in Germany. {question}"


def test_both_and_neither() -> None:
    assert FACTS.before("What time is it here?") == f"{TIME} We are in Berlin in Germany."
    assert FACTS.told_with("Why is the sky blue?") == "Why is the sky blue?"
    assert Facts().told_with("What time is it here?") == "What time is it here?"
