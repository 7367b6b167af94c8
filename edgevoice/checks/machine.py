"""The machine underneath: heat, power, memory, disk, radio, clock."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

from edgevoice.checks.check import Found, Place
from edgevoice.host import Host, HostState, flags
from edgevoice.models import default_root
from edgevoice.pipeline.bearing import readings
from edgevoice.pipeline.health import LIMITS, alerts_of_host
from edgevoice.pipeline.ladder import Ladder, Level

GOVERNOR = Path("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
EARLIEST = 1_700_000_000
"""Unix time, November 2023: a clock before that was never set"""
TIME_ERROR, STATUS_OFFSET, STA_UNSYNC = 5, 40, 0x40
"""of adjtimex(2), on 64 bit"""
PROGRAM_S = 5.0


def heat_and_power(place: Place) -> Found:
    """Temperature, throttling and undervoltage, now and since the start."""
    state = _state(place)
    now, before = set(state.throttling), set(state.throttled_before)
    word = None if (place.root / "sys/devices/platform/soc/soc:firmware/get_throttled").exists() else _vcgencmd()
    if word is not None:
        now, before = now | set(flags(word, 0)), before | set(flags(word, 16))
    facts = {"temperature_c": state.temperature_c, "throttling": sorted(now), "throttled_before": sorted(before)}
    if "undervoltage" in now:
        return Found("problem", "the power supply is too weak, now", "use the one made for this board, and a short cable", facts)
    if state.temperature_c is not None and state.temperature_c >= LIMITS.temperature_c:
        return Found("warning", f"{state.temperature_c:.0f} degrees Celsius", "give it air or a heat sink, or smaller models", facts)
    if now:
        return Found("warning", f"slowed down now: {', '.join(sorted(now))}", "give it air, or a stronger power supply", facts)
    if "undervoltage" in before:
        return Found("warning", "since the start the power supply was too weak at times", "use the one made for this board", facts)
    if before:
        return Found("warning", f"since the start it was slowed down at times: {', '.join(sorted(before))}", "give it air", facts)
    if state.temperature_c is None:
        return Found("skipped", "this machine does not tell its temperature")
    return Found("ok", f"{state.temperature_c:.0f} degrees Celsius, not slowed down", facts=facts)


def resources(place: Place) -> Found:
    """Memory, disk and radio, by the limits that health alerts at."""
    state = _state(place)
    found = [alert for alert in alerts_of_host(state, LIMITS) if alert.name in ("disk_full", "memory_low", "wifi_weak")]
    facts = {"memory_free_mb": state.memory_free_mb, "disk_free_mb": state.disk_free_mb, "wifi_dbm": state.wifi_dbm,
             "load_1m": state.load_1m, "cores": os.cpu_count()}
    if found:
        texts = [str(alert).partition(": ") for alert in found]
        severe = any(alert.name == "disk_full" for alert in found) and (state.disk_free_mb or 0) < LIMITS.disk_free_mb / 10
        return Found("problem" if severe else "warning", "; ".join(text[0] for text in texts), "; ".join(text[2] for text in texts), facts)
    told = [f"{state.memory_free_mb:.0f} MB of memory" if state.memory_free_mb is not None else "",
            f"{state.disk_free_mb:.0f} MB of disk" if state.disk_free_mb is not None else ""]
    radio = f"; radio {state.wifi_dbm:.0f} dBm" if state.wifi_dbm is not None else ""
    return Found("ok", f"free: {' and '.join(filter(None, told))}; load {state.load_1m:.1f} on {os.cpu_count()} cores{radio}", facts=facts)


def ladder(place: Place) -> Found:
    """Whether the machine bears all that the device does, by the table that a running one goes by."""
    faults = place.settings.faults
    if not faults.ladder:
        return Found("skipped", "switched off (faults.ladder)")
    facts = readings(Host(Path("/"), place.root), place.root)
    level, why = Ladder(faults).asked(facts)
    told = {name: value for name, value in facts.items() if value is not None}
    if level is not Level.FULL:
        return Found("warning", f"less would be done ({level.name.lower()}): {why}",
                     "give it air, end other programs, or choose smaller models", told)
    return Found("ok", "nothing has to be left out", facts=told)


def governor(place: Place) -> Found:
    """Whether the processor may run at its full speed."""
    try:
        name = (place.root / GOVERNOR).read_text(encoding="ascii").strip()
    except OSError:
        return Found("skipped", "this machine does not let its speed be chosen")
    if name == "powersave" and not (place.root / "sys/devices/system/cpu/intel_pstate").exists():
        return Found("warning", "the processor is held at its lowest speed (powersave)",
                     "echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor", {"governor": name})
    return Found("ok", f"the processor's speed follows {name}", facts={"governor": name})


def clock(_: Place) -> Found:
    """Whether the kernel's clock is held to another one, which is what time services tell it."""
    if time.time() < EARLIEST:
        return Found("problem", f"the clock says {time.strftime('%Y-%m-%d')}: it was never set",
                     "give it a network once, or a battery-backed clock; `timedatectl set-time`")
    synchronized = _synchronized()
    if synchronized is None:
        return Found("skipped", "the kernel does not tell whether its clock is right")
    if not synchronized:
        return Found("warning", "the clock is not held to a time server: alarms may come early or late",
                     "timedatectl set-ntp true, or a time server in the house")
    return Found("ok", "the clock is held to a time server")


def _synchronized() -> bool | None:
    buffer = ctypes.create_string_buffer(256)  # struct timex; all zeros asks and sets nothing
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None or (state := adjtimex(buffer)) < 0:
        return None
    status = int.from_bytes(buffer.raw[STATUS_OFFSET:STATUS_OFFSET + 4], "little")
    return state != TIME_ERROR and not status & STA_UNSYNC


def _vcgencmd() -> int | None:
    """The Raspberry Pi's word from its own program, where sysfs has none."""
    if shutil.which("vcgencmd") is None:
        return None
    try:
        said = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=PROGRAM_S, check=False).stdout
        return int(said.partition("=")[2], 16)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _state(place: Place) -> HostState:
    folder = default_root(place.settings.paths)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return Host(folder, place.root).look()
