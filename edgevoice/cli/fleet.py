"""``edgevoice fleet``: ls, watch, cmd: all devices of a broker."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import fnmatch
import json
import shutil
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK, BrokerError, UsageError

if TYPE_CHECKING:
    from edgevoice.adapters.mqtt.fleet import Fleet, Seen

SUMMARY = "all devices of an MQTT broker: list, watch, and command them"
EXAMPLE = """\
edgevoice fleet ls --broker broker.lan
edgevoice fleet watch --config fleet.toml
edgevoice fleet cmd mute 'floor2-*' muted=true
edgevoice fleet cmd say '*' text="The shop closes in ten minutes."
"""

LOOK_S = 2.0
"""after which a broker that is gone is noticed"""
REDRAW_S = 1.0
"""between two pictures of the table"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|watch|cmd")
    listing = actions.add_parser("ls", help="a line for each device, problems first")
    watch = actions.add_parser("watch", help="the same, kept up to date until Ctrl-C")
    cmd = actions.add_parser("cmd", help="a command to one or more devices, and what became of it",
                             description="Send a command (docs/mqtt.md) and count the results; 0 only if every device obeyed.")
    cmd.add_argument("verb", metavar="VERB")
    cmd.add_argument("words", metavar="DEVICE|NAME=VALUE", nargs="*",
                     help="devices that are online, by name or pattern ('*' is all of them), and the command's arguments")
    cmd.add_argument("--timeout", metavar="S", type=float, default=5.0, help="how long results are waited for (5)")
    for action in (listing, watch, cmd):
        common.add_config(action)
        action.add_argument("--broker", metavar="HOST[:PORT]", help="in place of the settings' mqtt.host and mqtt.port")
    for action in (listing, cmd):
        common.add_json(action)


def run(args: argparse.Namespace) -> int:
    from edgevoice.adapters.mqtt.fleet import Fleet

    settings = common.settings(args).mqtt
    if args.broker:
        host, _, port = args.broker.rpartition(":") if ":" in args.broker and not args.broker.endswith("]") else (args.broker, "", "0")
        if not port.isdigit() or int(port) > 65535:
            raise UsageError(f"fleet: --broker {args.broker}: wants HOST or HOST:PORT")
        settings = dataclasses.replace(settings, host=host.strip("[]"), port=int(port))
    if not settings.host:
        raise UsageError("fleet: which broker? name one with --broker, or as mqtt.host in --config FILE")
    if args.action == "cmd":
        names, arguments = _parsed(args)
        with Fleet(settings) as fleet:
            return _command(fleet, args, names, arguments)
    with Fleet(settings) as fleet:
        devices = fleet.look()
        return _watch(fleet, devices) if args.action == "watch" else _list(devices, as_json=args.json)


def _list(devices: list[Seen], *, as_json: bool) -> int:
    from edgevoice.adapters.mqtt import fleet

    if as_json:
        common.print_json([{"id": seen.id, "status": seen.status, "state": seen.state, "health": seen.health} for seen in devices])
        return EXIT_OK
    sys.stdout.write(fleet.table(devices, _width()) if devices else "")
    sys.stdout.write(fleet.counted(devices) + "\n" if devices else "no device has said anything to this broker\n")
    return EXIT_OK


def _watch(live: Fleet, devices: list[Seen]) -> int:
    """On a terminal the picture is redrawn; elsewhere each change of a device is a line."""
    from edgevoice.adapters.mqtt import fleet

    drawn = sys.stdout.isatty()
    known: dict[str, tuple[str, ...]] = {}
    trouble = None
    while True:
        version, before, trouble = live.version, trouble, live.trouble
        if trouble != before and not drawn:
            sys.stderr.write(f"edgevoice: fleet: {f'{trouble}; what is known is old' if trouble else 'the broker is back'}\n")
        if drawn:
            size = shutil.get_terminal_size((120, 24))
            lines = fleet.table(devices, size.columns).splitlines()[:size.lines - 2]
            sys.stdout.write("\033[H\033[2J" + "\n".join([f"{trouble}; this is old" if trouble else fleet.counted(devices), *lines]) + "\n")
        else:
            for seen, row in zip(devices, fleet.rows(devices), strict=True):
                told = (row[0], row[1], row[-1])
                if known.get(seen.id) != told:
                    known[seen.id] = told
                    sys.stdout.write("  ".join(filter(None, told)) + "\n")
        sys.stdout.flush()
        live.wait(version, LOOK_S)
        time.sleep(REDRAW_S if drawn else 0.0)
        devices = live.devices()


def _parsed(args: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """Devices and arguments; ``UsageError`` for what no device would obey."""
    from edgevoice.adapters import verbs
    from edgevoice.adapters.mqtt import schemas

    if args.verb not in schemas.COMMANDS:
        raise UsageError(f"fleet cmd: '{args.verb}' is no command; there are {', '.join(schemas.COMMANDS)}")
    names = [word for word in args.words if "=" not in word]
    known = schemas.COMMANDS[args.verb]["properties"]
    arguments = {name: _value(text, known.get(name, {})) for name, _, text in (word.partition("=") for word in args.words if "=" in word)}
    if (told := verbs.wrong(schemas.COMMANDS[args.verb], arguments)) is not None:
        raise UsageError(f"fleet cmd {args.verb}: {told}")
    if not names:
        raise UsageError("fleet cmd: to whom? name devices, or '*' for all")
    return names, arguments


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """What was typed for an argument: where words are wanted it is those, as they are ("null", "5"), else JSON."""
    if schema.get("type") == "string" or "enum" in schema:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _command(fleet: Fleet, args: argparse.Namespace, names: list[str], arguments: dict[str, Any]) -> int:
    devices = fleet.look()
    chosen = [seen.id for seen in devices if seen.online and any(fnmatch.fnmatchcase(seen.id, name) for name in names)]
    away = [name for name in names if not any(fnmatch.fnmatchcase(id, name) for id in chosen)]
    if away:
        raise UsageError(f"fleet cmd: {', '.join(away)}: no such device is online (see edgevoice fleet ls)")
    outcomes = sorted(fleet.command(chosen, args.verb, arguments, args.timeout), key=lambda outcome: (outcome.said == "ok", outcome.id))
    if args.json:
        common.print_json([{"id": outcome.id, "outcome": outcome.said, "result": outcome.result} for outcome in outcomes])
    else:
        for outcome in outcomes:
            result = outcome.result or {}
            took = f"{result['took_ms']:.1f} ms" if isinstance(result.get("took_ms"), int | float) else ""
            text = json.dumps(result["data"], ensure_ascii=False) if result.get("data") else str(result.get("message", ""))
            line = "  ".join(filter(None, (outcome.id, outcome.said, took, text)))
            sys.stdout.write("".join(c if c.isprintable() else " " for c in line) + "\n")
        counts = collections.Counter(outcome.said for outcome in outcomes)
        told = ", ".join(f"{count} {said}" for said, count in counts.most_common())
        sys.stdout.write(f"{told or 'no device is online'}\n")
    failed = sum(outcome.said != "ok" for outcome in outcomes)
    if failed:
        raise BrokerError(f"{args.verb}: {failed} of {len(outcomes)} devices did not do it")
    return EXIT_OK


def _width() -> int:
    return shutil.get_terminal_size((160, 24)).columns if sys.stdout.isatty() else 400
