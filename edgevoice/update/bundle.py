"""A bundle: one uncompressed tar archive of a manifest, its signature, and the files that the manifest names, in its order.

Laws: who signed it is known before anything but the first two members is looked at, and before those are understood; a file is hashed as
it is copied, under a name that the manifest's own check let through; what is missing, cut, exchanged, out of order or too much is refused.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from edgevoice import config
from edgevoice.errors import ConfigError, ModelError, SourceError, UpdateError, UsageError
from edgevoice.files import atomic
from edgevoice.models import families
from edgevoice.models import manifest as model_json
from edgevoice.models.releases import CONFIG
from edgevoice.update import keys, manifest
from edgevoice.update.in_force import OWN_SECTIONS
from edgevoice.update.manifest import File, Manifest, Needs

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Made:
    manifest: Manifest
    id: str
    public_key: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle whose signature is right.  ``text``: the manifest as it was signed."""

    manifest: Manifest
    id: str
    public_key: str
    text: bytes
    signature: bytes


def make(out: Path, key: Path, version: str, *, models: Sequence[tuple[str, Path]] = (), settings: Path | None = None, compatible: str = "",
         note: str = "", needs: Needs | None = None) -> Made:
    """Write a bundle of the models (name and folder) and of a settings file, signed.

    ``UsageError`` for what cannot be in one, ``ConfigError`` for settings that are wrong by themselves."""
    if not manifest.VERSION.fullmatch(version):
        raise UsageError(f"version {version!r}: up to four numbers with dots between, such as 1.4.0")
    if not models and settings is None:
        raise UsageError("an update of nothing: name models, settings or both")
    sources: dict[str, Path | bytes] = {}
    if settings is not None:
        check_settings(settings)
        sources[CONFIG] = settings.read_bytes()
    for name, folder in models:
        sources.update(_files_of(name, folder))
    measured = {path: File(hashlib.sha256(source).hexdigest(), len(source)) if isinstance(source, bytes)
                else File(model_json.hash_file(source), source.stat().st_size) for path, source in sources.items()}
    made = Manifest(version, measured, compatible, note, datetime.now(UTC).isoformat(timespec="seconds"),
                    needs or Needs())
    text = made.text()
    manifest.parse(text)  # what we make, we take
    signature, public = keys.sign(key, text)
    with atomic(out) as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in ((manifest.FILENAME, text), (manifest.SIGNATURE, signature)):
            _add(archive, name, io.BytesIO(data), len(data))
        for path, source in sources.items():
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
                _add(archive, path, file, measured[path].size)
    return Made(made, manifest.id_of(text, made), public, out.stat().st_size)


def check_settings(path: Path) -> None:
    """``ConfigError`` unless an update may bring this file: no mistake in it, and none of the device's own sections."""
    config.load(path)
    own = [key for key in config.keys_of(path) if key.split(".")[0] in OWN_SECTIONS]
    if own:
        never = " or ".join(f"[{name}]" for name in OWN_SECTIONS)
        raise ConfigError(f"{path}: {own[0]}: is the device's own; an update cannot set {never}")


def read(path: Path, public_keys: Sequence[str]) -> Opened:
    """Whose it is and what it says it holds.  ``UpdateError``, also where it is no bundle."""
    with _archive(path) as members:
        return _opened(path, members, public_keys)


def unpack(path: Path, public_keys: Sequence[str], folder: Path | None, advance: Advance = lambda count: None, *,
           expected: str = "") -> Opened:
    """Verify every byte and, with ``folder``, which is there and empty, write it there.  ``expected``: the id that was looked at before."""
    with _archive(path) as members:
        opened = _opened(path, members, public_keys)
        if expected and opened.id != expected:
            raise UpdateError(f"{path} was exchanged while it was looked at")
        if folder is not None:
            (folder / manifest.FILENAME).write_bytes(opened.text)
            (folder / manifest.SIGNATURE).write_bytes(opened.signature)
        for name, file in opened.manifest.files.items():
            target = None if folder is None else folder / name
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, members, name, file, target, advance)
        if (more := next(members, None)) is not None:
            raise UpdateError(f"{path} is refused: it holds {more[0][:100]!r}, which its manifest does not name")
    return opened


