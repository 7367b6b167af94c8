"""Full duplex for ten minutes through PulseAudio's null sinks: every sample comes back, and nothing grows.

The null sink of a server that got no core breaks by itself: what it broke is told and counted as nobody's (``verdict``), and what is left
must be nine tenths of it all.  ``EDGEVOICE_SOAK_SECONDS`` makes it shorter or longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes import cores
from tests.fakes.pulse import MISSING, PulseServer, favour
from tests.rt.soak import Break, Comparison, sequence, verdict

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000
WELL: dict[str, Any] = {
    "error": None, "balanced": True, "dropped": 0, "gaps": 0, "underruns": 0, "breaks": [], "far_breaks": [], "witness_breaks": [],
    "xruns_in": 0, "xruns_out": 0, "worst_late_s": 0.02, "waited_s": 0.5, "latency_s": 0.6}
BREAK = {"at": 16_000, "foreign": 800, "jump": 0}


@pytest.mark.slow
@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.timeout(1200)
def test_ten_minutes_come_back_bit_for_bit(tmp_path: Path) -> None:
    seconds = float(os.environ.get("EDGEVOICE_SOAK_SECONDS", "600"))
    with PulseServer(tmp_path / "server") as server, subprocess.Popen(
            [sys.executable, "-m", "tests.rt.soak", str(seconds), "600"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**server.environment, "PYTHONPATH": str(ROOT)}) as process:
        favour(process.pid)
        out, errors = process.communicate(timeout=seconds + 120)
        starved_s = cores.waited_s(server.pid)
    assert process.returncode == 0, errors
    report = json.loads(out.splitlines()[-1])
    found = verdict(report)
    print(report, found, f"the server waited {starved_s:.3f} s for a core")
    assert found.ours == [], report
    assert report["memory_mb"][1] < report["memory_mb"][0] + 4.0, report
    assert report["threads"][0] == report["threads"][1], report
    whole = (seconds - 10) * RATE
    if found.server or found.machine:
        if report["compared"] <= 0.9 * whole:
            pytest.skip(f"this machine shows nothing: {found}, and the server waited {starved_s:.3f} s for a core")
    else:
        assert report["compared"] > whole, report


def test_the_comparison_sees_a_single_sample_that_is_lost_changed_or_repeated() -> None:
    whole = sequence(0, 3 * RATE)
    assert len(np.unique(whole)) > 10_000
    changed = whole.copy()
    changed[20_000] ^= 1
    lost, twice = np.delete(whole, 20_000), np.insert(whole, 20_000, whole[20_000])
    assert compared(whole).breaks == []
    for heard, expected in ((changed, Break(20_000, 1, 1)), (lost, Break(20_000, 0, 1)), (twice, Break(20_001, 0, -1))):
        assert compared(heard).breaks == [expected]


def test_after_a_break_the_sequence_is_found_again_and_the_next_break_too() -> None:
    whole = sequence(0, 6 * RATE)
    gone, silence = whole.copy(), np.zeros(5_000, np.int16)
    heard = np.concatenate([gone[:20_000], silence, gone[20_000:40_000], gone[48_000:60_000], gone[56_000:]])
    comparison = compared(heard)
    assert comparison.breaks == [Break(20_000, 5_000, 0), Break(40_000, 0, 8_000), Break(60_000, 0, -4_000)] and not comparison.lost
    assert comparison.compared == len(heard) - 5_000
    assert compared(np.concatenate([whole[:20_000], silence])).lost


def compared(heard: np.ndarray) -> Comparison:
    """In pieces of any size, after some silence."""
    comparison = Comparison()
    for piece in np.array_split(np.concatenate([np.zeros(777, np.int16), heard]), 200):
        comparison.take(piece)
    return comparison


@pytest.mark.parametrize(("found", "whose"), [
    ({}, None),
    ({"breaks": [BREAK], "witness_breaks": [BREAK]}, "server"),
    ({"breaks": [BREAK]}, "server"),
    ({"witness_breaks": [BREAK]}, None),
    ({"breaks": [BREAK], "worst_late_s": 0.4, "waited_s": 1.2}, "machine"),
    ({"breaks": [BREAK], "xruns_in": 1, "waited_s": 0.3}, "machine"),
    ({"breaks": [BREAK], "worst_late_s": 0.4, "waited_s": 0.01}, "ours"),
    ({"breaks": [BREAK], "far_breaks": [BREAK]}, "ours"),
    ({"breaks": [BREAK], "underruns": 1}, "ours"),
    ({"dropped": 160, "gaps": 1, "breaks": [BREAK], "worst_late_s": 0.4, "waited_s": 9.0}, "ours"),
    ({"balanced": False}, "ours"),
    ({"error": "it is gone"}, "ours")])
def test_whose_a_break_is(found: dict[str, Any], whose: str | None) -> None:
    judged = verdict({**WELL, **found})
    assert [name for name in ("ours", "machine", "server") if getattr(judged, name)] == ([whose] if whose else [])
