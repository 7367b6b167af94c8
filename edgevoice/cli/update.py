"""``edgevoice update``: key, make, verify, install, status, rollback."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from edgevoice.update.manifest import Manifest

SUMMARY = "models and settings in one signed file: make it, verify it, install it, take it back"
EXAMPLE = """\
edgevoice update key maker.pem                   # once; it prints the public key for [update] public_keys
edgevoice update make 1.4.0.bundle --version 1.4.0 --key maker.pem --model smollm2-135m-instruct --settings mine.toml
edgevoice update verify 1.4.0.bundle --config /etc/edgevoice/edgevoice.toml
sudo edgevoice update install 1.4.0.bundle --config /etc/edgevoice/edgevoice.toml
edgevoice update status --config /etc/edgevoice/edgevoice.toml
sudo edgevoice update rollback --config /etc/edgevoice/edgevoice.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="key|make|verify|install|status|rollback")
    key = actions.add_parser("key", help="a new private key for whoever makes updates, and the public one for the devices")
    key.add_argument("file", metavar="FILE", type=Path, help="the private key (PEM); keep it where no device is")
    make = actions.add_parser("make", help="put models and settings into one file, and sign it")
    make.add_argument("file", metavar="FILE", type=Path, help="the update")
    make.add_argument("--version", required=True, metavar="V", help="such as 1.4.0; devices take none that is older than theirs")
    make.add_argument("--key", required=True, metavar="PEM", type=Path, help="the private key")
    make.add_argument("--model", action="append", default=[], dest="models", metavar="NAME[=FOLDER]",
                      help="a model of the store, or one in a folder, which gets that name; several times for more")
    make.add_argument("--settings", metavar="TOML", type=Path, help="settings that count over the device's own, as far as they are named")
    make.add_argument("--note", default="", help="for whoever installs it")
    make.add_argument("--compatible", default="", metavar="KIND", help="only for devices with this update.compatible")
    make.add_argument("--needs-edgevoice", default="", metavar="V", help="at least this version of the program")
    make.add_argument("--needs-release", default="", metavar="V", help="at least this update in force")
    make.add_argument("--needs-machine", action="append", default=[], metavar="M", help="this processor, as uname -m says; or several")
    make.add_argument("--needs-memory", type=int, default=0, metavar="MB", help="at least so much memory")
    verify = actions.add_parser("verify", help="whether it is whole, who signed it, and what is in it")
    verify.add_argument("--key", action="append", default=[], dest="public_keys", metavar="PUBLIC",
                        help="who may have signed it; default: update.public_keys of the settings")
    install = actions.add_parser("install", help="verify it, try it, and have it go into force at the next pause",
                                 description="Verify an update, try it in child processes, and leave it for the daemon, which takes it "
                                             "when nobody speaks, watches it, and goes back by itself where it does not do well.")
    install.add_argument("--downgrade", action="store_true", help="an earlier version than the one in force is meant")
    install.add_argument("--again", action="store_true", help="one that was taken back on this device is to be tried once more")
    for action in (verify, install):
        action.add_argument("file", metavar="FILE", type=Path, help="the update")
    status = actions.add_parser("status", help="what is in force, on probation, waiting, and what was taken back")
    rollback = actions.add_parser("rollback", help="give up what waits, or go back to what was before the one on probation")
    for action in (verify, install, status, rollback):
        common.add_config(action)
    for action in (key, make, verify, install, status, rollback):
        common.add_json(action)


def run(args: argparse.Namespace) -> int:
    actions = {"key": _key, "make": _make, "verify": _verify, "install": _install, "status": _status, "rollback": _rollback}
    document, text = actions[args.action](args)
    if args.json:
        common.print_json(document)
    else:
        sys.stdout.write(f"{text}\n")
    return EXIT_OK


Told = tuple[dict[str, Any], str]
"""For programs and for people"""


