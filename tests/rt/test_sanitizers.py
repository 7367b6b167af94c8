"""The ring and the callback under address, undefined-behaviour and thread sanitizers, in C programs of their own (``ext/tests``)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SANITIZERS = ("address", "undefined", "thread")
PROGRAMS = ("stress_ring", "stress_rt", "stress_scripted", "late_write", "stress_front", "stress_asrc")

pytestmark = [
    pytest.mark.sanitizer,
    pytest.mark.skipif(not shutil.which("make") or not shutil.which("cc"), reason="no make or no C compiler"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanitizers")
    result = subprocess.run(["make", "-C", ROOT / "ext" / "tests", f"OUT={folder}", "all"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_found(built: Path, program: str, sanitizer: str) -> None:
    seconds = os.environ.get("EDGEVOICE_STRESS_SECONDS", "1.5")
    command = [str(built / f"{program}.{sanitizer}"), seconds]
    if sanitizer == "thread" and shutil.which("setarch"):
        command = ["setarch", "-R", *command]  # some kernels scatter memory more than the thread sanitizer can map
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout and not result.stderr
