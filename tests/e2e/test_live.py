"""The daemon on a real sound system: PortAudio, PulseAudio's null sinks, a spoken question in and a spoken answer out."""

from __future__ import annotations

import difflib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice import audio, demo
from edgevoice.models import default_root
from edgevoice.pipeline.session import Engines
from edgevoice.settings import PathSettings
from tests.fakes.pulse import MISSING, PulseServer

ROOT = Path(__file__).resolve().parents[2]
RATE = 16_000
PATIENCE_S = 120.0


@pytest.fixture
def question(engines: Engines, tmp_path: Path) -> Path:
    (first, *_), _ = demo.lines(engines.tts, RATE)
    path = tmp_path / "question.wav"
    audio.write_wav(path, first.samples, RATE)
    return path


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize("backend", ["portaudio", "pyaudio"])
def test_a_spoken_question_is_answered_aloud(question: Path, tmp_path: Path, backend: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[audio]\nbackend = "{backend}"\n[llm]\nmax_tokens = 20\n', encoding="utf-8")
    with PulseServer(tmp_path / "server", apart=True) as server:
        environment = {**server.environment, "EDGEVOICE_MODELS": str(default_root(PathSettings())), "PYTHONPATH": str(ROOT)}
        recording = tmp_path / "speaker.raw"
        with recording.open("wb") as file, \
                subprocess.Popen(["parec", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", "-d", "spk.monitor"],
                                 stdout=file, env=server.environment) as recorder, \
                subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", str(config)], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as daemon:
            watchdog = threading.Timer(PATIENCE_S, daemon.kill)
            watchdog.start()
            try:
                said = _until_listening(daemon)
                subprocess.run(["paplay", "-d", "loop", str(question)], env=server.environment, check=True)
                events = _until(daemon, "playback_end")
                daemon.send_signal(signal.SIGTERM)
                _, rest = daemon.communicate(timeout=20)
                code = daemon.returncode
            finally:
                watchdog.cancel()
                daemon.kill()
                recorder.kill()
    assert code == 0, said + rest
    names = [event["event"] for event in events]
    assert "wake" in names and "barge_in_onset" not in names
    (final,) = [event for event in events if event["event"] == "stt_final"]
    assert difflib.SequenceMatcher(None, final["text"].lower(), "what is the moon made of?").ratio() > 0.8, final
    heard = np.frombuffer(recording.read_bytes(), np.int16).astype(np.float64)
    end = next(event for event in events if event["event"] == "playback_end")
    loud = np.abs(heard) > 300
    assert loud.sum() > 0.2 * end["frames"], "the reply was not heard at the loudspeaker"


def _until_listening(daemon: subprocess.Popen[str]) -> str:
    assert daemon.stderr is not None
    said = ""
    for line in daemon.stderr:
        said += line
        if "listening" in line:
            return said
    pytest.fail(f"the daemon ended: {said}")


def _until(daemon: subprocess.Popen[str], name: str) -> list[dict[str, Any]]:
    assert daemon.stdout is not None
    events = []
    for line in daemon.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == name:
            return events
    pytest.fail(f"the daemon ended before {name}: {[event['event'] for event in events]}")
