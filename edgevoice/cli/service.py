"""``edgevoice service``: install, uninstall, status."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK

SUMMARY = "make it a service that starts with the machine, take that back, or see how it does"
EXAMPLE = """\
sudo .venv/bin/edgevoice service install --config configs/pi5.toml
edgevoice service status --json
sudo .venv/bin/edgevoice service uninstall
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="install|uninstall|status")
    install = actions.add_parser(
        "install", help="units, user, folders and a configuration; then it starts",
        description="Put units, user, folders and a first configuration in place, and start it.  To be said again after a "
                    "broker was named in the configuration: it wants a network, which the service has not otherwise.")
    install.add_argument("--config", metavar="FILE", type=Path, help="becomes /etc/edgevoice/edgevoice.toml, where there is none yet")
    install.add_argument("--models", metavar="DIR", type=Path,
                         help="take the models from this store or folder instead of fetching them, such as ~/.local/share/edgevoice/models")
    install.add_argument("--no-start", action="store_true", help="only put things in place: it starts neither now nor with the machine")
    uninstall = actions.add_parser("uninstall", help="stop it and take its files away")
    uninstall.add_argument("--purge", action="store_true", help="configuration, models and state too")
    for action in (install, uninstall):
        action.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help="of another system, such as a mounted SD card")
        common.add_json(action)
    common.add_json(actions.add_parser("status", help="whether it runs, what it says, since when, how exposed it is"))


def run(args: argparse.Namespace) -> int:
    from edgevoice import service

    if args.action == "status":
        facts = service.status()
        if args.json:
            common.print_json(facts)
        else:
            print("\n".join(f"{name.replace('_', ' '):14}{'' if value is None else value}".rstrip() for name, value in facts.items()))
        return EXIT_OK
    steps = (service.install(args.root, config=args.config, models=args.models, start=not args.no_start) if args.action == "install"
             else service.uninstall(args.root, purge=args.purge))
    done = []
    for step in steps:
        done.append(step)
        if not args.json:
            print(f"{step.did:8}{step.what}: {step.why}", flush=True)
    if args.json:
        common.print_json({"steps": [dataclasses.asdict(step) for step in done]})
    return EXIT_OK
