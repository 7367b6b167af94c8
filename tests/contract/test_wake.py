"""What every wake word detector keeps to; the real one on real speech, near-misses and noise; which models are refused."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevoice import app
from edgevoice.audio import read, resample, to_float32, to_int16
from edgevoice.engines import wake
from edgevoice.engines.protocols import Int16, WakeWord
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import WakeHit
from edgevoice.pipeline.wakes import Wakes
from edgevoice.settings import Settings, WakeSettings
from tests.fakes.wake import FakeWake

RATE = 16_000
TAIL = np.zeros(RATE // 2, np.int16)


def load(*words: str, threshold: float = 0.0, refractory_ms: int = 1500, primed: bool = False) -> WakeWord:
    return wake.load(WakeSettings(words=list(words), threshold=threshold, refractory_ms=refractory_ms), primed=primed)


def clips(shared: Path, name: str, count: int = 1000) -> list[Int16]:
    return [np.concatenate([to_int16(read(path)), TAIL]) for path in sorted((shared / "audio/wake" / name).iterdir())[:count]]


def heard(engine: WakeWord, audio: Int16) -> list[WakeHit]:
    engine.reset()
    return engine.process(audio)


@pytest.fixture(scope="module")
def twice(shared: Path) -> Int16:
    """The wake word, some silence, the wake word."""
    return np.concatenate([clips(shared, "okay_nabu")[1], np.zeros(2 * RATE, np.int16), clips(shared, "okay_nabu")[1]])


@pytest.fixture(params=["micro", "fake"])
def engine(request: pytest.FixtureRequest) -> Iterator[WakeWord]:
    made = load("okay_nabu", "alexa") if request.param == "micro" else FakeWake([(23_000, "okay_nabu"), (95_000, "okay_nabu")])
    yield made
    made.close()


class TestEvery:
    def test_hears_the_word_each_time_it_is_said(self, engine: WakeWord, twice: Int16) -> None:
        hits = engine.process(twice)
        assert [hit.model for hit in hits] == ["okay_nabu", "okay_nabu"]
        assert all(0.0 < hit.score <= 1.0 and 0 < hit.sample <= len(twice) for hit in hits)
        assert hits[1].sample - hits[0].sample == pytest.approx(len(twice) // 2 + RATE, abs=0.2 * RATE)

    @pytest.mark.parametrize("sizes", [(1, 2, 3, 500), (160,), (161,), (4096, 0, 7), (512,)])
    def test_pieces_do_not_matter(self, engine: WakeWord, twice: Int16, sizes: tuple[int, ...]) -> None:
        expected = engine.process(twice)
        engine.reset()
        found, at = [], 0
        for size in itertools.cycle(sizes):
            if at >= len(twice):
                break
            hits = engine.process(twice[at:at + size])
            at = min(at + size, len(twice))
            assert all(hit.sample <= at for hit in hits)
            found += hits
        assert found == expected

    def test_nothing_is_heard_in_nothing(self, engine: WakeWord) -> None:
        assert engine.process(np.zeros(0, np.int16)) == []

    def test_reset_forgets_what_was_heard(self, engine: WakeWord, twice: Int16) -> None:
        first = engine.process(twice)
        engine.process(twice[:15_000])
        engine.reset()
        assert engine.process(twice) == first

    def test_other_samples_than_int16_are_refused(self, engine: WakeWord) -> None:
        with pytest.raises(ValueError, match="float32"):
            engine.process(np.zeros(100, np.float32))  # type: ignore[arg-type]

    def test_a_closed_one_says_so(self, engine: WakeWord) -> None:
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.process(np.zeros(100, np.int16))


class TestMicro:
    @pytest.mark.parametrize(("word", "least", "of"), [("okay_nabu", 2, 2), ("hey_jarvis", 2, 2), ("hey_mycroft", 2, 2), ("alexa", 38, 41)])
    def test_hears_its_word(self, shared: Path, word: str, least: int, of: int) -> None:
        engine = load("okay_nabu", "hey_jarvis", "alexa", "hey_mycroft")
        hits = [heard(engine, clip) for clip in clips(shared, word, of)]
        assert sum(len(found) >= 1 for found in hits) >= least
        assert {hit.model for found in hits for hit in found} == {word}

    def test_near_misses_and_noise_pass(self, shared: Path) -> None:
        engine = load("okay_nabu", "hey_jarvis", "alexa", "hey_mycroft")
        for clip in [*clips(shared, "computer", 15), *clips(shared, "jarvis", 15), to_int16(read(shared / "audio/noise/kitchen.flac"))]:
            assert heard(engine, clip) == []

    def test_only_the_words_asked_for_are_heard(self, shared: Path) -> None:
        assert heard(load("alexa"), clips(shared, "okay_nabu")[0]) == []

    def test_a_threshold_takes_the_place_of_the_models_own(self, shared: Path) -> None:
        clip = clips(shared, "okay_nabu")[1]
        normal, low = heard(load("okay_nabu"), clip)[0], heard(load("okay_nabu", threshold=0.2), clip)[0]
        assert low.sample < normal.sample and 0.2 < low.score < normal.score
        assert heard(load("okay_nabu", threshold=0.999), clip) == []

    def test_eased_it_is_woken_by_less_until_it_is_not_eased_any_more(self, shared: Path) -> None:
        clip, engine = clips(shared, "okay_nabu")[1], load("okay_nabu")
        (normal,) = heard(engine, clip)
        engine.ease(True)
        (eased,) = heard(engine, clip)
        assert eased.sample < normal.sample and 0.85 * wake.EASED < eased.score < normal.score
        engine.ease(False)
        assert heard(engine, clip) == [normal]

    @pytest.mark.parametrize(("word", "rate"), [("okay_nabu", 16_000), ("alexa", 48_000)])
    def test_at_the_far_end_the_first_word_of_a_reply_masks_its_echo(self, shared: Path, word: str, rate: int) -> None:
        """The clip is the reply, from its first sample on; the microphone hears it 30 and 240 ms later, and 4 s later a user."""
        clip = clips(shared, word)[1]
        settings = WakeSettings(words=[word])
        for delay_ms in (30, 240):
            both = Wakes(wake.load(settings), wake.load(settings, far_end=True), rate)
            near = np.concatenate([np.zeros(RATE + delay_ms * 16, np.int16), clip, np.zeros(4 * RATE, np.int16), clip])
            far = np.concatenate([np.zeros(rate, np.int16), to_int16(resample(to_float32(clip), RATE, rate)),
                                  np.zeros(len(near) * rate // RATE, np.int16)])
            found = []
            for hop in range(len(near) // 160):
                both.loudspeaker(far[hop * rate // 100:(hop + 1) * rate // 100], hop * rate // 100)
                found += [own for _, own in both.microphone(near[hop * 160:(hop + 1) * 160])]
            assert found == [True, False]

    def test_a_primed_one_hears_the_first_word_in_a_quiet_room_and_counts_from_there(self, shared: Path) -> None:
        room = np.random.default_rng(3).normal(0.0, 32.0, 12 * RATE)  # 60 dB below full scale
        heard = said = 0
        for word in ("okay_nabu", "alexa", "hey_jarvis"):
            for clip in clips(shared, word, 20):
                for lead in (0.05, 0.2, 0.35):
                    samples = np.concatenate([np.zeros(int(lead * RATE), np.int16), clip])
                    fresh = load(word, primed=True)
                    hits = fresh.process(np.rint(samples + room[:len(samples)]).astype(np.int16))
                    said, heard = said + 1, heard + bool(hits)
                    assert all(0 < hit.sample <= len(samples) for hit in hits)
                    fresh.close()
        assert heard >= 0.9 * said, (heard, said)

    def test_the_one_at_the_microphone_is_primed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        primed: list[object] = []
        monkeypatch.setattr(wake.MicroWake, "prime", lambda self: primed.append(self))
        near, far = app.open_wake(Settings()), app.open_wake(Settings(), far_end=True)
        assert primed == [near]
        near.close()
        far.close()

    def test_after_a_hit_it_is_deaf_for_a_while(self, twice: Int16) -> None:
        hits = heard(load("okay_nabu"), twice)
        apart = (hits[1].sample - hits[0].sample) * 1000 // RATE
        assert len(heard(load("okay_nabu", refractory_ms=apart + 500), twice)) == 1
        assert len(heard(load("okay_nabu", refractory_ms=apart - 500), twice)) == 2
        assert len(heard(load("okay_nabu", refractory_ms=0), twice)) == 2

    def test_the_hit_lies_at_the_words_end(self, shared: Path) -> None:
        clip = clips(shared, "okay_nabu")[1]
        loud = np.flatnonzero(np.abs(clip.astype(int)) > 2000)
        hit = heard(load("okay_nabu"), clip)[0]
        assert loud[0] + 0.3 * RATE < hit.sample < loud[-1] + 0.4 * RATE


def custom(folder: Path, **changes: object) -> Path:
    """A copy of okay_nabu as a user's own model."""
    import pymicro_wakeword

    models = Path(pymicro_wakeword.__file__).parent / "models"
    config = json.loads((models / "okay_nabu.json").read_text()) | {"model": "mine.tflite"} | changes
    shutil.copy(models / "okay_nabu.tflite", folder / "mine.tflite")
    path = folder / "mine.json"
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return path


