"""The store: a folder of models, one folder each, and nothing half-made among them.

Theory of operation.  Everything is made under ``.incoming`` (same file system, so a rename is atomic) and moved into place whole:
``.incoming/NAME`` is one pull's workbench, ``.incoming/downloads`` keeps what was fetched so that a cut download is resumed.
Replacing a model exchanges two folders in one system call (renameat2, Linux 3.15); a file system that cannot do that gets two renames,
and ``recover`` undoes the first where the second never came.

Laws: only the holder of ``.lock`` (flock, given back by the kernel however its holder ends) writes; readers need no lock.  Whatever
stands in ``.incoming/NAME`` when the lock is taken was left by someone who died, and goes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgevoice.errors import EdgeVoiceError, ModelError, StorageError
from edgevoice.files import exchange, sync
from edgevoice.models import catalogue, families, manifest
from edgevoice.models.progress import Progress, human
from edgevoice.models.releases import Releases
from edgevoice.settings import PathSettings

LOCK_WAIT_S = 600.0
"""Someone else's pull over a slow link may take minutes; ten of them are a fault that a person should see."""
KEEP_DOWNLOADS_S = 7 * 86400.0
"""A download that nobody resumed for a week is litter."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def default_root(paths: PathSettings) -> Path:
    """The store's folder: the setting, else $EDGEVOICE_MODELS, else $XDG_DATA_HOME/edgevoice/models, else ~/.local/share/…"""
    if paths.models:
        return Path(paths.models).expanduser()
    if named := os.environ.get("EDGEVOICE_MODELS"):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME", "")
    # the XDG specification says to ignore a relative path
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "edgevoice" / "models"


def find(paths: PathSettings, name: str) -> Path:
    """The folder of an installed model by name, or the folder or ``.gguf`` file that ``name`` is the path of.

    Only names, sizes and ``model.json`` are looked at, no contents.  ``ModelError`` says what to type if it is absent or damaged.
    """
    try:
        return _find(Store(default_root(paths)), name)
    except OSError as error:
        raise ModelError(f"model {name} cannot be read: {error.filename or error}: {error.strerror}") from error


def _find(store: Store, name: str) -> Path:
    if _NAME.fullmatch(name):
        store.recover(name)
        folder = store.home(name)
        record = manifest.read(folder)
        if record is not None:
            if faults := manifest.quick_faults(folder, record):
                again = f"`edgevoice models pull {name}` installs it" if folder == store.folder(name) else "install that update"
                raise ModelError(f"model {name} is damaged ({'; '.join(faults)}): {again} anew")
            return folder
        if folder.is_dir() and families.recognize(entry.name for entry in folder.iterdir()):
            return folder
        if catalogue.get(name):
            raise ModelError(f"model {name} is not installed in {store.root}: `edgevoice models pull {name}`")
    path = Path(name).expanduser()
    if name and path.is_dir():
        record = manifest.read(path)
        if record is None and families.recognize(entry.name for entry in path.iterdir()) is None:
            raise ModelError(f"the folder {path} is no model: no model.json, and files of no known family ({', '.join(families.NAMES)})")
        if record is not None and (faults := manifest.quick_faults(path, record)):
            raise ModelError(f"the model in {path} is damaged: {'; '.join(faults)}")
        return path
    if path.is_file():
        if path.suffix != ".gguf":
            raise ModelError(f"{path} is neither a model's folder nor a .gguf file")
        return path
    if os.sep in name:
        raise ModelError(f"there is no model at {path}: a model is a name, a folder or a .gguf file")
    raise catalogue.unknown(name, store.names())


