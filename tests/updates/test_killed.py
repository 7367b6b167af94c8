"""Killed at random moments of installs, changes, pulls and state writes: never a state that does not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import killed

ROOT = Path(__file__).resolve().parents[2]


def kills(folder: Path, count: int, seed: int) -> dict[str, int]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, killed.__file__, folder / "device", str(count), str(seed)], capture_output=True, text=True,
                          env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["kills"] == count
    phases: dict[str, int] = told["phases"]
    return phases


def test_a_hundred_times(tmp_path: Path) -> None:
    assert {"probation", "settled"} <= set(kills(tmp_path, 100, 7))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_five_hundred_times(tmp_path: Path, seed: int) -> None:
    kills(tmp_path, 100, 100 + seed)
