"""What is in the store, what could be, and whether every byte of it is as it was accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgevoice.errors import ModelError
from edgevoice.models import catalogue, manifest
from edgevoice.models.progress import Progress
from edgevoice.models.store import Store, storage_errors


@dataclass(frozen=True, slots=True)
class Item:
    """A model that is installed, can be pulled, or both.  Sizes in bytes, 0 where unknown."""

    name: str
    state: str
    """``installed``, ``damaged`` (a file is missing or of another size, or model.json is unreadable) or ``available``"""
    family: str
    licence: str
    size: int
    download: int
    verified: bool
    """installed: its files were checked against hashes that we measured; available: the catalogue has such hashes"""
    trust: str
    """who vouches for it: ``catalogue``, ``given``, ``first-use``; empty if nobody yet"""
    source: str
    summary: str
    note: str
    default: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that is not as it was accepted; ``found`` is a hash, or empty if the file cannot be read."""

    file: str
    expected: str
    found: str
    problem: str


@dataclass(frozen=True, slots=True)
class Report:
    """A model after its check; ``ok`` without faults."""

    name: str
    files: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        return not self.faults


def items(store: Store) -> list[Item]:
    """The defaults first, then what is installed, then the rest of the catalogue."""
    names = dict.fromkeys((*catalogue.DEFAULTS, *store.names(), *store.releases.models(), *(entry.name for entry in catalogue.ENTRIES)))
    return [_item(store, name) for name in names]


def verify(store: Store, names: Sequence[str] = (), progress: Progress | None = None) -> list[Report]:
    """Hash every file of the named models, or of all.  ``ModelError`` for a name that is not installed."""
    progress = progress or Progress()
    installed = list(dict.fromkeys((*store.names(), *store.releases.models())))
    for name in names:
        if name not in installed:
            raise not_installed(store, name)
    return [_verify(store, name, progress) for name in names or installed]


def release(store: Store, names: Sequence[str]) -> tuple[str, str]:
    """What of the named models is installed, and what the catalogue would install now: eight digits each of a hash of what was fetched,
    or would be.  Equal where nothing newer is known; a model that is not of the catalogue counts as it is, an absent one as nothing."""
    here, there = [], []
    for name in names:
        try:
            record = manifest.read(store.home(name))
        except ModelError:
            record = None
        entry = catalogue.get(name)
        have = sorted(record.origins.values()) if record is not None else []
        known = sorted(origin.sha256 for origin in entry.origins) if entry is not None else []
        here.append((name, have))
        there.append((name, known if known and all(known) else have))
    return _digits(here), _digits(there)


def versions(store: Store, names: Mapping[str, str]) -> dict[str, str]:
    """Which edition of each model of ``names`` (by part) is installed: the wheel's version where it came out of one, and eight digits of a
    hash of what was fetched.  "unknown" for a file of the owner's and for what is absent or damaged."""
    made = {}
    for part, name in names.items():
        try:
            record = manifest.read(store.home(name)) if name and "/" not in name else None
        except ModelError:
            record = None
        if record is None:
            made[part] = "unknown"
            continue
        release = record.source.partition("==")[2] if record.source.startswith("wheel ") else ""
        digits = _digits(sorted(record.origins.values()) or sorted(file.sha256 for file in record.files.values()))
        made[part] = f"{release}+{digits}" if release else digits
    return made


def _digits(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]


def not_installed(store: Store, name: str) -> ModelError:
    """The error for a name of which the store has nothing."""
    if catalogue.get(name):
        return ModelError(f"model {name} is not installed in {store.root}: `edgevoice models pull {name}`")
    return catalogue.unknown(name, store.names())


def _item(store: Store, name: str) -> Item:
    entry = catalogue.get(name)
    problem = ""
    record = None
    folder = store.home(name)
    try:
        record = manifest.read(folder)
        if record:
            problem = "; ".join(manifest.quick_faults(folder, record))
    except ModelError as error:
        problem = str(error)
    state = "damaged" if problem else "installed" if record else "available"
    return Item(
        name=name, state=state, family=record.family if record else entry.family if entry else "",
        licence=record.licence if record else entry.licence if entry else "",
        size=record.size if record else entry.installed_size if entry else 0, download=entry.download_size if entry else 0,
        verified=record.trust == "catalogue" if record else bool(entry and entry.verified),
        trust=record.trust if record else "catalogue" if entry and entry.verified else "",
        source=record.source if record else " + ".join(str(origin) for origin in entry.origins) if entry else "",
        summary=entry.summary if entry else "", note=record.note if record else entry.note if entry else "",
        default=name in catalogue.DEFAULTS, problem=problem)


def _verify(store: Store, name: str, progress: Progress) -> Report:
    folder = store.home(name)
    try:
        record = manifest.read(folder)
    except ModelError as error:
        return Report(name, 0, (Fault(manifest.FILENAME, "", "", str(error)),))
    if record is None:
        raise not_installed(store, name)
    faults = []
    with storage_errors(folder), progress.task(f"checking {name}", record.size) as task:
        for file, expected in record.files.items():
            path = folder / file
            try:
                size = path.stat().st_size
                found = manifest.hash_file(path, task.advance)
            except OSError as error:
                faults.append(Fault(file, expected.sha256, "", error.strerror or str(error)))
                continue
            if found != expected.sha256:
                what = f"has {size} bytes, expected {expected.size}" if size != expected.size else "has other contents"
                faults.append(Fault(file, expected.sha256, found, what))
    return Report(name, len(record.files), tuple(faults))
