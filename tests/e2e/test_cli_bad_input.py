"""What people do to a command line: wrong files, damaged models, no microphone, a full disk, Ctrl-C at any moment.

Law under test: one clear line on stderr, an exit code that says which kind of trouble it was, no traceback, nothing half-written, no
hang, no process left behind.  Real processes and the real default models.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgevoice import audio, models
from edgevoice.settings import PathSettings, Settings
from tests.fakes import pulse

COMMAND = [sys.executable, "-m", "edgevoice"]
TIMEOUT_S = 60
"""far above what any of these takes; past it a command hangs"""
QUIET_S = 10.0
"""from Ctrl-C to the end of the process, at most; a busy machine is slow to wake the threads that end"""
NO_CARD = "pcm.nothing { type hw card 31 }\nctl.nothing { type hw card 31 }\n"
"""ALSA without a card that answers, whatever the machine has.  (With no definition at all PortAudio aborts.)"""
PROGRESS = re.compile(r"edgevoice: [a-z ]+ ready after [0-9.]+ s|edgevoice: listening; .*")
HEARING = ("transcribe", "vad", "wake", "converse")
DEFAULT_MODELS = tuple(getattr(Settings(), section).model for section in ("vad", "stt", "llm", "tts"))


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, argv)], cwd=cwd, env={**os.environ, **(env or {})}, text=True, capture_output=True, timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL)


def refused(result: subprocess.CompletedProcess[str], code: int, *told: str) -> None:
    """It ended with ``code`` and said why in one line, which holds each of ``told``; nothing went to stdout.

    The daemon and the conversation say as each engine is ready; that may stand before.
    """
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if not PROGRESS.fullmatch(line)]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("edgevoice: ")
    for word in told:
        assert word in lines[0]
    assert result.stdout == ""


def hearing(command: str, path: str | Path) -> list[str | Path]:
    """The command line that makes ``command`` read the sound file ``path``."""
    return [command, "--in", path, "--out", "out.wav"] if command == "converse" else [command, path]


@pytest.fixture(scope="session")
def store() -> Path:
    """The store with the default models."""
    paths = PathSettings()
    folders = [models.find(paths, name) for name in DEFAULT_MODELS if (models.default_root(paths) / name / "model.json").exists()]
    if len(folders) < len(DEFAULT_MODELS):
        pytest.skip(f"the default models are not all in {models.default_root(paths)} (`edgevoice models pull`)")
    return models.default_root(paths)


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A second of a sine: a good file, in which nobody says anything."""
    path = tmp_path / "tone.wav"
    audio.write_wav(path, (0.2 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32), 16_000)
    return path


def _cut_inside_the_header(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[:20])


