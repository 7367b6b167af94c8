"""Files that are whole or not there: written beside, synced, moved into place."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgevoice.errors import StorageError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.ENOENT: "the folder does not exist: create it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder: name a file",
    errno.EACCES: "no permission: choose another place or fix its owner",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def remedy(code: int | None) -> str:
    """What a person can do about an errno."""
    return _REMEDIES.get(code or 0, "choose another place")


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[IO[bytes]]:
    """A binary file that appears at ``path`` when the block ends well, synced to the disk; otherwise nothing new is left.

    A device or pipe (/dev/null) is written to directly, since it must not be replaced by a file.  ``StorageError`` names the path and
    the remedy.
    """
    try:
        target = Path(path).resolve()
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if _is_device(path):
            with Path(path).open("wb") as file:
                yield file
            return
        partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        sync(target.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error}); {remedy(error.errno)}") from error


def write_text(path: Path | str, text: str) -> None:
    """UTF-8, atomically."""
    with atomic(path) as file:
        file.write(text.encode())


def sync(path: Path) -> None:
    """Make what was written to a file, or renamed in a folder, last through a power cut, where the file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network and FUSE file systems cannot sync a folder
            raise
    finally:
        os.close(handle)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically; False where kernel, C library or file system cannot."""
    if not hasattr(_libc, "renameat2"):
        return False
    code = _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if code == 0:
        return True
    if ctypes.get_errno() in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))


def check_writable(path: Path | str) -> None:
    """Before long work: ``StorageError`` if ``path`` could not be written at its end."""
    target = Path(path) if _is_device(path) else Path(path).resolve()
    code = (errno.EISDIR if target.is_dir() else errno.ENOENT if not target.parent.exists() else errno.ENOTDIR if not target.parent.is_dir()
            else 0 if os.access(target if target.exists() else target.parent, os.W_OK) else errno.EACCES)
    if code:
        raise StorageError(f"{path}: cannot be written ({os.strerror(code)}); {remedy(code)}")


def _is_device(path: Path | str) -> bool:
    """Or a pipe.  By its own name: /dev/stdout resolves to one that does not exist where it is a pipe."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