class TestModels:
    def test_a_model_of_ones_own_is_taken_by_path_and_by_folder(self, shared: Path, tmp_path: Path) -> None:
        path = custom(tmp_path)
        clip = clips(shared, "okay_nabu")[1]
        hits = heard(load(str(path)), clip)
        assert [hit.model for hit in hits] == ["mine"]
        assert heard(wake.load(WakeSettings(words=["mine"], folder=str(tmp_path))), clip) == hits
        assert "mine" in wake.available(tmp_path)

    def test_an_unknown_word_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(ModelError, match=r"'ok_computer' is unknown; there are alexa, hey_jarvis, hey_mycroft, okay_nabu"):
            load("okay_nabu", "ok_computer")

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no such file"):
            load(str(tmp_path / "none.json"))

    @pytest.mark.parametrize("changes", [{"model": None}, {"wake_word": None}, {"micro": None}, {"micro": []}, {"micro": {}},
                                         {"micro": {"probability_cutoff": 7, "sliding_window_size": 5}},
                                         {"micro": {"probability_cutoff": 0.5, "sliding_window_size": 0}},
                                         {"model": "other.tflite"}])
    def test_a_wrong_configuration_is_refused(self, tmp_path: Path, changes: dict[str, object]) -> None:
        with pytest.raises(ModelError, match=r"mine\.json|other\.tflite"):
            load(str(custom(tmp_path, **changes)))

    def test_a_configuration_that_is_no_json_is_refused(self, tmp_path: Path) -> None:
        custom(tmp_path).write_text("{")
        with pytest.raises(ModelError, match="not a microWakeWord configuration"):
            load(str(tmp_path / "mine.json"))

    @pytest.mark.parametrize("keep", [0, 8, 20_000])
    def test_a_damaged_model_does_not_end_the_process(self, tmp_path: Path, keep: int) -> None:
        path = custom(tmp_path)
        data = (tmp_path / "mine.tflite").read_bytes()
        (tmp_path / "mine.tflite").write_bytes(data[:keep])
        with pytest.raises(ModelError, match=r"not a TensorFlow Lite model|the wake word engine refuses it"):
            load(str(path))


