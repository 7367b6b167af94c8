"""The dispatcher: every ending of a command is one line and an exit code, and nothing heavy is imported to find that out."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edgevoice.cli import dispatch as cli
from edgevoice.errors import AudioFileError, ConfigError, EdgeVoiceError, ModelError, StorageError

HEAVY = {
    "asyncio", "numpy", "onnxruntime", "sherpa_onnx", "llama_cpp", "pymicro_wakeword", "soundfile", "soxr", "pyaudio", "paho", "PIL",
    "edgevoice.rt._core"}


def stub(monkeypatch: pytest.MonkeyPatch, run: Callable[[argparse.Namespace], int]) -> None:
    """Let ``edgevoice vad`` do something else."""
    command = SimpleNamespace(
        SUMMARY="a stub", EXAMPLE="edgevoice vad", run=run, add_arguments=lambda parser: parser.add_argument("--number", type=int))
    monkeypatch.setattr(cli, "load_command", lambda name: command)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


HEAD = """
import atexit, os, signal, sys, threading, time
from types import SimpleNamespace
from edgevoice.cli import dispatch as cli
from edgevoice.cli.main import main

def vad(run):
    cli.load_command = lambda name: SimpleNamespace(SUMMARY="", EXAMPLE="", add_arguments=lambda parser: None, run=run)
    sys.argv = ["edgevoice", "vad"]
    sys.exit(main())

