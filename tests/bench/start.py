"""Start: from a new process to a wake word that would be heard, and to answers that are as fast as later ones.

It is the daemon itself, ``edgevoice run``, on the virtual card, and READY is what systemd is told.  The baseline loads the same engines one
after another.  "Not in memory" means that the kernel was told to forget all files, or where that is not permitted asked to forget those of
models and packages (that no other process has open).  In the first process, which is such a one, a user asks every 12 s, first as soon as
it listens: each answer is compared with that process's own steady state, the median of its later half.  A turn is normal within ``NORMAL``
of it.

A start that takes long without need of more processor time waited for others: both are told.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevoice import waterfall
from edgevoice.benchmarks import Result, median, progress, run_child
from edgevoice.models import default_root
from edgevoice.settings import PathSettings
from tests.fakes import cores
from tests.fakes.appliance import write_user

ROOT = Path(__file__).resolve().parents[2]
TARGET_S = 4.0
STARTS, STARTS_QUICK = 9, 3
QUESTIONS, QUESTIONS_QUICK = 10, 4
NORMAL = 1.25
DROP = Path("/proc/sys/vm/drop_caches")
START_S, QUESTION_S = 120.0, 20.0
"""no start and no question with its answer takes so long"""


def run(quick: bool) -> list[Result]:
    count = STARTS_QUICK if quick else STARTS
    with tempfile.TemporaryDirectory(prefix="edgevoice-bench-") as name:
        folder = Path(name)
        write_user(folder / "user.wav")
        (folder / "config.toml").write_text(f'[audio]\nbackend = "virtual"\ninput = "{folder}/user.wav"\n[llm]\nmax_tokens = 16\n')
        questions = QUESTIONS_QUICK if quick else QUESTIONS
        progress(f"a start with nothing in memory, and {questions} questions")
        _forget()
        with _daemon(folder) as start:
            answers = _answers(start, questions)
        cold = [start.ready_s]
        starts = []
        for number in range(1, count + 1):
            progress(f"start {number} of {count}")
            with _daemon(folder) as start:
                starts.append(start)
        progress("starts with nothing in memory")
        for _ in range(0 if quick else 2):
            _forget()
            with _daemon(folder) as start:
                cold.append(start.ready_s)
        progress("engines one after another")
        before = time.monotonic()
        run_child([sys.executable, "-m", "tests.bench.start"], timeout_s=START_S, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        after = time.monotonic() - before
    longest = max(starts, key=lambda start: start.ready_s)
    steady = median([answer.v2v_s for answer in answers[len(answers) // 2:]]) if len(answers) == questions else None
    first_normal = None if steady is None else next(answer for answer in answers if answer.v2v_s <= NORMAL * steady)
    return [
        Result("new process to READY, p50", median([start.ready_s for start in starts]), "s", f"<= {TARGET_S:g}"),
        Result("new process to READY, longest", longest.ready_s, "s"),
        Result("that start's processor time", longest.ran_s, "s", None, "the median start's", median([start.ran_s for start in starts])),
        Result("that start's threads waited for a core, all together", longest.waited_s, "s", None, "the median start's",
               median([start.waited_s for start in starts])),
        Result("new process to engines loaded, p50", median([start.loaded_s for start in starts]), "s", None, "one after another", after),
        Result("new process to READY, files not in memory, p50", median(cold), "s"),
        Result("files not in memory: first question, voice to voice", 1000 * answers[0].v2v_s if answers else None, "ms", None,
               f"the later half of {questions}", None if steady is None else 1000 * steady),
        Result("files not in memory: new process to a turn with its normal latency", first_normal and first_normal.at_s, "s"),
        Result("questions before that turn", None if first_normal is None else answers.index(first_normal), "")]


@dataclass(frozen=True, slots=True)
class _Start:
    """Seconds from the start of the process."""

    loaded_s: float
    ready_s: float
    ran_s: float
    """of processor time up to READY"""
    waited_s: float
    """up to READY, for a core, summed over the threads that are there then"""
    begun: float
    daemon: subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class _Answer:
    at_s: float
    """of its first sound, from the start of the process"""
    v2v_s: float


@contextmanager
def _daemon(folder: Path) -> Iterator[_Start]:
    """A daemon that is ready; ended after the block."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(START_S)
        begun = time.monotonic()
        daemon = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", folder / "config.toml"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": str(address)})
        try:
            said: dict[str, float] = {}
            while "READY" not in said:
                line = systemd.recv(4096).decode()
                said.setdefault("READY" if line == "READY=1" else line.split(" ")[0], time.monotonic() - begun)
            yield _Start(said["STATUS=beginning"], said["READY"], cores.ran_s(daemon.pid), cores.waited_s(daemon.pid), begun, daemon)
        finally:
            daemon.terminate()
            daemon.communicate(timeout=30.0)


def _answers(start: _Start, count: int) -> list[_Answer]:
    """The first ``count`` questions'."""
    rows: list[dict[str, Any]] = []
    found: dict[int, _Answer] = {}
    limit = time.monotonic() + count * QUESTION_S
    assert start.daemon.stdout is not None
    while len(found) < count and time.monotonic() < limit and (line := start.daemon.stdout.readline()):
        rows.append(json.loads(line))
        if rows[-1]["event"] == "playback_first_sample":
            for one in waterfall.stages(rows):
                if one.turn is not None and one.v2v_s is not None:
                    found.setdefault(one.turn, _Answer(rows[-1]["t"] - start.begun, one.v2v_s))
    return list(found.values())


def _forget() -> None:
    """Let the kernel drop what it keeps of files: of all where that is permitted, else of ours, for which nobody's rights are needed."""
    os.sync()
    with suppress(OSError):
        DROP.write_text("1\n", encoding="ascii")
        return
    for folder in (default_root(PathSettings()), Path(sys.prefix)):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size > 1 << 16:
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    from edgevoice import app
    from edgevoice.settings import Settings

    for load in (app.load_tts, app.load_llm, app.load_stt, app.load_vad, app.load_wake, app.load_wake, app.load_turn_end):
        load(Settings())
