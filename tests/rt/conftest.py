"""Both cores, under one name: every test that takes ``rt`` runs on the C core and on the pure-Python twin."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edgevoice.rt import _core, twin, twin_device

RATE, HOP = 16000, 160
FADE = RATE // 200
"""Frames in 5 ms."""

CORES = {
    "native": SimpleNamespace(Core=_core.Core, Live=_core.Live, ScriptedDevice=_core.ScriptedDevice),
    "twin": SimpleNamespace(Core=twin.Core, Live=twin.Live, ScriptedDevice=twin_device.ScriptedDevice),
}


@pytest.fixture(params=CORES)
def rt(request: pytest.FixtureRequest) -> Any:
    return CORES[request.param]


@pytest.fixture
def core(rt: Any) -> Iterator[Any]:
    core = rt.Core(RATE, HOP)
    yield core
    core.close()
