"""What speculation costs: the account, its budget, and the thermometer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgevoice.clock import ManualClock
from edgevoice.host import hottest
from edgevoice.pipeline.speculation import LOOK_S, WINDOW_S, Account, Speculated


def test_what_was_confirmed_is_no_waste_and_what_was_dropped_is_all_of_it() -> None:
    account = Account(ManualClock(), budget=0.1)
    good, bad = account.begin(), account.begin()
    good.add(tokens=5, audio_s=1.0, cpu_s=0.2)
    bad.add(tokens=3, audio_s=0.5, cpu_s=0.1)
    account.confirm(good)
    account.drop(bad)
    good.add(tokens=9, cpu_s=0.3)
    assert account.snapshot() == Speculated(attempts=2, confirmed=1, dropped=1, wasted_tokens=3, wasted_audio_s=0.5, wasted_cpu_s=0.1)


def test_what_a_worker_still_did_before_it_stopped_is_waste_too() -> None:
    account = Account(ManualClock(), budget=0.1)
    effort = account.begin()
    account.drop(effort)
    effort.add(tokens=1, audio_s=0.25, cpu_s=0.5)
    counts = account.snapshot()
    assert (counts.wasted_tokens, counts.wasted_audio_s, counts.wasted_cpu_s) == (1, 0.25, 0.5)


def test_the_budget_is_a_share_of_the_last_minute() -> None:
    clock = ManualClock()
    account = Account(clock, budget=0.05)
    for _ in range(2):
        effort = account.begin()
        effort.add(cpu_s=0.05 * WINDOW_S / 2)
        assert account.affordable()
        account.drop(effort)
        clock.advance(10.0)
    assert not account.affordable() and not account.affordable()
    assert account.snapshot().refused == 2
    clock.advance(WINDOW_S - 15.0)
    assert account.affordable(), "the first waste is forgotten"
    assert account.snapshot().wasted_cpu_s == pytest.approx(0.05 * WINDOW_S), "but counted for ever"


def test_a_budget_of_nothing_allows_nothing() -> None:
    assert not Account(ManualClock(), budget=0.0).affordable()


def test_a_hot_device_does_not_speculate_until_it_has_cooled(tmp_path: Path) -> None:
    zone = tmp_path / "thermal_zone0" / "temp"
    zone.parent.mkdir()
    zone.write_text("81500\n")
    clock = ManualClock()
    account = Account(clock, budget=1.0, max_celsius=80, zones=tmp_path)
    assert not account.affordable()
    zone.write_text("60000\n")
    assert not account.affordable(), "it looks only now and then"
    clock.advance(LOOK_S)
    assert account.affordable()
    assert Account(clock, budget=1.0, max_celsius=0, zones=tmp_path / "none").affordable()


def test_the_hottest_zone_counts_and_one_that_cannot_be_read_does_not(tmp_path: Path) -> None:
    assert hottest(tmp_path) == float("-inf")
    for number, text in enumerate(("45000", "nonsense", "72250")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(text)
    (tmp_path / "thermal_zone3" / "temp").mkdir(parents=True)
    assert hottest(tmp_path) == 72.25


def test_nothing_is_lost_when_workers_add_at_once() -> None:
    account = Account(ManualClock(), budget=1.0)
    effort = account.begin()
    threads = [threading.Thread(target=lambda: [effort.add(tokens=1, cpu_s=0.001) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    account.drop(effort)
    for thread in threads:
        thread.join()
    counts = account.snapshot()
    assert counts.wasted_tokens == 2000 and counts.wasted_cpu_s == pytest.approx(2.0)
