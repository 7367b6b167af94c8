"""``edgevoice models``: list, pull, verify, remove, path."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK, ModelError, UsageError
from edgevoice.settings import Settings

if TYPE_CHECKING:
    from edgevoice.models import Store

SUMMARY = "list, fetch, check and remove models"
EXAMPLE = """\
edgevoice models list --json
edgevoice models pull
edgevoice models pull smollm2-135m-instruct --from /media/usb
edgevoice models pull my-stt --from https://host/zipformer.tar.bz2 --trust-first-use
edgevoice models verify --json
edgevoice models remove my-stt
edgevoice models path smollm2-135m-instruct
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|pull|verify|remove|path")
    listing = actions.add_parser("list", help="what is installed and what can be pulled")
    common.add_json(listing)
    pull = actions.add_parser(
        "pull", help="install models; without a name those that the settings use",
        description="Install models; without a name those that the settings use.  Models that are there and whole are left alone.")
    pull.add_argument("names", nargs="*", metavar="NAME", help="as `edgevoice models list` shows them, or a new name together with --from")
    pull.add_argument("--from", dest="sources", action="append", default=[], metavar="SOURCE",
                      help="take it from here instead: a folder (wheelhouse, USB stick, another store), an archive, a .gguf file, an "
                           "https: URL of one, or an https: URL of a folder, ending in /; may be repeated, then tried in order")
    pull.add_argument("--sha256", action="append", default=[], metavar="[FILE=]HEX",
                      help="the publisher's sha256 of the file, where the catalogue has none; may be repeated")
    pull.add_argument("--trust-first-use", action="store_true",
                      help="where no sha256 is known, believe what comes now and pin it in the store's models.lock")
    pull.add_argument("--again", action="store_true", help="install anew what is there already")
    common.add_json(pull)
    verify = actions.add_parser("verify", help="read every byte of installed models and compare its sha256")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all that are installed")
    common.add_json(verify)
    remove = actions.add_parser("remove", help="delete an installed model")
    remove.add_argument("names", nargs="+", metavar="NAME")
    path = actions.add_parser("path", help="print the folder of an installed model")
    path.add_argument("name", metavar="NAME")
    for action in (listing, pull, verify, remove, path):
        action.add_argument("--store", type=Path, metavar="DIR", help="the model store; default: paths.models of the settings")
        common.add_config(action)


def run(args: argparse.Namespace) -> int:
    settings = common.settings(args)
    paths = dataclasses.replace(settings.paths, models=str(args.store)) if args.store else settings.paths
    from edgevoice.models import Store, default_root

    store = Store(default_root(paths))
    if args.action == "list":
        return _list(store, args)
    if args.action == "pull":
        return _pull(store, args, settings)
    if args.action == "verify":
        return _verify(store, args)
    if args.action == "remove":
        return _remove(store, args)
    from edgevoice.models import find

    print(find(paths, args.name).absolute())
    return EXIT_OK


def _list(store: Store, args: argparse.Namespace) -> int:
    from edgevoice.models import inventory
    from edgevoice.models.progress import human

    items = inventory.items(store)
    if args.json:
        common.print_json({"store": str(store.root), "models": [dataclasses.asdict(item) for item in items]})
        return EXIT_OK
    rows = [("NAME", "STATE", "SIZE", "FAMILY", "LICENCE", "CHECKED BY", "")]
    for item in items:
        vouched = {"catalogue": "catalogue", "given": "your sha256", "first-use": "first use", "": "nobody"}[item.trust]
        rows.append((item.name, item.state, human(item.size) if item.size else "?", item.family, item.licence, vouched,
                     item.problem or item.summary + (" (default)" if item.default else "")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"store: {store.root}")
    return EXIT_OK


def _pull(store: Store, args: argparse.Namespace, settings: Settings) -> int:
    from edgevoice import models
    from edgevoice.models import progress, trust

    brought = store.releases.models()  # by an update, which looks after them
    names = args.names or [name for name in named_by(settings) if name not in brought]
    if args.sha256 and len(names) > 1:
        raise UsageError("--sha256 is for one model: name it")
    done = models.pull(store, names, sources=args.sources, given=trust.parse(args.sha256), first_use=args.trust_first_use,
                       again=args.again, progress=progress.on_stderr())
    if args.json:
        common.print_json([dataclasses.asdict(one) | {"folder": str(one.folder)} for one in done])
        return EXIT_OK
    for one in done:
        print(f"{one.name}: {f'installed in {one.seconds:.1f} s' if one.installed else 'is there'}, {progress.human(one.size)}")
    return EXIT_OK


def named_by(settings: Settings) -> list[str]:
    """The models that the settings use by name; paths are the user's own."""
    used = [settings.vad.model, settings.stt.model, settings.llm.model, settings.tts.model]
    if settings.dialog.hears_turn_ends:
        used.append(settings.dialog.turn_model)
    if settings.wake.enabled and settings.wake.keywords:
        used.append(settings.wake.keyword_model)
    used.append(settings.stt.final_model)
    return [name for name in dict.fromkeys(used) if name and not Path(name).expanduser().exists()]


def _verify(store: Store, args: argparse.Namespace) -> int:
    from edgevoice.models import inventory, progress

    reports = inventory.verify(store, args.names, progress.on_stderr())
    if args.json:
        common.print_json([dataclasses.asdict(report) | {"ok": report.ok} for report in reports])
    else:
        for report in reports:
            print(f"{report.name}: {'ok' if report.ok else 'damaged'} ({report.files} files)")
            for fault in report.faults:
                found = f", expected sha256 {fault.expected}, found {fault.found}" if fault.found else ""
                print(f"  {fault.file} {fault.problem}{found}")
        if not reports:
            print(f"no model is installed in {store.root}: `edgevoice models pull` fetches the default ones")
    damaged = [report.name for report in reports if not report.ok]
    if damaged:
        raise ModelError(f"damaged: {', '.join(damaged)}: `edgevoice models pull --again {' '.join(damaged)}` installs anew")
    return EXIT_OK


def _remove(store: Store, args: argparse.Namespace) -> int:
    from edgevoice.models import inventory, progress

    for name in args.names:
        if not store.folder(name).is_dir():
            raise inventory.not_installed(store, name)
    with store.locked(progress.on_stderr()):
        for name in args.names:
            store.remove(name)
            print(f"{name}: removed")
    return EXIT_OK
