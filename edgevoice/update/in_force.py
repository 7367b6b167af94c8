"""Settings as they are in force: the device's own file, and over it the keys that the release in force brings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from edgevoice import config, service
from edgevoice.models.releases import Releases
from edgevoice.models.store import default_root
from edgevoice.settings import Settings

OWN_SECTIONS = ("update", "paths")
"""of the settings, that no update can change: who may make them, and where things are kept"""
SERVICE = Path("/") / service.CONFIG
_MODELS = (("vad", "model"), ("stt", "model"), ("stt", "final_model"), ("llm", "model"), ("tts", "model"), ("dialog", "turn_model"),
           ("wake", "keyword_model"))
"""settings that name a model"""


def own(path: Path | None) -> Settings:
    """What the device's own file says, or the defaults.  The service's file means the service's store, also where somebody else than the
    service reads it, such as root."""
    if path is None:
        return Settings()
    made = config.load(path)
    if path.resolve() == SERVICE and not made.paths.models and "EDGEVOICE_MODELS" not in os.environ:
        return dataclasses.replace(made, paths=dataclasses.replace(made.paths, models=str(Path("/") / service.STATE / "models")))
    return made


def releases_of(settings: Settings) -> Releases:
    return Releases(default_root(settings.paths))


def load(path: Path | None) -> Settings:
    """``ConfigError`` with every problem if the two together are wrong."""
    mine = own(path)
    releases = releases_of(mine)
    return over(path, mine, releases.config(releases.state().current))


def over(path: Path | None, mine: Settings, brought: Path | None) -> Settings:
    """``mine``, which stands at ``path``, with what an update brought; but for the sections that no update can change."""
    if brought is None:
        return mine
    made = config.load_over(path, brought)
    return dataclasses.replace(made, **{name: getattr(mine, name) for name in OWN_SECTIONS})


def pointing(settings: Settings, folders: Mapping[str, Path]) -> Settings:
    """With the models of ``folders`` by their place instead of their name, so that they are found before they are in force."""
    for section, name in _MODELS:
        part = getattr(settings, section)
        if (folder := folders.get(getattr(part, name))) is not None:
            settings = dataclasses.replace(settings, **{section: dataclasses.replace(part, **{name: str(folder)})})
    return settings
