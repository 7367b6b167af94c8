"""The turn-end model: its features against formulas, its verdict on real speech, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgevoice.audio import read
from edgevoice.engines import turn_end
from edgevoice.engines.protocols import TurnEnd
from edgevoice.errors import EngineError, ModelError
from edgevoice.models import find
from edgevoice.settings import DialogSettings, PathSettings

RATE = 16_000


@pytest.fixture(scope="module")
def engine() -> TurnEnd:
    return turn_end.load(find(PathSettings(), DialogSettings().turn_model))


class TestFeatures:
    def test_bands_are_triangles_of_one_area_at_slaneys_places(self) -> None:
        bands = turn_end.mel_bands()
        assert bands.shape == (201, 80)
        assert (bands >= 0).all()
        centres = bands.argmax(axis=0) * 40.0
        assert centres[0] <= 40.0 and (np.diff(centres) >= 0).all() and centres[-1] > 7500.0
        np.testing.assert_allclose(bands[:, 40:].sum(axis=0) * 40.0, 1.0, atol=0.08)

    def test_a_tone_lights_its_band_and_its_level_does_not_matter(self) -> None:
        tone = np.sin(2 * np.pi * 1000 * np.arange(8 * RATE) / RATE).astype(np.float32)
        loud, soft = turn_end.log_mel(tone), turn_end.log_mel(tone * np.float32(0.01))
        assert loud.shape == (80, 800) and loud.dtype == np.float32
        assert abs(int(loud[:, 400].argmax()) - int(turn_end.mel_bands()[25].argmax())) <= 1
        np.testing.assert_allclose(loud, soft, atol=0.02)

    def test_short_audio_stands_at_the_end_and_long_audio_loses_its_beginning(self) -> None:
        noise = np.random.default_rng(1).standard_normal(20 * RATE).astype(np.float32)
        np.testing.assert_array_equal(turn_end.log_mel(noise), turn_end.log_mel(noise[-8 * RATE:]))
        short = turn_end.log_mel(noise[:RATE])
        assert short[:, :690].max() < short[:, 720:].mean()


def test_whole_orders_sound_done_and_cut_ones_do_not(engine: TurnEnd, shared: Path) -> None:
    edges = {name: spans for name, spans in json.loads((shared / "audio/commands/edges.json").read_text()).items() if spans}
    done, cut = [], []
    for name in sorted(edges)[::10]:
        samples = read(shared / "audio/commands" / name, rate=RATE)
        start, end = edges[name][0][0], edges[name][-1][1]
        done.append(engine.probability(samples[:round((end + 0.1) * RATE)]))
        cut.append(engine.probability(samples[:round((start + 0.45 * (end - start)) * RATE)]))
    assert np.mean(np.array(done) > 0.5) >= 0.8
    assert np.mean(done) - np.mean(cut) > 0.3


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(100, np.float32), np.ones(8 * RATE, np.float32)])
def test_silence_and_nothing_have_a_probability_too(engine: TurnEnd, samples: np.ndarray) -> None:
    assert 0.0 <= engine.probability(samples) <= 1.0


def test_integers_are_refused(engine: TurnEnd) -> None:
    with pytest.raises(ValueError, match="int16"):
        engine.probability(np.zeros(RATE, np.int16))  # type: ignore[arg-type]


def test_a_closed_one_says_so() -> None:
    made = turn_end.load(find(PathSettings(), DialogSettings().turn_model))
    made.close()
    with pytest.raises(EngineError, match="closed"):
        made.probability(np.zeros(RATE, np.float32))


@pytest.mark.parametrize("content", [b"no graph at all", b""])
def test_what_is_no_model_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "smart-turn-v3.2-cpu.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="smart-turn-v3"):
        turn_end.load(tmp_path)
