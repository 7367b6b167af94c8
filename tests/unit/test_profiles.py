"""A profile is proposed by the board's name where it is known, else by its speed; and what stands against it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgevoice import profiles
from edgevoice.cli.dispatch import dispatch
from edgevoice.profiles import Machine, propose
from edgevoice.settings import Settings

FAST = {"tokens_per_s": 80.0, "stt_rtf": 0.045}


def machine(board: str = "Linux x86_64", memory_mb: int | None = 8000) -> Machine:
    return Machine(board, "x86_64", 4, memory_mb)


@pytest.mark.parametrize(("board", "profile"), [
    ("Raspberry Pi 4 Model B Rev 1.4", "pi4"), ("Raspberry Pi 400 Rev 1.0", "pi4"), ("Raspberry Pi Compute Module 4 Rev 1.0", "pi4"),
    ("Raspberry Pi 5 Model B Rev 1.0", "pi5"), ("NVIDIA Jetson Orin Nano Developer Kit", "jetson-orin"),
    ("NVIDIA Jetson AGX Orin Developer Kit", "jetson-orin"), ("NVIDIA Orin NX Developer Kit", "jetson-orin"),
    ("Raspberry Pi 3 Model B", "default"), ("NVIDIA Jetson Nano Developer Kit", "default")])
def test_a_board_is_known_by_its_name(board: str, profile: str) -> None:
    proposal = propose(machine(board), {})
    assert proposal.profile == profile and board in proposal.why
    assert proposal.file is not None and proposal.file.name == f"{profile}.toml"


@pytest.mark.parametrize(("figures", "profile"), [
    (FAST, "default"), ({"tokens_per_s": 40.0, "stt_rtf": 0.05}, "pi5"), ({"tokens_per_s": 80.0, "stt_rtf": 0.2}, "pi4"),
    ({"tokens_per_s": 20.0, "stt_rtf": 0.045}, "pi4"), ({}, "default"), ({"error": "no model"}, "default")])
def test_another_is_known_by_its_speed(figures: dict[str, Any], profile: str) -> None:
    assert propose(machine(), figures).profile == profile


def test_what_stands_against_it_is_said() -> None:
    assert propose(machine(), FAST).warnings == ()
    assert "smaller models" in propose(machine(memory_mb=512), FAST).warnings[0]
    assert "could not be measured: no model" in propose(machine(), {"error": "no model"}).warnings[0]
    assert "late whatever is set" in propose(machine("Raspberry Pi 4 Model B"), {"tokens_per_s": 4.0, "stt_rtf": 0.1}).warnings[0]


def test_the_machine_is_read_where_the_kernel_tells_of_it(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (tmp_path / "proc/meminfo").write_text("MemTotal:        4194304 kB\nMemFree: 1 kB\n")
    found = profiles.look(tmp_path)
    assert (found.board, found.memory_mb) == ("Raspberry Pi 5 Model B Rev 1.0", 4096)
    assert profiles.look(tmp_path / "none").memory_mb is None


def test_the_command_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["profile", "detect", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["profile"] in ("default", "pi5", "pi4") and document["figures"]["tokens_per_s"] > 1 and document["times_slower"] > 0
    assert dispatch(["profile", "detect", "--no-bench"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("edgevoice run --config ")


def test_engines_that_are_not_there_are_said(tmp_path: Path) -> None:
    import dataclasses

    settings = dataclasses.replace(Settings(), paths=dataclasses.replace(Settings().paths, models=str(tmp_path)))
    assert "piper-en-us-joe" in profiles.measure(settings)["error"]
