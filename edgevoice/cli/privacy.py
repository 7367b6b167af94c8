"""``edgevoice privacy``: what is kept of whoever speaks with the device, where and for how long, by the settings in force."""

from __future__ import annotations

import argparse
import sys

from edgevoice.cli import common
from edgevoice.errors import EXIT_OK

SUMMARY = "what is kept of what is said, where and for how long, by the settings in force"
EXAMPLE = """\
edgevoice privacy --config /etc/edgevoice.toml
edgevoice privacy --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from edgevoice import privacy

    rows = privacy.kept(common.settings(args))
    if args.json:
        common.print_json({"leaves_the_device": privacy.leaves(rows), "on_the_disk": privacy.on_the_disk(rows),
                           "kept": [row.document() for row in rows]})
        return EXIT_OK
    sys.stdout.write("\n".join([privacy.verdict(rows), "", *(line for row in rows for line in _lines(row.document()))]) + "\n")
    return EXIT_OK


def _lines(row: dict[str, object]) -> list[str]:
    size = row["bytes"]
    there = "" if size is None else f" ({int(str(size)) / 1e6:.1f} MB now)"
    setting = f" [{row['setting']}]" if row["setting"] else ""
    mark = "*" if row["personal"] else " "
    return [f"{mark} {row['what']}: {row['holds']}{setting}", f"      {row['place']}: {row['where']}{there}; {row['how_long']}"]
