"""The replay of rules over what engines heard: when a turn ends, what counts as cut off, and how late a vote is."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice.dialog.turn_end import Votes
from tests.bench import endpoint, turn_fit
from tests.bench.pauses import Heard, Paused, Sound

FRAME = 512


def row(pause_frames: int = 20, kind: str = "spliced", name: str = "one", cost_ms: float = 90.0) -> Heard:
    """Half a second of speech, a pause, half a second of speech, silence."""
    voiced = 16
    probabilities = (*[0.9] * voiced, *[0.0] * pause_frames, *[0.9] * voiced, *[0.0] * 50)
    second = voiced + pause_frames
    pauses = tuple(Paused((at + 1) * FRAME, "words", 100.0, ending, 40.0, (Sound(0.0, 0.8, cost_ms), Sound(128.0, 0.6, cost_ms)))
                   for at, ending in ((voiced, 0.01), (second + voiced, 0.5)))
    seconds = [at * FRAME / 16_000 for at in (0, voiced, second, second + voiced)]
    return Heard(name, kind, False, ((seconds[0], seconds[1]), (seconds[2], seconds[3])), 0, FRAME, probabilities, pauses)


def test_a_wait_shorter_than_the_pause_is_a_cut_off_and_a_longer_one_is_none() -> None:
    heard = row()  # 640 ms
    short, long = (endpoint.ended(heard, lambda votes, wait=wait: wait) for wait in (400.0, 800.0))
    assert short is not None and long is not None
    assert endpoint.cut_off([(heard, short)]) == 100.0 and endpoint.cut_off([(heard, long)]) == 0.0
    assert endpoint.wait([(heard, short)], 50, ("spliced",)) is None, "a wait is of utterances that were heard out"
    assert endpoint.wait([(heard, long)], 50, ("spliced",)) == pytest.approx(800, abs=60)


def test_votes_come_when_their_engines_are_done() -> None:
    seen: list[Votes] = []

    def rule(votes: Votes) -> float:
        seen.append(votes)
        return 2000.0

    endpoint.ended(row(), rule)
    first = [(votes.probability, votes.text, votes.ending) for votes in seen[1:4]]
    assert first == [(0.8, None, None), (0.8, "words", None), (0.8, "words", 0.01)]
    assert [votes.ending for votes in seen][-1] == 0.5 and len(seen[-1].pauses_ms) == 1
    assert seen[-1].pauses_ms[0] == pytest.approx(640, abs=64)


def test_a_vote_that_is_too_late_changes_nothing() -> None:
    slow = row(cost_ms=5000.0)
    assert endpoint.ended(slow, lambda votes: 600.0 if votes.probability is None else 100.0) == endpoint.ended(slow, lambda votes: 600.0)
    assert endpoint.known(slow.pauses[0], 89.0, ()).probability is None
    assert endpoint.known(row().pauses[0], 91.0, ()).probability == 0.8
    assert endpoint.known(row().pauses[0], 200.0, (), asked=1).probability is None
    assert endpoint.known(row().pauses[0], 220.0, (), asked=1).probability == 0.6


def test_the_fit_finds_the_vote_that_tells() -> None:
    rng = np.random.default_rng(3)
    over = rng.random(400) < 0.6
    features = np.column_stack([rng.normal(size=400), over * 2.0 + rng.normal(size=400)])
    weights, bias = turn_fit.fit(features, over)
    assert weights[1] > 5 * abs(weights[0])
    assert turn_fit.ranking(features @ weights + bias, over) > 0.85
    assert turn_fit.ranking(np.zeros(400), over) == 0.5


def test_an_example_is_over_where_nothing_follows() -> None:
    features, over = turn_fit.examples([row()])
    assert over.tolist() == [False, True] and features.shape == (2, 3)
    assert features[0, 1] < features[1, 1]
