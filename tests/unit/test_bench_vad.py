"""What the voice-activity benchmark counts, on cases counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgevoice.engines.protocols import SPEECH_RATE
from edgevoice.errors import UsageError
from tests.bench.mixtures import CONDITIONS, LEVEL_DB, mixtures, speaking
from tests.bench.vad import edge_delays, roc_auc, run


def test_without_labelled_audio_it_says_where_that_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEVOICE_SHARED", str(tmp_path))
    with pytest.raises(UsageError, match=f"no labelled audio at {tmp_path}; set EDGEVOICE_SHARED"):
        run(quick=True)


def test_roc_auc_is_the_chance_that_speech_scores_higher() -> None:
    truth = np.array([True, True, False, False])
    assert roc_auc(np.array([0.9, 0.8, 0.2, 0.1]), truth) == 1.0
    assert roc_auc(np.array([0.1, 0.2, 0.8, 0.9]), truth) == 0.0
    assert roc_auc(np.array([0.5, 0.5, 0.5, 0.5]), truth) == 0.5
    assert roc_auc(np.array([0.9, 0.3, 0.5, 0.1]), truth) == 0.75
    assert roc_auc(np.array([1.0, 0.5, 0.5, 0.0]), truth) == 0.875
    assert np.isnan(roc_auc(np.array([1.0, 0.5]), np.array([True, True])))


def said(text: str) -> np.ndarray:
    return np.array([mark == "#" for mark in text])


@pytest.mark.parametrize(("marks", "onsets", "offsets", "lost"), [
    ("..........##########....................", [100], [100], 0),  # 0.1 s frames; speech from 1.0 to 2.0 s
    ("............##########..................", [300], [300], 0),
    ("..........########......................", [100], [-100], 0),
    ("..........###.####.##...................", [100], [-100], 0),  # a tenth of a second of no is enough
    ("........................................", [], [], 1),
    ("########################................", [], [500], 0),
    ("..........####..........................", [100], [], 0),
    ("..........##############################", [100], [2000], 0),
])
def test_delays_are_counted_from_the_edge_to_the_frame_that_says_so(marks: str, onsets: list[float], offsets: list[float],
                                                                    lost: int) -> None:
    found = edge_delays(said(marks), 0.1, [(1.0 + 1e-6, 1.4), (1.6, 2.0 + 1e-6)])
    assert [round(delay) for delay in found[0]] == onsets
    assert [round(delay) for delay in found[1]] == offsets
    assert found[2] == lost


def test_mixtures_have_speech_where_they_say(shared: Path) -> None:
    made = mixtures(shared, 4)
    again = mixtures(shared, 4)
    assert [mixture.condition for mixture in made] == list(CONDITIONS)
    for mixture, twin in zip(made, again, strict=True):
        np.testing.assert_array_equal(mixture.audio, twin.audio)
        assert mixture.spans == made[0].spans and np.abs(mixture.audio).max() <= 1
    quiet, noisy = made[0], next(mixture for mixture in made if mixture.condition == "kitchen 0 dB")
    inside = speaking(quiet.spans, np.arange(len(quiet.audio)) / SPEECH_RATE)
    away = ~speaking(quiet.spans, np.arange(len(quiet.audio)) / SPEECH_RATE, 0.1)

    def level(samples: np.ndarray) -> float:
        return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))

    assert level(quiet.audio[inside]) == pytest.approx(LEVEL_DB, abs=1.5)
    assert level(quiet.audio[away]) < -80
    assert level(noisy.audio[away]) == pytest.approx(LEVEL_DB, abs=3)
    assert all(start < end for start, end in quiet.spans)
    assert all(end <= following for (_, end), (following, _) in zip(quiet.spans, quiet.spans[1:], strict=False))
