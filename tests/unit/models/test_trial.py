"""Trials in a child: good models pass, bad ones end the child and not us, a hang ends at its deadline."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgevoice.errors import EngineError, ModelError
from edgevoice.models import child, find, trial
from edgevoice.settings import PathSettings
from tests.fakes import tiny_gguf

FAMILY = {"silero-vad": "silero", "moonshine-tiny-en": "moonshine-v2", "piper-en-us-joe": "piper-vits"}


@pytest.fixture
def installed(tmp_path):
    """A copy by links of an installed default model, so that a test may spoil it."""
    def installed(name: str) -> Path:
        try:
            source = find(PathSettings(), name)
        except ModelError as error:
            pytest.skip(str(error))
        folder = tmp_path / name
        folder.mkdir()
        for path in source.iterdir():
            (folder / path.name).symlink_to(path)
        return folder
    return installed


def spoil(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize("name", FAMILY)
def test_an_installed_default_passes(installed, name):
    facts = trial.attempt(FAMILY[name], installed(name))
    if name == "silero-vad":
        assert facts["silence"] < 0.2
    elif name == "piper-en-us-joe":
        assert facts["rate"] == 22050 and facts["speakers"] == 1
    else:
        assert set(facts) == {"heard"}


def test_a_streaming_transducer_passes(shared):
    folder = shared / "models" / "zipformer-en-gigaspeech-3.3m"
    if not folder.is_dir():
        pytest.skip(f"no streaming model at {folder}")
    assert "heard" in trial.attempt("zipformer-transducer", folder)


@pytest.mark.parametrize(("name", "file", "data"), [
    ("silero-vad", "silero_vad_16k_op15.onnx", b"\x08\x09 no graph"),
    ("moonshine-tiny-en", "tokens.txt", b"one 1\ntwo\n"),
    ("moonshine-tiny-en", "tokens.txt", b"b25l 1\ndHdv 2\n"),
    ("moonshine-tiny-en", "encoder_model.ort", b"\0" * 1000),
    ("piper-en-us-joe", "tokens.txt", b"\xff\xfe nonsense"),
    ("piper-en-us-joe", "config.json", b'{"audio": {"sample_rate": 16000}}')])
def test_bad_files_are_refused_and_we_live(installed, name, file, data):
    folder = installed(name)
    spoil(folder / file, data)
    with pytest.raises(ModelError, match=rf"the engine refused it as a {FAMILY[name]} model in a trial run: \S"):
        trial.attempt(FAMILY[name], folder)


def test_a_voice_without_metadata_ends_the_child_only(installed):
    """sherpa-onnx calls exit() here, which no ``except`` in our own process would catch."""
    folder = installed("piper-en-us-joe")
    original = (folder / "model.onnx").read_bytes()
    cut = original.rindex(b"sample_rate") - 4
    spoil(folder / "model.onnx", original[:cut])
    with pytest.raises(ModelError, match="exit code"):
        trial.attempt("piper-vits", folder)


def test_a_wrong_gguf_is_refused(tmp_path, tiny):
    for data in (b"", b"GGUF", tiny[:5000], tiny[:-4000], tiny.replace(b"llama", b"lemma")):
        (tmp_path / "model.gguf").write_bytes(data)
        with pytest.raises(ModelError, match="the engine refused it as a gguf model"):
            trial.attempt("gguf", tmp_path)


def test_weights_that_are_not_numbers_are_refused(tmp_path, tiny):
    (tmp_path / "model.gguf").write_bytes(tiny[:-20_000] + b"\xff" * 20_000)
    with pytest.raises(ModelError, match=r"not finite|a trial run"):
        trial.attempt("gguf", tmp_path)


def test_a_hang_ends_at_the_deadline(tmp_path):
    tiny_gguf.write(tmp_path / "model.gguf")
    with pytest.raises(ModelError, match="it did not finish in time"):
        trial.attempt("gguf", tmp_path, deadline_s=0.05)


def test_a_missing_engine_is_named_with_its_remedy(tmp_path, monkeypatch):
    tiny_gguf.write(tmp_path / "model.gguf")
    blocker = tmp_path / "blocked"
    blocker.mkdir()
    (blocker / "llama_cpp.py").write_text("raise ModuleNotFoundError(\"No module named 'llama_cpp'\", name='llama_cpp')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocker))
    with pytest.raises(EngineError, match="without the package llama-cpp-python: install it"):
        trial.attempt("gguf", tmp_path)


class TestChild:
    @pytest.fixture
    def job(self, tmp_path, monkeypatch):
        """A module with this code, for a child to run."""
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

        def job(code: str) -> str:
            (tmp_path / "job_of_a_test.py").write_text(code)
            return "job_of_a_test"
        return job

    def test_what_it_said_and_how_it_ended(self, job):
        ended = child.run(job("import sys; print('out', sys.argv[1]); print('err', file=sys.stderr); sys.exit(7)"), ["x"], deadline_s=10)
        assert (ended.code, ended.stdout, ended.reason()) == (7, "out x\n", "exit code 7: err")

    @pytest.mark.parametrize(("number", "said"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGKILL, "out of memory")])
    def test_a_signal_is_named(self, job, number, said):
        assert said in child.run(job(f"import os; os.kill(os.getpid(), {int(number)})"), [], deadline_s=10).reason()

    def test_a_module_in_the_current_folder_is_not_what_is_meant(self, tmp_path, monkeypatch):
        (tmp_path / "pip.py").write_text("print('not pip')")
        monkeypatch.chdir(tmp_path)
        assert child.run("pip", ["--version"], deadline_s=20).stdout.startswith("pip ")

    def test_grandchildren_do_not_survive_the_deadline(self, job, tmp_path):
        note = tmp_path / "pid"
        code = ("import pathlib, subprocess, sys, time; child = subprocess.Popen(['sleep', '60']); "
                "pathlib.Path(sys.argv[1]).write_text(str(child.pid)); time.sleep(60)")
        assert child.run(job(code), [str(note)], deadline_s=2.0).timed_out
        assert gone(int(note.read_text()))

    def test_it_dies_with_its_parent(self, job, tmp_path):
        note = tmp_path / "pid"
        name = job("import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)")
        outer = f"import sys; from edgevoice.models import child; child.run({name!r}, [sys.argv[1]], deadline_s=60)"
        parent = subprocess.Popen([sys.executable, "-c", outer, str(note)])
        end = time.monotonic() + 20
        while not (note.exists() and note.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        parent.kill()
        parent.wait()
        assert gone(int(note.read_text()))


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds (a zombie has ended)."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_the_trial_of_a_folder_that_vanished_is_an_error(tmp_path, tiny):
    shutil.rmtree(tmp_path)
    with pytest.raises(ModelError):
        trial.attempt("zipformer-transducer", tmp_path)
