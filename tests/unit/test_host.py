"""What a machine says of itself in /proc and /sys, of several kinds of machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgevoice.host import Host, memory_pressure, memory_share


def made(root: Path, files: dict[str, str]) -> Host:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return Host(root, root)


def test_this_machine() -> None:
    state = Host(Path("/")).look()
    assert state.rss_mb and 5 < state.rss_mb < 10_000 and state.threads
    assert state.memory_free_mb and state.disk_free_mb and state.uptime_s


def test_what_is_not_told_is_not_known(tmp_path: Path) -> None:
    state = made(tmp_path / "none", {}).look()
    assert (state.rss_mb, state.temperature_c, state.wifi_dbm, state.disk_free_mb, state.throttling) == (None, None, None, None, ())


def test_a_raspberry_pi_with_a_weak_supply_and_wifi(tmp_path: Path) -> None:
    state = made(tmp_path, {
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n", "sys/class/thermal/thermal_zone0/temp": "81234\n",
        "sys/class/thermal/cooling_device0/type": "pwm-fan\n", "sys/class/thermal/cooling_device0/cur_state": "2\n",
        "proc/self/status": "Name:\tx\nVmRSS:\t  204800 kB\nThreads:\t17\n", "proc/meminfo": "MemAvailable:  1048576 kB\n",
        "proc/uptime": "3600.50 10.0\n",
        "proc/net/wireless": "Inter-| sta-|   Quality\n face | tus | link level noise\n wlan0: 0000   54.  -56.  -256        0\n"}).look()
    assert state.throttling == ("undervoltage", "throttled") == state.throttled_before
    assert (state.temperature_c, state.wifi_dbm, state.rss_mb, state.threads, state.memory_free_mb, state.uptime_s) == (
        81.234, -56.0, 200.0, 17, 1024.0, 3600.5)


def test_a_jetson_that_slows_down(tmp_path: Path) -> None:
    state = made(tmp_path, {
        "sys/class/thermal/thermal_zone0/temp": "45000", "sys/class/thermal/thermal_zone1/temp": "98500",
        "sys/class/thermal/cooling_device0/type": "cpu-throttle-alert", "sys/class/thermal/cooling_device0/cur_state": "1",
        "sys/class/thermal/cooling_device1/type": "gpu-throttle-alert", "sys/class/thermal/cooling_device1/cur_state": "0"}).look()
    assert (state.temperature_c, state.throttling, state.throttled_before) == (98.5, ("cpu-throttle-alert",), ())


def test_nonsense_is_not_known(tmp_path: Path) -> None:
    state = made(tmp_path, {"sys/class/thermal/thermal_zone0/temp": "hot", "proc/uptime": "", "proc/net/wireless": "x\ny\nwlan0: 1\n",
                            "sys/devices/platform/soc/soc:firmware/get_throttled": "zz"}).look()
    assert (state.temperature_c, state.uptime_s, state.wifi_dbm, state.throttling) == (None, None, None, ())


HOLES = """
from pathlib import Path
from edgevoice.host import Host, give_back_memory
host = Host(Path("/"))
before = host.look().rss_mb
blocks = [bytearray(b"x") * 60_000 for _ in range(2000)]  # each from the heap, and none at its end alone
kept = blocks[::20]
del blocks
full = host.look().rss_mb
give_back_memory()
print(before, full, host.look().rss_mb, len(kept))
"""


def test_memory_that_lies_free_between_what_is_used_is_given_back() -> None:
    """In a process of its own: the heap of this one has holes already."""
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True).stdout.split()
    before, full, after = map(float, told[:3])
    assert full - before > 60, "glibc kept the holes"
    assert after - before < 40
def test_memory_is_measured_against_the_nearest_limit_of_any_group(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/system.slice/edgevoice.service"
    made(tmp_path, {
        "proc/self/cgroup": "0::/system.slice/edgevoice.service\n", "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 600 kB\n",
        f"{group}/memory.high": "max\n", f"{group}/memory.max": "1000\n", f"{group}/memory.current": "900\n",
        f"{group}/memory.stat": "anon 500\ninactive_file 200\n",
        f"{group}/memory.pressure": "some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=2.00 avg60=0.00 avg300=0.00 total=1\n"})
    assert memory_share(tmp_path) == pytest.approx(0.7) and memory_pressure(tmp_path) == 0.125
    (tmp_path / group / "memory.high").write_text("800\n", encoding="ascii")
    assert memory_share(tmp_path) == pytest.approx(700 / 800)
    made(tmp_path, {"sys/fs/cgroup/system.slice/memory.max": "1000\n", "sys/fs/cgroup/system.slice/memory.current": "950\n"})
    assert memory_share(tmp_path) == pytest.approx(0.95)


def test_without_a_limit_memory_is_the_machines(tmp_path: Path) -> None:
    made(tmp_path, {"proc/self/cgroup": "4:memory:/x\n", "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 250 kB\n",
                    "proc/pressure/memory": "some avg10=3.00 avg60=0.00 avg300=0.00 total=0\n"})
    assert memory_share(tmp_path) == 0.75 and memory_pressure(tmp_path) == 0.03
    assert memory_share(tmp_path / "none") is None and memory_pressure(tmp_path / "none") is None
