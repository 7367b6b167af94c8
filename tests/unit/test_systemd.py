"""The systemd unit is one that systemd understands, keeps tight, and that starts a command which exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edgevoice.cli import dispatch
from edgevoice.errors import ConfigError, ModelError, UsageError

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "edgevoice.service"
MOST_EXPOSED = 20
"""of systemd-analyze's 100, tenths of its "exposure level": below 2.0 it calls a unit OK"""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def standing(tmp_path: Path) -> Path:
    """The unit with a program that stands where it says, since verify looks for it."""
    path = tmp_path / UNIT.name
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return path


@needs_systemd
def test_systemd_understands_every_line(standing: Path) -> None:
    result = subprocess.run(["systemd-analyze", "verify", standing], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@needs_systemd
def test_a_misspelt_line_would_be_noticed(standing: Path) -> None:
    standing.write_text(standing.read_text(encoding="utf-8").replace("ProtectHome=", "ProtectHomes="), encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", standing], capture_output=True, text=True, timeout=60)
    assert "ProtectHomes" in result.stderr


@needs_systemd
def test_it_still_is_with_a_network_for_mqtt(standing: Path) -> None:
    standing.write_text(standing.read_text(encoding="utf-8") + (UNIT.parent / "mqtt.conf").read_text(encoding="utf-8"), encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", standing], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED + 10}", standing]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout[-300:]


@needs_systemd
def test_it_is_kept_tight(standing: Path) -> None:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", standing]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout[-300:]


def test_it_starts_a_command_that_exists() -> None:
    (line,) = settings("ExecStart")
    program, name, *rest = shlex.split(line)
    assert program == "/opt/edgevoice/.venv/bin/edgevoice"
    args = dispatch.parser_for(name).parse_args(rest)
    assert str(args.config) == "/etc/edgevoice.toml"


def test_it_does_not_retry_what_cannot_heal() -> None:
    assert settings("RestartPreventExitStatus") == [" ".join(str(cls.exit_code) for cls in (UsageError, ConfigError, ModelError))]
