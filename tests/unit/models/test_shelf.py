"""Folders and archives as shelves; archives that mean harm."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from edgevoice.errors import SourceError
from edgevoice.models.shelf import open_shelf

FILES = {"a.txt": b"first", "sub/b.bin": bytes(range(256)) * 5000}


def make_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make_folder(path: Path) -> Path:
    (path / "sub").mkdir(parents=True)
    for name, data in FILES.items():
        (path / name).write_bytes(data)
    return path


@pytest.fixture(params=["folder", "x.zip", "x.whl", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz", "no-suffix"])
def box(request, tmp_path):
    path = tmp_path / request.param
    if request.param == "folder":
        return make_folder(path)
    if request.param in ("x.zip", "x.whl"):
        return make_zip(path)
    return make_tar(path, mode=f"w:{path.suffix.removeprefix('.').replace('tar', '').replace('no-suffix', '')}")


class TestEveryShelf:
    def test_it_lists_its_files_with_sizes(self, box):
        assert open_shelf(box, name="sub").files == {"a.txt": 5, "sub/b.bin": 1_280_000}

    def test_it_gives_what_is_asked_and_counts_it(self, box, tmp_path):
        counted = []
        open_shelf(box, name="sub").take({"sub/b.bin": tmp_path / "b", "a.txt": tmp_path / "a"}, counted.append)
        assert (tmp_path / "a").read_bytes() == FILES["a.txt"]
        assert (tmp_path / "b").read_bytes() == FILES["sub/b.bin"]
        assert sum(counted) == 1_280_005

    def test_it_leaves_the_rest(self, box, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        open_shelf(box, name="sub").take({"a.txt": out / "renamed"}, lambda count: None)
        assert [path.name for path in out.iterdir()] == ["renamed"]


def test_a_folder_shows_its_own_files_and_the_named_subfolders_only(tmp_path):
    folder = make_folder(tmp_path / "usb")
    (folder / "holiday").mkdir()
    (folder / "holiday" / "film.mp4").write_bytes(b"x")
    assert set(open_shelf(folder).files) == {"a.txt"}
    assert set(open_shelf(folder, name="sub").files) == {"a.txt", "sub/b.bin"}


def test_a_lone_file_is_a_shelf_of_one(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert open_shelf(tmp_path / "m.gguf").files == {"m.gguf": 4}


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "ok/../../evil", "..\\evil"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_that_points_outside_is_refused(tmp_path, name, make):
    with pytest.raises(SourceError, match=r"refused: its member .*evil.* points outside"):
        open_shelf(make(tmp_path / "x", {"model.gguf": b"GGUF", name: b"boo"}))


def test_links_and_devices_in_an_archive_are_not_seen(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            info = tarfile.TarInfo(f"{number}.gguf")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("./good.gguf")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"GGUF"))
    assert open_shelf(path).files == {"good.gguf": 4}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_truncated_archive_is_an_error_not_a_crash(tmp_path, make):
    whole = make(tmp_path / ("x.zip" if make is make_zip else "x.tar.gz"), {"sub/b.bin": random.Random(1).randbytes(100_000)})
    data = whole.read_bytes()
    for length in (0, 1, 20, len(data) // 2, len(data) - 200):
        whole.write_bytes(data[:length])
        with pytest.raises(SourceError, match=r"x\.(zip|tar\.gz)"):
            open_shelf(whole).take({"sub/b.bin": tmp_path / f"out{length}"}, lambda count: None)


def test_a_scribbled_zip_member_is_an_error(tmp_path):
    path = make_zip(tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="broken"):
        open_shelf(path).take({"sub/b.bin": tmp_path / "out"}, lambda count: None)


def test_a_zip_that_grows_beyond_what_it_declares_is_stopped(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"bomb": bytes(5_000_000)})
    data = path.read_bytes()
    declared = (5_000_000).to_bytes(4, "little")
    assert data.count(declared) == 2
    path.write_bytes(data.replace(declared, (1000).to_bytes(4, "little")))
    with pytest.raises(SourceError):
        open_shelf(path).take({"bomb": tmp_path / "out"}, lambda count: None)
    assert (tmp_path / "out").stat().st_size <= 1000


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"no file or folder .*nowhere"):
        open_shelf(tmp_path / "nowhere")
