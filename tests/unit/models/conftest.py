"""Fixtures of the model tests: a store of their own, a server of their own, models of a few kilobytes that really run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.models import Store, catalogue
from edgevoice.models.catalogue import Entry
from tests.fakes import tiny_gguf, web_server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def server() -> Iterator[web_server.Server]:
    with web_server.running() as running:
        yield running


@pytest.fixture(scope="session")
def tiny() -> bytes:
    """A GGUF that llama.cpp runs."""
    return tiny_gguf.build()


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch):
    """Put an entry into the catalogue for one test."""
    known = dict(catalogue._BY_NAME)
    monkeypatch.setattr(catalogue, "_BY_NAME", known)

    def enter(entry: Entry) -> Entry:
        known[entry.name] = entry
        return entry

    return enter
