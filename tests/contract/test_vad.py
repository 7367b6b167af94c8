"""What every voice detector keeps to; the real one against onnxruntime's plain way and against measured edges of speech."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevoice.audio import read
from edgevoice.cli.vad import segments
from edgevoice.engines import vad
from edgevoice.engines.protocols import Float32, Vad
from edgevoice.engines.silero import MODEL_FILE, SileroVad
from edgevoice.engines.silero_native import SileroNative
from edgevoice.errors import EdgeVoiceError, EngineError, ModelError
from edgevoice.models import find
from edgevoice.settings import PathSettings, VadSettings
from tests.fakes.vad import FakeVad


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return find(PathSettings(), "silero-vad")
    except EdgeVoiceError as error:
        pytest.skip(f"{error}")


def make(name: str, folder: Path) -> Vad:
    """Silero's network in our own C, or in onnxruntime."""
    return SileroNative(folder / MODEL_FILE) if name == "native" else SileroVad(folder / MODEL_FILE)


@pytest.fixture(params=["native", "onnxruntime"])
def silero(request: pytest.FixtureRequest, folder: Path) -> Iterator[Vad]:
    made = make(request.param, folder)
    yield made
    made.close()


@pytest.fixture(params=["native", "onnxruntime", "fake"])
def engine(request: pytest.FixtureRequest) -> Iterator[Vad]:
    made = FakeVad() if request.param == "fake" else make(request.param, request.getfixturevalue("folder"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def clip(shared: Path) -> Float32:
    """Half a second of silence, then 1.6 s of speech."""
    return np.concatenate([np.zeros(8000, np.float32), read(shared / "audio/stt/google-samples_dialogflow_resources_230pm.flac")])


def probabilities(engine: Vad, audio: Float32) -> list[float]:
    return [engine.process(audio[at:at + engine.frame]) for at in range(0, len(audio) - engine.frame + 1, engine.frame)]


class TestEvery:
    def test_speech_is_likelier_than_silence(self, engine: Vad, clip: Float32) -> None:
        found = probabilities(engine, clip)
        assert all(0.0 <= p <= 1.0 for p in found)
        assert max(found[:12]) < 0.3
        assert max(found) > 0.8

    def test_reset_makes_it_as_new(self, engine: Vad, clip: Float32) -> None:
        first = probabilities(engine, clip)
        engine.reset()
        assert probabilities(engine, clip) == first

    def test_the_frame_given_is_not_changed_and_not_kept(self, engine: Vad, clip: Float32) -> None:
        expected = probabilities(engine, clip)
        engine.reset()
        buffer = np.empty(engine.frame, np.float32)
        found = []
        for at in range(0, len(clip) - engine.frame + 1, engine.frame):
            buffer[:] = clip[at:at + engine.frame]
            found.append(engine.process(buffer))
            assert np.array_equal(buffer, clip[at:at + engine.frame])
            buffer.fill(7.0)
        assert found == expected

    @pytest.mark.parametrize("shape", [(0,), (511,), (513,), (1, 512)])
    def test_a_frame_of_another_shape_is_refused(self, engine: Vad, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="512"):
            engine.process(np.zeros(shape, np.float32))

    def test_a_closed_one_says_so(self, engine: Vad) -> None:
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.process(np.zeros(engine.frame, np.float32))


class TestSilero:
    def test_equals_the_network_run_plainly(self, silero: Vad, folder: Path, clip: Float32) -> None:
        """The reference gets 64 samples of context, a state handed on by hand, and no buffer twice."""
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "silero_vad_16k_op15.onnx"), providers=["CPUExecutionProvider"])
        state = np.zeros((2, 1, 128), np.float32)
        expected = []
        for at in range(0, len(clip) - 511, 512):
            context = clip[at - 64:at] if at else np.zeros(64, np.float32)
            output, state = session.run(None, {"input": np.concatenate([context, clip[at:at + 512]])[None], "state": state,
                                               "sr": np.array(16_000, np.int64)})
            expected.append(float(output[0, 0]))
        rounding = 1e-4 if isinstance(silero, SileroNative) else 1e-6  # another order of sums, through a recurrent network
        assert np.allclose(probabilities(silero, clip), expected, rtol=0, atol=rounding)

    @pytest.mark.parametrize("name", ["native", "onnxruntime"])
    def test_two_of_them_share_no_state(self, name: str, folder: Path, clip: Float32) -> None:
        one, other = make(name, folder), make(name, folder)
        expected = probabilities(one, clip)
        one.reset()
        found = []
        for at in range(0, len(clip) - 511, 512):
            found.append(one.process(clip[at:at + 512]))
            other.process(np.ascontiguousarray(clip[at:at + 512][::-1]))
        assert found == expected

    def test_finds_measured_edges(self, silero: Vad, shared: Path) -> None:
        """Against levels in 5 ms steps: half of the edges within 30 ms, nine of ten within 120."""
        edges = json.loads((shared / "audio/commands/edges.json").read_text())
        errors = []
        for name in sorted(name for name, spans in edges.items() if spans)[:24]:
            found = segments(silero, VadSettings(), read(shared / "audio/commands" / name))[1]
            assert found, name
            errors += [found[0][0] / 16_000 - edges[name][0][0], found[-1][1] / 16_000 - edges[name][-1][1]]
        assert np.median(np.abs(errors)) < 0.030
        assert np.percentile(np.abs(errors), 90) < 0.120
        assert abs(float(np.median(errors[::2]))) < 0.020
        assert abs(float(np.median(errors[1::2]))) < 0.020

    def test_a_kitchen_is_no_speech(self, silero: Vad, shared: Path) -> None:
        assert segments(silero, VadSettings(), read(shared / "audio/noise/kitchen.flac")[:60 * 16_000])[1] == []

    def test_speech_in_noise_is_found_again(self, silero: Vad, shared: Path, clip: Float32) -> None:
        noise = read(shared / "audio/noise/kitchen.flac")[:len(clip)]
        loud = noise * np.sqrt(np.mean(np.square(clip[8000:])) / np.mean(np.square(noise))) * 10 ** (-10 / 20)
        quiet, noisy = segments(silero, VadSettings(), clip)[1], segments(silero, VadSettings(), (clip + loud).astype(np.float32))[1]
        assert abs(quiet[0][0] - noisy[0][0]) < 0.1 * 16_000 and abs(quiet[-1][1] - noisy[-1][1]) < 0.1 * 16_000