"""


def process(code: str, *, stdout: Any = subprocess.PIPE, before: Callable[[], Any] | None = None) -> subprocess.CompletedProcess[str]:
    """``code`` in a fresh interpreter, where ``vad(run)`` is the command ``edgevoice vad`` doing ``run``."""
    argv = [sys.executable, "-c", HEAD + code]
    return subprocess.run(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=30, preexec_fn=before)


def listening() -> None:
    """In the child, before it runs: hear Ctrl-C, even where the tests themselves run as a background job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestEndings:
    @pytest.mark.parametrize(("error", "code", "said"), [
        (AudioFileError("a.wav: is empty; give a WAV file"), 5, "edgevoice: a.wav: is empty; give a WAV file\n"),
        (ModelError("over\ntwo lines"), 4, "edgevoice: over two lines\n"),
        (ConfigError("x", ("c.toml:1: one", "c.toml:2: two")), 3, "edgevoice: c.toml:1: one\nedgevoice: c.toml:2: two\n"),
        (KeyboardInterrupt(), 130, "edgevoice: interrupted\n"),
        (OSError(errno.ENOSPC, "x", "/media/out.wav"), 8,
         "edgevoice: /media/out.wav: no space left on device; free some space or write elsewhere\n"),
        (OSError(errno.EROFS, "x", "/boot/x"), 8, "edgevoice: /boot/x: read-only file system; free some space or write elsewhere\n"),
        (ZeroDivisionError("division by zero"), 1,
         "edgevoice: bug: ZeroDivisionError: division by zero (EDGEVOICE_DEBUG=1 shows where)\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 1,
         "edgevoice: bug: PermissionError: [Errno 13] Permission denied: '/root/x' (EDGEVOICE_DEBUG=1 shows where)\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1,
         "edgevoice: bug: BrokenPipeError: [Errno 32] Broken pipe (EDGEVOICE_DEBUG=1 shows where)\n"),
        (MemoryError(), 1, "edgevoice: out of memory; choose smaller models or a smaller llm.context\n"),
    ])
    def test_an_error_is_one_line_and_its_own_code(
            self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str) -> None:
        stub(monkeypatch, raising(error))
        assert cli.dispatch(["vad"]) == code
        assert capsys.readouterr() == ("", said)

    def test_a_command_says_its_own_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stub(monkeypatch, lambda args: 17)
        assert cli.dispatch(["vad"]) == 17

    def test_debug_shows_where(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("EDGEVOICE_DEBUG", "1")
        stub(monkeypatch, raising(ZeroDivisionError("x")))
        assert cli.dispatch(["vad"]) == 1
        assert "Traceback" in capsys.readouterr().err

    def test_every_error_class_has_a_code_of_its_own(self) -> None:
        codes = [cls.exit_code for cls in EdgeVoiceError.__subclasses__()]
        assert len(set(codes)) == len(codes)
        others = {0, 1, 11, 12, 75, 130, 141}
        assert not others & set(codes)
        assert [code for code, _ in cli.exit_codes()] == sorted({*others, *codes})


class TestCommandLine:
    @pytest.mark.parametrize(("argv", "said"), [
        ([], "no command given; see edgevoice --help"),
        (["transcrbe"], "'transcrbe' is not a command; did you mean 'transcribe'?"),
        (["zzz"], "'zzz' is not a command; see edgevoice --help"),
        (["--json", "vad"], "the first word is the command, not '--json'; see edgevoice --help"),
        (["check-config"], "check-config: FILE is missing; name a configuration, or use --print for the defaults"),
        (["check-config", "x", "--prin"], "check-config: unrecognized arguments: --prin (see edgevoice check-config --help)"),
    ])
    def test_a_wrong_one_is_told_in_one_line(self, capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
        assert cli.dispatch(argv) == 2
        assert capsys.readouterr() == ("", f"edgevoice: {said}\n")

    def test_a_wrong_value_names_the_argument(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        stub(monkeypatch, lambda args: 0)
        assert cli.dispatch(["vad", "--number", "x"]) == 2
        assert capsys.readouterr().err == "edgevoice: vad: argument --number: invalid int value: 'x' (see edgevoice vad --help)\n"

    def test_the_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.dispatch(["--version"]) == 0
        assert capsys.readouterr().out.startswith("edgevoice ")

    def test_the_commands_stand_in_their_order_with_what_they_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.dispatch(["--help"]) == 0
        out = capsys.readouterr().out
        listed = [line.split()[0] for line in out.split("commands:\n")[1].split("\n\n")[0].splitlines()]
        assert listed == list(cli.COMMANDS)
        for name in cli.COMMANDS:
            assert out.count(f" {cli.load_command(name).SUMMARY}\n") == 1

    @pytest.mark.parametrize("name", cli.COMMANDS)
    def test_each_shows_an_example_and_the_exit_codes(self, capsys: pytest.CaptureFixture[str], name: str) -> None:
        assert cli.dispatch([name, "--help"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for code, meaning in cli.exit_codes():
            assert f"  {code:<5}{meaning}\n" in out
        example = out.split("example:\n")[1].split("\n\n")[0]
        assert f"edgevoice {name}" in example


class TestProcess:
    @pytest.mark.parametrize("part", [
        "models list", "models pull", "models verify", "models remove", "models path", "fleet ls", "fleet watch", "fleet cmd",
        "service install", "service uninstall", "service status", "profile detect"])
    def test_each_part_shows_its_own(self, capsys: pytest.CaptureFixture[str], part: str) -> None:
        with pytest.raises(SystemExit):
            cli.parser_for(part.split()[0]).parse_args([part.split()[1], "--help"])
        assert f"example:\n  {'sudo .venv/bin/' if part.endswith('install') else ''}edgevoice {part}" in capsys.readouterr().out

    def test_finding_help_imports_nothing_heavy(self) -> None:
        result = process("sys.argv = ['edgevoice', '--help']\nmain()\nprint(*sys.modules)")
        assert not HEAVY & set(result.stdout.split("\n")[-2].split())

    def test_ctrl_c_while_a_command_runs(self) -> None:
        result = process("vad(lambda args: os.kill(os.getpid(), signal.SIGINT) or time.sleep(20))", before=listening)
        assert (result.returncode, result.stderr) == (130, "edgevoice: interrupted\n")

    @pytest.mark.parametrize(("ending", "code"), [("raise KeyboardInterrupt", 130), ("raise ZeroDivisionError", 1), ("return 7", 7)])
    def test_a_thread_left_behind_does_not_hold_a_failed_command(self, ending: str, code: int) -> None:
        stay = "threading.Thread(target=time.sleep, args=(25,)).start()"
        result = process(f"def run(args):\n    {stay}\n    print('x')\n    {ending}\nvad(run)", before=listening)
        assert (result.returncode, result.stdout) == (code, "x\n")

    def test_ctrl_c_after_the_command_ends_the_process_without_a_word(self) -> None:
        result = process("atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\nvad(lambda args: 0)", before=listening)
        assert (result.returncode, result.stderr) == (-signal.SIGINT, "")

    def test_an_error_that_ctrl_c_caused_is_an_interruption(self) -> None:
        code = """
def run(args):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    except KeyboardInterrupt:
        raise ImportError("a package is missing") from None
vad(run)"""
        result = process(code, before=listening)
        assert (result.returncode, result.stderr) == (130, "edgevoice: interrupted\n")

    def test_a_background_job_stays_deaf_to_ctrl_c(self) -> None:
        result = process("vad(lambda args: os.kill(os.getpid(), signal.SIGINT) or 0)",
                         before=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        assert (result.returncode, result.stderr) == (0, "")

    @pytest.mark.parametrize("size", [10, 1_000_000])
    def test_a_reader_that_goes_away_is_no_error(self, size: int) -> None:
        read, write = os.pipe()
        os.close(read)
        try:
            result = process(f"vad(lambda args: sys.stdout.write('x' * {size}) and 0)", stdout=write)
        finally:
            os.close(write)
        assert (result.returncode, result.stderr) == (141, "")

    @pytest.mark.parametrize("size", [10, 1_000_000])
    def test_a_full_disk_behind_stdout(self, size: int) -> None:
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = process(f"vad(lambda args: sys.stdout.write('x' * {size}) and 0)", stdout=full)
        assert result.returncode == StorageError.exit_code
        assert result.stderr == "edgevoice: the output: no space left on device; free some space or write elsewhere\n"

    def test_help_on_a_full_disk(self) -> None:
        """Unbuffered, since then argparse itself would meet the error."""
        with open("/dev/full", "w", encoding="utf-8") as full:
            argv = [sys.executable, "-u", "-m", "edgevoice", "vad", "--help"]
            result = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        assert result.returncode == StorageError.exit_code
        assert result.stderr == "edgevoice: the output: no space left on device; free some space or write elsewhere\n"

    @pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
    def test_closed_standard_streams_are_empty_ones(self, closed: tuple[int, ...]) -> None:
        """Their numbers are taken, so that no file opened later can get what somebody prints."""
        code = """
def run(args):
    sys.stdout.write("out")
    sys.stderr.write("err")
    assert sys.stdin.buffer.read() == b""
    with open(os.__file__) as file:
        return 0 if file.fileno() > 2 else 9
vad(run)"""
        argv = [sys.executable, "-c", HEAD + code]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: [os.close(number) for number in closed]) as child:
            out, err = child.communicate(timeout=30)
        assert (child.returncode, out, err) == (0, "" if 1 in closed else "out", "" if 2 in closed else "err")

    def test_the_module_is_the_command(self) -> None:
        result = subprocess.run([sys.executable, "-m", "edgevoice", "zzz"], capture_output=True, text=True, timeout=30)
        assert (result.returncode, result.stderr) == (2, "edgevoice: 'zzz' is not a command; see edgevoice --help\n")
