"""The default language model, for the tests that need the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.engines import llm
from edgevoice.engines.llm import LlamaLlm
from edgevoice.engines.protocols import Llm
from edgevoice.errors import ModelError
from edgevoice.models import find
from edgevoice.settings import LlmSettings, PathSettings
from tests.contract.asking import SETTINGS, SYSTEM
from tests.fakes.llm import FakeLlm, words


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed default model, by a link in a folder of the test's own: caches must not land in the store."""
    try:
        installed = find(PathSettings(), LlmSettings().model)
    except ModelError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.gguf").symlink_to(installed / "model.gguf")
    return folder


@pytest.fixture
def fresh(model: Path, tmp_path: Path) -> Path:
    """The model in a folder without caches."""
    (tmp_path / "model.gguf").symlink_to((model / "model.gguf").resolve())
    return tmp_path


@pytest.fixture(scope="module")
def real(model: Path) -> Iterator[LlamaLlm]:
    engine = llm.load(SETTINGS, model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def small(model: Path) -> Iterator[LlamaLlm]:
    engine = llm.load(LlmSettings(context=256, system_prompt=SYSTEM.content), model)
    yield engine
    engine.close()


@pytest.fixture(params=["fake", "real"])
def engine(request: pytest.FixtureRequest) -> Llm:
    if request.param == "real":
        return request.getfixturevalue("real")  # type: ignore[no-any-return]
    return FakeLlm([words("The sky is blue because of the way that sunlight meets the air above us.")])
