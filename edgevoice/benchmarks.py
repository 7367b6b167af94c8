"""What every benchmark shares: a result, the host it was taken on, a few statistics, and a child process with its peak memory.

A benchmark is a module ``tests/bench/NAME.py`` whose docstring begins with one line that says what it measures, and which defines
``run(quick: bool) -> list[Result]``; ``quick`` ends within 45 s.  Progress goes to ``progress``, that is stderr; stdout belongs to the
report.  ``edgevoice bench NAME`` runs it and prints ``{"bench", "host", "results": [...]}``.

Laws: a target that is missed is a result, not an error; a figure that could not be taken is ``None``, never zero; ``ratio`` is always
``value / baseline_value``, so for times less is better, and what must be "4 times faster" is a metric of its own.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_TARGET = re.compile(r"(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "<": lambda a, b: a < b, ">": lambda a, b: a > b}


@dataclass(frozen=True, slots=True)
class Result:
    """One figure.  ``baseline`` names what it is compared with, in the same run and ``unit``; ``target`` is ``"<= 25"`` and the like."""

    metric: str
    value: float | None
    unit: str
    target: str | None = None
    baseline: str | None = None
    baseline_value: float | None = None
    ratio: float | None = field(init=False)
    """``value / baseline_value``"""

    def __post_init__(self) -> None:
        if self.target is not None and not _TARGET.fullmatch(self.target):
            raise ValueError(f"{self.metric}: target {self.target!r}; wants an operator and a number, as '<= 25'")
        for name in ("value", "baseline_value"):
            number = getattr(self, name)
            if number is not None:
                plain = float(number)  # numpy's scalars are no JSON
                object.__setattr__(self, name, plain if math.isfinite(plain) else None)
        ratio = None if self.value is None or not self.baseline_value else self.value / self.baseline_value
        object.__setattr__(self, "ratio", ratio)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` without a target.  A figure that could not be taken misses it."""
        if self.target is None:
            return None
        found = _TARGET.fullmatch(self.target)
        assert found is not None
        return self.value is not None and _COMPARE[found[1]](self.value, float(found[2]))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, numbers rounded to six significant digits."""
        return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in asdict(self).items()}


def document(bench: str, results: Sequence[Result]) -> dict[str, Any]:
    """The report of one benchmark."""
    return {"bench": bench, "host": host(), "results": [result.as_dict() for result in results]}


def progress(text: str) -> None:
    """Tell the person who waits; on stderr."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Linear interpolation between the closest ranks; ``None`` for no values."""
    numbers = [value for value in values if value is not None]
    return float(np.percentile(numbers, percent)) if numbers else None


def median(values: Iterable[float]) -> float | None:
    """``None`` for no values."""
    numbers = [value for value in values if value is not None]
    return float(statistics.median(numbers)) if numbers else None


def timed(work: Callable[[], Any], repeats: int, warmup: int = 1) -> list[float]:
    """Seconds of each of ``repeats`` calls, after ``warmup`` calls that do not count."""
    for _ in range(warmup):
        work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


@dataclass(frozen=True, slots=True)
class ChildRun:
    """How a child process ended and what it took."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    cpu_s: float
    """user and system time of the child and of the children it waited for"""
    peak_rss_mb: float
    """largest resident set of any one of them (MiB)"""


_LAUNCHER = """
import os, resource, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
code = child.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    file.write(f"{code} {used.ru_utime + used.ru_stime} {used.ru_maxrss}")
"""


def run_child(argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> ChildRun:
    """Run a program to its end and measure it.  ``TimeoutError`` after ``timeout_s``; nothing of it is left running then.

    A process inherits the high-water mark of whoever started it, so a small interpreter of its own starts it: peaks below that
    one's 10 MB cannot be seen.
    """
    with tempfile.TemporaryDirectory(prefix="edgevoice-bench-") as folder:
        note = Path(folder) / "usage"
        start = time.perf_counter()
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", _LAUNCHER, str(note), *argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd, start_new_session=True) as launcher:
            try:
                out, err = launcher.communicate(timeout=timeout_s)
            except BaseException as error:
                os.killpg(launcher.pid, signal.SIGKILL)
                launcher.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise TimeoutError(f"{argv[0]}: did not end within {timeout_s:g} s") from error
                raise
        seconds = time.perf_counter() - start
        if not note.exists():
            reason = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeError(f"{argv[0]}: could not be started ({reason})")
        code, cpu, peak_kb = note.read_text().split()
    return ChildRun(int(code), out.decode(errors="replace"), err.decode(errors="replace"), seconds, float(cpu), int(peak_kb) / 1024)


def peak_rss_mb() -> float:
    """This process's own largest resident set so far (MiB), without what it inherited from whoever started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def host() -> dict[str, Any]:
    """The machine, as far as it tells: what cannot be known is left out."""
    facts: dict[str, Any] = {
        "cpu": cpu_model(), "cores": os.cpu_count(), "arch": platform.machine(), "python": platform.python_version(),
        "os": _os_name(), "kernel": platform.release(), "memory_mb": _memory_mb(), "load_1m": round(os.getloadavg()[0], 2),
        "governor": _line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")), "temperature_c": _temperature(),
        "board": _line(Path("/proc/device-tree/model")), "commit": git_commit(), "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    return {name: fact for name, fact in facts.items() if fact is not None}


def cpu_model() -> str:
    """The processor's name; where the kernel gives none (ARM), implementer and part numbers."""
    rows: dict[str, str] = {}
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        rows.setdefault(key.strip(), value.strip())
    name = rows.get("model name") or rows.get("Model") or rows.get("Hardware")
    if name:
        return name
    if "CPU part" in rows:
        return f"implementer {rows.get('CPU implementer', '?')} part {rows['CPU part']}"
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The checkout's commit, with ``+`` where files differ from it; ``None`` outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    try:
        made = subprocess.run(["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
                              capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return made.stdout.strip() or None


def results_of(made: object, bench: str) -> list[Result]:
    """What a benchmark's ``run`` returned, checked: a list of results, or ``{"results": [...]}`` with results or their dicts."""
    rows = made.get("results") if isinstance(made, Mapping) else made
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise TypeError(f"bench {bench}: run() must return a list of Result, not {type(made).__name__}")
    names = ("metric", "value", "unit", "target", "baseline", "baseline_value")
    results = []
    for row in rows:
        if isinstance(row, Mapping):
            row = Result(**{name: row[name] for name in names if name in row})
        if not isinstance(row, Result):
            raise TypeError(f"bench {bench}: {row!r} is not a Result")
        results.append(row)
    return results


def to_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _line(path: Path) -> str | None:
    return _text(path).strip("\0\n ") or None


def _memory_mb() -> int | None:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def _os_name() -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text(Path("/etc/os-release")), re.MULTILINE)
    return found[1] if found else None


def _temperature() -> float | None:
    zones = sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp")) if Path("/sys/class/thermal").is_dir() else []
    readings = [text for zone in zones if (text := _text(zone).strip()).lstrip("-").isdigit()]
    return round(int(readings[0]) / 1000, 1) if readings else None
