"""What `make setup` stands on: pins for everything it installs, and scripts that say plainly what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*ROOT.glob("scripts/*.sh"), ROOT / "scripts" / "as-owner", ROOT / ".ci" / "run"])
Machine = Callable[..., subprocess.CompletedProcess[str]]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pairs}


def needed() -> set[str]:
    """The names of everything that edgevoice[test] pulls in here, however far away."""
    found: set[str] = set()
    pending = [("edgevoice", "test")]
    while pending:
        name, extra = pending.pop()
        for line in metadata.requires(name) or []:
            requirement, _, marker = line.partition(";")
            if marker and not _holds(marker, extra):
                continue
            other = normal(NAME.match(requirement)[0])  # type: ignore[index]
            if other not in found and other != "edgevoice":
                found.add(other)
                pending.append((other, ""))
    return found


def _holds(marker: str, extra: str) -> bool:
    """Markers as pip reads them; what is not installed here is not needed here."""
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": extra})


class TestPins:
    def test_each_is_exact_and_stands_once(self) -> None:
        lines = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
        assert len(pins()) == len(lines)

    def test_whatever_is_installed_is_pinned(self) -> None:
        assert needed() - set(pins()) == set()

    def test_the_pins_are_what_runs_here(self) -> None:
        here = {name: metadata.version(name) for name in needed()}
        assert {name: version for name, version in here.items() if pins()[name] != version} == {}

    def test_the_build_is_pinned_too(self) -> None:
        tools = re.search(r"^build_tools=\((.*)\)$", (ROOT / "scripts" / "setup.sh").read_text(encoding="utf-8"), re.MULTILINE)
        assert tools
        build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
        required = {normal(NAME.match(line)[0]) for line in build["requires"]}  # type: ignore[index]
        assert required <= {normal(name) for name in tools[1].split()} <= set(pins())


class TestScripts:
    @pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
    def test_it_is_executable_and_bash_can_read_it(self, script: Path) -> None:
        assert script.name == "lib.sh" or os.access(script, os.X_OK)
        assert subprocess.run(["bash", "-n", script], capture_output=True, text=True).stderr == ""

    def test_ci_runs_what_anyone_would_type(self) -> None:
        text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if "make" in line and not line.startswith("#")] == ["exec make test </dev/null"]

    @pytest.mark.parametrize("target", ["demo", "test", "test-all", "soak", "setup", "lint", "bench", "clean"])
    def test_make_has_the_target_and_explains_it(self, target: str) -> None:
        make = shutil.which("make")
        assert make
        assert subprocess.run([make, "-n", target], cwd=ROOT, capture_output=True, text=True).returncode == 0
        assert f"make {target} " in subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True).stdout


class TestSystemPackages:
    """scripts/system.sh on made-up machines: a PATH with only what each has."""

    TOOLS = ("bash", "dirname", "awk", "cat", "grep", "tr", "env", "id", "mktemp", "rm", "sleep", "tail", "cut", "sha256sum")

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Machine:
        def run(group: str, **programs: str) -> subprocess.CompletedProcess[str]:
            for tool in self.TOOLS:
                if tool not in programs:
                    (tmp_path / tool).symlink_to(shutil.which(tool) or "/nonexistent")
            for name, script in programs.items():
                path = tmp_path / name.replace("_", "-")
                path.write_text(f"#!/bin/bash\n{script}\n")
                path.chmod(0o755)
            return subprocess.run([ROOT / "scripts" / "system.sh", group], env={"PATH": str(tmp_path)}, capture_output=True, text=True)

        return run

    @staticmethod
    def knows(*, without: str = "", beside: str = "") -> str:
        """A dpkg-query for which everything asked for is installed, but for ``without``."""
        return (f'for p in "$@" {beside}; do case $p in -*) ;; {without or "-"}) ;; pipewire*) [[ " {beside} " == *" $p "* ]] && '
                'echo "$p installed";; *) echo "$p installed";; esac; done')

    def test_with_everything_there_it_does_nothing(self, machine: Machine) -> None:
        result = machine("test", dpkg_query=self.knows(), apt_get="exit 1")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    def test_a_missing_package_is_installed_by_root(self, machine: Machine, tmp_path: Path) -> None:
        result = machine("base", dpkg_query=self.knows(without="espeak-ng"), apt_get=f'echo "$@" >>{tmp_path}/asked', id="echo 0")
        assert result.returncode == 0, result.stderr
        update, install = (tmp_path / "asked").read_text().splitlines()
        assert update.endswith(" update")
        assert install.endswith(" install --no-install-recommends espeak-ng")

    def test_what_only_tests_need_is_not_asked_of_who_wants_the_demo(self, machine: Machine) -> None:
        assert machine("base", dpkg_query=self.knows(without="mosquitto"), apt_get="exit 1").returncode == 0

    def test_pipewire_keeps_pulseaudio_away(self, machine: Machine) -> None:
        result = machine("test", dpkg_query=self.knows(without="pulseaudio", beside="pipewire-alsa"), apt_get="exit 1")
        assert (result.returncode, result.stderr) == (0, "")

    def test_neither_root_nor_sudo(self, machine: Machine) -> None:
        result = machine("base", dpkg_query=self.knows(without="cmake"), apt_get="exit 1", id="echo 1000")
        assert result.returncode == 1
        assert "neither root nor sudo" in result.stderr and "apt-get install cmake" in result.stderr

    def test_offline(self, machine: Machine) -> None:
        failing = 'echo "E: Temporary failure resolving"; exit 100'
        result = machine("base", dpkg_query=self.knows(without="cmake"), apt_get=failing, id="echo 0")
        assert result.returncode == 1
        assert "offline?" in result.stdout
        assert "E: Temporary failure resolving" in result.stderr and "apt could not install: cmake" in result.stderr

    def test_not_debian(self, machine: Machine) -> None:
        result = machine("base", cc="exit 0", git="exit 0")
        assert result.returncode == 1
        assert "no apt-get" in result.stderr
        assert re.search(r"missing: c\+\+ cmake ninja espeak-ng$", result.stderr, re.MULTILINE)
        assert "portaudio19-dev" in result.stderr
