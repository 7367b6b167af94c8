"""A loudspeaker and a microphone without a sound card: a PulseAudio server of the test's own, with null sinks.

The loudspeaker is its own microphone, unless ``apart``: then what is played into the sink ``loop`` is heard by the microphone, and the
loudspeaker is the sink ``spk``, whose monitor can be recorded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

MISSING = next((f"{name} is not installed" for name in ("pulseaudio", "pactl", "pacat") if not shutil.which(name)), None)
"""Why there can be no server, or None."""

ASOUND = """</usr/share/alsa/alsa.conf>
pcm.pulse { type pulse }
ctl.pulse { type pulse }
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


def favour(pid: int) -> None:
    """Put a process before the others where that is allowed: a sound system that is late tells nothing about who uses it."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except PermissionError:  # then it runs as everybody does
        pass


class PulseServer:
    """Between ``__enter__`` and ``__exit__`` what is played comes back as captured.  ``environment`` is for the child that plays."""

    def __init__(self, folder: Path, rate: int = 16000, *, apart: bool = False, channels: int = 1) -> None:
        runtime = folder / "pulse"
        runtime.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
        self._folder = folder
        self._rate, self._channels = rate, channels
        self._speaker = "spk" if apart else "loop"
        self._socket = runtime / "native"
        self._children: list[subprocess.Popen[bytes]] = []
        (folder / "asound.conf").write_text(ASOUND, encoding="ascii")
        self.environment = {
            **os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_RUNTIME_PATH": str(runtime),
            "PULSE_SERVER": f"unix:{self._socket}", "ALSA_CONFIG_PATH": str(folder / "asound.conf"), "JACK_NO_START_SERVER": "1"}

    def __enter__(self) -> PulseServer:
        log = (self._folder / "log").open("ab")
        self._children.append(subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--disallow-exit", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr",
             "--realtime=no", "--high-priority=no", "-L", f"module-native-protocol-unix socket={self._socket} auth-anonymous=1",
             "-L", f"module-null-sink sink_name=loop rate={self._rate} channels={self._channels}",
             "-L", f"module-null-sink sink_name=spk rate={self._rate} channels=1",
             "-L", "module-remap-source master=loop.monitor source_name=mic"],
            env=self.environment, stdout=log, stderr=log))
        log.close()
        favour(self._children[0].pid)
        self._wait_until_it_answers()
        for command in (["set-default-sink", self._speaker], ["set-default-source", "mic"]):
            subprocess.run(["pactl", *command], env=self.environment, check=True)
        # An idle null sink delivers nothing for a second or two: keep silence flowing into it.
        self._children.append(subprocess.Popen(
            ["pacat", "-p", "--raw", f"--rate={self._rate}", "--channels=1", "--format=s16le", "--latency-msec=20", "-d", "loop",
             "/dev/zero"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        favour(self._children[1].pid)
        return self

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._children[0].pid

    def unplug(self) -> None:
        """The server dies, as a sound card does when its cable is pulled."""
        self._children[0].kill()

    def plug_in(self) -> None:
        """After ``unplug``: a server again, at the same place."""
        for child in reversed(self._children):
            child.kill()
            child.wait()
        self._children.clear()
        self._socket.unlink(missing_ok=True)
        self.__enter__()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for child in reversed(self._children):
            child.kill()
            child.wait()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True).returncode:
            if time.monotonic() > deadline or self._children[0].poll() is not None:
                log = (self._folder / "log").read_text(errors="replace")
                self.__exit__(None, None, None)
                raise RuntimeError(f"pulseaudio does not start: {log[-500:]}")
            time.sleep(0.05)
