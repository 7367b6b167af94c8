"""A short soak, and whether the soak would notice what it is there for."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.soak import judge
from tests.soak.faults import PLACES
from tests.soak.run import Part, run, write_lines
from tests.soak.script import FROM_OUTSIDE, MISHAPS, conversations

SHORT_S = 60.0
"""of device time"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("soak")
    write_lines(made)
    return made


def test_minutes_of_conversations_with_mishaps_leave_nothing_behind(folder: Path) -> None:
    outcome = run(Part("short", SHORT_S, compressed=True, quick=True), 11, folder, lambda row, device_s: None)
    assert outcome.findings == [] and outcome.device_s >= SHORT_S and outcome.conversations >= 5
    assert outcome.facts["code"] == 0 and outcome.facts["faults"], "an engine broke"


@pytest.mark.slow
@pytest.mark.parametrize(("what", "grows"), [("memory", "rss_mib"), ("files", "files"), ("threads", "threads")])
def test_what_leaks_a_little_each_conversation_is_found(folder: Path, what: str, grows: str) -> None:
    outcome = run(Part(f"leak-{what}", 600.0, compressed=True, quick=True, sabotage=what), 12, folder, lambda row, device_s: None)
    assert [trend.name for trend in outcome.trends if not trend.flat] == [grows] and not outcome.well


def samples(count: int, **figures: object) -> list[dict[str, float]]:
    flat = {"rss_mib": 500.0, "threads": 15, "files": 22, "tasks": 6}
    rows = [{"t": 20.0 * k, **flat} for k in range(count)]
    for name, of in figures.items():
        for k, row in enumerate(rows):
            row[name] = of(k)  # type: ignore[operator]
    return rows


def grown(rows: list[dict[str, float]]) -> list[str]:
    return [trend.name for trend in judge.trends(rows) if not trend.flat]


def test_a_slope_is_judged_and_neither_the_warm_up_nor_a_wild_sample() -> None:
    assert grown(samples(100)) == []
    assert grown(samples(100, rss_mib=lambda k: 400 + 10 * min(k, 20))) == [], "caches fill"
    assert grown(samples(100, rss_mib=lambda k: 900 if k % 4 == 0 else 500)) == [], "an engine beside one that hangs"
    assert grown(samples(100, rss_mib=lambda k: 500 if k // 15 % 2 else 600)) == [], "an engine that is young, and one that has grown"
    assert grown(samples(100, threads=lambda k: 16 if k == 99 else 15)) == [], "one that is just ending"
    chance = np.random.default_rng(0)
    assert grown(samples(200, rss_mib=lambda k: 500 + chance.normal(0, 10))) == []
    assert grown(samples(100, rss_mib=lambda k: 500 + 0.5 * k)) == ["rss_mib"]
    assert grown(samples(100, files=lambda k: 22 + k // 30)) == ["files"], "one in thirty conversations"
    assert grown(samples(100, threads=lambda k: 15 + k // 30, tasks=lambda k: 6 + k // 10)) == ["threads", "tasks"]
    assert judge.trends(samples(9)) == [], "too few to say anything"


def test_frames_that_are_lost_uncounted_are_found() -> None:
    well = {"t": 1.0, "captured": 100, "consumed": 90, "dropped": 4, "depth": 6}
    assert judge.unbalanced([well]) == []
    assert len(judge.unbalanced([well, {**well, "captured": 101}])) == 1


def test_the_same_seed_gives_the_same_conversations_and_every_mishap_its_turn() -> None:
    one, same, other = (list(itertools.islice(conversations(seed), 300)) for seed in (1, 1, 2))
    assert one == same != other
    assert {conversation.mishap for conversation in one} == {None, *MISHAPS}
    assert len(MISHAPS) == len(FROM_OUTSIDE) + 2 * len(PLACES)
    assert 100 < sum(conversation.mishap is None for conversation in one) < 200
