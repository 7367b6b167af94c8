"""Updates and configurations on the daemon itself, with its real engines: taken at a pause, watched, taken back; read anew at SIGHUP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgevoice.errors import EXIT_RESTART
from edgevoice.models import default_root
from edgevoice.settings import PathSettings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
VOICE = "piper-en-us-joe"


class Device:
    """A folder with a key, a configuration and a store that begins with links to the default models."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.config = folder, folder / "store", folder / "device.toml"
        self.store.mkdir()
        for model in default_root(PathSettings()).iterdir():
            if (model / "model.json").is_file():
                (self.store / model.name).symlink_to(model)
        self.public = self.edgevoice("key", folder / "maker.pem")["public_key"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.configure()

    def configure(self, more: str = "") -> None:
        self.config.write_text(
            f'[audio]\nbackend = "virtual"\n[llm]\nmax_tokens = 16\n[http]\nenabled = true\nport = {self.port}\n'
            f'[paths]\nmodels = "{self.store}"\n[skills]\nfolder = "{self.folder}"\n'
            f'[update]\npublic_keys = ["{self.public}"]\nprobation_s = 1.0\nprobation_turns = 1\n{more}', encoding="utf-8")

    def edgevoice(self, *arguments: object) -> dict[str, Any]:
        done = subprocess.run([sys.executable, "-m", "edgevoice", "update", *map(str, arguments), "--json"], capture_output=True, text=True,
                              cwd=ROOT, timeout=300)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def made(self, version: str, *arguments: object) -> Path:
        path = self.folder / f"{version}.bundle"
        self.edgevoice("make", path, "--version", version, "--key", self.folder / "maker.pem", *arguments)
        return path

    def settings(self, text: str) -> Path:
        path = self.folder / "brought.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def install(self, path: Path) -> dict[str, Any]:
        return self.edgevoice("install", path, "--config", self.config)

    def status(self) -> dict[str, Any]:
        return self.edgevoice("status", "--config", self.config)

    def ask(self) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/cmd/ask", b'{"text": "What is the capital of France?"}',
                                         {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=30) as answer:
            return dict(json.load(answer))


class Daemon:
    """``edgevoice run``; what it says and does is read as it comes."""

    def __init__(self, device: Device, **environment: str) -> None:
        self.rows: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.process = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", device.config], cwd=ROOT,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        readers = ((self.process.stdout, lambda line: self.rows.append(json.loads(line))), (self.process.stderr, self.told.append))
        self._threads = [threading.Thread(target=self._read, args=reader, daemon=True) for reader in readers]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(stream: Any, keep: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                keep(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()

    def until(self, true: Callable[[], Any], what: str) -> Any:
        limit = time.monotonic() + PATIENCE_S
        while not (found := true()):
            assert time.monotonic() < limit and self.process.poll() is None, f"not: {what}\n{''.join(self.told)}"
            time.sleep(0.1)
        return found

    def says(self, text: str, times: int = 1) -> None:
        self.until(lambda: sum(text in line for line in self.told) >= times, f"{times} times {text!r}")

    def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(device: Device, **environment: str) -> Iterator[Daemon]:
    daemon = Daemon(device, **environment)
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_configuration_is_read_anew_or_refused_whole(device: Device) -> None:
    with running(device) as daemon:
        daemon.says("listening; say")
        device.configure("[dialog]\nfollowup_s = 3.0\n[tts]\nspeed = 1.2\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("the configuration was read anew; in force: dialog.followup_s; waits for a restart: tts.speed")
        device.configure("[dialog]\nfollowup_s = 4.0\nlisten_timeout_s = 900\n[vad]\nonset = 7\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("refused, the one before stays in force", times=2)
        told = "".join(daemon.told)
        assert "dialog.listen_timeout_s = 900: is too large" in told and "vad.onset = 7: is too large" in told
        device.configure("[dialog]\nfollowup_s = 3.0\n[home]\nfile = \"/no/such/house.toml\"\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("home.file")
        device.configure("[dialog]\nfollowup_s = 3.0\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("nothing in it is other than before")
        assert daemon.ends() == 0


@pytest.mark.slow
def test_a_voice_goes_into_force_at_a_pause_proves_itself_and_settings_follow_without_a_restart(device: Device) -> None:
    with running(device) as daemon:
        daemon.says("listening; say")
        pid = daemon.process.pid
        brought = device.settings('[tts]\nmodel = "joe-2"\n')
        assert device.install(device.made("1.0", "--model", f"joe-2={device.store / VOICE}", "--settings", brought))["new"]
        daemon.says("update 1.0 is in force, on probation")
        daemon.says("listening; say", times=2)  # the same process, begun anew
        assert daemon.process.pid == pid and daemon.rows[-1]["event"] and device.health()["models"]["tts"] == "joe-2"
        assert device.health()["update"]["phase"] == "probation" and device.status()["previous"] == ""
        device.ask()
        daemon.says("update 1.0 has passed its probation")
        daemon.until(lambda: any(row["event"] == "update" and row["state"] == "settled" for row in daemon.rows), "an event tells of it")
        device.install(device.made("1.1", "--settings", device.settings('[tts]\nmodel = "joe-2"\n[dialog]\nfollowup_s = 2.0\n')))
        daemon.says("update 1.1: in force without a restart")
        status = device.status()
        assert (status["release"], status["previous"], status["phase"]) == ("1.1", "1.0", "probation")
        assert status["models"] == ["joe-2"], "from the one before"
        assert status["settings"] == ["dialog.followup_s", "tts.model"]
        device.edgevoice("rollback", "--config", device.config)
        daemon.until(lambda: device.health()["update"]["undone"] == ["1.1"], "told of in health")
        assert device.health()["update"]["release"] == "1.0"
        assert daemon.ends() == 0


@pytest.mark.slow
def test_one_that_does_not_start_is_taken_back(device: Device) -> None:
    """Its language model passed the trial, and was damaged on the disk since, in a way that no size tells."""
    model = "smollm2-135m-instruct"
    device.install(device.made("2.0", "--model", model))
    (damaged,) = (device.store / ".updates/releases").glob(f"2.0-*/models/{model}/model.gguf")
    with damaged.open("r+b") as file:
        file.write(b"\0" * 4096)
    with running(device) as daemon:
        daemon.says("update 2.0 was taken back: it did not start")
        daemon.says("listening; say")
        device.ask()
        daemon.until(lambda: any(row["event"] == "playback_first_sample" for row in daemon.rows), "it answers")
        assert [alert["name"] for alert in device.health()["alerts"] if alert["name"].startswith("update")] == ["update_undone"]
        assert daemon.ends() == 0
    assert device.status()["undone"][-1]["release"] == "2.0" and not damaged.exists()


@pytest.mark.slow
def test_one_that_is_killed_again_and_again_is_taken_back(device: Device) -> None:
    """As systemd would see it: who ends by 75 is started again, and so is who was killed."""
    device.install(device.made("3.0", "--settings", device.settings("[llm]\nmax_tokens = 20\n")))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(device.folder / "notify"))
        environment = {"NOTIFY_SOCKET": str(device.folder / "notify")}
        for k in range(3):
            with running(device, **environment) as daemon:
                daemon.says("listening; say")
                assert device.status()["probation"]["crashes"] == k + 1
                daemon.process.kill()
                daemon.process.wait()
        with running(device, **environment) as daemon:
            daemon.says("update 3.0 was taken back: it crashed, was killed or lost its power 3 times")
            daemon.says("listening; say")
            device.install(device.made("3.1", "--settings", device.settings("[llm]\nmax_tokens = 21\n")))
            assert daemon.process.wait(60) == EXIT_RESTART, "systemd starts it again"
        with running(device, **environment) as daemon:
            daemon.says("listening; say")
            assert device.health()["update"]["release"] == "3.1"
            assert daemon.ends() == 0
