"""The machine underneath, as Linux tells of it in /proc and /sys: what cannot be known is ``None``, never zero.

Sources: proc(5); the firmware's get_throttled word of the Raspberry Pi (bits 0 to 3 for now, 16 to 19 for ever since the start); cooling
devices of the thermal framework, which is how a Jetson shows its throttling.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import pwd
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ZONES = Path("sys/class/thermal")
"""thermal_zone*/temp in thousandths of a degree Celsius"""
THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
PI_FLAGS = ("undervoltage", "frequency_capped", "throttled", "soft_temperature_limit")
SLOWING = ("cpu", "gpu", "emc", "clk")
"""what a cooling device's type has in it if cooling means slowing down; the others are fans"""


THREAD_NAME = 15
"""bytes that the kernel keeps of a thread's name"""


def name_thread() -> None:
    """Tell the kernel the Python name of the thread that calls, for `top -H` and `ps -L`."""
    thread = threading.current_thread()
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        Path(f"/proc/self/task/{thread.native_id}/comm").write_text(thread.name[:THREAD_NAME], encoding="ascii")


def be_nice(by: int) -> None:
    """Let the calling thread, and those that it starts, come ``by`` after what it was (nice(7)), where that is allowed; on Linux a niceness
    is one thread's alone."""
    with contextlib.suppress(OSError, AttributeError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)


def give_back_memory() -> None:
    """Let glibc return to the kernel what lies free between what is still used, as it does by itself at the heap's end alone.  After an
    engine was closed that is tens of MiB; it takes some ms, without the GIL.  Elsewhere than on glibc nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@dataclass(frozen=True, slots=True)
class HostState:
    """One moment."""

    cpu_percent: float | None
    """of one core, by this process, since the last look"""
    rss_mb: float | None
    threads: int | None
    load_1m: float
    memory_free_mb: float | None
    temperature_c: float | None
    """of the hottest zone"""
    throttling: tuple[str, ...]
    """what slows the processor down now, by the firmware's or the cooling device's name"""
    throttled_before: tuple[str, ...]
    """what did since the machine was started (Pi)"""
    disk_free_mb: float | None
    wifi_dbm: float | None
    uptime_s: float | None


class Host:
    """``folder`` is on the disk that is looked at.  One thread.  ``root`` is for tests."""

    def __init__(self, folder: Path, root: Path = Path("/")) -> None:
        self._folder, self._root = folder, root
        self._spent, self._at = sum(os.times()[:2]), time.monotonic()

    def look(self) -> HostState:
        status = self._lines("proc/self/status")
        return HostState(
            cpu_percent=self._cpu(), rss_mb=_kb(status, "VmRSS:"), threads=_count(status, "Threads:"), load_1m=os.getloadavg()[0],
            memory_free_mb=memory_free_mb(self._root), temperature_c=self._temperature(),
            throttling=self._throttling(), throttled_before=flags(self._pi(), 16), disk_free_mb=self._disk(), wifi_dbm=self._wifi(),
            uptime_s=_number(self._text("proc/uptime").partition(" ")[0]))

    def _cpu(self) -> float | None:
        spent, at = sum(os.times()[:2]), time.monotonic()
        share = None if at - self._at < 0.05 else 100 * (spent - self._spent) / (at - self._at)
        self._spent, self._at = spent, at
        return share

    def _temperature(self) -> float | None:
        found = hottest(self._root / ZONES)
        return None if found == float("-inf") else found

    def _throttling(self) -> tuple[str, ...]:
        found = list(flags(self._pi(), 0))
        for device in sorted(self._root.glob("sys/class/thermal/cooling_device*")):
            kind = _read(device / "type").lower()
            if any(word in kind for word in SLOWING) and (_number(_read(device / "cur_state")) or 0) > 0:
                found.append(kind)
        return tuple(dict.fromkeys(found))

    def _pi(self) -> int:
        text = _read(self._root / THROTTLED)
        try:
            return int(text, 16) if text else 0
        except ValueError:
            return 0

    def _disk(self) -> float | None:
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize / 1e6

    def _wifi(self) -> float | None:
        """The level of the first interface that has one; /proc/net/wireless, third figure."""
        for line in self._lines("proc/net/wireless")[2:]:
            words = line.split()
            if len(words) > 3 and (level := _number(words[3].rstrip("."))) is not None and level < 0:
                return level
        return None

    def _text(self, path: str) -> str:
        return _read(self._root / path)

    def _lines(self, path: str) -> list[str]:
        return self._text(path).splitlines()


def user() -> str:
    """Who runs this: a name, or a number where the system has none, as in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def hottest(zones: Path = Path("/") / ZONES) -> float:
    """The highest temperature that the system tells of, in degrees Celsius; minus infinity where it tells of none."""
    found = (_number(_read(path)) for path in zones.glob("thermal_zone*/temp"))
    return max((number / 1000 for number in found if number is not None and math.isfinite(number)), default=float("-inf"))


