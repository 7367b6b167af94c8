"""Where the weights of ``dialog/turn_end.py`` come from: a logistic regression over the pauses that ``bench endpoint`` has heard.

``python -m tests.bench.turn_fit`` prints them.  A pause is an example of "over" where nothing follows, and of "not over" where the speaker
goes on after 300 ms or more; each class weighs half, and the weights are drawn to zero (ridge).  Only the even half of the utterances
is looked at; the odd half's ranking (the share of pairs, one over and one not, that the score puts in order) is printed beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgevoice.dialog import turn_end
from tests.bench.endpoint import HALF, WHOLE, halves, listen
from tests.bench.pauses import Heard

RIDGE = 2.0
"""on standardized features"""
STEPS = 40
"""of Newton's method; it stands still after ten"""
NEAR_S = 0.15
"""a pause is seen this long before or after the labelled edge of speech at most"""

Float = NDArray[np.float64]


def examples(rows: Sequence[Heard], kinds: Sequence[str] = (*WHOLE, *HALF)) -> tuple[Float, NDArray[np.bool_]]:
    """What ``turn_end.features`` makes of each, shape (n, 4), and whether it was over."""
    found, over = [], []
    for row in rows:
        for pause in row.pauses:
            at = pause.at / 16_000
            last = at > row.speech[-1][1] - NEAR_S
            inner = len(row.speech) > 1 and row.kind in HALF and row.speech[0][1] - NEAR_S < at < row.speech[1][0]
            if row.kind in kinds and pause.sounds and pause.ending is not None and (last or inner):
                found.append(turn_end.features(pause.sounds[0].probability, pause.ending, turn_end.words_of(pause.text)))
                over.append(last)
    return np.array(found, np.float64).reshape(-1, 4), np.array(over, np.bool_)


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


def _main() -> None:
    even, odd = halves([(row, None) for row in listen(quick=False)])
    features, over = examples([row for row, _ in even])
    weights, bias = fit(features, over)
    names = ("SOUND", "LANGUAGE", "WANTS_MORE", "ASKS", "BIAS")
    found = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, (*weights, bias), strict=True))
    sys.stdout.write(f"{found}; {len(over)} pauses, {over.sum()} of them over\n")
    sys.stdout.write(f"MIDDLE_SOUND {np.median(features[:, 0]):.1f}, MIDDLE_LANGUAGE {np.median(features[:, 1]):.1f}\n")
    for name, rows in (("even", even), ("odd", odd)):
        features, over = examples([row for row, _ in rows])
        scores = features @ weights + bias
        ranks = ", ".join(f"{what} {ranking(values, over):.3f}" for what, values in (
            ("both", scores), ("sound", features[:, 0]), ("language", features[:, 1])))
        cuts = " ".join(f"{value:.2f}" for value in np.quantile(scores[over], (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)))
        sys.stdout.write(f"{name}: ranking {ranks}; score where it was over, 5 to 95 %: {cuts}\n")


if __name__ == "__main__":
    _main()
