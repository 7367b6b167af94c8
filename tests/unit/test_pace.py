"""How much sound a listener gets, in stepped time."""

from __future__ import annotations

from edgevoice.adapters.http.pace import LATE_S, RAISE_S, Pace


def wanting(quality: str) -> Pace:
    pace = Pace()
    pace.wanted = quality  # type: ignore[assignment]
    return pace


def test_who_is_late_goes_down_a_step_and_up_again_after_a_while() -> None:
    pace = wanting("full")
    assert not pace.note(0.1, 0.0) and pace.quality == "full"
    assert pace.note(LATE_S, 1.0) and pace.quality == "low"
    assert pace.note(LATE_S, 2.0) and pace.quality == "none"
    assert not pace.note(LATE_S, 3.0), "there is nothing less"
    assert not pace.note(0.0, 1.0 + RAISE_S) and pace.note(0.0, 3.0 + RAISE_S) and pace.quality == "low"
    assert not pace.note(0.5, 20.0 + RAISE_S), "some delay, but no step"
    assert not pace.note(0.0, 4.0 + 2 * RAISE_S) and pace.note(0.0, 21.0 + 2 * RAISE_S) and pace.quality == "full"


def test_a_relapse_doubles_the_wait() -> None:
    pace = wanting("full")
    pace.note(LATE_S, 0.0)
    assert pace.note(0.0, RAISE_S) and pace.quality == "full"
    pace.note(LATE_S, RAISE_S + 1)
    assert not pace.note(0.0, 2 * RAISE_S + 1.5) and pace.note(0.0, 3 * RAISE_S + 1.5) and pace.quality == "full"


def test_a_full_buffer_is_being_late_and_no_more_than_was_wanted_is_given() -> None:
    pace = wanting("low")
    pace.buffer(True, 10.0)
    assert not pace.note(0.0, 10.0 + LATE_S / 2) and pace.note(0.0, 10.0 + LATE_S) and pace.quality == "none"
    pace.buffer(False, 12.0)
    assert pace.note(0.0, 12.0 + RAISE_S) and pace.quality == "low"
    assert not pace.note(0.0, 13.0 + 2 * RAISE_S) or pace.quality == "low"
