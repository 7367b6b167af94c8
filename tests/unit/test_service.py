"""The service is put into a system's folder and taken out of it, and doing so again changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from edgevoice import service
from edgevoice.cli.dispatch import dispatch
from edgevoice.errors import ConfigError, UsageError

needs_systemd = pytest.mark.skipif(shutil.which("systemd-sysusers") is None or os.geteuid() != 0, reason="wants root and systemd's tools")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with nothing but what systemd-sysusers looks into."""
    etc = tmp_path / "system" / "etc"
    etc.mkdir(parents=True)
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (etc / "group").write_text("root:x:0:\naudio:x:29:\n", encoding="utf-8")
    return etc.parent


def told(steps: list[service.Step], root: Path) -> dict[str, str]:
    return {step.what.removeprefix(f"{root}/"): step.did for step in steps if not step.what.startswith("system")}


@needs_systemd
def test_installs_once_keeps_what_is_there_and_goes(root: Path) -> None:
    first = told(list(service.install(root)), root)
    unit = root / "etc/systemd/system/edgevoice.service"
    assert {first.pop(f"etc/systemd/system/{service.NAME}.d/mqtt.conf")} == {"kept"} and set(first.values()) == {"created"}
    assert f"ExecStart={service.program()} run --config /etc/edgevoice/edgevoice.toml" in unit.read_text(encoding="utf-8")
    assert (root / "etc/systemd/system/multi-user.target.wants/edgevoice.service").is_symlink()
    user = next(line for line in (root / "etc/passwd").read_text().splitlines() if line.startswith("edgevoice:"))
    assert user.endswith(":/var/lib/edgevoice:/usr/sbin/nologin")
    assert re.search(r"^audio:.*:edgevoice$", (root / "etc/group").read_text(), re.MULTILINE)
    owner = (root / "var/lib/edgevoice").stat()
    assert str(owner.st_uid) == user.split(":")[2] and owner.st_mode & 0o777 == 0o750
    assert set(told(list(service.install(root)), root).values()) == {"kept"}

    gone = told(list(service.uninstall(root)), root)
    assert gone["etc/edgevoice"] == gone["var/lib/edgevoice"] == "left" and not unit.exists()
    assert set(told(list(service.uninstall(root, purge=True)), root).values()) == {"kept", "removed"}
    assert not (root / "etc/edgevoice").exists() and not (root / "var/lib/edgevoice").exists()


@needs_systemd
def test_a_broker_in_the_configuration_brings_the_network_and_its_going_takes_it(root: Path) -> None:
    list(service.install(root))
    config, drop_in = root / service.CONFIG, root / service.DROP_IN
    config.write_text('[mqtt]\nhost = "broker.lan"\n', encoding="utf-8")
    assert told(list(service.install(root)), root)[str(service.DROP_IN)] == "created"
    assert "PrivateNetwork=no" in drop_in.read_text(encoding="utf-8")
    config.write_text("[http]\nenabled = true\n", encoding="utf-8")
    assert told(list(service.install(root)), root)[str(service.DROP_IN)] == "kept"
    config.write_text("[wyoming]\nenabled = true\n", encoding="utf-8")
    assert told(list(service.install(root)), root)[str(service.DROP_IN)] == "kept"
    config.write_text("", encoding="utf-8")
    assert told(list(service.install(root)), root)[str(service.DROP_IN)] == "removed"
    assert not drop_in.parent.exists()


@needs_systemd
def test_leaves_a_package_its_units(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packaged = root / service.PACKAGED
    packaged.parent.mkdir(parents=True)
    packaged.write_text("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n", encoding="utf-8")
    (root / "usr/lib/sysusers.d").mkdir()
    (root / "usr/lib/tmpfiles.d").mkdir()
    for kind in ("sysusers", "tmpfiles"):
        shutil.copy(service.UNITS / f"{kind}.conf", root / f"usr/lib/{kind}.d/edgevoice.conf")
    assert dispatch(["service", "install", "--root", str(root), "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert not (root / "etc/systemd/system/edgevoice.service").exists()
    assert "left" in {step["did"] for step in steps} and (root / service.CONFIG).exists()
    with pytest.raises(UsageError, match="apt remove edgevoice"):
        list(service.uninstall(root))


def test_refuses_a_configuration_that_the_service_would_refuse(root: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[audio]\nrate = 5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"audio\.rate"):
        list(service.install(root, config=wrong))
    assert not (root / "etc/edgevoice").exists()


def test_a_program_under_a_home_is_shown_to_the_service_and_nothing_else_of_it() -> None:
    home = Path("/home/ann/edgevoice")
    unit = service.unit_text(service.NAME, at=home / ".venv/bin/edgevoice", needs=[home / ".venv", home, Path("/usr")])
    assert "ProtectHome=tmpfs\nBindReadOnlyPaths=/home/ann/edgevoice\nBindReadOnlyPaths=/home/ann/edgevoice/.venv\n" in unit
    assert "BindReadOnlyPaths=/usr" not in unit and "ProtectHome=yes" not in unit
    assert "ProtectHome=yes\n" in service.unit_text(service.NAME, at=Path("/opt/edgevoice/bin/edgevoice"), needs=[Path("/opt/edgevoice")])


def test_wants_a_folder_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        list(service.install(tmp_path / "nowhere"))
