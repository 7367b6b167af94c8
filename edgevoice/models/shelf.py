"""Shelves: a folder, an archive or a lone file, seen as a list of files from which some are taken.

Laws: nothing is ever unpacked under a name that an archive chose; files are copied one by one to where the caller says.  Links and devices
in an archive are not seen; one with a member that points outside (absolute, ``..``) is refused whole.  Declared and real sizes must
agree, so that an archive cannot grow beyond what was checked against the disk.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from edgevoice.errors import SourceError
from edgevoice.models.manifest import BLOCK

Advance = Callable[[int], None]
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Shelf(Protocol):
    """``files``: path inside the shelf (posix, relative) to size in bytes."""

    @property
    def label(self) -> str: ...

    @property
    def files(self) -> Mapping[str, int]: ...

    def take(self, wanted: Mapping[str, Path], advance: Advance) -> None:
        """Copy each wanted path to its target; ``SourceError`` if the shelf is broken."""


def open_shelf(path: Path, *, name: str = "") -> Shelf:
    """The shelf at ``path``.  Of a folder, its own files and those of its subfolder ``name`` are seen, no more.

    ``SourceError`` if there is nothing, or it cannot be read.
    """
    try:
        if path.is_dir():
            return Folder(str(path), _list(path, name), path)
        if not path.is_file():
            raise SourceError(f"there is no file or folder {path}")
        if zipfile.is_zipfile(path):
            return Zip(path)
        if tarfile.is_tarfile(path):
            return Tar(path)
        if path.suffix.lower() in (".whl", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz"):
            raise SourceError(f"{path} is no archive, or a truncated one")
        return Folder(str(path), {path.name: path.stat().st_size}, path.parent)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    except _BROKEN as error:
        raise SourceError(f"the archive {path} is broken: {error}") from error


@dataclass(frozen=True)
class Folder:
    """A folder on this machine.  Its links are followed: they are the user's own."""

    label: str
    files: Mapping[str, int]
    root: Path

    def take(self, wanted: Mapping[str, Path], advance: Advance) -> None:
        for member, target in wanted.items():
            try:
                source = (self.root / member).open("rb")
            except OSError as error:
                raise SourceError(f"{self.root / member} cannot be read: {error.strerror}") from error
            with source:
                _copy(source, target, self.files[member], f"{self.label}/{member}", advance)


class Zip:
    """A zip archive, so also a wheel."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._path = path
        with zipfile.ZipFile(path) as archive:
            self.files = {_safe(path, info.filename): info.file_size for info in archive.infolist() if not info.is_dir()}

    def take(self, wanted: Mapping[str, Path], advance: Advance) -> None:
        with _readable(self._path), zipfile.ZipFile(self._path) as archive:
            for member, target in wanted.items():
                with archive.open(member) as source:
                    _copy(source, target, self.files[member], f"{self.label}:{member}", advance)


class Tar:
    """A tar archive of any compression, read from front to back: seeking in a compressed one means to begin anew."""

    def __init__(self, path: Path) -> None:
        self.label = str(path)
        self._path = path
        with tarfile.open(path) as archive:
            self.files = {_safe(path, info.name): info.size for info in archive if info.isfile()}

    def take(self, wanted: Mapping[str, Path], advance: Advance) -> None:
        left = dict(wanted)
        with _readable(self._path), tarfile.open(self._path) as archive:
            for info in archive:
                target = left.pop(_safe(self._path, info.name), None) if info.isfile() else None
                source = archive.extractfile(info) if target else None
                if target and source:
                    with source:
                        _copy(source, target, info.size, f"{self.label}:{info.name}", advance)
                if not left:
                    return


def _list(folder: Path, name: str) -> dict[str, int]:
    files = {}
    for sub in ("", name) if name else ("",):
        place = folder / sub
        if place.is_dir():
            files.update({str(PurePosixPath(sub) / entry.name): entry.stat().st_size for entry in place.iterdir() if entry.is_file()})
    return files


def _safe(archive: Path, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise SourceError(f"the archive {archive} is refused: its member {name!r} points outside of it")
    return str(path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise SourceError(f"the archive {path} is broken: {error}") from error


def _copy(source: IO[bytes], target: Path, size: int, label: str, advance: Advance) -> None:
    left = size
    with target.open("xb") as out:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise SourceError(f"{label} is longer than the {size} bytes it declares")
            out.write(block)
            advance(len(block))
    if left:
        raise SourceError(f"{label} ends {left} bytes early")
