"""The Debian package, in a machine that knows nothing of the checkout: installed, upgraded, removed and purged."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.models import default_root
from edgevoice.settings import PathSettings
from tests.fakes.appliance import CONFIG, ROOT, UNIT, Service, write_user
from tests.fakes.machine import MOUNTED, Machine, missing, prepared_root

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # llama.cpp is compiled for every processor, once

LEFT = "find / -xdev ! -path '/proc/*' ! -path '/mnt/*' -name '*edgevoice*'"


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package as made (or as ``EDGEVOICE_DEB`` names it), and the same again as the next version."""
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("debs")
    given = os.environ.get("EDGEVOICE_DEB")
    if not given:
        subprocess.run(["scripts/deb.sh"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    made = Path(given) if given else max((ROOT / "dist").glob("edgevoice_*.deb"), key=lambda path: path.stat().st_mtime)
    unpacked, later = folder / "unpacked", folder / "later.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", made, unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9."), encoding="utf-8")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", unpacked, later], check=True, stdout=subprocess.DEVNULL)
    return {"made": made, "later": later}


@pytest.fixture(scope="module")
def bare(debs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("bare")
    folder.chmod(0o755)
    write_user(folder / "user.wav")
    for name, path in debs.items():
        shutil.copy(path, folder / f"{name}.deb")
    with Machine(prepared_root(), folder / "console.log",
                 {f"{MOUNTED}/models": default_root(PathSettings()), f"{MOUNTED}/test": folder}) as machine:
        yield machine


def test_installs_runs_upgrades_and_goes(bare: Machine) -> None:
    service = Service(bare, Path("/usr/bin/edgevoice"))
    bare.run("dpkg", "--install", f"{MOUNTED}/test/made.deb")
    assert bare.run("systemctl", "is-enabled", UNIT).strip() == "enabled"
    service.configure(CONFIG)
    bare.run("edgevoice", "service", "install", "--models", f"{MOUNTED}/models")
    pid = service.until_well()
    assert bare.run("readlink", f"/proc/{pid}/exe").startswith("/usr/bin/python3")
    variants = bare.run("sh", "-c", f"grep -o 'libggml-cpu-[a-z0-9_]*' /proc/{pid}/maps | sort -u").split()
    assert len(variants) == 1, "one kind of processor, chosen when it was loaded"

    bare.run("dpkg", "--install", f"{MOUNTED}/test/later.deb")
    service.until_well(other_than=pid)
    assert "virtual" in bare.run("cat", "/etc/edgevoice/edgevoice.toml"), "a configuration that was changed is kept"

    bare.run("systemctl", "disable", "--now", UNIT)
    bare.run("dpkg", "--install", f"{MOUNTED}/test/later.deb")
    assert bare.run("systemctl", "is-enabled", UNIT, check=False).strip() == "disabled", "an administrator's word counts"
    assert service.status()["state"] == "inactive"

    bare.run("dpkg", "--remove", "edgevoice")
    assert bare.run("ls", "/etc/edgevoice").split() == ["edgevoice.toml"]
    assert bare.run("systemctl", "show", "--property=LoadState", "--value", UNIT).strip() in ("not-found", "masked")
    bare.run("dpkg", "--purge", "edgevoice")
    assert bare.run("sh", "-c", LEFT).split() == []
    assert "edgevoice" not in bare.run("cat", "/etc/passwd", "/etc/group")
