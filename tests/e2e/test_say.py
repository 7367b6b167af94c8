"""``edgevoice say``, as a real process with the real voice: into a file, out of a loudspeaker, and stopped in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevoice import audio
from edgevoice.engines import stt
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import find
from edgevoice.settings import PathSettings, SttSettings
from tests.fakes.calm_voice import calm_voice
from tests.fakes.pulse import MISSING, PulseServer

COMMAND = [sys.executable, "-m", "edgevoice", "say"]
LONG = "This is a rather long text that somebody wants to have read aloud. " * 40


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    for name in ("piper-en-us-joe", "moonshine-tiny-en"):
        try:
            find(PathSettings(), name)
        except EdgeVoiceError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calm_voice(find(PathSettings(), "piper-en-us-joe"), tmp_path_factory.mktemp("calm"))


def say(*argv: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *map(str, argv)], input=stdin, capture_output=True, timeout=60, env=env)


def heard(samples: audio.Float32) -> set[str]:
    """The words that the default recognizer hears at 16 kHz."""
    recognizer = stt.load(SttSettings(), find(PathSettings(), "moonshine-tiny-en"))
    try:
        stream = recognizer.open()
        stream.accept(samples)
        return set(re.findall(r"[a-z0-9']+", stream.finish().lower()))
    finally:
        recognizer.close()


class TestFile:
    def test_says_what_it_was_given(self, tmp_path: Path) -> None:
        done = say("The **kitchen** window", "is open.", "--out", tmp_path / "x.wav", "--json")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["spoken"] == "The kitchen window is open." and facts["file"] == str(tmp_path / "x.wav")
        assert facts["synthesis_s"] > 0 and facts["first_piece_s"] > 0
        samples = audio.read(tmp_path / "x.wav")
        assert len(samples) / 16_000 == pytest.approx(facts["seconds"], abs=0.01)
        assert len({"kitchen", "window", "open"} - heard(samples)) <= 1
        assert os.listdir(tmp_path) == ["x.wav"]

    def test_reads_standard_input(self, tmp_path: Path) -> None:
        done = say("-", "--out", tmp_path / "x.wav", stdin="It is 5 °C\n".encode())
        assert done.returncode == 0 and done.stderr == b""
        assert re.fullmatch(rf"{tmp_path}/x\.wav: [\d.]+ s of speech, made in [\d.]+ s\n", done.stdout.decode())
        assert "degrees" in heard(audio.read(tmp_path / "x.wav"))

    @pytest.mark.parametrize(("text", "stdin", "told"), [
        ("...", b"", "nothing to say in '...'"), ("", b"", "nothing to say"), ("-", b"", "nothing to say"),
        ("-", b"\xff\xfe", "not UTF-8")])
    def test_nothing_to_say(self, text: str, stdin: bytes, told: str, tmp_path: Path) -> None:
        done = say(text, "--out", tmp_path / "x.wav", stdin=stdin)
        assert done.returncode == 2 and told in done.stderr.decode() and done.stderr.count(b"\n") == 1
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("place", ["no/x.wav", "."])
    def test_a_place_that_cannot_be_written(self, place: str, tmp_path: Path) -> None:
        done = say("hello", "--out", tmp_path / place)
        assert done.returncode == 8 and str(tmp_path / place) in done.stderr.decode()

    def test_a_bad_lexicon(self, tmp_path: Path) -> None:
        (tmp_path / "words.tsv").write_text("one two\nx\ty\nthree\n")
        (tmp_path / "c.toml").write_text(f'[tts]\nlexicon = "{tmp_path / "words.tsv"}"\n')
        done = say("hello", "--out", tmp_path / "x.wav", "--config", tmp_path / "c.toml")
        assert done.returncode == 3
        assert [line.split(": ")[1] for line in done.stderr.decode().splitlines()] == [f"{tmp_path}/words.tsv:{line}" for line in (1, 3)]

    @pytest.mark.parametrize("after_s", [0.3, 1.5, 4.0])
    def test_an_interrupt_leaves_nothing(self, after_s: float, tmp_path: Path) -> None:
        process = subprocess.Popen([*COMMAND, LONG, "--out", str(tmp_path / "x.wav")], stderr=subprocess.PIPE, preexec_fn=_listening)
        time.sleep(after_s)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[1]
        assert b"Traceback" not in told
        assert process.returncode in (130, -signal.SIGINT) and os.listdir(tmp_path) == []


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
class TestLoudspeaker:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[PulseServer]:
        with PulseServer(tmp_path / "server") as server:
            server.environment["XDG_DATA_HOME"] = os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local/share"))
            yield server

    def test_is_heard_whole(self, server: PulseServer, calm: Path, tmp_path: Path) -> None:
        with (tmp_path / "heard.raw").open("wb") as file:
            microphone = subprocess.Popen(["pacat", "-r", "--raw", "--rate=16000", "--channels=1", "--format=s16le", "-d", "mic"],
                                          env=server.environment, stdout=file)
            try:
                done = say("The kitchen window is open, and the door of the garage is closed.", "--model", calm, "--json",
                           env=server.environment)
                time.sleep(0.5)
            finally:
                microphone.terminate()
                microphone.wait()
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        samples = audio.to_float32(np.fromfile(tmp_path / "heard.raw", np.int16))
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        assert (loud[-1] - loud[0]) / 16_000 == pytest.approx(facts["seconds"] - 0.28, abs=0.3)
        assert {"kitchen", "window", "open", "door", "garage", "closed"} <= heard(samples[loud[0]:loud[-1]])

    def test_a_card_that_goes(self, server: PulseServer) -> None:
        process = subprocess.Popen([*COMMAND, LONG], env=server.environment, stderr=subprocess.PIPE)
        _wait_until_it_plays(server)
        server.unplug()
        told = process.communicate(timeout=30)[1].decode()
        assert process.returncode == 6, told
        assert told.count("\n") == 1 and "still connected" in told

    def test_an_interrupt(self, server: PulseServer) -> None:
        process = subprocess.Popen([*COMMAND, LONG], env=server.environment, stderr=subprocess.PIPE, preexec_fn=_listening)
        _wait_until_it_plays(server)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == b"edgevoice: interrupted\n"
        assert process.returncode == 130


class TestNoLoudspeaker:
    def test_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text('[audio]\noutput = "no card of this name"\n')
        done = say("hello", "--config", tmp_path / "c.toml")
        assert done.returncode == 6 and done.stderr.decode().startswith("edgevoice: ")
        assert "no output device" in done.stderr.decode() and done.stderr.count(b"\n") == 1


def _listening() -> None:
    """In the child: hear Ctrl-C even where the tests run as a background job."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_plays(server: PulseServer) -> None:
    """Until a second stream plays beside the silence that the server itself keeps flowing, and half a second of it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        listed = subprocess.run(["pactl", "list", "short", "sink-inputs"], env=server.environment, capture_output=True, text=True)
        if len(listed.stdout.splitlines()) >= 2:
            time.sleep(0.5)
            return
        time.sleep(0.1)
    raise AssertionError("nothing played within 60 s")
