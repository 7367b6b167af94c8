"""Real engines, loaded once for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgevoice import app
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import open_mic


@pytest.fixture(scope="session")
def settings() -> Settings:
    return open_mic(Settings())


@pytest.fixture(scope="session")
def engines(settings: Settings) -> Iterator[Engines]:
    made = app.load_engines(settings)
    yield made
    made.close()
