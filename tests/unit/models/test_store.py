"""The store: where it is, what it finds, how it replaces, what it remembers, and that two do not collide."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgevoice.errors import ModelError, StorageError
from edgevoice.models import find, manifest
from edgevoice.models import store as store_module
from edgevoice.models.manifest import FileRecord, Manifest
from edgevoice.models.progress import Progress
from edgevoice.models.store import Store, default_root, storage_errors
from edgevoice.settings import PathSettings


def fill(folder: Path, contents: bytes = b"weights", name: str = "m") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(contents)
    manifest.write(folder, Manifest(name, "gguf", "MIT", "test", {"model.gguf": manifest.record(folder / "model.gguf")}))
    return folder


@pytest.fixture
def paths(store):
    return PathSettings(models=str(store.root))


class TestPlace:
    @pytest.fixture(autouse=True)
    def _clean(self, monkeypatch):
        for name in ("EDGEVOICE_MODELS", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", "/home/ann")

    def test_the_setting_comes_first(self, monkeypatch):
        monkeypatch.setenv("EDGEVOICE_MODELS", "/b")
        assert default_root(PathSettings(models="/a")) == Path("/a")
        assert default_root(PathSettings(models="~/m")) == Path("/home/ann/m")

    def test_then_the_variable_then_xdg_then_home(self, monkeypatch):
        assert default_root(PathSettings()) == Path("/home/ann/.local/share/edgevoice/models")
        monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
        assert default_root(PathSettings()) == Path("/home/ann/.local/share/edgevoice/models")
        monkeypatch.setenv("XDG_DATA_HOME", "/x")
        assert default_root(PathSettings()) == Path("/x/edgevoice/models")
        monkeypatch.setenv("EDGEVOICE_MODELS", "/b")
        assert default_root(PathSettings()) == Path("/b")


class TestFind:
    def test_an_installed_model_by_name(self, store, paths):
        folder = fill(store.root / "m")
        assert find(paths, "m") == folder

    def test_a_folder_and_a_gguf_by_path(self, tmp_path, paths):
        folder = fill(tmp_path / "mine")
        assert find(paths, str(folder)) == folder
        assert find(paths, str(folder / "model.gguf")) == folder / "model.gguf"

    def test_a_folder_without_manifest_is_recognized_by_its_files(self, tmp_path, paths):
        (tmp_path / "z").mkdir()
        for name in ("encoder.int8.onnx", "decoder.onnx", "joiner.int8.onnx", "tokens.txt"):
            (tmp_path / "z" / name).write_bytes(b"x")
        assert find(paths, str(tmp_path / "z")) == tmp_path / "z"
        (tmp_path / "z" / "tokens.txt").unlink()
        with pytest.raises(ModelError, match="is no model"):
            find(paths, str(tmp_path / "z"))

    @pytest.mark.parametrize("name", ["silero-vad", "piper-en-us-joe"])
    def test_what_is_not_installed_says_how_to(self, paths, name):
        with pytest.raises(ModelError, match=f"`edgevoice models pull {name}`"):
            find(paths, name)

    @pytest.mark.parametrize(("name", "said"), [
        ("silero", "did you mean silero-vad"), ("/no/such/folder", "no model at /no/such/folder"), ("../nowhere", "no model at"),
        ("", "no model is called ''")])
    def test_what_is_nothing_says_so(self, paths, name, said):
        with pytest.raises(ModelError, match=said):
            find(paths, name)

    def test_a_file_of_another_kind_is_refused(self, tmp_path, paths):
        (tmp_path / "m.onnx").write_bytes(b"x")
        with pytest.raises(ModelError, match=r"neither a model's folder nor a \.gguf file"):
            find(paths, str(tmp_path / "m.onnx"))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_that_may_not_be_read_is_named(self, tmp_path, paths):
        (tmp_path / "secret").mkdir(mode=0)
        with pytest.raises(ModelError, match=r"cannot be read: .*secret: Permission denied"):
            find(paths, str(tmp_path / "secret"))

    def test_damage_is_named(self, store, paths):
        folder = fill(store.root / "m")
        (folder / "model.gguf").write_bytes(b"short")
        with pytest.raises(ModelError, match=r"model m is damaged \(model\.gguf has 5 bytes, expected 7\): `edgevoice models pull m`"):
            find(paths, "m")
        (folder / "model.gguf").unlink()
        with pytest.raises(ModelError, match=r"model\.gguf is missing"):
            find(paths, "m")

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', '{"files": {"../../x": {"sha256": "a", "size": 1}}}', '{"files": 3}'])
    def test_a_damaged_manifest_is_named(self, store, paths, text):
        folder = fill(store.root / "m")
        (folder / "model.json").write_text(text)
        with pytest.raises(ModelError, match=r"model\.json is damaged .*`edgevoice models pull m`"):
            find(paths, "m")

    def test_files_beside_the_model_are_nobodys_business(self, store, paths):
        folder = fill(store.root / "m")
        (folder / "prompt.cache").write_bytes(b"x")
        assert find(paths, "m") == folder


class TestManifest:
    def test_it_comes_back_as_it_was_written(self, tmp_path):
        record = Manifest("n", "gguf", "MIT", "https://host/ü", {"a": FileRecord("0" * 64, 3, 5)}, trust="given", origins={"w": "1" * 64},
                          converted={"a": "from w"}, note="note", installed="now")
        manifest.write(tmp_path, record)
        assert manifest.read(tmp_path) == record
        assert [path.name for path in tmp_path.iterdir()] == ["model.json"]

    def test_none_is_none(self, tmp_path):
        assert manifest.read(tmp_path) is None
        assert manifest.read(tmp_path / "nowhere") is None

    def test_a_file_written_to_is_hashed_a_file_left_alone_is_not(self, tmp_path):
        folder = fill(tmp_path / "m")
        record = manifest.read(folder)
        assert manifest.touched_faults(folder, record) == []
        os.utime(folder / "model.gguf", (1, 1))
        assert manifest.touched_faults(folder, record) == [], "another time, the same contents"
        (folder / "model.gguf").write_bytes(b"WEIGHTS")
        assert manifest.touched_faults(folder, record) == ["model.gguf was changed"]
        assert manifest.quick_faults(folder, record) == []


@pytest.mark.parametrize("name", ["", ".", "..", ".incoming", "a/b", "-x", "a b", "ü", "x" * 65, "models.lock"])
def test_names_that_would_leave_the_store_are_refused(store, name):
    with pytest.raises(ModelError, match="cannot name a model"):
        store.folder(name)


class TestCommit:
    @pytest.fixture(params=["exchange", "two renames"])
    def way(self, request, monkeypatch):
        if request.param == "two renames":
            monkeypatch.setattr(store_module, "exchange", lambda one, other: False)

    def test_new_and_replaced(self, store, way):
        with store.locked(Progress()):
            store.commit("m", fill(store.incoming / "m" / "model", b"one"))
            assert (store.root / "m" / "model.gguf").read_bytes() == b"one"
            store.commit("m", fill(store.incoming / "n" / "model", b"two"))
        assert (store.root / "m" / "model.gguf").read_bytes() == b"two"
        assert store.names() == ["m"]

    def test_a_replacement_cut_between_its_renames_is_undone(self, store, paths):
        with store.locked(Progress()):
            store.commit("m", fill(store.incoming / "m" / "model", b"one"))
        os.rename(store.root / "m", store.incoming / "m.old")
        assert find(paths, "m") == store.root / "m"
        assert (store.root / "m" / "model.gguf").read_bytes() == b"one"

    def test_a_finished_replacement_leaves_no_litter(self, store):
        with store.locked(Progress()):
            store.commit("m", fill(store.incoming / "m" / "model", b"two"))
        fill(store.incoming / "m.old", b"one")
        with store.locked(Progress()):
            assert not (store.incoming / "m.old").exists()
        assert (store.root / "m" / "model.gguf").read_bytes() == b"two"

    def test_the_exchange_works_on_this_file_system(self, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "is").write_text(name)
        if not store_module.exchange(tmp_path / "a", tmp_path / "b"):
            pytest.skip("this file system cannot exchange two folders")
        assert (tmp_path / "a" / "is").read_text() == "b"


HOLDING = """\
import os, sys, pathlib
from edgevoice.models import Store
from edgevoice.models.progress import Progress
with Store(pathlib.Path(sys.argv[1])).locked(Progress()):"""


class TestLock:
    def test_litter_of_the_dead_is_cleared_and_fresh_downloads_kept(self, store):
        for place in ("m/raw", "downloads/fresh", "downloads/stale", "downloads/empty"):
            (store.incoming / place).mkdir(parents=True)
        (store.incoming / "downloads/fresh/f.part").write_bytes(b"x")
        (store.incoming / "downloads/stale/f.part").write_bytes(b"x")
        week_ago = time.time() - 8 * 86400
        os.utime(store.incoming / "downloads/stale/f.part", (week_ago, week_ago))
        with store.locked(Progress()):
            assert sorted(path.name for path in store.incoming.iterdir()) == ["downloads"]
            assert [path.name for path in store.downloads.iterdir()] == ["fresh"]

    def test_a_second_holder_is_told_and_gets_it_afterwards(self, store, capsys):
        script = f"{HOLDING} print('mine', flush=True); sys.stdin.read()"
        other = subprocess.Popen([sys.executable, "-c", script, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert other.stdout.readline() == "mine\n"
            said = []

            class Listening(Progress):
                def say(self, line: str) -> None:
                    said.append(line)
                    other.stdin.close()

            with store.locked(Listening()):
                assert other.wait(10) == 0
            assert said == [f"waiting for process {other.pid}, which is using the model store {store.root}"]
        finally:
            other.kill()
            other.wait()
            other.stdout.close()

    def test_waiting_has_an_end(self, store, monkeypatch):
        monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.2)
        store.root.mkdir()
        with (store.root / ".lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(StorageError, match="has been using the model store"), store.locked(Progress()):
                pytest.fail("the lock was held")

    def test_a_killed_holder_gives_it_back(self, store):
        script = f"{HOLDING} os.kill(os.getpid(), 9)"
        assert subprocess.run([sys.executable, "-c", script, str(store.root)], check=False).returncode == -9
        with store.locked(Progress()):
            assert (store.root / ".lock").read_text() == f"{os.getpid()}\n"


class TestPins:
    def test_they_are_kept_by_model_and_file(self, store):
        with store.locked(Progress()):
            store.pin("m", {"a": "1", "b": "2"})
            store.pin("n", {"a": "3"})
            store.pin("m", {"b": "4"})
        assert store.pins() == {"m": {"a": "1", "b": "4"}, "n": {"a": "3"}}

    @pytest.mark.parametrize("text", ["", "[]", '{"pins": 1}', '{"pins": {"m": {"a": {}}}}'])
    def test_a_damaged_lock_file_says_what_to_do(self, store, text):
        store.root.mkdir()
        (store.root / "models.lock").write_text(text)
        with pytest.raises(ModelError, match=r"models\.lock is damaged .* delete it to forget"):
            store.pins()


class TestStorage:
    @pytest.mark.parametrize(("code", "said"), [
        (errno.ENOSPC, "no space left"), (errno.EDQUOT, "no space left"),
        (errno.EACCES, "cannot be written"), (errno.EROFS, "cannot be written")])
    def test_the_file_systems_errors_are_one_line(self, tmp_path, code, said):
        with pytest.raises(StorageError, match=said), storage_errors(tmp_path):
            raise OSError(code, os.strerror(code), str(tmp_path))

    def test_a_store_below_a_file_is_an_error(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StorageError, match="cannot be written"), Store(tmp_path / "file" / "store").locked(Progress()):
            pytest.fail("a file cannot hold a store")

    def test_too_little_disk_is_said_in_numbers(self, store, monkeypatch):
        monkeypatch.setattr(Store, "free", lambda self: 40_000_000)
        with pytest.raises(StorageError, match=r"piper needs 123 MB of disk while it is installed, and .* has 40 MB free"):
            store.require(123_456_789, "piper")

    def test_free_space_is_known_before_the_store_exists(self, store):
        assert store.free() > 0
        assert not store.root.exists()

    def test_removing_leaves_nothing_but_the_pins(self, store):
        with store.locked(Progress()):
            store.commit("m", fill(store.incoming / "model"))
            store.pin("m", {"a": "1"})
            store.remove("m")
        assert store.names() == [] and not (store.root / "m").exists()
        assert not [path for path in store.incoming.iterdir() if path != store.downloads]
        assert store.pins() == {"m": {"a": "1"}}