class TestSensitivity:
    def test_the_middle_is_the_models_own_and_the_rest_is_monotone(self) -> None:
        assert wake.moved(0.9, 0.5) == pytest.approx(0.9)
        cutoffs = [wake.moved(0.9, s / 10) for s in range(11)]
        assert cutoffs == sorted(cutoffs, reverse=True)
        assert cutoffs[0] < 1.0 and cutoffs[-1] == pytest.approx(0.45)

    def test_a_sensitive_detector_hears_earlier(self, shared: Path) -> None:
        clip = clips(shared, "okay_nabu")[1]
        samples = [heard(wake.load(WakeSettings(words=["okay_nabu"], sensitivity=s)), clip)[0].sample for s in (0.5, 1.0)]
        assert samples[1] <= samples[0]

    def test_models_of_ones_own_folder_are_found_by_name(self, tmp_path: Path) -> None:
        import pymicro_wakeword

        models = Path(pymicro_wakeword.__file__).parent / "models"
        for suffix in ("json", "tflite"):
            shutil.copy(models / f"okay_nabu.{suffix}", tmp_path / f"my_word.{suffix}")
        config = json.loads((tmp_path / "my_word.json").read_text())
        (tmp_path / "my_word.json").write_text(json.dumps({**config, "model": "my_word.tflite"}))
        wake.load(WakeSettings(words=["my_word", "alexa"], folder=str(tmp_path))).close()
        with pytest.raises(ModelError, match=r"'nonesuch' is unknown; there are .*my_word"):
            wake.load(WakeSettings(words=["nonesuch"], folder=str(tmp_path)))

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"wake\.folder = .*/none: no such folder"):
            wake.load(WakeSettings(folder=str(tmp_path / "none")))


