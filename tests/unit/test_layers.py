"""The laws of the house that a machine can hold: layers, lazy engines, one importer of the C core, small rooms, no hosts."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE_PACKAGES = {"llama_cpp", "onnxruntime", "paho", "pyaudio", "pymicro_wakeword", "sherpa_onnx", "sounddevice", "soundfile", "soxr"}
MAX_LINES = 400
MAX_BYTES = 1_000_000
REGISTRIES = (".".join(("pypi", "org")), ".".join(("pythonhosted", "org")), ".".join(("debian", "org")), ".".join(("npmjs", "org")))


@functools.cache
def tracked() -> list[Path]:
    """The files of the repository; in a copy without git, everything but what was built."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not {".git", ".venv", "build", "__pycache__"} & set(path.parts)]
    return [path for path in paths if path.is_file()]


def sources(*suffixes: str) -> list[Path]:
    return [path for path in tracked() if path.suffix in suffixes and path.relative_to(ROOT).parts[0] in ("edgevoice", "ext")]


def imported(source: str, package: tuple[str, ...] = (), *, only_at_once: bool = False) -> Iterator[str]:
    """Every module that a source in ``package`` imports, by full name; ``only_at_once``: without what its functions import when run."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if only_at_once and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join((*package[:len(package) - node.level + 1], *filter(None, [node.module]))) if node.level else node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def imports_of(path: Path, *, only_at_once: bool = False) -> set[str]:
    return set(imported(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parts[:-1], only_at_once=only_at_once))


def test_imports_run_downward() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_the_core_s_own_package_imports_the_extension() -> None:
    importers = {path.relative_to(ROOT).parts[:-1] for path in sources(".py") if "edgevoice.rt._core" in imports_of(path)}
    assert importers == {("edgevoice", "rt")}


@pytest.mark.parametrize("path", sources(".py"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_heavy_package_is_imported_only_when_it_is_used(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path, only_at_once=True)} & ENGINE_PACKAGES


def test_the_reading_of_imports_above_is_right() -> None:
    source = "import a.b\nfrom . import c\nfrom ..rt import _core\nclass K:\n  import d\n" \
             "def f():\n  import e\nif TYPE_CHECKING:\n  import g\n"
    package = ("edgevoice", "pipeline")
    at_once = {"a.b", "edgevoice.pipeline", "edgevoice.pipeline.c", "edgevoice.rt", "edgevoice.rt._core", "d"}
    assert set(imported(source, package, only_at_once=True)) == at_once
    assert set(imported(source, package)) == at_once | {"e"}


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd", ".pyi", ".c", ".h"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_is_two_things_in_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_nothing_large_is_kept() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > MAX_BYTES] == []


def test_no_file_names_a_package_registry() -> None:
    naming = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace").lower()
        naming += [f"{path.relative_to(ROOT)}: {host}" for host in REGISTRIES if host in text]
    assert naming == []
