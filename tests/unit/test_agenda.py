"""Timers and alarms against a model that is a few numbers: set, paused, cancelled, restarted; clocks that jump and days of 23 hours."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgevoice.skills.agenda import (
    GAPS_S,
    RINGS_FOR_S,
    Agenda,
    Item,
    Now,
    added,
    clock_moved,
    longer,
    next_look,
    paused,
    resumed,
    silenced,
    step,
    without,
)
from edgevoice.skills.agenda import changed as replaced
from edgevoice.skills.agenda_file import document, loaded

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 10, 24, 20, 0, tzinfo=BERLIN).timestamp()
"""five hours before a night that has an hour twice"""


def clocks(mono: float, wall: float, zone: ZoneInfo = BERLIN) -> Now:
    return Now(mono, datetime.fromtimestamp(wall, zone))


@dataclass
class Model:
    """A timer: due at ``mono``, and where it was loaded at ``wall`` too; or paused with ``left``."""

    mono: float
    wall: float | None = None
    left: float | None = None
    done: bool = False
    kept: float = 0.0
    """the moment on the wall's clock that the file has to hold"""

    def remains(self, now: Now) -> float:
        if self.left is not None:
            return self.left
        return self.mono - now.mono if self.wall is None else min(self.mono - now.mono, self.wall - now.wall)

    def due(self, now: Now) -> bool:
        return self.left is None and (now.mono >= self.mono - 1e-6 or (self.wall is not None and now.wall >= self.wall - 1e-6))