class TestTypedWords:
    @pytest.fixture
    def folder(self, shared: Path) -> Path:
        return shared / "models/zipformer-en-gigaspeech-3.3m"

    @pytest.fixture
    def engine(self, folder: Path) -> Iterator[WakeWord]:
        made = wake.load(WakeSettings(words=[], keywords=["alexa", "hey kitchen"]), folder)
        yield made
        made.close()

    def test_it_hears_the_word_in_most_voices_and_not_in_other_speech(self, engine: WakeWord, shared: Path) -> None:
        said = clips(shared, "alexa", 30)
        found = 0
        for clip in said:
            engine.reset()
            engine.attend(True)
            found += [hit.model for hit in engine.process(clip)] == ["alexa"]
        assert found >= 27, "all of the first 30 when it was measured"
        for path in sorted((shared / "audio/commands").glob("*.flac"))[:15]:
            engine.reset()
            engine.attend(True)
            assert engine.process(to_int16(read(path))) == []

    def test_it_runs_only_while_somebody_speaks_and_hears_the_beginning_of_the_word(self, engine: WakeWord, shared: Path) -> None:
        clip = clips(shared, "alexa")[0]
        quiet = np.zeros(30 * RATE, np.int16)
        assert engine.process(quiet) == []
        assert engine.decoded == 0  # type: ignore[attr-defined]
        late = RATE // 4
        hits = engine.process(clip[:late])  # the voice detector has not noticed yet
        engine.attend(True)
        hits += engine.process(clip[late:])
        engine.attend(False)
        hits += engine.process(quiet)
        assert [hit.model for hit in hits] == ["alexa"]
        assert len(quiet) < hits[0].sample <= len(quiet) + len(clip)
        assert engine.decoded <= 2 * RATE + len(clip)  # type: ignore[attr-defined]

    def test_a_second_hit_within_the_refractory_time_is_none(self, folder: Path, shared: Path) -> None:
        clip = clips(shared, "alexa")[0]
        for refractory_ms, hits in ((10_000, 1), (300, 2)):
            engine = wake.load(WakeSettings(words=[], keywords=["alexa"], refractory_ms=refractory_ms), folder)
            engine.attend(True)
            assert len(engine.process(clip) + engine.process(clip)) == hits
            engine.close()

    @pytest.mark.parametrize(("word", "why"), [("größe", "has 'ö'"), ("r2d2", "has '2'"), ("  ", "an empty word")])
    def test_what_cannot_be_spelled_is_refused_by_its_letter(self, folder: Path, word: str, why: str) -> None:
        with pytest.raises(ModelError, match=rf"wake\.keywords: .*{why}"):
            wake.load(WakeSettings(words=[], keywords=[word]), folder)

    def test_both_kinds_hear_side_by_side(self, folder: Path, shared: Path) -> None:
        engine = wake.load(WakeSettings(words=["okay_nabu"], keywords=["alexa"]), folder)
        engine.attend(True)
        found = [hit.model for clip in (clips(shared, "okay_nabu")[1], clips(shared, "alexa")[0]) for hit in engine.process(clip)]
        engine.close()
        assert found == ["okay_nabu", "alexa"]

    def test_a_folder_that_is_no_transducer_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="encoder"):
            wake.load(WakeSettings(words=[], keywords=["alexa"]), tmp_path)
