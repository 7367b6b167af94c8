"""Full duplex for ten minutes through PulseAudio's null sinks: every sample comes back, and nothing grows.

``EDGEVOICE_SOAK_SECONDS`` makes it shorter or longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.pulse import MISSING, PulseServer, favour
from tests.rt.soak import Comparison, sequence

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


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
    assert process.returncode == 0, errors
    report = json.loads(out.splitlines()[-1])
    print(report)
    assert report["error"] is None and report["balanced"]
    assert report["compared"] > (seconds - 10) * RATE
    assert (report["wrong"], report["first_wrong"]) == (0, None), report
    assert (report["dropped"], report["underruns"]) == (0, 0), report
    assert report["memory_mb"][1] < report["memory_mb"][0] + 4.0, report
    assert report["threads"][0] == report["threads"][1], report


def test_the_comparison_sees_a_single_sample_that_is_lost_changed_or_repeated() -> None:
    whole = sequence(0, 3 * RATE)
    assert len(np.unique(whole)) > 10_000
    silence = np.zeros(777, np.int16)
    changed = whole.copy()
    changed[20_000] ^= 1
    lost, twice = np.delete(whole, 20_000), np.insert(whole, 20_000, whole[20_000])
    for heard, wrong in ((whole, False), (changed, True), (lost, True), (twice, True)):
        comparison = Comparison()
        for piece in np.array_split(np.concatenate([silence, heard]), 200):
            comparison.take(piece)
        assert (comparison.wrong > 0) is wrong
        assert comparison.first_wrong in ((None,) if not wrong else (19_999, 20_000, 20_001))
        assert comparison.compared > 2.9 * RATE