class Timers(RuleBasedStateMachine):
    """``mono`` and ``wall`` move together but for jumps; a restart keeps only the file, which is written after every change."""

    def __init__(self) -> None:
        super().__init__()
        self.mono, self.wall = 500.0, START
        self.agenda, self.model = Agenda(), dict[int, Model]()
        self.file: dict[str, Any] = document(self.agenda, self.now)
        self.done: list[int] = []

    @property
    def now(self) -> Now:
        return clocks(self.mono, self.wall)

    def save(self) -> None:
        self.file = json.loads(json.dumps(document(self.agenda, self.now)))
        for timer in self.model.values():
            timer.kept = round(self.wall + timer.remains(self.now), 3)

    def tick(self) -> None:
        before = self.agenda.kept
        stepped = step(self.agenda, self.now)
        self.agenda = stepped.agenda
        rung = {ring.item.id for ring in stepped.agenda.ringing} | {item.id for item in stepped.missed}
        self.done += [number for number in sorted(rung) if number not in self.done]
        self.agenda = silenced(self.agenda)
        if self.agenda.kept != before:
            self.save()

    @rule(seconds=st.integers(1, 7200))
    def set(self, seconds: int) -> None:
        if len(self.agenda.items) < 8:
            self.agenda = added(self.agenda, Item(0, "timer", "egg", length_s=seconds, mono=self.mono + seconds))
            self.model[self.agenda.last_id] = Model(self.mono + seconds)
            self.save()

    @rule(seconds=st.floats(0, 4000))
    def time_passes(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds

    @rule(jump=st.sampled_from([-7200.0, -90.0, 90.0, 3600.0, 86400.0]))
    def the_clock_is_set(self, jump: float) -> None:
        self.wall += jump
        self.agenda = clock_moved(self.agenda, self.now)
        self.save()

    @rule(off=st.floats(0, 4000), stale=st.booleans(), late=st.floats(0, 2000))
    def it_is_killed_and_started(self, off: float, stale: bool, late: float) -> None:
        true = self.wall + off
        saved = self.file["saved"]
        self.mono = 3.0
        self.wall = 1000.0 if stale else true
        start = max(self.wall, saved)
        for timer in self.model.values():
            if not timer.done and timer.left is None:
                timer.wall = timer.kept
                timer.mono = self.mono + max(0.0, timer.kept - start)
        self.agenda = loaded(self.file, self.now)
        if stale:  # and then the network tells it the time
            self.check()
            self.mono += late
            self.check()
            self.wall = true + late
            self.agenda = clock_moved(self.agenda, self.now)
            self.save()

    def of_some(self, data: st.DataObject) -> Item | None:
        self.tick()
        self.check()
        return data.draw(st.sampled_from(self.agenda.items)) if self.agenda.items else None

    @rule(data=st.data())
    def pause_or_resume(self, data: st.DataObject) -> None:
        item = self.of_some(data)
        if item is None:
            return
        timer = self.model[item.id]
        if timer.left is None:
            self.agenda, timer.left = replaced(self.agenda, paused(item, self.now)), timer.remains(self.now)
        else:
            self.agenda = replaced(self.agenda, resumed(item, self.now))
            timer.mono, timer.wall, timer.left = self.mono + timer.left, None, None
        self.save()

    @rule(data=st.data(), seconds=st.integers(-600, 600))
    def lengthen(self, data: st.DataObject, seconds: int) -> None:
        item = self.of_some(data)
        if item is None or item.left(self.now) + seconds < 1:
            return
        timer = self.model[item.id]
        self.agenda = replaced(self.agenda, longer(item, seconds, self.now))
        if timer.left is not None:
            timer.left += seconds
        else:
            timer.mono, timer.wall = self.mono + timer.remains(self.now) + seconds, None
        self.save()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        item = self.of_some(data)
        if item is not None:
            self.agenda = without(self.agenda, (item,))
            del self.model[item.id]
            self.save()

    @precondition(lambda self: self.model)
    @rule()
    def until_just_before_the_next(self) -> None:
        wait = next_look(self.agenda, self.now)
        if wait is not None and wait > 1:
            self.mono += wait - 0.5
            self.wall += wait - 0.5
            self.tick()
            before = len(self.done)
            self.check()
            self.mono += 0.6
            self.wall += 0.6
            self.tick()
            assert len(self.done) > before, "nothing was due when something should have been"

    @invariant()
    def check(self) -> None:
        self.tick()
        for number, timer in self.model.items():
            timer.done = timer.done or timer.due(self.now)
            assert timer.done == (number in self.done), (number, timer, self.agenda)
        assert {item.id for item in self.agenda.items} == {number for number, timer in self.model.items() if not timer.done}
        assert len(self.done) == len(set(self.done)), "something was due twice"
        assert {facts["id"] for facts in self.file["items"]} == {item.id for item in self.agenda.items}
        for item in self.agenda.items:
            assert abs(item.left(self.now) - self.model[item.id].remains(self.now)) < 0.01


TestTimers = Timers.TestCase
TestTimers.settings = settings(max_examples=120, stateful_step_count=25)


@settings(max_examples=150)
@given(zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
       first=st.one_of(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)),
                       st.datetimes(datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 4)),
                       st.datetimes(datetime(2026, 3, 28, 22), datetime(2026, 3, 29, 4))),
       hour=st.one_of(st.integers(0, 23), st.integers(1, 3)), minute=st.sampled_from([0, 15, 30, 45]),
       days=st.sets(st.integers(0, 6), min_size=1), steps=st.lists(st.integers(60, 90_000), min_size=1, max_size=12),
       restarts=st.lists(st.booleans(), min_size=12, max_size=12))