def memory_free_mb(root: Path = Path("/")) -> float | None:
    """What a program may still take, as the kernel estimates it, in MB of 2^20; ``None`` where it does not say."""
    return _kb(_read(root / "proc/meminfo").splitlines(), "MemAvailable:")


def memory_share(root: Path = Path("/")) -> float | None:
    """How much of its memory is in use, 0 to 1: of the unit's (or container's) limit that is nearest to being met, else of the machine's.

    What the kernel would give back first, files that were not read lately, is not in use (cgroup-v2, memory.stat: inactive_file).
    """
    found = []
    for folder in _groups(root):
        limits = [int(text) for name in ("memory.high", "memory.max") if (text := _read(folder / name)).isdigit()]
        used = _read(folder / "memory.current")
        if limits and used.isdigit():
            lines = _read(folder / "memory.stat").splitlines()
            spare = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
            found.append((int(used) - spare) / max(1, min(limits)))
    lines = _read(root / "proc/meminfo").splitlines()
    free, total = _kb(lines, "MemAvailable:"), _kb(lines, "MemTotal:")
    if free is not None and total:
        found.append(1 - free / total)
    return max(found, default=None)


def memory_pressure(root: Path = Path("/")) -> float | None:
    """The share of the last 10 s in which some of the unit's programs waited for memory (PSI), 0 to 1; else of the machine's."""
    for path in (*(folder / "memory.pressure" for folder in _groups(root)), root / "proc/pressure/memory"):
        for line in _read(path).splitlines():
            if line.startswith("some ") and (share := _number(line.partition("avg10=")[2].partition(" ")[0])) is not None:
                return share / 100
    return None


def _groups(root: Path) -> list[Path]:
    """The folders of the control groups (v2) that this process is in, its own first."""
    name = next((line[3:] for line in _read(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), None)
    if name is None:
        return []
    top = root / "sys/fs/cgroup"
    own = top / name.strip("/")
    return [own, *(parent for parent in own.parents if parent.is_relative_to(top))]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip("\0\n ")
    except OSError:  # no such file on this machine, or a sensor that is asleep
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _kb(lines: list[str], name: str) -> float | None:
    """kB to MB (2^10, as /proc counts)."""
    found = next((line.split()[1] for line in lines if line.startswith(name)), None)
    return None if found is None else int(found) / 1024


def _count(lines: list[str], name: str) -> int | None:
    found = next((line.split()[1] for line in lines if line.startswith(name)), None)
    return None if found is None else int(found)


def flags(word: int, shift: int) -> tuple[str, ...]:
    """The names of the bits of a Raspberry Pi's get_throttled word that are set: ``shift`` 0 for now, 16 for ever since the start."""
    return tuple(name for bit, name in enumerate(PI_FLAGS) if word >> (bit + shift) & 1)
