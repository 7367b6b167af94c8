"""Who makes updates, and a device that takes them: a key, a store of models of a few bytes, a configuration that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgevoice.models import Store, manifest
from edgevoice.models.manifest import Manifest
from edgevoice.update import bundle, install, keys

PARTS = ("vad", "stt", "llm", "tts", "turn")
NAMED = '[vad]\nmodel = "vad"\n[stt]\nmodel = "stt"\n[llm]\nmodel = "llm"\n[tts]\nmodel = "tts"\n[dialog]\nturn_model = "turn"\n'


def model(folder: Path, contents: bytes, name: str) -> Path:
    """A model that nobody can run."""
    folder.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(contents)
    manifest.write(folder, Manifest(name, "gguf", "MIT", "test", {"model.gguf": manifest.record(folder / "model.gguf")}))
    return folder


def no_trial(*_: Any, **__: Any) -> None:
    """What nobody can run is not tried."""


@dataclass
class Maker:
    """With one key and one device, both below ``folder``."""

    folder: Path
    public: str = ""
    store: Store = field(init=False)
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.key = self.folder / "maker.pem"
        self.public = keys.make(self.key)
        self.store = Store(self.folder / "store")
        for name in PARTS:
            model(self.store.root / name, f"{name} of the store".encode(), name)
        self.config = self.folder / "device.toml"
        self.configure()

    def configure(self, extra: str = "", update: str = "") -> None:
        own = f'[paths]\nmodels = "{self.store.root}"\n[update]\npublic_keys = ["{self.public}"]\n{update}\n'
        self.config.write_text(f"{NAMED}{own}{extra}", encoding="utf-8")

    def bundle(self, version: str, models: Mapping[str, bytes] | None = None, settings: str = "", **more: Any) -> Path:
        """An update that brings models of these contents."""
        made = self.folder / f"made-{version}"
        folders = [(name, model(made / name, contents, name)) for name, contents in (models or {}).items()]
        toml = made / "settings.toml"
        if settings:
            made.mkdir(exist_ok=True)
            toml.write_text(settings, encoding="utf-8")
        out = self.folder / f"{version}.bundle"
        bundle.make(out, self.key, version, models=folders, settings=toml if settings else None, **more)
        return out

    def install(self, path: Path, **more: Any) -> install.Installed:
        return install.install(path, self.config, **{"attempt": no_trial, **more})

    def reads(self, name: str) -> bytes:
        """The contents of a model as an engine would find it now."""
        return (self.store.home(name) / "model.gguf").read_bytes()