def test_what_repeats_is_due_once_on_each_of_its_days_whatever_the_clocks_do_in_that_night(
        zone: str, first: datetime, hour: int, minute: int, days: set[int], steps: list[int], restarts: list[bool]) -> None:
    where = ZoneInfo(zone)
    began = first.replace(tzinfo=where).timestamp()
    wall, agenda, rung = began, Agenda(), 0
    at = next(day for ahead in range(9) for day in [datetime.fromtimestamp(wall, where).date() + timedelta(days=ahead)]
              if day.weekday() in days and datetime(day.year, day.month, day.day, hour, minute, tzinfo=where).timestamp() > wall)
    agenda = added(agenda, Item(0, "alarm", at=datetime(at.year, at.month, at.day, hour, minute), days=tuple(sorted(days))))
    for seconds, restart in zip(steps, restarts, strict=False):
        # never more than one occurrence at once: whoever slept through several is told of one
        for part in (seconds / 2, seconds / 2):
            wall += part
            if restart:
                agenda = loaded(json.loads(json.dumps(document(agenda, clocks(0.0, wall, where)))), clocks(9.0, wall, where))
            stepped = step(agenda, clocks(wall - began, wall, where))
            rung += len(stepped.missed) + len(stepped.agenda.ringing)
            agenda = silenced(stepped.agenda)
    dates = (datetime.fromtimestamp(began, where).date() + timedelta(days=ahead) for ahead in range(-1, 22))
    every = [datetime(day.year, day.month, day.day, hour, minute, tzinfo=where).timestamp() for day in dates if day.weekday() in days]
    assert rung == sum(began < due <= wall for due in every)
    assert len(agenda.items) == 1 and agenda.items[0].due(clocks(0.0, wall, where)) == min(due for due in every if due > wall)


def test_it_rings_with_growing_gaps_until_nobody_can_be_there() -> None:
    agenda = added(Agenda(), Item(0, "timer", mono=100.0))
    mono, heard = 100.0, list[float]()
    while True:
        stepped = step(agenda, clocks(mono, START + mono))
        agenda = stepped.agenda
        heard += [mono] * len(stepped.sound)
        wait = next_look(agenda, clocks(mono, START + mono))
        if wait is None:
            break
        mono += max(wait, 0.001)
    gaps = [round(after - before) for before, after in itertools.pairwise(heard)]
    assert gaps[:6] == [round(gap) for gap in GAPS_S] and set(gaps[6:]) == {round(GAPS_S[-1])}
    assert 200 < heard[-1] - heard[0] < RINGS_FOR_S["timer"] and agenda.kept == ()


def test_what_rings_when_it_is_killed_rings_again() -> None:
    agenda = step(added(Agenda(), Item(0, "alarm", at=datetime(2026, 10, 24, 20, 0))), clocks(5.0, START)).agenda
    assert len(agenda.ringing) == 1
    again = loaded(document(agenda, clocks(5.0, START)), clocks(1.0, START + 40))
    assert len(step(again, clocks(1.0, START + 40)).sound) == 1
    (missed,) = step(loaded(document(agenda, clocks(5.0, START)), clocks(1.0, START + 4000)), clocks(1.0, START + 4000)).missed
    assert missed.sort == "alarm"


@pytest.mark.parametrize("change", [
    {"version": 2}, {"saved": "now"}, {"saved": float("nan")}, {"items": {}}, {"items": [{}]}, {"lists": []}, {"lists": {"a": [3]}},
    {"items": [{"id": 1, "sort": "egg", "name": "", "about": False, "length_s": 1, "due": 1}]},
    {"items": [{"id": -1, "sort": "timer", "name": "", "about": False, "length_s": 1, "due": 1}]},
    {"items": [{"id": 1, "sort": "alarm", "name": "", "about": False, "at": "at six", "days": []}]},
    {"items": [{"id": 1, "sort": "alarm", "name": "", "about": False, "at": "2026-10-24T06:00+02:00", "days": []}]},
    {"items": [{"id": 1, "sort": "alarm", "name": "", "about": False, "at": "2026-10-24T06:00", "days": [7]}]},
    {"items": 2 * [{"id": 1, "sort": "timer", "name": "", "about": False, "length_s": 1, "due": 1}]}])
def test_a_document_that_is_none_is_refused_whole(change: dict[str, Any]) -> None:
    good = document(Agenda(), clocks(1.0, START))
    assert loaded(good, clocks(1.0, START)) == Agenda()
    with pytest.raises(ValueError):
        loaded(good | change, clocks(1.0, START))