def _cut_inside_the_samples(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[:len(whole) // 2])


def _without_samples(path: Path, whole: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))


BAD_FILES: dict[str, Callable[[Path, bytes], object]] = {
    "absent": lambda path, whole: None,
    "empty": lambda path, whole: path.write_bytes(b""),
    "a folder": lambda path, whole: path.mkdir(),
    "text": lambda path, whole: path.write_text("What time is it?\n" * 50),
    "noise": lambda path, whole: path.write_bytes(random.Random(1).randbytes(5_000)),
    "cut inside the header": _cut_inside_the_header,
    "cut inside the samples": _cut_inside_the_samples,
    "without samples": _without_samples,
}


class TestSoundFiles:
    @pytest.mark.parametrize("kind", BAD_FILES)
    @pytest.mark.parametrize("command", HEARING)
    def test_one_that_cannot_be_heard(self, tmp_path: Path, tone: Path, command: str, kind: str) -> None:
        path = tmp_path / "some file.wav"
        BAD_FILES[kind](path, tone.read_bytes())
        refused(run(*hearing(command, path), cwd=tmp_path), 5, str(path))
        assert not (tmp_path / "out.wav").exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_one_that_may_not_be_read(self, tmp_path: Path, tone: Path) -> None:
        tone.chmod(0)
        refused(run("vad", tone, cwd=tmp_path), 5, str(tone))

    def test_the_bad_one_among_good_ones_is_named(self, tmp_path: Path, tone: Path) -> None:
        result = run("transcribe", tone, tmp_path / "none.wav", cwd=tmp_path)
        assert result.returncode == 5
        assert result.stderr.startswith(f"edgevoice: {tmp_path / 'none.wav'}: ") and result.stderr.count("\n") == 1


class TestOtherFiles:
    @pytest.mark.parametrize("command", [*HEARING, "ask", "run", "doctor"])
    def test_a_configuration_with_mistakes_is_told_line_by_line(self, tmp_path: Path, tone: Path, command: str) -> None:
        (tmp_path / "c.toml").write_text("[vad]\nonsett = 0.4\n[audio]\nrate = 1\n")
        alone = {"ask": ["ask", "hello"], "run": ["run"], "doctor": ["doctor", "--acoustic"]}
        argv = alone.get(command) or hearing(command, tone)
        result = run(*argv, "--config", "c.toml", cwd=tmp_path)
        assert result.returncode == 3
        assert result.stderr.splitlines() == [
            "edgevoice: c.toml:2: vad.onsett = 0.4: is not a setting; did you mean 'onset'?",
            "edgevoice: c.toml:4: audio.rate = 1: is too small; must be 8000 to 192000 Hz"]

    @pytest.mark.parametrize("text", ["", "not json\n", '{"t": 1}\n', '{"t": "x", "event": "wake"}\n'])
    def test_a_trace_that_is_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "t.jsonl").write_text(text)
        result = run("trace", "t.jsonl", "--html", "t.html", cwd=tmp_path)
        refused(result, result.returncode, "t.jsonl")
        assert result.returncode not in (0, 1)
        assert not (tmp_path / "t.html").exists()

    def test_a_trace_that_is_absent(self, tmp_path: Path) -> None:
        result = run("trace", "none.jsonl", cwd=tmp_path)
        refused(result, result.returncode, "none.jsonl")
        assert result.returncode not in (0, 1)

    @pytest.mark.parametrize("place", ["no/such/folder/out.wav", "tone.wav/out.wav", "."])
    def test_an_output_that_cannot_be_written_is_told_before_the_work(self, tmp_path: Path, tone: Path, place: str) -> None:
        refused(run("converse", "--in", tone, "--out", place, cwd=tmp_path, env={"EDGEVOICE_MODELS": "/nonexistent"}), 8, place)


