"""The ladder: what is left out, when, and that everything comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.pipeline.ladder import STEP_S, Ladder, Level, table
from edgevoice.settings import FaultSettings

LIMITS = FaultSettings(hot_c=80.0, memory_share=0.9, hold_s=30.0)
WELL = {"temperature_c": 50.0, "throttled": 0.0, "memory_share": 0.4, "memory_pressure": 0.0}

readings = st.fixed_dictionaries({
    "temperature_c": st.none() | st.floats(20, 120), "throttled": st.sampled_from([None, 0.0, 1.0]),
    "memory_share": st.none() | st.floats(0, 1.2), "memory_pressure": st.none() | st.floats(0, 1)})
looks = st.lists(st.tuples(st.floats(0.1, 100), readings, st.sets(st.sampled_from(["stt", "llm", "tts"]))), max_size=60)


def hot(celsius: float) -> dict[str, float | None]:
    return {**WELL, "temperature_c": celsius}


@given(looks)
def test_it_moves_by_single_steps_with_pauses_and_always_returns_to_full(history: list) -> None:  # type: ignore[type-arg]
    ladder, now = Ladder(LIMITS), 0.0
    moved: list[tuple[float, Level]] = []
    before = Level.FULL
    for pause, found, broken in history:
        now += pause
        ladder.look(now, found, sorted(broken))
        floor = Level.RECORDED if "tts" in broken else Level.SKILLS if "llm" in broken else Level.FULL
        strained = ladder._strained
        assert ladder.level == max(strained, floor)
        assert (ladder.why == "") == (ladder.level is Level.FULL)
        assert abs(strained - before) <= 1
        if strained is not before:
            if moved:
                assert now - moved[-1][0] >= (STEP_S if strained > before else LIMITS.hold_s)
            moved.append((now, strained))
        before = strained
    for _ in range(2 * len(Level)):
        now += LIMITS.hold_s
        ladder.look(now, WELL)
    assert ladder.level is Level.FULL and ladder.why == ""


@given(st.lists(st.floats(75.1, 84.9), min_size=2, max_size=50))
def test_a_figure_that_trembles_about_a_limit_moves_it_once(celsius: list[float]) -> None:
    ladder = Ladder(LIMITS)
    ladder.look(0.0, hot(81.0))
    changes = sum(ladder.look(100.0 * (1 + index), hot(value)) for index, value in enumerate(celsius))
    assert (ladder.level, changes) == (Level.SHORTER, 0)


@given(readings)
def test_what_is_unknown_asks_for_nothing_and_more_strain_never_for_less(found: dict[str, float | None]) -> None:
    asked, _ = Ladder(LIMITS).asked(found)
    for name in found:
        less, _ = Ladder(LIMITS).asked({**found, name: None})
        assert less <= asked
    assert Ladder(LIMITS).asked(dict.fromkeys(found)) == (Level.FULL, "")


def test_every_row_lets_go_below_where_it_begins() -> None:
    for row in table(LIMITS):
        assert row.under < row.over
        assert Ladder(LIMITS).asked({row.reading: row.over})[0] >= row.level
        assert "{" not in row.why.format(value=row.over)


def test_a_board_that_gets_hotter_and_cools() -> None:
    ladder, seen = Ladder(LIMITS), []
    hotter = [(0, 79), (2, 80), (4, 91), (6, 91), (8, 91), (12, 91), (14, 91)]
    for now, celsius in [*hotter, *((now, 60) for now in (20, 49, 50, 79, 80, 110))]:
        ladder.look(float(now), hot(float(celsius)))
        seen.append((now, ladder.level.value))
    assert seen == [(0, 0), (2, 1), (4, 1), (6, 1), (8, 2), (12, 2), (14, 3), (20, 3), (49, 3), (50, 2), (79, 2), (80, 1), (110, 0)]


@pytest.mark.parametrize(("engine", "level"), [("llm", Level.SKILLS), ("tts", Level.RECORDED), ("stt", Level.FULL)])
def test_an_engine_that_is_not_asked_counts_at_once_and_no_longer_than_that(engine: str, level: Level) -> None:
    ladder = Ladder(LIMITS)
    ladder.look(0.0, WELL, [engine])
    assert ladder.level is level
    ladder.look(0.2, WELL)
    assert ladder.level is Level.FULL and ladder.why == ""
