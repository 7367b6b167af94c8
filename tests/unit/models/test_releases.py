"""Which release is in force: pure steps from state to state, and a file that is read as it was written or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.models.releases import Probation, Releases, State, Undone, order, version_of

IDS = [f"1.{k}-0000000{k}" for k in range(4)]
STEPS = st.lists(st.one_of(st.sampled_from(IDS).map(lambda id: ("stage", id)),
                           st.sampled_from(["unstage", "activate", "begin", "end", "settle", "undo"]).map(lambda name: (name, ""))))


def stepped(state: State, name: str, id: str) -> State:
    match name:
        case "stage":
            return state.stage(id)
        case "end":
            return state.end(10.0, 1)
        case "undo":
            return state.undo("test", 1.0)
        case _:
            made: State = getattr(state, name)()
            return made


@given(STEPS)
def test_laws_of_the_steps(steps: list[tuple[str, str]]) -> None:
    """Only by ``activate`` something new is in force, and ``undo`` brings back what proved itself last, never what was taken back."""
    state, proved = State(), ""
    for name, id in steps:
        before, state = state, stepped(state, name, id)
        if before.probation is None:
            proved = before.current
        if state.current != before.current:
            assert (name, state.current) in (("activate", before.staged), ("undo", proved))
        if state.probation is not None:
            assert state.previous == proved
        else:
            assert not state.previous
        assert state.probation is None or state.probation.crashes >= 0
        assert len(state.undone) <= 8


def test_a_life_that_ends_in_order_is_no_crash() -> None:
    state = State(staged=IDS[0]).activate().begin().begin().end(30.0, 2)
    assert state.probation == Probation(crashes=1, lived_s=30.0, turns=2)


def test_one_that_replaces_one_on_probation_keeps_what_proved_itself() -> None:
    state = State(IDS[0], staged=IDS[1]).activate().stage(IDS[2]).activate()
    assert (state.current, state.previous) == (IDS[2], IDS[0])


@pytest.mark.parametrize(("one", "other"), [("1.9", "1.10"), ("", "0.0.1"), ("1", "1.0.1"), ("1.4.0", "2")])
def test_order_of_versions(one: str, other: str) -> None:
    assert order(one) < order(other)


def test_versions_that_are_the_same() -> None:
    assert order("1.4") == order("1.4.0.0") and version_of("1.4-00000000") == "1.4" and version_of("") == ""


states = st.builds(State, *[st.sampled_from(["", *IDS])] * 3, st.none() | st.builds(
    Probation, st.integers(0, 9), st.floats(0, 1e6), st.integers(0, 99)), st.lists(st.builds(
        Undone, st.sampled_from(IDS), st.text(), st.floats(0, 1e10)), max_size=3).map(tuple))


@given(states)
def test_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, state: State) -> None:
    root = tmp_path_factory.mktemp("store")
    Releases(root).change(lambda _: state)
    assert Releases(root).state() == state


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 2}', json.dumps({"format": 1, **asdict(State("../../etc"))}),
                                  json.dumps({"format": 1, **asdict(State())} | {"probation": 3})])
def test_a_file_that_nobody_understands_is_no_update(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    releases = Releases(tmp_path)
    releases.root.mkdir()
    (releases.root / "state.json").write_text(text)
    assert releases.state() == State() and "no update is in force" in caplog.text
    assert releases.change(lambda state: state.stage(IDS[0])).staged == IDS[0]


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.change(lambda state: state.stage(IDS[0]))
    before = releases.mark()
    releases.change(lambda state: state.stage(IDS[0]))
    assert releases.mark() == before is not None
    releases.change(State.activate)
    assert releases.mark() != before
