"""README.md tells what is so: the diagram, the commands and the exit codes are those of the sources."""

from __future__ import annotations

from pathlib import Path

from edgevoice.cli import dispatch
from edgevoice.dialog.diagram import mermaid

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{mermaid()}```" in README, "run: python -m edgevoice.dialog.diagram, and put what it prints into README.md"


def test_every_command_is_named() -> None:
    for name in dispatch.COMMANDS:
        assert f"`edgevoice {name}" in README, name


def test_every_exit_code_is_documented() -> None:
    for code, meaning in dispatch.exit_codes():
        assert f"| {code} | {meaning} |" in README, code


def test_nothing_is_left_to_fill_in() -> None:
    assert "@" not in README
