"""The public list of each package is in its ``__init__``, which holds nothing else; this pins it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "edgevoice").rglob("__init__.py"))

PUBLIC = {
    "edgevoice": [],
    "edgevoice.adapters": [],
    "edgevoice.adapters.http": ["HttpEdge"],
    "edgevoice.adapters.http.openai": ["OpenAi"],
    "edgevoice.adapters.mqtt": ["MqttAdapter"],
    "edgevoice.adapters.wyoming": ["WyomingEdge"],
    "edgevoice.checks": ["Check", "Found", "Place", "Result", "Status", "TABLE", "carry_out", "worst"],
    "edgevoice.cli": [],
    "edgevoice.dialog": [],
    "edgevoice.engines": [],
    "edgevoice.home": [],
    "edgevoice.models": ["Pulled", "Store", "default_root", "find", "pull", "pull_defaults"],
    "edgevoice.pipeline": [],
    "edgevoice.rt": [
        "Channel", "Core", "Counters", "Cue", "Device", "DeviceState", "HAVE_NATIVE", "Hops", "Late", "Live", "PlayEvent", "PlayKind",
        "PortAudioDevice", "PyAudioDevice", "ScriptedDevice", "Short", "SupervisedDevice", "Token", "Underflow", "Unplug", "Xrun", "jitter",
        "make_core", "rate_for"],
    "edgevoice.skills": [],
    "edgevoice.tools": [],
    "edgevoice.update": [],
}


def test_every_package_is_pinned() -> None:
    assert sorted(PUBLIC) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_the_list_is_as_pinned_and_each_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", [])
    assert sorted(listed) == sorted(PUBLIC[package])
    for name in listed:
        assert hasattr(module, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_it_defines_nothing_itself(package: str) -> None:
    source = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    defined = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))]
    assert defined == []
