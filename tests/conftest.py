"""Fixtures that every category of test shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

# A machine that others work on is slow now and then, and no property here is one of time.
hypothesis.settings.register_profile("edgevoice", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("edgevoice")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A background job of a shell, such as a CI runner's, is deaf to Ctrl-C, and so would be all processes whose Ctrl-C is tested here.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of labelled audio, sentences and tools: $EDGEVOICE_SHARED, else ``shared`` beside the repository."""
    folder = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    if not (folder / "audio").is_dir():
        pytest.skip(f"no labelled audio at {folder} (set EDGEVOICE_SHARED)")
    return folder