def _key(args: argparse.Namespace) -> Told:
    from edgevoice.update import keys

    public = keys.make(args.file)
    return {"private_key": str(args.file), "public_key": public}, (
        f"{args.file}: the private key; whoever has it can update your devices\nfor the devices:\n\n[update]\npublic_keys = [\"{public}\"]")


def _make(args: argparse.Namespace) -> Told:
    from edgevoice.models import find
    from edgevoice.models.progress import human
    from edgevoice.settings import PathSettings
    from edgevoice.update import bundle
    from edgevoice.update.manifest import Needs

    models = []
    for text in args.models:
        name, _, folder = text.partition("=")
        place = Path(folder).expanduser() if folder else find(PathSettings(), name)
        if not place.is_dir() or "/" in name:
            raise UsageError(f"--model {text}: a model is the name of one in the store, or NAME=FOLDER")
        models.append((name, place))
    needs = Needs(args.needs_edgevoice, args.needs_release, tuple(args.needs_machine), args.needs_memory)
    made = bundle.make(args.file, args.key, args.version, models=models, settings=args.settings, compatible=args.compatible, note=args.note,
                       needs=needs)
    return ({"file": str(args.file), "id": made.id, "bytes": made.bytes, "public_key": made.public_key, **_document(made.manifest)},
            f"{args.file}: {human(made.bytes)}, signed by {made.public_key}\n{_told(made.manifest)}")


def _verify(args: argparse.Namespace) -> Told:
    from edgevoice.update import bundle, in_force

    opened = bundle.unpack(args.file, args.public_keys or in_force.own(args.config).update.public_keys, None)
    return ({"ok": True, "id": opened.id, "public_key": opened.public_key, **_document(opened.manifest)},
            f"{args.file}: whole, signed by {opened.public_key}\n{_told(opened.manifest)}")


def _install(args: argparse.Namespace) -> Told:
    from edgevoice.models import progress
    from edgevoice.update import install

    done = install.install(args.file, args.config, downgrade=args.downgrade, again=args.again, progress=progress.on_stderr())
    what = ("goes into force when a daemon that runs is idle, or at its next start" if done.new else "is there already")
    return {"id": done.id, "new": done.new, **_document(done.manifest)}, f"{done.manifest.version}: {what}"


def _status(args: argparse.Namespace) -> Told:
    from edgevoice.update import in_force, status

    mine = in_force.own(args.config)
    document = status.document(in_force.releases_of(mine), mine.update)
    return document, "\n".join(status.lines(document))


def _rollback(args: argparse.Namespace) -> Told:
    from edgevoice.models import Store, default_root
    from edgevoice.models.releases import version_of
    from edgevoice.update import in_force, install

    store = Store(default_root(in_force.own(args.config).paths))
    gone, after = install.roll_back(store.releases, time.time())
    install.give_to_owner(store)
    now = f"{version_of(after.current)} is in force" if after.current else "the store's own models and the configuration are in force"
    return ({"given_up": gone, "current": after.current},
            f"{version_of(gone)} is given up: {now}; a daemon that runs changes at its next pause")


def _document(manifest: Manifest) -> dict[str, Any]:
    return {**dataclasses.asdict(manifest), "models": manifest.models}


def _told(manifest: Manifest) -> str:
    from edgevoice.models.progress import human

    lines = [f"{manifest.version}, made {manifest.made}" + (f": {manifest.note}" if manifest.note else "")]
    for name in manifest.models:
        lines.append(f"  model {name}, {human(sum(file.size for file in manifest.of(name).values()))}")
    if "config.toml" in manifest.files:
        lines.append("  settings")
    needs = {name: value for name, value in dataclasses.asdict(manifest.needs).items() if value}
    if manifest.compatible:
        needs["kind of device"] = manifest.compatible
    lines += [f"  needs {name}: {value if not isinstance(value, tuple) else ' or '.join(value)}" for name, value in needs.items()]
    return "\n".join(lines)
