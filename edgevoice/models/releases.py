"""Releases: models and settings that came by an update, kept beside the store's own, and the one small file that says which is in force.

Theory of operation.  ``STORE/.updates/releases/ID`` is a release, whole: what the maker signed (``manifest.json``, ``manifest.sig``), the
models it brings (``models/NAME``) and the settings (``config.toml``).  Models that an earlier release brought and this one does not
replace are linked into it, so that each stands alone.  Nothing that is already there is touched by an update: a model is looked for in
the release in force first and in the store then, and going back is no other thing than going on.

Laws: a release is written elsewhere, synced, and renamed into place before ``state.json`` names it; what is in force changes by one rename
of that file and by nothing else; a folder that it does not name is litter.  So whenever a process dies, what is in force is whole: the old
or the new.  ``State`` is a value, and its changes are functions of it alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgevoice import files
from edgevoice.errors import StorageError

log = logging.getLogger(__name__)

FOLDER = ".updates"
CONFIG = "config.toml"
KEPT_UNDONE = 8
"""releases that were taken back, of which the state tells"""
_ID = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}-[0-9a-f]{8}")


def version_of(id: str) -> str:
    """``1.4.0`` of ``1.4.0-5f0c21aa``; "" of none."""
    return id.partition("-")[0]


def order(version: str) -> tuple[int, ...]:
    """By which versions are compared: 1.10 is later than 1.9, and 1.4 is 1.4.0."""
    parts = [int(part) for part in version.split(".")] if version else []
    return (*parts, *[0] * (4 - len(parts))) if parts else ()


@dataclass(frozen=True, slots=True)
class Probation:
    """A release that is watched."""

    crashes: int = 0
    """lives of the daemon that began and did not end in order, the present one with them"""
    lived_s: float = 0.0
    """of those that did: seconds that it listened"""
    turns: int = 0
    """answers heard in them"""


@dataclass(frozen=True, slots=True)
class Undone:
    """A release that was taken back.  ``time``: Unix seconds."""

    id: str
    why: str
    time: float


@dataclass(frozen=True, slots=True)
class State:
    """Which releases there are; ids, "" for none (the store's own models and the configuration as it stands)."""

    current: str = ""
    previous: str = ""
    """to go back to, while there is a probation"""
    staged: str = ""
    """whole, verified and tried: goes into force at the next pause"""
    probation: Probation | None = None
    undone: tuple[Undone, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """Releases whose folders are needed."""
        return frozenset((self.current, self.previous, self.staged)) - {""}

    def stage(self, id: str) -> State:
        return replace(self, staged=id, undone=tuple(one for one in self.undone if one.id != id))

    def unstage(self) -> State:
        return replace(self, staged="")

    def activate(self) -> State:
        """What is staged is in force, on probation.  What it replaces is kept, or what that replaced, if it had not proved itself."""
        if not self.staged:
            return self
        proved = self.previous if self.probation is not None else self.current
        return replace(self, current=self.staged, previous=proved, staged="", probation=Probation())

    def begin(self) -> State:
        """A life of the daemon begins."""
        return self if self.probation is None else replace(self, probation=replace(self.probation, crashes=self.probation.crashes + 1))

    def end(self, lived_s: float, turns: int) -> State:
        """It ends in order."""
        known = self.probation
        if known is None:
            return self
        return replace(self, probation=Probation(max(0, known.crashes - 1), known.lived_s + lived_s, known.turns + turns))

    def settle(self) -> State:
        """The probation is passed."""
        return replace(self, previous="", probation=None)

    def undo(self, why: str, time: float) -> State:
        """Back to what was before, if there is a probation."""
        if self.probation is None:
            return self
        undone = (*self.undone, Undone(self.current, why, round(time, 3)))[-KEPT_UNDONE:]
        return replace(self, current=self.previous, previous="", probation=None, undone=undone)


class Releases:
    """Of the store at ``root``.  Any thread, any process."""

    def __init__(self, root: Path) -> None:
        self.root = root / FOLDER
        self.staging = self.root / "staging"
        self._state = self.root / "state.json"

    def folder(self, id: str) -> Path:
        return self.root / "releases" / id

    def state(self) -> State:
        """As the file says; none where there is no file, or one that nobody understands, of which the log tells."""
        try:
            return _parsed(json.loads(self._state.read_bytes()))
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read (%s): no update is in force", self._state, error)
            return State()

    def mark(self) -> object:
        """Another one whenever the state was written."""
        try:
            facts = self._state.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_ino

    def change(self, change: Callable[[State], State]) -> State:
        """Apply it to the state as it is now, alone and durably; the new one.  ``StorageError`` if it cannot be kept."""
        with self._alone():
            before = self.state()
            after = change(before)
            if after != before:
                files.write_text(self._state, json.dumps({"format": 1, **asdict(after)}, indent=1) + "\n")
        return after

    def place(self, id: str, staged: Path) -> None:
        """Move a finished folder to where releases are, and see to it that it stays there through a power cut."""
        target = self.folder(id)
        for path in (*staged.rglob("*"), staged):
            if not path.is_symlink():
                files.sync(path)
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            os.rename(staged, target)
        elif not files.exchange(staged, target):  # it was the same, by its id, but was damaged since
            os.rename(target, self.staging / f"{id}.old")
            os.rename(staged, target)
        for path in (target.parent, self.root):
            files.sync(path)

    def sweep(self) -> None:
        """Remove what the state does not name; by whoever holds the store's lock, since an install may be about to name it."""
        named = self.state().named
        shutil.rmtree(self.staging, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            for folder in self.folder("").iterdir():
                if folder.name not in named:
                    shutil.rmtree(folder, ignore_errors=True)

    def remove(self, id: str) -> None:
        """A folder that the state names no more; any time.  What a death leaves of it the next ``sweep`` finds."""
        if not id or id in self.state().named:
            return
        gone = self.staging / f"{id}.gone"
        with contextlib.suppress(OSError):
            self.staging.mkdir(exist_ok=True)
            os.rename(self.folder(id), gone)
        shutil.rmtree(gone, ignore_errors=True)

    def model(self, name: str) -> Path | None:
        """The folder of a model that the release in force brings."""
        id = self.state().current
        folder = self.folder(id) / "models" / name
        return folder if id and folder.is_dir() else None

    def models(self) -> list[str]:
        """Names of the models that the release in force brings."""
        id = self.state().current
        try:
            return sorted(folder.name for folder in (self.folder(id) / "models").iterdir()) if id else []
        except OSError:
            return []

    def config(self, id: str) -> Path | None:
        """The settings that a release brings."""
        path = self.folder(id) / CONFIG
        return path if id and path.is_file() else None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """For the milliseconds of one change."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"{self.root}: cannot be written ({error.strerror}); {files.remedy(error.errno)}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _parsed(document: Any) -> State:
    """``ValueError`` and its like for what is none."""
    if document["format"] != 1:
        raise ValueError(f"format {document['format']!r}")
    ids = {name: document[name] for name in ("current", "previous", "staged")}
    if not all(value == "" or _ID.fullmatch(value) for value in ids.values()):
        raise ValueError("an id that is none")
    trial = document["probation"]
    return State(**ids, probation=None if trial is None else Probation(int(trial["crashes"]), float(trial["lived_s"]), int(trial["turns"])),
                 undone=tuple(Undone(str(one["id"]), str(one["why"]), float(one["time"])) for one in document["undone"]))
