"""``edgevoice vad``, ``wake`` and ``transcribe`` on real files with the real engines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgevoice.audio import read, write_wav
from edgevoice.cli.dispatch import dispatch
from edgevoice.errors import AudioFileError, EdgeVoiceError, ModelError
from edgevoice.models import find
from edgevoice.settings import PathSettings
from tests.bench.wer import normalize


@pytest.fixture(scope="module", autouse=True)
def models() -> None:
    try:
        for name in ("silero-vad", "moonshine-tiny-en"):
            find(PathSettings(), name)
    except EdgeVoiceError as error:
        pytest.skip(f"{error}")


@pytest.fixture
def speech(shared: Path) -> Path:
    return shared / "audio/stt/azure_samples_python_console_whatstheweatherlike.flac"


@pytest.fixture
def noise(shared: Path, tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    write_wav(path, read(shared / "audio/noise/kitchen.flac")[:10 * 16_000], 16_000)
    return path


def output(capsys: pytest.CaptureFixture[str], *argv: str | Path, code: int = 0) -> str:
    assert dispatch([str(arg) for arg in argv]) == code
    return capsys.readouterr().out


def test_vad_gives_probabilities_and_segments(capsys: pytest.CaptureFixture[str], speech: Path, shared: Path) -> None:
    found = json.loads(output(capsys, "vad", speech, "--json"))
    samples = len(read(speech))
    assert found["frame_ms"] == 32
    assert len(found["prob"]) == -(-samples // 512) and all(0 <= p <= 1 for p in found["prob"])
    edges = json.loads((shared / "audio/stt/edges.json").read_text())[speech.name]
    assert np.allclose([found["segments"][0][0], found["segments"][-1][1]], [edges[0][0], edges[-1][1]], atol=0.12)
    assert "1 segment, " in output(capsys, "vad", speech)


def test_vad_finds_nothing_in_noise(capsys: pytest.CaptureFixture[str], noise: Path) -> None:
    assert json.loads(output(capsys, "vad", noise, "--json"))["segments"] == []


def test_wake_tells_when_and_which(capsys: pytest.CaptureFixture[str], shared: Path, tmp_path: Path) -> None:
    """Also at another rate and in stereo."""
    path = tmp_path / "wake.wav"
    audio = read(shared / "audio/wake/okay_nabu/pymicro_2.flac", 44_100)
    write_wav(path, np.stack([audio, audio], axis=1), 44_100)
    for file in (shared / "audio/wake/okay_nabu/pymicro_2.flac", path):
        (hit,) = json.loads(output(capsys, "wake", file, "--json"))
        assert hit["model"] == "okay_nabu" and hit["t"] == pytest.approx(1.46, abs=0.05) and 0.85 < hit["score"] <= 1
    assert "okay_nabu" in output(capsys, "wake", path)
    assert json.loads(output(capsys, "wake", path, "--json", "--word", "alexa", "--word", "hey_jarvis")) == []


def test_wake_in_noise_says_that_there_is_none(capsys: pytest.CaptureFixture[str], noise: Path) -> None:
    assert output(capsys, "wake", noise).endswith("no wake word in 10.00 s\n")
    assert dispatch(["wake", str(noise), "--word", "ok_computer"]) == ModelError.exit_code
    assert "there are alexa" in capsys.readouterr().err


def test_transcribe_prints_the_words_and_nothing_else(capsys: pytest.CaptureFixture[str], speech: Path, noise: Path) -> None:
    assert output(capsys, "transcribe", speech) == "What's the weather like?\n"
    assert output(capsys, "transcribe", noise) == "\n"


@pytest.mark.parametrize("model", ["moonshine-tiny-en", "zipformer"])
def test_transcribe_streams(capsys: pytest.CaptureFixture[str], speech: Path, shared: Path, model: str) -> None:
    folder = shared / "models/zipformer-en-gigaspeech-3.3m" if model == "zipformer" else model
    (found,) = json.loads(output(capsys, "transcribe", "--stream", "--json", "--model", folder, speech))
    assert normalize(found["text"]) == ["what's", "the", "weather", "like"]
    assert found["partials"] and all(p["stable"] <= len(p["text"]) and 0 < p["t"] <= found["seconds"] for p in found["partials"])
    assert [p["t"] for p in found["partials"]] == sorted({p["t"] for p in found["partials"]})
    shown = output(capsys, "transcribe", "--stream", "--model", folder, speech).splitlines()
    assert len(shown) >= 2 and all(" s  " in line and line.count("|") == 1 for line in shown[:-1])
    assert normalize(shown[-1]) == ["what's", "the", "weather", "like"]


def test_transcribe_divides_at_long_silences(capsys: pytest.CaptureFixture[str], speech: Path, shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.wav"
    parts = [read(speech), np.zeros(40_000, np.float32), read(shared / "audio/stt/pocketsphinx_test_data_goforward.flac")]
    write_wav(path, np.concatenate(parts), 16_000)
    (found,) = json.loads(output(capsys, "transcribe", path, "--json"))
    assert [normalize(part["text"]) for part in found["utterances"]] == [
        ["what's", "the", "weather", "like"], ["go", "forward", "ten", "meters"]]
    assert found["utterances"][0]["end"] <= found["utterances"][1]["start"] <= found["seconds"]
    assert found["text"] == " ".join(part["text"] for part in found["utterances"])


def test_a_bad_file_among_good_ones_does_not_stop_them(capsys: pytest.CaptureFixture[str], speech: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert dispatch(["transcribe", str(speech), str(tmp_path / "none.wav"), str(empty), str(speech)]) == AudioFileError.exit_code
    out, err = capsys.readouterr()
    assert out == f"{speech}: What's the weather like?\n" * 2
    assert [line.startswith("edgevoice: ") for line in err.splitlines()] == [True, True]
    assert "none.wav" in err and "empty.wav" in err
    documents = json.loads(output(capsys, "transcribe", "--json", empty, speech, code=AudioFileError.exit_code))
    assert ["error" in document for document in documents] == [True, False]


@pytest.mark.parametrize("command", ["vad", "wake"])
def test_a_bad_file_is_one_line_and_its_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    (tmp_path / "text.wav").write_text("this is no audio")
    assert dispatch([command, str(tmp_path / "text.wav"), "--json"]) == AudioFileError.exit_code
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and "text.wav" in err
