"""``manifest.json`` of a bundle: what is in it, for which devices, and the sha256 of every file.

The signature is over the file's bytes as they stand, so that any tool that knows ed25519 can make or verify one.  Nothing else of a bundle
is looked at before that, and nothing that the manifest does not name is ever written.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from edgevoice.errors import UpdateError
from edgevoice.models import releases

FORMAT = "edgevoice-bundle/1"
FILENAME, SIGNATURE = "manifest.json", "manifest.sig"
MOST_BYTES = 1_000_000
"""of a manifest"""
MOST_FILES = 1000
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_PATH = re.compile(r"config\.toml|models/([A-Za-z0-9][A-Za-z0-9._-]{0,63})/[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a device must be; empty or 0 for anything."""

    edgevoice: str = ""
    """version of the program, or a later one"""
    release: str = ""
    """release in force, or a later one"""
    machine: tuple[str, ...] = ()
    """processors, as ``uname -m`` calls them"""
    memory_mb: int = 0
    """of the whole machine"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``files``: in the order in which they stand in the archive."""

    version: str
    files: Mapping[str, File]
    compatible: str = ""
    note: str = ""
    made: str = ""
    """UTC, ISO 8601"""
    needs: Needs = field(default_factory=Needs)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files.values())

    @property
    def models(self) -> list[str]:
        return sorted({path.split("/")[1] for path in self.files if path.startswith("models/")})

    def of(self, model: str) -> dict[str, File]:
        """Files of a model, by name."""
        prefix = f"models/{model}/"
        return {path.removeprefix(prefix): file for path, file in self.files.items() if path.startswith(prefix)}

    def text(self) -> bytes:
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    def unfit(self, *, compatible: str, current: str, memory_mb: float | None, downgrade: bool) -> list[str]:
        """Why a device must not take it, a clause each.  ``current``: version in force, "" for none; ``downgrade``: an earlier one is
        wanted."""
        needs, found = self.needs, []
        here = metadata.version("edgevoice")
        if self.compatible and self.compatible != compatible:
            found.append(f"it is made for {self.compatible!r}, and update.compatible here is {compatible!r}")
        if needs.edgevoice and releases.order(_numbers(here)) < releases.order(needs.edgevoice):
            found.append(f"it needs edgevoice {needs.edgevoice}, and this is {here}")
        if needs.release and releases.order(current) < releases.order(needs.release):
            found.append(f"it needs the update {needs.release} first, and {current or 'none'} is in force")
        if needs.machine and platform.machine() not in needs.machine:
            found.append(f"it is for {' or '.join(needs.machine)}, and this machine is {platform.machine()}")
        if needs.memory_mb and memory_mb is not None and memory_mb < needs.memory_mb:
            found.append(f"it needs {needs.memory_mb} MB of memory, and this machine has {memory_mb:.0f}")
        if current and not downgrade and releases.order(self.version) < releases.order(current):
            found.append(f"it is older than {current}, which is in force (--downgrade takes it all the same)")
        return found


def id_of(text: bytes, manifest: Manifest) -> str:
    """By which the release is known on the device: its version, and eight digits of what was signed."""
    return f"{manifest.version}-{hashlib.sha256(text).hexdigest()[:8]}"


def parse(text: bytes) -> Manifest:
    """``UpdateError`` for what is none; to be called after the signature was verified."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, and {FORMAT} is known here")
        files = {str(path): File(_matched(_SHA256, file["sha256"]), _count(file["size"])) for path, file in document["files"].items()}
        if not files or len(files) > MOST_FILES:
            raise ValueError(f"it has {len(files)} files; 1 to {MOST_FILES}")
        for path in files:
            _matched(_PATH, path)
        needs = document["needs"]
        made = Manifest(
            version=_matched(VERSION, document["version"]), files=files, compatible=str(document["compatible"]), note=str(document["note"]),
            made=str(document["made"]), needs=Needs(
                edgevoice=_version_or_none(needs["edgevoice"]), release=_version_or_none(needs["release"]),
                machine=tuple(str(name) for name in needs["machine"]), memory_mb=_count(needs["memory_mb"])))
        for model in made.models:
            if "model.json" not in made.of(model):
                raise ValueError(f"the model {model} has no model.json")
        return made
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UpdateError(f"the update's manifest is not understood: {f'no {error}' if isinstance(error, KeyError) else error}") from error


def _matched(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{str(value)[:100]!r} must not stand there")
    return value


def _version_or_none(value: Any) -> str:
    return "" if value == "" else _matched(VERSION, value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _numbers(version: str) -> str:
    """Of ``0.2.0rc1+local`` the part that is a version here."""
    found = VERSION.match(version)
    return found[0] if found else "0"