class TestModels:
    @pytest.mark.parametrize(("argv", "model"), [
        (["vad", "tone.wav"], "silero-vad"),
        (["transcribe", "tone.wav"], "moonshine-tiny-en"),
        (["ask", "hello"], "smollm2-135m-instruct"),
        (["say", "hello", "--out", "out.wav"], "piper-en-us-joe"),
    ], ids=lambda value: value if isinstance(value, str) else "")
    def test_a_missing_one_names_the_command_that_fetches_it(
            self, tmp_path: Path, tone: Path, store: Path, argv: list[str], model: str) -> None:
        _linked(store, tmp_path / "store", without=model)
        refused(run(*argv, cwd=tmp_path, env={"EDGEVOICE_MODELS": str(tmp_path / "store")}), 4, f"edgevoice models pull {model}")
        assert not (tmp_path / "out.wav").exists()

    def test_a_conversation_misses_them_too(self, tmp_path: Path, tone: Path) -> None:
        result = run(*hearing("converse", tone), cwd=tmp_path, env={"EDGEVOICE_MODELS": str(tmp_path / "none")})
        refused(result, 4, "edgevoice models pull")

    @pytest.mark.pulse
    def test_the_daemon_too(self, tmp_path: Path, card: dict[str, str]) -> None:
        result = run("run", cwd=tmp_path, env={**card, "EDGEVOICE_MODELS": str(tmp_path / "none")})
        refused(result, 4, "edgevoice models pull")

    @pytest.mark.parametrize("harm", ["cut", "zeroed", "noise"])
    @pytest.mark.parametrize(("argv", "damaged"), [
        (["vad", "tone.wav"], "silero-vad/silero_vad_16k_op15.onnx"),
        (["transcribe", "tone.wav"], "moonshine-tiny-en/encoder_model.ort"),
        (["transcribe", "tone.wav"], "moonshine-tiny-en/decoder_model_merged.ort"),
        (["transcribe", "tone.wav"], "moonshine-tiny-en/tokens.txt"),
        (["ask", "hello"], "smollm2-135m-instruct/model.gguf"),
        (["say", "hello", "--out", "out.wav"], "piper-en-us-joe/model.onnx"),
        (["say", "hello", "--out", "out.wav"], "piper-en-us-joe/tokens.txt"),
        (["say", "hello", "--out", "out.wav"], "piper-en-us-joe/config.json"),
        (["vad", "tone.wav"], "silero-vad/model.json"),
    ], ids=lambda value: value if isinstance(value, str) else "")
    def test_a_damaged_one(self, tmp_path: Path, tone: Path, store: Path, argv: list[str], damaged: str, harm: str) -> None:
        model = damaged.split("/")[0]
        _linked(store, tmp_path / "store", without=model)
        _linked(store / model, tmp_path / "store" / model)
        victim = tmp_path / "store" / damaged
        size = victim.stat().st_size
        victim.unlink()
        if harm == "cut":
            victim.write_bytes((store / damaged).read_bytes()[:size // 2])
        else:
            victim.write_bytes(bytes(size) if harm == "zeroed" else random.Random(2).randbytes(size))
        refused(run(*argv, cwd=tmp_path, env={"EDGEVOICE_MODELS": str(tmp_path / "store")}), 4, model)
        assert not (tmp_path / "out.wav").exists()


@pytest.fixture
def silent_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine without a sound card."""
    (tmp_path / "asound.conf").write_text(NO_CARD)
    return {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"), "PULSE_SERVER": "/nonexistent", "PIPEWIRE_REMOTE": "/nonexistent"}


class TestDevices:
    @pytest.mark.parametrize(("config", "said"), [("", "there is no input device on this machine"),
                                                  ('[audio]\ninput = "no such microphone"\n', "input device")])
    def test_no_microphone_is_said_and_waited_for(self, tmp_path: Path, store: Path, silent_machine: dict[str, str], config: str,
                                                  said: str) -> None:
        (tmp_path / "c.toml").write_text(config)
        with subprocess.Popen([*COMMAND, "run", "--config", "c.toml"], cwd=tmp_path, env={**silent_machine, "EDGEVOICE_MODELS": str(store)},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert said in _read_until("no sound yet", process)
                _read_until("listening", process)
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=TIMEOUT_S)
            finally:
                process.kill()
        assert process.returncode == 0

    @pytest.mark.pulse
    @pytest.mark.skipif(pulse.MISSING is not None, reason=str(pulse.MISSING))
    def test_one_that_is_unplugged_is_looked_for_and_used_again(self, tmp_path: Path, store: Path) -> None:
        with pulse.PulseServer(tmp_path / "card") as card:
            environment = {**card.environment, "EDGEVOICE_MODELS": str(store)}
            with subprocess.Popen([*COMMAND, "run"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as process:
                try:
                    _read_until("listening", process)
                    card.unplug()
                    assert "unplugged" in _read_until("looking for it", process)
                    card.plug_in()
                    _read_until("the sound is back", process)
                    process.send_signal(signal.SIGTERM)
                    process.communicate(timeout=TIMEOUT_S)
                finally:
                    process.kill()
        assert process.returncode == 0

    def test_the_doctor_says_which_it_lacks(self, tmp_path: Path, silent_machine: dict[str, str]) -> None:
        refused(run("doctor", "--acoustic", "--json", cwd=tmp_path, env=silent_machine), 6, "there is no input device on this machine")

    def test_a_list_without_any_is_an_answer_and_no_error(self, tmp_path: Path, silent_machine: dict[str, str]) -> None:
        result = run("devices", "--json", cwd=tmp_path, env=silent_machine)
        assert (result.returncode, result.stderr) == (0, "")
        json.loads(result.stdout)


def _linked(source: Path, target: Path, without: str = "") -> None:
    """A folder with the same things in it, by links, so that one of them can be another."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.name != without and not path.name.startswith("."):
            (target / path.name).symlink_to(path)


def _can_mount() -> bool:
    """Whether a small file system can be had here: as root, or in a user namespace."""
    command = ["unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


class TestFullDisk:
    @pytest.mark.skipif(not _can_mount(), reason="no file system can be mounted here, even in a namespace")
    @pytest.mark.parametrize("argv", [
        ["say", "This sentence is long enough to need more than sixteen kilobytes.", "--out", "disk/out.wav"],
        ["converse", "--fast", "--no-wake", "--in", "tone.wav", "--out", "disk/out.wav", "--trace", "disk/trace.jsonl"],
        ["check-config", "--print"],
        ["doctor", "--acoustic", "--virtual", "--png", "disk/echo.png"],
    ], ids=lambda argv: argv[0])
    def test_it_is_told_and_nothing_is_left(self, tmp_path: Path, tone: Path, store: Path, argv: list[str]) -> None:
        (tmp_path / "disk").mkdir()
        used = 16_384 if argv[0] == "check-config" else 8_192
        fill = f"mount -t tmpfs -o size=16k tmpfs disk && head -c {used} /dev/zero >disk/full"
        script = f'{fill} && "$@" >>disk/full; code=$?; ls -A disk; exit $code'
        result = subprocess.run(["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", *COMMAND, *argv], cwd=tmp_path,
                                text=True, capture_output=True, timeout=TIMEOUT_S)
        assert result.returncode == 8, result.stderr
        assert result.stdout == "full\n"
        last = result.stderr.splitlines()[-1]
        assert last.startswith("edgevoice: ") and "space" in last
        assert "Traceback" not in result.stderr


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a machine with a sound card."""
    if pulse.MISSING:
        pytest.skip(pulse.MISSING)
    with pulse.PulseServer(tmp_path_factory.mktemp("card")) as server:
        yield server.environment


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 24))]


class TestCtrlC:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("argv", [
        ["transcribe", "tone.wav", "--stream"],
        ["ask", "Tell me a long story about a bridge."],
        ["say", "A long sentence that takes a while to be spoken, with several clauses, and more. " * 4, "--out", "out.wav"],
        ["converse", "--no-wake", "--in", "tone.wav", "--out", "out.wav", "--trace", "trace.jsonl"],
        ["check-config", "--print"],
    ], ids=lambda argv: argv[0])
    def test_it_ends_at_any_moment(self, tmp_path: Path, tone: Path, store: Path, argv: list[str], seed: int) -> None:
        self.interrupt(argv, tmp_path, random.Random(seed).uniform(0.0, 3.0), dict(os.environ))

    @pytest.mark.pulse
    @pytest.mark.parametrize("seed", SEEDS)
    def test_the_daemon_too(self, tmp_path: Path, store: Path, card: dict[str, str], seed: int) -> None:
        self.interrupt(["run"], tmp_path, random.Random(seed).uniform(0.0, 6.0), {**card, "EDGEVOICE_MODELS": str(store)})

    @pytest.mark.pulse
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_measurement_too(self, tmp_path: Path, card: dict[str, str], seed: int) -> None:
        self.interrupt(["doctor", "--acoustic"], tmp_path, random.Random(seed).uniform(0.0, 12.0), card)

    @pytest.mark.pulse
    def test_a_daemon_that_is_told_to_end_ends_in_order(self, tmp_path: Path, store: Path, card: dict[str, str]) -> None:
        with subprocess.Popen([*COMMAND, "run"], cwd=tmp_path, env={**card, "EDGEVOICE_MODELS": str(store)}, stderr=subprocess.PIPE,
                              text=True) as process:
            try:
                _read_until("listening", process)
                process.terminate()
                process.communicate(timeout=QUIET_S)
            finally:
                process.kill()
        assert process.returncode == 0

    @staticmethod
    def interrupt(argv: list[str], folder: Path, delay_s: float, environment: dict[str, str]) -> None:
        """Run, press Ctrl-C after ``delay_s``, and look at what is left."""
        with subprocess.Popen([*COMMAND, *argv], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
            try:
                _wait_for_our_code(process.pid)
                time.sleep(delay_s)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=QUIET_S)
            finally:
                process.kill()
        assert "Traceback" not in err and "Traceback" not in out, err
        # 0: it was done already, or is a daemon, which ends in order; the bare signal: before or after the command itself
        assert process.returncode in (0, 130, -signal.SIGINT), err
        if process.returncode == 130:
            assert "edgevoice: interrupted" in err.splitlines()[-3:], err  # engines that were being loaded may have the last word
        assert {path.name for path in folder.iterdir()} <= {"tone.wav", "out.wav", "trace.jsonl"}
        if (folder / "out.wav").exists():
            audio.read(folder / "out.wav")
        assert not _session_members(process.pid)


def _read_until(word: str, process: subprocess.Popen[str]) -> str:
    """The line."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended before it said {word!r}")


def _wait_for_our_code(pid: int) -> None:
    """Until Python has handed Ctrl-C to us: before that, for some 30 ms, a traceback would be Python's own."""
    until, caught = time.monotonic() + 5, False
    while time.monotonic() < until:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        mask = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
        now = bool(mask & 1 << (signal.SIGINT - 1))
        if caught and not now:
            return
        caught = caught or now
        time.sleep(0.0005)


def _session_members(leader: int) -> list[str]:
    """Processes that the command started and that outlived it by half a second."""
    deadline = time.monotonic() + 0.5
    while True:
        alive = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == leader and fields[0] != "Z":
                    alive.append(entry.name)
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)
