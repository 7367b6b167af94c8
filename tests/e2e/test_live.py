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
from edgevoice.engines import wake
from edgevoice.models import default_root
from edgevoice.pipeline.session import Engines
from edgevoice.settings import PathSettings, WakeSettings
from tests.fakes.pulse import MISSING, PulseServer

ROOT = Path(__file__).resolve().parents[2]
RATE = 16_000
PATIENCE_S = 120.0


@pytest.fixture
def question(engines: Engines, tmp_path: Path) -> Path:
    detector = wake.load(WakeSettings())
    (first, *_), _ = demo.lines(engines.tts, RATE, detector)
    detector.close()
    path = tmp_path / "question.wav"
    audio.write_wav(path, first.samples, RATE)
    return path


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize(("backend", "clocks"), [("portaudio", "auto"), ("portaudio", "two"), ("pyaudio", "auto")])
def test_a_spoken_question_is_answered_aloud(question: Path, tmp_path: Path, backend: str, clocks: str) -> None:
    config = tmp_path / "c.toml"
    limits = ("stt_s", "first_token_s", "next_token_s", "first_audio_s", "next_audio_s", "one_moment_s")
    patience = "".join(f"{key} = 60.0\n" for key in limits)
    config.write_text(f'[audio]\nbackend = "{backend}"\nclocks = "{clocks}"\n[llm]\nmax_tokens = 20\n[privacy]\nlog_words = true\n'
                      f'[faults]\n{patience}', encoding="utf-8")
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
                events = _Events(daemon)
                for _ in range(3):  # a loaded machine's null sink may drop the one syllable that mattered: people say it again
                    subprocess.run(["paplay", "-d", "loop", str(question)], env=server.environment, check=True)
                    if events.seen("wake", 3.0):
                        break
                assert events.seen("playback_end", PATIENCE_S), events.names()
                daemon.send_signal(signal.SIGTERM)
                code = daemon.wait(timeout=20)
                rest = daemon.stderr.read() if daemon.stderr else ""
            finally:
                watchdog.cancel()
                daemon.kill()
                recorder.kill()
    assert code == 0, said + rest
    assert "wake" in events.names() and "barge_in_onset" not in events.names()
    (final,) = [event for event in events.rows if event["event"] == "stt_final"]
    # Its clocks are those of a loaded machine, and the recognizer is small: "What is the moon, Beda?" was the sound of it, too.
    assert difflib.SequenceMatcher(None, final["text"].lower(), "what is the moon made of?").ratio() > 0.7, final
    health = [event for event in events.rows if event["event"] == "health"][-1]
    assert health["device"]["open"] and health["front"]["hops"] > 0 and health["counters"]["captured"] > 0
    assert sum(health["lateness"]["callbacks"].values()) > 0, "the device tells its time"
    assert (health["device"]["clocks"] is not None) is (clocks == "two")
    heard = np.frombuffer(recording.read_bytes(), np.int16).astype(np.float64)
    end = next(event for event in events.rows if event["event"] == "playback_end")
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


class _Events:
    """What the daemon tells, read as it comes."""

    def __init__(self, daemon: subprocess.Popen[str]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, args=(daemon,), daemon=True).start()

    def _read(self, daemon: subprocess.Popen[str]) -> None:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            with self._news:
                self.rows.append(json.loads(line))
                self._news.notify_all()

    def names(self) -> list[str]:
        return [row["event"] for row in self.rows]

    def seen(self, name: str, within_s: float) -> bool:
        with self._news:
            return self._news.wait_for(lambda: name in self.names(), within_s)