Members = Iterator[tuple[str, int, IO[bytes]]]
"""Name, size and contents, one after the other"""


def _opened(path: Path, members: Members, public_keys: Sequence[str]) -> Opened:
    text = _small(path, members, manifest.FILENAME, manifest.MOST_BYTES)
    signature = _small(path, members, manifest.SIGNATURE, keys.SIGNATURE_BYTES)
    key = keys.verify(public_keys, text, signature)
    found = manifest.parse(text)
    return Opened(found, manifest.id_of(text, found), key, text, signature)


def _small(path: Path, members: Members, name: str, most: int) -> bytes:
    found = next(members, None)
    if found is None or found[0] != name or found[1] > most:
        raise UpdateError(f"{path} is no update: {name} of at most {most} bytes should stand there" + (
            ", and nothing does" if found is None else f", and {found[0][:100]!r} of {found[1]} does"))
    data = found[2].read(found[1])
    if len(data) != found[1]:
        raise UpdateError(f"{path} is cut off in {name}")
    return data


def _copy(path: Path, members: Members, name: str, file: File, target: Path | None, advance: Advance) -> None:
    found = next(members, None)
    if found is None:
        raise UpdateError(f"{path} is cut off: {name} is not in it")
    if found[0] != name or found[1] != file.size:
        raise UpdateError(f"{path} is damaged: {name} of {file.size} bytes should stand where {found[0][:100]!r} of {found[1]} does")
    digest = hashlib.sha256()
    left = file.size
    with open("/dev/null", "wb") if target is None else target.open("xb") as out:
        while block := found[2].read(min(left, model_json.BLOCK)):
            left -= len(block)
            digest.update(block)
            out.write(block)
            advance(len(block))
    if left:
        raise UpdateError(f"{path} is cut off in {name}, {left} bytes before its end")
    if digest.hexdigest() != file.sha256:
        raise UpdateError(f"{path} is damaged: {name} has sha256 {digest.hexdigest()}, and the manifest says {file.sha256}")


@contextmanager
def _archive(path: Path) -> Iterator[Members]:
    try:
        with path.open("rb") as raw:
            yield _members(path, raw)
    except IsADirectoryError:
        raise UpdateError(f"{path} is a folder and no update") from None
    except FileNotFoundError:
        raise SourceError(f"there is no file {path}") from None
    except PermissionError:
        raise SourceError(f"{path} cannot be read: permission denied") from None


def _members(path: Path, raw: IO[bytes]) -> Members:
    """Plain files alone: ``tarfile`` itself would read extended headers of any length before anybody has signed anything."""
    while True:
        block = raw.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise UpdateError(f"{path} is no update, or one that is cut off: {error}") from error
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
            raise UpdateError(f"{path} is refused: its member {info.name[:100]!r} is no plain file")
        begin = raw.tell()
        yield info.name, info.size, raw
        raw.seek(begin + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)


def _add(archive: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    archive.addfile(entry, source)


def _files_of(name: str, folder: Path) -> dict[str, Path | bytes]:
    """What an update has of a model: the files that its ``model.json`` lists, or, without one, those of its family."""
    try:
        record = model_json.read(folder)
        listed = list(folder.iterdir()) if record is None else []
    except OSError as error:
        raise UsageError(f"{folder} is no model's folder: {error.strerror}") from error
    if record is not None:
        if faults := [*model_json.quick_faults(folder, record), *model_json.touched_faults(folder, record)]:
            raise ModelError(f"the model in {folder} is damaged: {'; '.join(faults)}")
        return {f"models/{name}/{file}": folder / file for file in (model_json.FILENAME, *record.files)}
    found = families.recognize(path.name for path in listed)
    if found is None:
        raise ModelError(f"the folder {folder} is no model: no model.json, and files of no known family ({', '.join(families.NAMES)})")
    family, roles = found
    files = {file: model_json.record(folder / file) for file in roles.values()}
    made = model_json.Manifest(name, family.name, "unknown: it came from outside the catalogue", f"made of {folder.name}", files, "given")
    return {f"models/{name}/{model_json.FILENAME}": model_json.text(made).encode(),
            **{f"models/{name}/{file}": folder / file for file in files}}
