"""The daemon as systemd sees it: ready when it listens, alive while it does, and ending in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edgevoice import audio


def until(systemd: socket.socket, line: str, within_s: float = 120.0) -> list[str]:
    """What it was told up to a line that begins so."""
    found: list[str] = []
    limit = time.monotonic() + within_s
    while not (found and found[-1].startswith(line)):
        systemd.settimeout(max(0.01, limit - time.monotonic()))
        found.append(systemd.recv(4096).decode())
    return found


def test_ready_alive_and_stopping(tmp_path: Path) -> None:
    config, heard = tmp_path / "virtual.toml", tmp_path / "room.wav"
    audio.write_wav(heard, np.random.default_rng(1).normal(0.0, 30.0, 16_000).astype(np.int16), 16_000)
    config.write_text(f'[audio]\nbackend = "virtual"\ninput = "{heard}"\n', encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environment = dict(os.environ) | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PULSE_SERVER": "/nowhere",
                                          "XDG_RUNTIME_DIR": str(tmp_path)}
        daemon = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", config], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=environment)
        try:
            begun = until(systemd, "READY=1")
            assert begun[0] == "STATUS=starting" and "STATUS=beginning to listen" in begun
            assert until(systemd, "STATUS=")[-1].startswith("STATUS=listening; say")
            for _ in range(3):
                until(systemd, "WATCHDOG=1", 30.0)
            daemon.send_signal(signal.SIGTERM)
            until(systemd, "STOPPING=1", 30.0)
            assert daemon.wait(30.0) == 0
        finally:
            daemon.kill()
            daemon.wait()


def test_a_configuration_that_is_wrong_is_told_to_systemd(tmp_path: Path) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text("[audio]\nrate = 5\n", encoding="utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environment = dict(os.environ) | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        made = subprocess.run([sys.executable, "-m", "edgevoice", "run", "--config", config], capture_output=True, text=True,
                              env=environment, timeout=60)
        assert made.returncode == 3 and "audio.rate = 5" in until(systemd, "STATUS=stopped: ")[-1]
