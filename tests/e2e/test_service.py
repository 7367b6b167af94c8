"""The daemon as systemd sees it: ready when it listens, alive while it does, and ending in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def until(systemd: socket.socket, line: str, within_s: float = 120.0) -> list[str]:
    """What it was told up to a line that begins so."""
    found: list[str] = []
    limit = time.monotonic() + within_s
    while not (found and found[-1].startswith(line)):
        systemd.settimeout(max(0.01, limit - time.monotonic()))
        found.append(systemd.recv(4096).decode())
    return found


def test_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        environment = dict(os.environ) | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "PULSE_SERVER": "/nowhere",
                                          "XDG_RUNTIME_DIR": str(tmp_path)}
        daemon = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=environment)
        try:
            begun = until(systemd, "READY=1")
            assert begun[0] == "STATUS=starting" and "STATUS=beginning to listen" in begun
            assert until(systemd, "STATUS=")[-1].startswith(("STATUS=listening; say", "STATUS=no sound: "))
            for _ in range(3):
                until(systemd, "WATCHDOG=1", 30.0)
            daemon.send_signal(signal.SIGTERM)
            until(systemd, "STOPPING=1", 30.0)
            assert daemon.wait(30.0) == 0
        finally:
            daemon.kill()
            daemon.wait()
