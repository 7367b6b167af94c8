"""``edgevoice bench``: finds, runs and reports benchmarks of a tree made for the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.cli import bench, dispatch

GOOD = '''"""Milliseconds of nothing.

More words.
"""
import os
from edgevoice.benchmarks import Result, progress
from tests.bench import helper

def run(quick):
    progress("working")
    print("chatter of Python")
    os.write(1, b"chatter of C\\n")
    return [Result("met", 20.0, "ms", "<= 25", "peer", 40.0), Result("missed", helper.SLOW, "ms", "<= 25"),
            Result("quick", float(quick), "bool"), Result("untaken", None, "ms", ">= 1")]
'''


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "tests" / "bench"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "good.py").write_text(GOOD)
    (folder / "helper.py").write_text('"""No benchmark: it has no run()."""\nSLOW = 31.0\n')
    (folder / "wrong.py").write_text('"""Returns no results."""\ndef run(quick):\n    return 5\n')
    monkeypatch.setattr(bench, "FOLDER", folder)
    kept = {name: module for name, module in sys.modules.items() if name == "tests" or name.startswith("tests.")}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    yield folder
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]


def test_lists_what_can_be_run_and_no_helpers(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench"]) == 0
    assert capsys.readouterr().out.splitlines() == ["good   Milliseconds of nothing.", "wrong  Returns no results."]


def test_lists_for_programs(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {"bench": "good", "measures": "Milliseconds of nothing."}


def test_json_is_alone_on_stdout_whatever_the_benchmark_prints(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench", "good", "--json", "--quick"]) == 0
    said = capfd.readouterr()
    report = json.loads(said.out)
    assert set(report) == {"bench", "host", "results"}
    assert report["bench"] == "good"
    assert report["results"][0] == {"metric": "met", "value": 20.0, "unit": "ms", "target": "<= 25", "baseline": "peer",
                                    "baseline_value": 40.0, "ratio": 0.5}
    assert report["results"][2]["value"] == 1.0
    assert all(words in said.err for words in ("bench: working", "chatter of Python", "chatter of C"))


def test_the_table_says_met_and_missed_and_the_exit_code_is_0_all_the_same(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench", "good"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert " met " in rows["met"] and "peer" in rows["met"] and rows["met"].endswith("0.5")
    assert "MISSED" in rows["missed"]
    assert "met" not in rows["quick"].lower()
    assert "none" in rows["untaken"] and "MISSED" in rows["untaken"]
    assert "1 of 3 targets met" in " ".join(rows.values())


def test_out_writes_the_same_report(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    assert dispatch.dispatch(["bench", "good", "--json", "--out", str(target)]) == 0
    assert json.loads(target.read_text()) == json.loads(capsys.readouterr().out)


def test_a_place_that_cannot_be_written_is_told_before_the_work(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench", "good", "--out", str(tmp_path / "none" / "report.json")]) == 8
    assert "working" not in capsys.readouterr().err


@pytest.mark.parametrize(("argv", "words"), [
    (["bench", "goood"], "did you mean 'good'?"), (["bench", "zzz"], "there are good, wrong"), (["bench", "--quick"], "which one?"),
    (["bench", "helper"], "'helper' is not a benchmark")])
def test_a_wrong_name(tree: Path, capsys: pytest.CaptureFixture[str], argv: list[str], words: str) -> None:
    assert dispatch.dispatch(argv) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1


def test_an_installed_copy_says_that_a_checkout_is_needed(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path / "site-packages" / "tests" / "bench")
    assert dispatch.dispatch(["bench"]) == 2
    assert "run edgevoice from a checkout" in capsys.readouterr().err


def test_a_benchmark_that_returns_nonsense_is_a_bug_of_ours(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch.dispatch(["bench", "wrong"]) == 1
    assert "bench wrong: run() must return a list of Result" in capsys.readouterr().err


def test_a_foreign_package_named_tests_is_not_taken_for_ours(tree: Path, tmp_path: Path) -> None:
    """Some wheels install one; the commands must still run ours."""
    foreign = tmp_path / "elsewhere" / "tests" / "bench"
    foreign.mkdir(parents=True)
    for folder in (foreign, foreign.parent):
        (folder / "__init__.py").write_text("")
    (foreign / "good.py").write_text("def run(quick):\n    raise AssertionError('the foreign one')\n")
    code = (f"import sys, pathlib; sys.path.insert(0, {str(foreign.parents[1])!r})\n"
            f"from edgevoice.cli import bench\nbench.FOLDER = pathlib.Path({str(tree)!r})\n"
            "from edgevoice.cli.dispatch import dispatch\nsys.exit(dispatch(['bench', 'good', '--json']))")
    root = Path(__file__).resolve().parents[2]
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(root)})
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["results"][1]["value"] == 31.0
