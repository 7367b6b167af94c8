"""Taking an update: verified, written beside what is in force, tried in child processes, and staged.

Laws: until the last step nothing changes, whatever happens; the last step is one rename.  Nothing that the maker did not sign is
understood, written or run; what was tried is, byte by byte, what goes into force.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgevoice import config
from edgevoice.checks import beyond, engines
from edgevoice.checks import models as checked_models
from edgevoice.errors import ConfigError, UpdateError, UsageError
from edgevoice.models import Store, default_root, find, trial
from edgevoice.models import manifest as model_json
from edgevoice.models.progress import Progress, human
from edgevoice.models.pull import MARGIN
from edgevoice.models.releases import CONFIG, Releases, State, version_of
from edgevoice.models.store import storage_errors
from edgevoice.profiles import look
from edgevoice.settings import Settings
from edgevoice.update import bundle, in_force
from edgevoice.update.bundle import Opened
from edgevoice.update.in_force import OWN_SECTIONS
from edgevoice.update.manifest import Manifest

Trial = Callable[[Settings, Mapping[str, tuple[str, Path]], int, Progress], None]
"""Given settings that point at the new models, the family and folder of each of those by name, and the store's lock, for children to hold
too.  ``UpdateError`` if they are no good."""


@dataclass(frozen=True, slots=True)
class Installed:
    """``new`` false: it is in force, or waits already."""

    id: str
    manifest: Manifest
    new: bool


def install(path: Path, own_file: Path | None, *, downgrade: bool = False, again: bool = False, progress: Progress | None = None,
            attempt: Trial | None = None) -> Installed:
    """Stage the update at ``path`` for the device whose own settings are in ``own_file``.  ``downgrade``: an earlier version is meant;
    ``again``: one that was taken back here is to be tried once more.

    ``UpdateError``, ``ConfigError`` (its settings do not fit the device's), ``StorageError``: everything is then as before.
    """
    progress = progress or Progress()
    mine = in_force.own(own_file)
    store = Store(default_root(mine.paths))
    releases = store.releases
    opened = bundle.read(path, mine.update.public_keys)
    with store.locked(progress) as lock, storage_errors(releases.root):
        before = releases.state()
        if opened.id in before.named and _whole(releases.folder(opened.id), opened.manifest):
            return Installed(opened.id, opened.manifest, False)
        if opened.id not in before.named:
            _fit(opened, before, mine, downgrade=downgrade, again=again)
        releases.sweep()
        store.require(opened.manifest.size + MARGIN, f"the update {opened.manifest.version}")
        staged = releases.staging / opened.id
        staged.mkdir(parents=True)
        try:
            with progress.task(f"verifying {opened.manifest.version}", opened.manifest.size) as task:
                bundle.unpack(path, mine.update.public_keys, staged, task.advance, expected=opened.id)
            brought = {name: (_model(opened.manifest, name, staged), staged / "models" / name) for name in opened.manifest.models}
            carried = _carry_over(releases.folder(before.current), staged) if before.current else []
            settings = _settings(own_file, mine, staged)
            folders = {name: staged / "models" / name for name in (*brought, *carried)}
            _found(settings, folders)
            progress.say(f"{opened.manifest.version}: trying it ({human(opened.manifest.size)})")
            (attempt or try_out)(in_force.pointing(settings, folders), brought, lock, progress)
            releases.place(opened.id, staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        if opened.id not in before.named:  # otherwise it was damaged, and is mended
            _stage(releases, opened.id, before)
        releases.sweep()
        give_to_owner(store)
    return Installed(opened.id, opened.manifest, True)


def roll_back(releases: Releases, now: float) -> tuple[str, State]:
    """Give up what waits, or else go back to what was before; its id, and the state after.  ``UsageError`` if there is neither."""
    given_up: list[str] = []

    def change(state: State) -> State:
        if state.staged:
            given_up.append(state.staged)
            return state.unstage()
        if state.probation is not None:
            given_up.append(state.current)
            return state.undo("asked for by `edgevoice update rollback`", now)
        raise UsageError("update rollback: there is nothing to go back to: " + (
            f"{version_of(state.current)} has passed its probation" if state.current else "no update was installed"))

    after = releases.change(change)
    return given_up[0], after


def give_to_owner(store: Store) -> None:
    """What root wrote belongs to whom the store belongs to, who runs the service and will remove it."""
    owner = store.root.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (store.root / ".lock", store.incoming, store.downloads, store.releases.root, *store.releases.root.rglob("*")):
            if path.exists():
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def try_out(settings: Settings, brought: Mapping[str, tuple[str, Path]], lock: int, progress: Progress) -> None:
    """Each new model runs in its engine, and the settings take a sentence through all three, as ``doctor`` does; in child processes."""
    for family, folder in brought.values():
        trial.attempt(family, folder, keep_fds=(lock,))
    facts = engines.trial(dataclasses.replace(settings, llm=dataclasses.replace(settings.llm, prompt_cache=False)))  # it would stay
    if "error" in facts:
        raise UpdateError(f"the update failed its trial: {facts['error']}")
    found = engines.judged(facts)
    if found.status == "problem":
        raise UpdateError(f"the update failed its trial: {found.text}")
    progress.say(found.text)


def _fit(opened: Opened, state: State, mine: Settings, *, downgrade: bool, again: bool) -> None:
    """``UpdateError`` where this device must not take it now."""
    version = opened.manifest.version
    if state.probation is not None:
        raise UpdateError(f"{version_of(state.current)} is on probation: wait until it has passed, or `edgevoice update rollback` first")
    undone = next((one for one in state.undone if one.id == opened.id), None)
    if undone is not None and not again:
        raise UpdateError(f"{version} was taken back here ({undone.why}); --again tries it once more")
    unfit = opened.manifest.unfit(compatible=mine.update.compatible, current=version_of(state.current), memory_mb=look().memory_mb,
                                  downgrade=downgrade)
    if unfit:
        raise UpdateError(f"{version} is not for this device: {'; '.join(unfit)}")


def _whole(folder: Path, manifest: Manifest) -> bool:
    """Whether each of its files is there and as it was signed."""
    try:
        return all(model_json.hash_file(folder / path) == file.sha256 for path, file in manifest.files.items())
    except OSError:
        return False


def _model(manifest: Manifest, name: str, staged: Path) -> str:
    """The family of a model that was unpacked; ``UpdateError`` if its own list is not what came."""
    folder = staged / "models" / name
    record = model_json.read(folder)
    assert record is not None  # the manifest names it
    came = {file: (known.sha256, known.size) for file, known in manifest.of(name).items() if file != model_json.FILENAME}
    if came != {file: (known.sha256, known.size) for file, known in record.files.items()}:
        raise UpdateError(f"the update's model {name} has other files than its model.json says")
    return record.family


def _carry_over(before: Path, staged: Path) -> list[str]:
    """Link what the release in force has and this one does not replace; the models' names."""
    carried = []
    for folder in sorted((before / "models").iterdir()) if (before / "models").is_dir() else []:
        target = staged / "models" / folder.name
        record = model_json.read(folder)
        if target.exists() or record is None:
            continue
        target.mkdir(parents=True)
        for file in (model_json.FILENAME, *record.files):
            _link(folder / file, target / file)
        carried.append(folder.name)
    if (before / CONFIG).is_file() and not (staged / CONFIG).exists():
        _link(before / CONFIG, staged / CONFIG)
    return carried


def _link(source: Path, target: Path) -> None:
    """The same bytes under another name, copied only where the file system cannot do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _settings(own_file: Path | None, mine: Settings, staged: Path) -> Settings:
    """As they would be in force; ``ConfigError`` with every finding."""
    brought = staged / CONFIG
    if not brought.is_file():
        return mine
    own_keys = [key for key in config.keys_of(brought) if key.split(".")[0] in OWN_SECTIONS]
    if own_keys:
        raise ConfigError(f"the update sets {', '.join(own_keys)}, which is the device's own")
    settings, found = config.read(own_file, brought) if own_file is not None else config.read(brought)
    config.refuse([*found, *beyond.problems(brought, settings)])
    return in_force.over(own_file, mine, brought)


def _found(settings: Settings, folders: Mapping[str, Path]) -> None:
    """``ModelError`` for a model that neither the update nor the store has."""
    for name in dict.fromkeys(checked_models.names(settings).values()):
        if name not in folders:
            find(settings.paths, name)


def _stage(releases: Releases, id: str, before: State) -> None:
    def change(state: State) -> State:
        if (state.current, state.probation) != (before.current, before.probation):
            raise UpdateError("another update went into force or was taken back meanwhile; install it again")
        return state.stage(id)

    releases.change(change)
