"""Finds the command that a command line names, runs it, and turns every ending into one line and an exit code.

Laws: nothing heavier than ``argparse`` is imported before the command is known, and then only that command's module;
whatever goes wrong is one line on stderr (a wrong configuration: one line for each mistake) and an exit code of its own, never
a traceback, unless EDGEVOICE_DEBUG=1 asks for it; Ctrl-C is an ordinary ending; a reader of stdout that goes away is no error.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import re
import select
import signal
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from edgevoice.cli.common import Command
from edgevoice.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PIPE,
    EXIT_PROBLEM,
    EXIT_RESTART,
    EXIT_USAGE,
    EXIT_WARNING,
    ConfigError,
    EdgeVoiceError,
    StorageError,
    UsageError,
)

COMMANDS = (
    "run", "service", "converse", "transcribe", "vad", "wake", "say", "ask", "devices", "doctor", "models", "update", "check-config",
    "privacy", "profile", "bench", "trace", "fleet", "demo")
"""In the order in which a newcomer meets them."""

DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What a full or write-protected disk answers."""


def dispatch(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code and never raises."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except BaseException as error:  # noqa: BLE001 - every ending is reported here, Ctrl-C and bugs too
        return _report(error)


def process(argv: Sequence[str]) -> int:
    """``dispatch`` for a whole process: Ctrl-C raises only while it runs, and just ends the process (130) afterwards.

    A command that failed or was interrupted may leave threads behind that are inside an engine: waiting for them would hang, and
    tidying up the interpreter under them crashes.  Then the process ends here and does not return.
    """
    try:
        ours = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN  # a shell's background job must stay deaf to Ctrl-C
        try:
            if ours:
                signal.signal(signal.SIGINT, _interrupt)
            code = dispatch(argv)
        finally:
            if ours:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt as error:
        code = _report(error)
    if code != EXIT_OK and threading.active_count() > 1:
        _flushed(code)
        os._exit(code)
    return code


def exit_codes() -> list[tuple[int, str]]:
    """Every exit code and its meaning, drawn from the error classes."""
    rows = [(EXIT_OK, "done"), (EXIT_BUG, "a bug in edgevoice (EDGEVOICE_DEBUG=1 shows where)")]
    rows += [(cls.exit_code, _first_sentence(cls)) for cls in EdgeVoiceError.__subclasses__()]
    rows += [(EXIT_WARNING, "`doctor` found something that works less well"), (EXIT_PROBLEM, "`doctor` found something that does not work")]
    rows += [(EXIT_RESTART, "ended because a restart was asked for (systemd starts it again)")]
    rows += [(EXIT_INTERRUPTED, "interrupted (Ctrl-C)"), (EXIT_PIPE, "the reader of the output went away")]
    return sorted(rows)


def parser_for(name: str) -> argparse.ArgumentParser:
    """The argument parser of one command; imports its module."""
    command = load_command(name)
    examples = textwrap.dedent(command.EXAMPLE).strip().splitlines()
    parser = _Parser(
        prog=f"edgevoice {name}", description=command.SUMMARY, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{_example(examples)}\n\n{_exit_code_table()}")
    command.add_arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, below in action.choices.items():
                below.epilog = _example([line for line in examples if f"edgevoice {name} {part}" in line])
                below.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _example(lines: Sequence[str]) -> str:
    return "\n".join(["example:", *(f"  {line}" for line in lines)])


def load_command(name: str) -> Command:
    """The module of a command; ``UsageError`` with the closest name if there is none such."""
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else "see edgevoice --help"
        raise UsageError(f"'{name}' is not a command; {hint}")
    return cast(Command, importlib.import_module(f"edgevoice.cli.{name.replace('-', '_')}"))


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as everything else is reported: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.removeprefix('edgevoice ')}: {message} (see {self.prog} --help)")

    def print_help(self, file: Any = None) -> None:
        """As argparse's, which keeps a full disk to itself."""
        (file or sys.stdout).write(self.format_help())


def _run(argv: Sequence[str]) -> int:
    if not argv:
        raise UsageError("no command given; see edgevoice --help")
    name, rest = argv[0], argv[1:]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return EXIT_OK
    if name in ("-V", "--version"):
        sys.stdout.write(f"edgevoice {_version()}\n")
        return EXIT_OK
    if name.startswith("-"):
        raise UsageError(f"the first word is the command, not '{name}'; see edgevoice --help")
    args = parser_for(name).parse_args(rest)
    return load_command(name).run(args)


_interrupted = threading.Event()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C: remembered besides raised, since an import that it cuts short is reported by Python as a package that is missing."""
    _interrupted.set()
    raise KeyboardInterrupt


def _report(error: BaseException) -> int:
    """Say what ended the command, in one line, and choose the exit code."""
    if os.environ.get("EDGEVOICE_DEBUG") == "1" and not isinstance(error, SystemExit):
        import traceback

        traceback.print_exception(error)
    if _interrupted.is_set():
        error = KeyboardInterrupt()
    match error:
        case SystemExit():  # argparse, after --help
            return _flushed(error.code if isinstance(error.code, int) else EXIT_OK if error.code is None else EXIT_USAGE)
        case ConfigError():
            return _say(*error.problems, code=error.exit_code)
        case EdgeVoiceError():
            return _say(str(error), code=error.exit_code)
        case KeyboardInterrupt():
            return _say("interrupted", code=EXIT_INTERRUPTED)
        case BrokenPipeError() if _reader_is_gone():
            _drop_stdout()
            return EXIT_PIPE
        case OSError() if error.errno in DISK_ERRNOS:
            _drop_stdout()
            where, what = error.filename or "the output", os.strerror(error.errno or 0).lower()
            return _say(f"{where}: {what}; free some space or write elsewhere", code=StorageError.exit_code)
        case MemoryError():
            return _say("out of memory; choose smaller models or a smaller llm.context", code=EXIT_BUG)
        case _:
            return _say(f"bug: {type(error).__name__}: {error} (EDGEVOICE_DEBUG=1 shows where)", code=EXIT_BUG)


def _say(*lines: str, code: int) -> int:
    """Write each line to stderr, marked as ours, or as an error where the journal reads it; a line break inside one becomes a blank."""
    try:
        from edgevoice import journal

        sys.stderr.write("".join(journal.line(line, journal.ERROR, sys.stderr) for line in lines))
        sys.stderr.flush()
    except OSError:
        return code  # stderr is closed as well: the exit code is all that can still be told
    return code


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError as error:
        return _report(error)
    return code


def _reader_is_gone() -> bool:
    """Whether stdout is a pipe that nobody reads, so that a BrokenPipeError is its and not some other pipe's."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush of what it still holds cannot fail."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        return  # stdout is no file, as under a test: nothing is held back then


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    rows = [f"  {name:{width}}{summary}" for name, summary in _summaries().items()]
    return "\n".join((
        "usage: edgevoice COMMAND [ARGUMENTS]", "", "A private voice assistant that runs on the device.", "", "commands:", *rows, "",
        "edgevoice COMMAND --help shows its arguments and an example; edgevoice --version, the version.", "", _exit_code_table()))


def _exit_code_table() -> str:
    return "exit codes:\n" + "".join(f"  {code:<5}{meaning}\n" for code, meaning in exit_codes())


def _first_sentence(cls: type[EdgeVoiceError]) -> str:
    sentence = (cls.__doc__ or cls.__name__).split("\n\n")[0].split(";")[0].rstrip(". ")
    return sentence[0].lower() + sentence[1:]


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("edgevoice")
    except metadata.PackageNotFoundError:
        return "(not installed: running from the source tree)"


_SUMMARY = re.compile(r'^SUMMARY = "([^"\\]+)"$', re.MULTILINE)


def _summaries() -> dict[str, str]:
    """What each command says it does, read from its source: importing them all would take ten times as long."""
    found = {}
    for name in COMMANDS:
        match = _SUMMARY.search(Path(__file__).with_name(f"{name.replace('-', '_')}.py").read_text(encoding="utf-8"))
        found[name] = match[1] if match else ""
    return found