class TestWhichOne:
    def test_our_own_runs_where_it_can(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        for path in (folder, folder / MODEL_FILE):
            assert isinstance(vad.load(VadSettings(), path), SileroNative)
        assert not caplog.records

    def test_without_the_extension_onnxruntime_does_and_the_log_says_why(self, folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                                         caplog: pytest.LogCaptureFixture) -> None:
        monkeypatch.delitem(sys.modules, "edgevoice.engines.silero_native")
        monkeypatch.setitem(sys.modules, "edgevoice.rt._vad", None)
        assert isinstance(vad.load(VadSettings(), folder), SileroVad)
        assert "onnxruntime" in caplog.text and "not built" in caplog.text and "edgevoice.rt._vad" in caplog.text

    def test_a_network_that_only_onnxruntime_knows_runs_there_and_the_log_says_why(self, folder: Path, tmp_path: Path,
                                                                                  caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / MODEL_FILE
        renamed = (folder / MODEL_FILE).read_bytes().replace(b"encoder.3.reparam_conv.bias", b"encoder.3.reparam_conv.BIAS")
        path.write_bytes(renamed)
        assert isinstance(vad.load(VadSettings(), tmp_path), SileroVad)
        assert "no tensor 'model.encoder.3.reparam_conv.bias'" in caplog.text and str(path) in caplog.text

    def test_without_onnxruntime_the_fault_of_the_file_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / MODEL_FILE).write_bytes(b"junk" * 100)
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(ModelError, match=r"silero_vad_16k_op15\.onnx: not the Silero VAD network"):
            vad.load(VadSettings(), tmp_path)


class TestRefused:
    def test_an_absent_model_is_named_with_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"silero_vad_16k_op15\.onnx: no such file.*models pull"):
            vad.load(VadSettings(), tmp_path)

    @pytest.mark.parametrize("content", [b"", b"junk" * 100])
    def test_a_damaged_model_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "silero_vad_16k_op15.onnx").write_bytes(content)
        with pytest.raises(ModelError, match="onnxruntime refuses it"):
            vad.load(VadSettings(), tmp_path)

    def test_a_truncated_model_is_refused(self, tmp_path: Path, folder: Path) -> None:
        (tmp_path / "silero_vad_16k_op15.onnx").write_bytes((folder / "silero_vad_16k_op15.onnx").read_bytes()[:600_000])
        with pytest.raises(ModelError, match="onnxruntime refuses it"):
            vad.load(VadSettings(), tmp_path)

    def test_another_network_is_refused(self, shared: Path) -> None:
        with pytest.raises(ModelError, match="not a Silero VAD model"):
            vad.load(VadSettings(), shared / "models/zipformer-en-gigaspeech-3.3m/decoder.onnx")
