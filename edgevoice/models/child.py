"""Work in a child process: what may end its process (an engine on a bad file) or run away (a hang, all memory) does so apart.

Laws: a child dies with its parent, also when the parent is killed; it has a deadline; it holds the store's lock with its parent, so that
nobody cleans up a folder into which an orphan still writes.  No code runs between fork and exec, so a process with threads may use it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import edgevoice

_PR_SET_PDEATHSIG = 1
_BOOT = "from edgevoice.models import child; child.main()"
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: ``code`` is negative for a signal; ``timed_out`` if it was killed at its deadline."""

    code: int
    stdout: str
    stderr: str
    timed_out: bool

    def reason(self) -> str:
        """One clause for an error message."""
        if self.timed_out:
            return "it did not finish in time"
        if self.code < 0:
            name = signal.Signals(-self.code).name
            return f"it was ended by {name}" + (" (out of memory?)" if self.code == -signal.SIGKILL else "")
        last = self.last_line()
        return f"exit code {self.code}" + (f": {last}" if last else "")

    def last_line(self) -> str:
        """What it said last on stderr, cut to fit into a message."""
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        return lines[-1][-300:] if lines else ""


def run(module: str, arguments: Sequence[str], *, deadline_s: float, keep_fds: Sequence[int] = (), env: Mapping[str, str] | None = None,
        poll: Callable[[], None] = lambda: None) -> Ended:
    """Run a module as a program until it ends or ``deadline_s`` passes; ``poll`` is called about every 50 ms.

    A module of this package is imported and its ``main(arguments)`` gives the exit code; another is run as by ``python -m``.
    """
    # -P: a file called pip.py in the current folder is not what is meant
    command = [sys.executable, "-P", "-c", _BOOT, str(os.getpid()), module, *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment(env),
                                   start_new_session=True, pass_fds=tuple(keep_fds))
        timed_out = False
        end = time.monotonic() + deadline_s
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    timed_out = True
                    break
                try:
                    process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    poll()
        finally:
            _kill(process)
        return Ended(process.returncode, _text(out), _text(err), timed_out)


def main() -> None:
    """In the child: tie our life to the parent's, then do the work."""
    parent, module, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before the work began")
    if module.startswith(f"{edgevoice.__name__}."):
        sys.exit(importlib.import_module(module).main(arguments))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """The child imports this very package, wherever it lies."""
    merged = dict(os.environ if env is None else env)
    home = str(Path(edgevoice.__file__).resolve().parent.parent) if edgevoice.__file__ else ""
    merged["PYTHONPATH"] = os.pathsep.join(part for part in (home, merged.get("PYTHONPATH", "")) if part)
    return merged


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The child and whatever it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file: object) -> str:
    assert hasattr(file, "seek") and hasattr(file, "read")
    file.seek(0)
    data: bytes = file.read()
    return data.decode("utf-8", "replace")
