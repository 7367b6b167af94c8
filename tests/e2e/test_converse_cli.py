"""``edgevoice converse`` as a program: what it writes agrees with itself and with an outsider's ruler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edgevoice import audio, trace

ROOT = Path(__file__).resolve().parents[2]
RATE = 16_000
CLIP = "stt/rhasspy3_etc_whats_the_date_today.flac"


@pytest.fixture(scope="module")
def made(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("converse")
    run = subprocess.run(
        [sys.executable, "-m", "edgevoice", "converse", "--in", str(shared / "audio" / CLIP), "--in", str(shared / "audio" / CLIP),
         "--out", str(folder / "speaker.wav"), "--record", str(folder / "both.wav"), "--trace", str(folder / "trace.jsonl"),
         "--html", str(folder / "page.html"), "--no-wake", "--no-earcons", "--fast", "--json"],
        capture_output=True, text=True, timeout=180, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    document: dict[str, object] = json.loads(run.stdout)
    return folder, document


def test_both_sides_share_sample_0_and_the_speaker_file_is_the_right_channel(made: tuple[Path, dict[str, object]]) -> None:
    folder, document = made
    both, rate = soundfile.read(folder / "both.wav", dtype="int16")
    speaker, _ = soundfile.read(folder / "speaker.wav", dtype="int16")
    assert rate == document["rate"] and both.shape == (len(speaker), 2)
    np.testing.assert_array_equal(both[:, 1], speaker)


def test_the_trace_names_the_very_samples_of_the_recording(made: tuple[Path, dict[str, object]]) -> None:
    folder, _ = made
    speaker, rate = soundfile.read(folder / "speaker.wav", dtype="int16")
    rows = trace.load(folder / "trace.jsonl")
    firsts = [row["sample"] for row in rows if row["event"] == "playback_first_sample"]
    ends = [row["sample"] for row in rows if row["event"] == "playback_end"]
    assert len(firsts) == len(ends) == 2
    quiet = 0
    for first, end in zip(firsts, ends, strict=True):
        assert not np.any(speaker[quiet:first]), "sound outside of what the trace says was played"
        assert np.any(speaker[first:first + rate // 20]), "silence where the trace says that the reply began"
        quiet = end
    assert not np.any(speaker[quiet:])
    times = [row["t"] for row in rows]
    assert times == sorted(times)


def test_an_outsider_measures_the_same_latency(made: tuple[Path, dict[str, object]], shared: Path) -> None:
    folder, document = made
    run = subprocess.run([sys.executable, str(shared / "tools" / "v2v.py"), str(shared / "audio" / CLIP), str(folder / "speaker.wav"),
                          "--edges", str(shared / "audio" / "stt" / "edges.json"), "--json"], capture_output=True, text=True)
    (row, *_) = json.loads(run.stdout)
    ours = document["turns"][0]["v2v_s"]  # type: ignore[index]
    assert not row["cut_off"] and abs(row["latency_s"] - ours) < 0.15, (row, ours)


def test_the_page_stands_alone(made: tuple[Path, dict[str, object]]) -> None:
    folder, _ = made
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "http://" not in page and "https://" not in page and "today" in page


@pytest.mark.parametrize(("argv", "named"), [
    (["--out", "user.wav"], ("--out user.wav", "--in")),
    (["--out", "a.wav", "--record", "./a.wav"], ("--record a.wav", "--out")),
    (["--out", "a.wav", "--noise", "noise.wav", "--trace", "noise.wav"], ("--trace noise.wav", "--noise")),
], ids=lambda value: value[-1])
def test_nothing_is_written_over_what_another_argument_names(tmp_path: Path, argv: list[str], named: tuple[str, str]) -> None:
    for name in ("user.wav", "noise.wav"):
        audio.write_wav(tmp_path / name, np.ones(1600, np.int16), RATE)
    before = (tmp_path / "user.wav").read_bytes()
    run = subprocess.run([sys.executable, "-m", "edgevoice", "converse", "--in", "user.wav", "--fast", "--no-wake", *argv], cwd=tmp_path,
                         capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    assert run.stderr == f"edgevoice: {named[0]}: is what {named[1]} names; give it a name of its own\n"
    assert (tmp_path / "user.wav").read_bytes() == before
