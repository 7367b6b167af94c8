"""A small Debian of its own, booted with its real systemd in a container (systemd-nspawn): no network, nothing of it is kept.

Theory: its root is made once by mmdebstrap and kept in the user's cache, named by what it was made of; each boot lays an empty layer in
memory over it.  The checkout and the model store are shown to it read-only, the checkout at the place where it lies, since a virtual
environment knows its own.  Processes in it are seen from here too, by other numbers: faults are made from here.

What it cannot have where the machine underneath has it not: real-time rights (CAP_SYS_RESOURCE) and memory limits (control groups).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "libportaudio2", "libasound2-plugins", "espeak-ng", "libgomp1", "procps")
BOOT_S = 60.0
END_S = 30.0
MOUNTED = "/mnt"


def missing() -> str | None:
    """Why there can be none here."""
    if os.geteuid() != 0:
        return "a container wants root"
    for tool in ("systemd-nspawn", "mmdebstrap", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        return "the Python of .venv is not the system's, which the container has"
    return None


def prepared_root() -> Path:
    """The root, made now if it is not there (half a minute, 500 MB)."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    mark = hashlib.sha256(" ".join((suite, *PACKAGES)).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgevoice"
    root = cache / f"test-root-{mark}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        making = cache / f"{root.name}.{os.getpid()}"
        try:
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, making],
                           check=True, capture_output=True, timeout=900)
            making.rename(root)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return root


class Machine:
    """Boots in the constructor's place by ``with``; ``shown``: more folders or files of ours, read-only, by their place in there."""

    def __init__(self, root: Path, log: Path, shown: Mapping[str, Path]) -> None:
        self._root, self._log, self._shown = root, log, shown
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.leader = 0
        """its process 1, as it is numbered here"""

    def __enter__(self) -> Machine:
        binds = [f"--bind-ro={path}:{place}" for place, path in self._shown.items()]
        command = ["systemd-nspawn", "--quiet", f"--directory={self._root}", "--volatile=overlay", "--register=no", "--keep-unit",
                   "--private-network", f"--machine=edgevoice-{secrets.token_hex(4)}", "--console=read-only", *binds, "--boot"]
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._await_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._nspawn is not None
        self._nspawn.terminate()  # it lets the system in it end in order
        try:
            self._nspawn.wait(END_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()

    def run(self, *command: str | Path, check: bool = True, timeout: float = 120.0) -> str:
        """What a command in there printed; ``AssertionError`` with all of it where it fails and is to be checked."""
        made = subprocess.run(["nsenter", "--target", str(self.leader), "--all", "--", *map(str, command)], capture_output=True, text=True,
                              timeout=timeout)
        assert not check or made.returncode == 0, f"{command}: {made.returncode}\n{made.stdout}\n{made.stderr}"
        return made.stdout

    def process(self, inside: int) -> int:
        """The number here of a process that has the number ``inside`` in there."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    numbers = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("NSpid:")).split()[1:]
                    ours = (folder / "ns/pid").readlink() == Path(f"/proc/{self.leader}/ns/pid").readlink()
                except (OSError, StopIteration):
                    continue
                if ours and int(numbers[-1]) == inside:
                    return int(folder.name)
        raise ProcessLookupError(f"no process {inside} in the container")

    def _await_boot(self) -> None:
        assert self._nspawn is not None
        limit = time.monotonic() + BOOT_S
        while time.monotonic() < limit and self._nspawn.poll() is None:
            children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
            if children:
                self.leader = int(children[0])
                if self.run("systemctl", "is-system-running", "--wait", check=False).strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)
        raise AssertionError(f"the container did not boot:\n{self._log.read_text(errors='replace')[-2000:]}")
