"""Real engines, loaded once for all end-to-end tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from edgevoice import app
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, SkillSettings
from tests.e2e.stage import open_mic


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Questions go to the model, also those that a skill would answer (``test_skills``)."""
    return dataclasses.replace(open_mic(Settings()), skills=SkillSettings(enabled=False))


@pytest.fixture(scope="session")
def engines(settings: Settings) -> Iterator[Engines]:
    made = app.load_engines(settings)
    yield made
    made.close()
