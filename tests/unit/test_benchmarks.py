"""The figures of a benchmark: targets, ratios, statistics, the host, and a child's peak memory."""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
import pytest

from edgevoice import benchmarks
from edgevoice.benchmarks import Result


@pytest.mark.parametrize(("target", "value", "met"), [
    ("<= 25", 25.0, True), ("<= 25", 25.1, False), (">= 4", 4.0, True), (">= 4", 3.9, False), ("< 1e-3", 0.0009, True),
    ("> 0", 0.0, False), ("== 0", 0.0, True), ("<= 25", None, False), (None, 1.0, None)])
def test_target(target: str | None, value: float | None, met: bool | None) -> None:
    assert Result("x", value, "ms", target).met is met


@pytest.mark.parametrize("target", ["25", "<= ", "=< 25", "<= 25 ms", ""])
def test_a_target_that_no_program_could_read_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="wants an operator"):
        Result("x", 1.0, "ms", target)


def test_ratio_is_value_over_baseline() -> None:
    assert Result("x", 3.0, "ms", baseline="peer", baseline_value=12.0).ratio == 0.25
    assert Result("x", 3.0, "ms").ratio is None
    assert Result("x", 3.0, "ms", baseline="peer", baseline_value=0.0).ratio is None


def test_a_result_is_json_even_from_numpy_or_from_a_division_by_zero() -> None:
    row = Result("x", np.float32(1.23456789), "ms", baseline_value=float("nan")).as_dict()  # type: ignore[arg-type]
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "metric": "x", "value": 1.23457, "unit": "ms", "target": None, "baseline": None, "baseline_value": None, "ratio": None}


def test_document_has_exactly_the_agreed_keys() -> None:
    report = benchmarks.document("x", [Result("m", 1.0, "s")])
    assert set(report) == {"bench", "host", "results"}
    assert set(report["results"][0]) == {"metric", "value", "unit", "target", "baseline", "baseline_value", "ratio"}
    assert {"cpu", "cores", "arch", "python"} <= set(report["host"])
    assert json.loads(benchmarks.to_json(report)) == report


def test_statistics() -> None:
    assert benchmarks.median([3.0, 1.0, 2.0]) == 2.0
    assert benchmarks.percentile(range(101), 90) == 90.0
    assert benchmarks.median([]) is None
    assert benchmarks.percentile([], 50) is None


def test_timed_leaves_the_warmup_out() -> None:
    calls: list[int] = []
    assert len(benchmarks.timed(lambda: calls.append(1), repeats=3, warmup=2)) == 3
    assert len(calls) == 5


def test_a_childs_peak_memory_is_its_own() -> None:
    """Not what it inherits from a parent that is larger: the reason for the launcher."""
    ballast = np.ones(150 * 2**20, np.uint8)
    small = benchmarks.run_child([sys.executable, "-S", "-c", "print('small')"], timeout_s=60)
    large = benchmarks.run_child([sys.executable, "-S", "-c", "x = b'x' * (200 << 20)"], timeout_s=60)
    assert ballast[-1] == 1
    assert small.stdout == "small\n"
    assert small.peak_rss_mb < 60
    assert 200 < large.peak_rss_mb < 260


def test_a_childs_exit_code_and_words() -> None:
    made = benchmarks.run_child([sys.executable, "-S", "-c", "import sys; sys.stderr.write('no'); sys.exit(7)"], timeout_s=60)
    assert (made.returncode, made.stderr) == (7, "no")


def test_a_child_that_hangs_is_ended_with_all_it_started() -> None:
    code = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '617.3']).pid, flush=True); time.sleep(600)"
    with pytest.raises(TimeoutError, match="did not end within"):
        benchmarks.run_child([sys.executable, "-S", "-c", code], timeout_s=0.5)
    assert not [name for name in _commands() if name == "sleep 617.3"]


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="edgevoice-no-such-program: could not be started"):
        benchmarks.run_child(["edgevoice-no-such-program"], timeout_s=60)


def test_peak_rss_grows_with_what_is_touched() -> None:
    before = benchmarks.peak_rss_mb()
    assert before > 5
    _ = np.ones(64 * 2**20, np.uint8)
    assert benchmarks.peak_rss_mb() >= before


def test_results_of_refuses_what_is_no_result() -> None:
    good = Result("m", 1.0, "s")
    assert benchmarks.results_of([good], "b") == [good]
    assert benchmarks.results_of({"results": [{"metric": "m", "value": 1, "unit": "s", "ratio": None}]}, "b") == [good]
    for made in (None, "text", [1], {"metrics": []}, 3):
        with pytest.raises(TypeError, match="bench b: "):
            benchmarks.results_of(made, "b")


def _commands() -> list[str]:
    """Command lines of all processes of ours, shortly after a group was ended."""
    time.sleep(0.1)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue
    return found