class Store:
    """A store at ``root``, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / ".incoming"
        self.downloads = self.incoming / "downloads"
        self.releases = Releases(root)
        self._pins = root / "models.lock"

    def folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name == self._pins.name:
            raise ModelError(f"{name!r} cannot name a model: letters, digits, dot, dash and underscore, at most 64, no dot or dash first")
        return self.root / name

    def home(self, name: str) -> Path:
        """Where a model is read from: the release in force if it brings it, else the store's own folder."""
        own = self.folder(name)
        return self.releases.model(name) or own

    def names(self) -> list[str]:
        """Names of the folders that hold a ``model.json``."""
        try:
            entries = list(self.root.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"the model store {self.root} cannot be read: {error.strerror}") from error
        return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name) and (entry / manifest.FILENAME).is_file())

    def free(self) -> int:
        """Free bytes where the store is, or will be."""
        place = self.root
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    def require(self, needed: int, what: str) -> None:
        """``StorageError`` saying how much is needed, if there is not that much."""
        free = self.free()
        if needed > free:
            raise StorageError(f"{what} needs {human(needed)} of disk while it is installed, and {self.root} has {human(free)} free")

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[int]:
        """Hold the store's lock; gives its descriptor, for children to hold too.  Litter of dead pulls is cleared."""
        with storage_errors(self.root):
            self.downloads.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire(descriptor, progress)
            with storage_errors(self.root):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                self._clear()
            yield descriptor
        finally:
            os.close(descriptor)

    def workbench(self, name: str) -> Path:
        """An empty folder for one pull; under the lock."""
        bench = self.incoming / name
        shutil.rmtree(bench, ignore_errors=True)
        bench.mkdir(parents=True)
        return bench

    def commit(self, name: str, staged: Path) -> None:
        """Move a finished folder into place and see to it that it stays there through a power cut; under the lock."""
        target = self.folder(name)
        for path in (*staged.iterdir(), staged):
            sync(path)
        if not target.exists():
            os.rename(staged, target)
        elif not exchange(staged, target):
            old = self.incoming / f"{name}.old"
            os.rename(target, old)
            os.rename(staged, target)
            shutil.rmtree(old)
        sync(self.root)

    def remove(self, name: str) -> None:
        """Take a model out of the store; under the lock.  Its pins stay."""
        gone = self.incoming / f"{name}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(self.folder(name), gone)
        sync(self.root)
        shutil.rmtree(gone)

    def drop_downloads(self) -> None:
        """Give up all that was fetched and not installed; under the lock."""
        shutil.rmtree(self.downloads, ignore_errors=True)

    def recover(self, name: str) -> None:
        """Undo a replacement that was cut between its two renames."""
        old, target = self.incoming / f"{name}.old", self.folder(name)
        if target.exists() or not old.exists():
            return
        with self.locked(Progress()):
            """taking the lock recovers everything"""

    def pins(self) -> dict[str, dict[str, str]]:
        """``models.lock``: for each model, sha256 by file name, of what was trusted once and must not change."""
        try:
            document = json.loads(self._pins.read_text(encoding="utf-8"))
            return {name: {file: str(pin["sha256"]) for file, pin in files.items()} for name, files in document["pins"].items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"{self._pins} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{self._pins} is damaged ({error!r}): repair it, or delete it to forget which hashes were trusted") from error

    def pin(self, name: str, hashes: dict[str, str]) -> None:
        """Remember hashes; under the lock.  A changed hash replaces its pin."""
        pins: dict[str, Any] = {known: {file: {"sha256": value} for file, value in files.items()} for known, files in self.pins().items()}
        if self._pins.exists():
            pins = json.loads(self._pins.read_text(encoding="utf-8"))["pins"]
        today = datetime.now(UTC).date().isoformat()
        mine = pins.setdefault(name, {})
        changed = {file: value for file, value in hashes.items() if mine.get(file, {}).get("sha256") != value}
        mine.update({file: {"sha256": value, "since": today} for file, value in changed.items()})
        manifest.write_durably(self._pins, json.dumps({"version": 1, "pins": pins}, indent=2) + "\n")

    def _acquire(self, descriptor: int, progress: Progress) -> None:
        end = time.monotonic() + LOCK_WAIT_S
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
                if time.monotonic() > end:
                    raise StorageError(f"process {holder} has been using the model store {self.root} for {LOCK_WAIT_S:.0f} s") from None
                if not told:
                    progress.say(f"waiting for process {holder}, which is using the model store {self.root}")
                    told = True
                time.sleep(0.1)

    def _clear(self) -> None:
        for entry in self.incoming.iterdir():
            if entry == self.downloads:
                continue
            if entry.suffix == ".old" and not (home := self.root / entry.stem).exists():
                os.rename(entry, home)
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for folder in self.downloads.iterdir():
            if not folder.is_dir():
                folder.unlink()
                continue
            newest = max((file.stat().st_mtime for file in folder.iterdir()), default=0.0)
            if time.time() - newest > KEEP_DOWNLOADS_S:
                shutil.rmtree(folder)


@contextmanager
def storage_errors(where: Path) -> Iterator[None]:
    """Failures of the file system as ``StorageError`` in one line."""
    try:
        yield
    except EdgeVoiceError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(f"no space left for models in {where}: free some, or name another folder (--store, paths.models)") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EIO):
            raise StorageError(f"{error.filename or where} cannot be written: {error.strerror}") from error
        raise
