"""The systemd unit is one that systemd understands, keeps tight, and that starts a command which exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgevoice import config, service
from edgevoice.cli import dispatch
from edgevoice.errors import ConfigError, ModelError, UsageError

UNITS = Path(__file__).resolve().parents[2] / "edgevoice" / "units"
MOST_EXPOSED = 15
"""of systemd-analyze's 100, tenths of its "exposure level", which calls 9.2 to 9.6 unsafe; comparable assistants' units have those"""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
COMBINED = [["edgevoice.service"], ["edgevoice.service", "mqtt.conf"], ["edgevoice-models.service"]]


def text(*names: str) -> str:
    return "".join((UNITS / name).read_text(encoding="utf-8") for name in names)


def settings(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text(unit), re.MULTILINE)


@pytest.fixture
def standing(tmp_path: Path) -> Callable[..., Path]:
    """A unit with its drop-ins, whose program stands where it says, since verify looks for it."""
    def make(*names: str, change: Callable[[str], str] = str) -> Path:
        path = tmp_path / names[0]
        path.write_text(change(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text(*names), flags=re.MULTILINE)), encoding="utf-8")
        return path
    return make


def verified(path: Path) -> tuple[int, str]:
    result = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)
    return result.returncode, result.stdout + result.stderr


def exposed(path: Path, most: int = MOST_EXPOSED) -> tuple[bool, str]:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={most}", path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return result.returncode != 0, result.stdout[-300:]


@needs_systemd
@pytest.mark.parametrize("names", [*COMBINED, ["edgevoice.service", "jetson.conf"]])
def test_systemd_understands_every_line(standing: Callable[..., Path], names: list[str]) -> None:
    assert verified(standing(*names)) == (0, "")


@needs_systemd
def test_a_misspelt_line_would_be_noticed(standing: Callable[..., Path]) -> None:
    path = standing("edgevoice.service", change=lambda text: text.replace("ProtectHome=", "ProtectHomes="))
    assert "ProtectHomes" in verified(path)[1]


@needs_systemd
@pytest.mark.parametrize("names", COMBINED)
def test_it_is_kept_tight(standing: Callable[..., Path], names: list[str]) -> None:
    too_much, told = exposed(standing(*names))
    assert not too_much, told


@needs_systemd
def test_a_line_less_would_be_noticed(standing: Callable[..., Path]) -> None:
    missing = re.compile(r"^(CapabilityBoundingSet|User|PrivateNetwork)=.*$", re.MULTILINE)
    path = standing("edgevoice.service", change=lambda text: missing.sub("", text))
    assert exposed(path)[0]


@pytest.mark.parametrize("name", ["edgevoice.service", "mqtt.conf", "jetson.conf", "sysusers.conf", "tmpfiles.conf"])
def test_every_line_stands_under_a_reason(name: str) -> None:
    """A few lines may share one; what names the unit needs none."""
    sharing: int | None = 0 if text(name).startswith("#") else None
    for line in text(name).splitlines():
        if line.startswith("#"):
            sharing = 0
        elif not line or line.startswith("["):
            sharing = None
        elif not line.startswith(("Description=", "WantedBy=")):
            assert sharing is not None, line
            sharing += 1
            assert sharing <= 7, line


def test_they_start_commands_that_exist() -> None:
    for unit in ("edgevoice.service", "edgevoice-models.service"):
        (line,) = settings(unit, "ExecStart")
        program, name, *rest = shlex.split(line)
        assert program == service.PROGRAM
        args = dispatch.parser_for(name).parse_args(rest)
        assert args.config == Path("/") / service.CONFIG


def test_it_does_not_retry_what_cannot_heal() -> None:
    hopeless = [str(cls.exit_code) for cls in (UsageError, ConfigError, ModelError)]
    assert settings("edgevoice.service", "RestartPreventExitStatus") == [" ".join(hopeless)]


def test_the_first_configuration_has_no_mistakes() -> None:
    assert config.load(UNITS / "edgevoice.toml").health.json_file == "/run/edgevoice/health.json"
