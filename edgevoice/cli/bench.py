"""``edgevoice bench``: runs one benchmark of the source tree and reports its figures.

Benchmarks live beside the tests, since they compare with peers that the product does not need; an installed copy has none and says
so.  Whatever a benchmark or a library under it prints goes to stderr: stdout holds the report and nothing else.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import os
import shutil
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgevoice import benchmarks
from edgevoice.benchmarks import Result
from edgevoice.cli.common import add_json, print_json
from edgevoice.errors import EXIT_OK, UsageError

SUMMARY = "measure: run one of the benchmarks, or list them"
EXAMPLE = """\
edgevoice bench                      # which there are
edgevoice bench e2e --quick          # under 45 seconds
edgevoice bench stt --json --out stt.json
"""

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the benchmark; without it, all are listed")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: under 45 s, with coarser figures")
    parser.add_argument("--out", metavar="F.json", type=Path, help="write the report there too, as JSON")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    found = listed()
    if args.name is None:
        if args.quick or args.out:
            raise UsageError(f"bench: which one? there are {', '.join(found)}")
        _list(found, as_json=args.json)
        return EXIT_OK
    if args.name not in found:
        near = difflib.get_close_matches(args.name, found, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(found)}"
        raise UsageError(f"bench: '{args.name}' is not a benchmark; {hint}")
    if args.out is not None:
        from edgevoice import files

        files.check_writable(args.out)
    with _stdout_to_stderr():
        module = _load(args.name)
        report = benchmarks.document(args.name, results := benchmarks.results_of(module.run(args.quick), args.name))
    if args.out is not None:
        files.write_text(args.out, benchmarks.to_json(report))
    if args.json:
        print_json(report)
    else:
        sys.stdout.write(table(report, results, shutil.get_terminal_size((120, 24)).columns))
    return EXIT_OK  # a missed target is a finding, not a failure


def listed() -> dict[str, str]:
    """Names and what they measure; ``UsageError`` where the source tree is not there.  Nothing is imported."""
    if not FOLDER.is_dir():
        raise UsageError(f"bench: no benchmarks at {FOLDER}; they are in the source tree: run edgevoice from a checkout of it")
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def table(report: dict[str, Any], results: Sequence[Result], width: int) -> str:
    """The report for a person: one row a figure, and what became of its target."""
    host = report["host"]
    about = ", ".join(str(fact) for fact in (
        host["cpu"], f"{host['cores']} cores", host["arch"], f"Python {host['python']}", host.get("governor"),
        f"{host['temperature_c']} °C" if "temperature_c" in host else None,
        f"commit {host['commit']}" if "commit" in host else None) if fact)
    rows = [("metric", "value", "unit", "target", "", "compared with", "", "ratio")]
    for result in results:
        verdict = {True: "met", False: "MISSED", None: ""}[result.met]
        rows.append((result.metric, _number(result.value), result.unit, result.target or "", verdict, result.baseline or "",
                     _number(result.baseline_value) if result.baseline else "", "" if result.ratio is None else f"{result.ratio:.3g}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = {1, 6, 7}
    lines = ["  ".join(cell.rjust(w) if column in right else cell.ljust(w)
                       for column, (cell, w) in enumerate(zip(row, widths, strict=True)) if w).rstrip() for row in rows]
    targets = [result.met for result in results if result.met is not None]
    closing = f"{sum(targets)} of {len(targets)} targets met\n" if targets else ""
    return "\n".join((f"{report['bench']}: {about}"[:max(width, 60)], lines[0], "-" * len(lines[0]), *lines[1:])) + f"\n{closing}"


def _list(found: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json([{"bench": name, "measures": what} for name, what in found.items()])
        return
    if not found:
        sys.stdout.write(f"no benchmarks in {FOLDER}\n")
    for name, what in found.items():
        sys.stdout.write(f"{name:<{max(map(len, found)) + 2}}{what}\n")


def _load(name: str) -> Any:
    """Import ``tests.bench.NAME`` from our tree, whatever other package named ``tests`` may be installed."""
    root = FOLDER.parents[1]
    loaded = sys.modules.get("tests")
    if loaded is None or str(root / "tests") not in list(getattr(loaded, "__path__", [])):
        package = types.ModuleType("tests")
        package.__path__ = [str(root / "tests")]
        sys.modules["tests"] = package
    return importlib.import_module(f"tests.bench.{name}")


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """For Python and for C alike, so that file descriptor 1 itself is turned."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
