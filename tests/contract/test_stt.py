"""What every recognizer keeps to; the real ones on real sentences, silence and noise; which model folders are refused."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevoice.audio import read
from edgevoice.engines import stt
from edgevoice.engines.model_files import metadata
from edgevoice.engines.protocols import Float32, Stt
from edgevoice.errors import EdgeVoiceError, EngineError, ModelError
from edgevoice.models import find
from edgevoice.settings import PathSettings, SttSettings
from tests.bench.wer import count, normalize
from tests.fakes.stt import FakeStt

SENTENCES = {
    "google-samples_dialogflow_resources_mountain_view": "mountain view",
    "voice2json_etc_test_what_time_is_it": "what time is it",
    "azure_samples_python_console_whatstheweatherlike": "what's the weather like",
    "speechbrain_tests_samples_ASR_spk1_snt1": "the child almost hurt the small dog",
    "rhasspy3_etc_whats_the_date_today": "what's the date today",
    "pocketsphinx_test_data_goforward": "go forward ten meters",
}
LONG = "agrover-libri_wav_8266-258262-0001"


@pytest.fixture(scope="module")
def moonshine_folder() -> Path:
    try:
        return find(PathSettings(), "moonshine-tiny-en")
    except EdgeVoiceError as error:
        pytest.skip(f"{error}")


@pytest.fixture(scope="module")
def zipformer_folder(shared: Path) -> Path:
    return shared / "models/zipformer-en-gigaspeech-3.3m"


@pytest.fixture(scope="module")
def moonshine(moonshine_folder: Path) -> Iterator[Stt]:
    made = stt.load(SttSettings(), moonshine_folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def zipformer(zipformer_folder: Path) -> Iterator[Stt]:
    made = stt.load(SttSettings(), zipformer_folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def two_pass(zipformer_folder: Path, moonshine_folder: Path) -> Iterator[Stt]:
    made = stt.load(SttSettings(), zipformer_folder, moonshine_folder)
    yield made
    made.close()


@pytest.fixture(params=["moonshine", "zipformer", "two_pass", "fake"])
def engine(request: pytest.FixtureRequest) -> Stt:
    return FakeStt(["what time is it"]) if request.param == "fake" else request.getfixturevalue(request.param)


@pytest.fixture(params=["moonshine", "zipformer"])
def real(request: pytest.FixtureRequest) -> Stt:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def clip(shared: Path) -> Float32:
    return sentence(shared, "voice2json_etc_test_what_time_is_it")


def sentence(shared: Path, name: str) -> Float32:
    return read(shared / "audio/stt" / f"{name}.flac")


def text_of(engine: Stt, audio: Float32) -> str:
    stream = engine.open()
    stream.accept(audio)
    return stream.finish()


def streamed(engine: Stt, audio: Float32, sizes: tuple[int, ...] = (512,)) -> tuple[str, int]:
    """The final text and how many partials differed, the laws of a partial checked on the way."""
    stream = engine.open()
    stable, shown, changes, at = "", "", 0, 0
    for size in itertools.cycle(sizes):
        if at >= len(audio):
            break
        stream.accept(audio[at:at + size])
        at += size
        partial = stream.partial()
        assert partial.text.startswith(stable)
        assert 0 <= partial.stable <= len(partial.text)
        stable = partial.text[:partial.stable]
        changes += partial.text != shown
        shown = partial.text
    text = stream.finish()
    assert text.startswith(stable)
    return text, changes


class TestEvery:
    def test_hears_a_sentence(self, engine: Stt, clip: Float32) -> None:
        assert normalize(text_of(engine, clip)) == ["what", "time", "is", "it"]

    def test_without_audio_there_is_no_text(self, engine: Stt) -> None:
        stream = engine.open()
        stream.accept(np.zeros(0, np.float32))
        assert (stream.partial().text, stream.settle(), stream.finish()) == ("", "", "")

    @pytest.mark.parametrize("seconds", [0.001, 0.1, 1.0, 12.0])
    def test_silence_has_no_text(self, engine: Stt, seconds: float) -> None:
        assert streamed(engine, np.zeros(int(seconds * 16_000), np.float32), (1600,)) == ("", 0)

    @pytest.mark.parametrize("sizes", [(1, 7, 160, 3000), (512,), (100_000,)])
    def test_pieces_do_not_matter(self, engine: Stt, clip: Float32, sizes: tuple[int, ...]) -> None:
        stream, at = engine.open(), 0
        for size in itertools.cycle(sizes):
            if at >= len(clip):
                break
            stream.accept(clip[at:at + size])
            at += size
        assert stream.finish() == text_of(engine, clip)

    def test_partials_grow_into_the_final(self, engine: Stt, clip: Float32) -> None:
        text, changes = streamed(engine, clip)
        assert normalize(text) == ["what", "time", "is", "it"]
        assert changes >= 1

    def test_settle_then_finish_say_the_same(self, engine: Stt, clip: Float32) -> None:
        stream = engine.open()
        stream.accept(clip)
        settled = stream.settle()
        assert settled and stream.settle() == settled
        assert stream.finish() == settled

    def test_two_utterances_do_not_mix(self, engine: Stt, clip: Float32) -> None:
        first = text_of(engine, clip)
        abandoned = engine.open()
        abandoned.accept(clip[:20_000])
        abandoned.partial()
        assert text_of(engine, clip) == first

    def test_a_used_up_stream_says_so(self, engine: Stt, clip: Float32) -> None:
        stream = engine.open()
        stream.finish()
        acts: tuple[Callable[[], object], ...] = (lambda: stream.accept(clip), stream.partial, stream.settle, stream.finish)
        for act in acts:
            with pytest.raises(EngineError, match="open a new stream"):
                act()

    def test_other_samples_than_float32_are_refused(self, engine: Stt) -> None:
        with pytest.raises(ValueError, match="int16"):
            engine.open().accept(np.zeros(100, np.int16))  # type: ignore[arg-type]


def test_the_second_pass_has_the_last_word(two_pass: Stt, moonshine: Stt, shared: Path) -> None:
    for name in SENTENCES:
        samples = sentence(shared, name)
        texts = []
        for engine in (two_pass, moonshine):
            stream = engine.open()
            stream.accept(samples)
            stream.settle()
            texts.append(stream.finish())
        assert texts[0] == texts[1]


def test_what_cannot_be_two_passes_is_refused(moonshine_folder: Path, zipformer_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"wants a streaming stt\.model"):
        stt.load(SttSettings(), moonshine_folder, moonshine_folder)
    with pytest.raises(ModelError, match="wants a model that sees whole utterances"):
        stt.load(SttSettings(), zipformer_folder, zipformer_folder)


class TestReal:
    def test_kind(self, moonshine: Stt, zipformer: Stt) -> None:
        assert (moonshine.streaming, zipformer.streaming) == (False, True)

    def test_sentences(self, real: Stt, shared: Path) -> None:
        pairs = [(said, streamed(real, sentence(shared, name))[0]) for name, said in SENTENCES.items()]
        assert count(pairs).rate <= 0.1, pairs

    def test_a_long_sentence_loses_no_word_where_it_is_cut(self, real: Stt, shared: Path) -> None:
        """16 s, twice as long as a window; labelled words, one of them a name that nobody could spell."""
        labels = {row["file"]: row["text"] for row in json.loads((shared / "audio/stt/labels.json").read_text())}
        text, changes = streamed(real, sentence(shared, LONG))
        found = count([(labels[f"{LONG}.flac"], text)])
        assert found.rate <= 0.15, text
        assert changes > 5

    def test_steady_noise_has_no_text(self, moonshine: Stt) -> None:
        rng = np.random.default_rng(7)
        for level in (1e-4, 1e-3, 0.01, 0.1):
            assert text_of(moonshine, (rng.standard_normal(32_000) * level).astype(np.float32)) == ""
        hum = (0.1 * np.sin(2 * np.pi * 50 * np.arange(48_000) / 16_000)).astype(np.float32)
        assert text_of(moonshine, hum) == ""

    def test_settling_in_a_pause_keeps_what_follows(self, real: Stt, shared: Path) -> None:
        stream = real.open()
        stream.accept(sentence(shared, "azure_samples_python_console_whatstheweatherlike"))
        assert normalize(stream.settle()) == ["what's", "the", "weather", "like"]
        stream.accept(np.zeros(8000, np.float32))
        stream.accept(sentence(shared, "pocketsphinx_test_data_goforward"))
        assert normalize(stream.finish()) == ["what's", "the", "weather", "like", "go", "forward", "ten", "meters"]

    def test_short_words_are_not_repeated(self, moonshine: Stt, shared: Path) -> None:
        """Without silence around them the model says "six, six, six, six" and "Zero. Zero. Zero. Zero."."""
        for name, said in (("6_george_4", "six"), ("3_nicolas_1", "three"), ("2_theo_4", "two")):
            assert normalize(text_of(moonshine, sentence(shared, f"fsdd_recordings_{name}"))) == [said]

    def test_capitals_are_presented_as_a_sentence(self, zipformer: Stt, shared: Path) -> None:
        assert text_of(zipformer, sentence(shared, "rhasspy3_etc_whats_the_date_today")) == "What's the date today"

    def test_hotwords_are_favoured(self, zipformer_folder: Path, zipformer: Stt, shared: Path) -> None:
        audio = sentence(shared, "rhasspy3_etc_play_the_beatles")
        engine = stt.load(SttSettings(hotwords=["The Beatles", "", "a/b"]), zipformer_folder)
        assert normalize(text_of(zipformer, audio)) == ["play", "the", "beetles"]
        assert normalize(streamed(engine, audio)[0]) == ["play", "the", "beatles"]

    def test_a_closed_recognizer_says_so(self, zipformer_folder: Path) -> None:
        engine = stt.load(SttSettings(), zipformer_folder)
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.open()


def copy(source: Path, target: Path, *, record: bool = False) -> Path:
    """The model with files of its own in place of links where a test changes them."""
    for path in source.iterdir():
        if path.name != "model.json" or record:
            os.symlink(path.resolve(), target / path.name)
    return target


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


class TestRefused:
    """sherpa-onnx ends the process on most of these, so they must not reach it."""

    @pytest.mark.parametrize(("name", "content", "why"), [
        ("tokens.txt", b"a 0\nb 1\n", "not base64"),
        ("tokens.txt", b"PHM+ 0\nPC9zPg== 1\n", "2 tokens"),
        ("tokens.txt", b"hello\n", "not a token list"),
        ("tokens.txt", b"\xff\xfe\x00", "not a token list"),
        ("tokens.txt", b"", "empty"),
        ("encoder_model.ort", b"junk" * 10, "not a model in onnxruntime's"),
        ("encoder_model.ort", b"\x20\0\0\0ORTM" + b"\xff" * 1000, "sherpa-onnx refuses it"),
        ("decoder_model_merged.ort", b"", "empty"),
    ])
    def test_a_moonshine_that_is_damaged(self, moonshine_folder: Path, tmp_path: Path, name: str, content: bytes, why: str) -> None:
        replace(copy(moonshine_folder, tmp_path) / name, content)
        with pytest.raises(ModelError, match=why):
            stt.load(SttSettings(), tmp_path)

    def test_the_tokens_of_another_model(self, moonshine_folder: Path, zipformer_folder: Path, tmp_path: Path) -> None:
        replace(copy(moonshine_folder, tmp_path) / "tokens.txt", (zipformer_folder / "tokens.txt").read_bytes())
        with pytest.raises(ModelError, match="another kind of model"):
            stt.load(SttSettings(), tmp_path)

    def test_a_file_of_another_size_than_recorded(self, moonshine_folder: Path, tmp_path: Path) -> None:
        if not (moonshine_folder / "model.json").is_file():
            pytest.skip("this model has no record")
        copy(moonshine_folder, tmp_path, record=True)
        replace(tmp_path / "encoder_model.ort", (moonshine_folder / "encoder_model.ort").read_bytes()[:100_000])
        with pytest.raises(ModelError, match=r"100000 bytes instead of \d+"):
            stt.load(SttSettings(), tmp_path)

    @pytest.mark.parametrize(("name", "content", "why"), [
        ("encoder.int8.onnx", b"junk" * 100, "not a whole ONNX file"),
        ("encoder.int8.onnx", "decoder.onnx", "names the model type None"),
        ("decoder.onnx", "joiner.int8.onnx", "has no vocab_size"),
        ("joiner.int8.onnx", "decoder.onnx", "has no joiner_dim"),
        ("joiner.int8.onnx", b"", "empty"),
        ("tokens.txt", b"a 0\nb 1\n", "2 tokens up to number 1 for a model of 500"),
        ("tokens.txt", b"a 0\nb 2\nc 1\n", "above 2"),
    ])
    def test_a_zipformer_that_is_damaged(self, zipformer_folder: Path, tmp_path: Path, name: str, content: bytes | str, why: str) -> None:
        copy(zipformer_folder, tmp_path)
        replace(tmp_path / name, content if isinstance(content, bytes) else (zipformer_folder / content).read_bytes())
        with pytest.raises(ModelError, match=why):
            stt.load(SttSettings(), tmp_path)

    def test_a_truncated_zipformer(self, zipformer_folder: Path, tmp_path: Path) -> None:
        replace(copy(zipformer_folder, tmp_path) / "encoder.int8.onnx", (zipformer_folder / "encoder.int8.onnx").read_bytes()[:2_000_000])
        with pytest.raises(ModelError, match=r"not a whole ONNX file \(ends in the middle\)"):
            stt.load(SttSettings(), tmp_path)

    @pytest.mark.parametrize("missing", ["decoder.onnx", "tokens.txt"])
    def test_a_part_that_is_missing(self, zipformer_folder: Path, tmp_path: Path, missing: str) -> None:
        (copy(zipformer_folder, tmp_path) / missing).unlink()
        with pytest.raises(ModelError, match=missing):
            stt.load(SttSettings(), tmp_path)

    def test_a_folder_of_another_kind(self, tmp_path: Path) -> None:
        shutil.copy(__file__, tmp_path / "notes.txt")
        with pytest.raises(ModelError, match="wants moonshine-v2"):
            stt.load(SttSettings(), tmp_path)
        (tmp_path / "model.json").write_text(json.dumps({"name": "x", "family": "gguf", "files": {}}))
        with pytest.raises(ModelError, match="'gguf' cannot recognize speech"):
            stt.load(SttSettings(), tmp_path)
        (tmp_path / "model.json").write_text("[]")
        with pytest.raises(ModelError, match="not a model's record"):
            stt.load(SttSettings(), tmp_path)

    def test_metadata_is_what_onnxruntime_reads(self, zipformer_folder: Path) -> None:
        import onnxruntime

        for path in zipformer_folder.glob("*.onnx"):
            model = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).get_modelmeta()
            assert metadata(path) == model.custom_metadata_map
