"""``model.json``: what an installed model is, where it came from, and the sha256 and size of each of its files.

Laws: the file is written last and moved into place with its folder, so a folder that has one was accepted; files that it does not
list (a prompt cache, say) are nobody's business here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgevoice.errors import ModelError

FILENAME = "model.json"
BLOCK = 1 << 20
"""Bytes read at once when hashing and copying: 1 MiB keeps the interpreter's share of the time under a percent."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was when the model was accepted."""

    sha256: str
    size: int
    mtime_ns: int = 0
    """when it was written; a file with another time is hashed before it is believed to be the same"""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of ``model.json``."""

    name: str
    family: str
    licence: str
    source: str
    files: dict[str, FileRecord]
    trust: str = "catalogue"
    """who vouches for the origin's hash: ``catalogue``, ``given`` (--sha256), ``first-use`` (--trust-first-use)"""
    origins: dict[str, str] = field(default_factory=dict)
    """sha256 of each file fetched, before anything was taken out or converted"""
    converted: dict[str, str] = field(default_factory=dict)
    """how each file that differs from its origin was made"""
    note: str = ""
    installed: str = ""
    """UTC, ISO 8601"""

    @property
    def size(self) -> int:
        return sum(record.size for record in self.files.values())


def read(folder: Path) -> Manifest | None:
    """The folder's manifest, ``None`` if it has none; ``ModelError`` if it cannot be understood."""
    path = folder / FILENAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): FileRecord(str(known["sha256"]), int(known["size"]), int(known.get("mtime_ns", 0)))
                 for name, known in document["files"].items()}
        if not files:
            raise ValueError("it lists no files")
        if any(Path(name).name != name for name in files):
            raise ValueError("it lists a file outside its folder")
        return Manifest(
            name=str(document["name"]), family=str(document["family"]), licence=str(document["licence"]), source=str(document["source"]),
            files=files, trust=str(document.get("trust", "")), origins=_strings(document.get("origins")),
            converted=_strings(document.get("converted")), note=str(document.get("note", "")), installed=str(document.get("installed", "")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is damaged ({_said(error)}): `edgevoice models pull {folder.name}` installs it anew") from error


def text(manifest: Manifest) -> str:
    """The contents of the file."""
    return json.dumps(asdict(manifest), ensure_ascii=False, indent=2) + "\n"


def write(folder: Path, manifest: Manifest) -> None:
    """Write and flush to the disk; the caller moves the folder into place."""
    write_durably(folder / FILENAME, text(manifest))


def write_durably(path: Path, text: str) -> None:
    """Write beside, flush, move into place: a reader sees the old text or the new."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def quick_faults(folder: Path, manifest: Manifest) -> list[str]:
    """Files missing or of another size: what can be told without reading them; a line each."""
    faults = []
    for name, record in manifest.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            faults.append(f"{name} is missing")
            continue
        if size != record.size:
            faults.append(f"{name} has {size} bytes, expected {record.size}")
    return faults


def touched_faults(folder: Path, manifest: Manifest) -> list[str]:
    """Files written to since they were accepted, and now of other contents; a line each.  Only files with another time are read."""
    return [f"{name} was changed" for name, known in manifest.files.items()
            if (folder / name).stat().st_mtime_ns != known.mtime_ns and hash_file(folder / name) != known.sha256]


def record(path: Path) -> FileRecord:
    """A file as it is now."""
    facts = path.stat()
    return FileRecord(hash_file(path), facts.st_size, facts.st_mtime_ns)


def hash_file(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """sha256 in hex; ``advance`` is told the bytes of each block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def _strings(mapping: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in (mapping or {}).items()}


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
