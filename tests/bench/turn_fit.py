"""Where the weights of ``dialog/turn_end.py`` come from: a logistic regression over the pauses in utterances of its own.

``python -m tests.bench.turn_fit`` prints them, and what the present rule makes of the same utterances.  A pause is an example of "over"
where nothing follows, and of "not over" where the speaker goes on after 300 ms or more; each class weighs half, and the weights are drawn
to zero (ridge).  The ranking (the share of pairs, one over and one not, that the score puts in order) is printed for the utterances
of ``bench endpoint`` as well, which nothing is fitted on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgevoice import app
from edgevoice.dialog import turn_end
from edgevoice.settings import Settings
from tests.bench import pauses, turn_training
from tests.bench.endpoint import HALF, WHOLE, cut_off, ended, engines, listen, wait
from tests.bench.pauses import Heard
from tests.bench.turns import shared_folder
from tests.bench.utterances import Utterance

RIDGE = 2.0
"""on standardized features"""
STEPS = 40
"""of Newton's method; it stands still after ten"""
NEAR_S = 0.15
"""a pause is seen this long before or after the labelled edge of speech at most"""

Float = NDArray[np.float64]


def examples(rows: Sequence[Heard], kinds: Sequence[str] = (*WHOLE, *HALF)) -> tuple[Float, NDArray[np.bool_]]:
    """What ``turn_end.features`` makes of each, shape (n, 3), and whether it was over."""
    found, over = [], []
    for row in rows:
        for pause in row.pauses:
            at = pause.at / 16_000
            last = at > row.speech[-1][1] - NEAR_S
            inner = len(row.speech) > 1 and row.kind in HALF and row.speech[0][1] - NEAR_S < at < row.speech[1][0]
            if row.kind in kinds and pause.sounds and pause.ending is not None and (last or inner):
                found.append(turn_end.features(pause.sounds[0].probability, pause.ending, turn_end.words_of(pause.text)))
                over.append(last)
    return np.array(found, np.float64).reshape(-1, 3), np.array(over, np.bool_)


def fit(features: Float, over: NDArray[np.bool_], ridge: float = RIDGE) -> tuple[Float, float]:
    """Weights and bias."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    inputs = np.column_stack([(features - mean) / spread, np.ones(len(over))])
    share = np.where(over, 0.5 / over.mean(), 0.5 / (1 - over.mean()))
    pull = np.diag([ridge] * features.shape[1] + [0.0])
    weights = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        guess = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (share * (over - guess)) - pull @ weights
        weights += np.linalg.solve((inputs.T * (share * guess * (1 - guess))) @ inputs + pull, slope)
    scaled = weights[:-1] / spread
    return scaled, float(weights[-1] - scaled @ mean)


def ranking(scores: Float, over: NDArray[np.bool_]) -> float:
    """The share of pairs in order; 0.5 is chance."""
    one, other = scores[over][:, None], scores[~over][None, :]
    return float(np.mean(one > other) + 0.5 * np.mean(one == other))


def heard(settings: Settings) -> list[Heard]:
    """The utterances to fit on."""
    def ask() -> list[tuple[Utterance, bool]]:
        tts = app.load_tts(settings)
        made = turn_training.training(shared_folder("endpoint"), tts)
        tts.close()
        return made

    return pauses.kept("turn-training", turn_training.COUNT, ask, settings, lambda: engines(settings))


def _main() -> None:
    rows = heard(Settings())
    features, over = examples(rows)
    weights, bias = fit(features, over)
    names = ("SOUND", "LANGUAGE", "ASKS", "BIAS")
    found = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, (*weights, bias), strict=True))
    sys.stdout.write(f"{found}; {len(over)} pauses, {over.sum()} of them over\n")
    sys.stdout.write(f"MIDDLE_SOUND {np.median(features[:, 0]):.1f}, MIDDLE_LANGUAGE {np.median(features[:, 1]):.1f}\n")
    for name, chosen in (("training", rows), ("bench endpoint", listen(quick=False))):
        features, over = examples(chosen)
        scores = features @ weights + bias
        ranks = ", ".join(f"{what} {ranking(values, over):.3f}" for what, values in (
            ("both", scores), ("sound", features[:, 0]), ("language", features[:, 1])))
        cuts = " ".join(f"{value:.2f}" for value in np.quantile(scores[over], (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)))
        outcomes = [(row, ended(row, lambda votes: turn_end.wait_ms(votes, turn_end.WaitRule()))) for row in chosen]
        sys.stdout.write(f"{name}: ranking {ranks}; score where it was over, 5 to 95 %: {cuts}; the rule as it is: cut off "
                         f"{cut_off(outcomes):.1f} %, wait p50 {wait(outcomes, 50):.0f}, p95 {wait(outcomes, 95):.0f} ms\n")


if __name__ == "__main__":
    _main()
