"""The system service: whether it runs, and how far it is shut off from the rest of the machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from edgevoice.checks.check import Found, Place

MOST_EXPOSURE = 2.0
"""of systemd-analyze security, 0 to 10; ours has less than that"""
UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
PROGRAM_S = 20.0


def running(place: Place) -> Found:
    """As systemd sees it."""
    unit = unit_file(place)
    if unit is None:
        return Found("skipped", f"{place.unit} is not installed here")
    said = _run("systemctl", "show", place.unit, "-p", "ActiveState,SubState,NRestarts,StatusText,Result")
    facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    state = facts.get("ActiveState", "")
    if not state:
        return Found("skipped", "systemd does not answer here")
    if state != "active":
        return Found("problem" if state == "failed" else "warning", f"{place.unit} is {state} ({facts.get('Result', '')})",
                     f"systemctl status {place.unit}; journalctl -u {place.unit} -n 50", facts)
    restarts = int(facts.get("NRestarts") or 0)
    if restarts > 3:
        return Found("warning", f"{place.unit} was started again {restarts} times", f"journalctl -u {place.unit} -p warning", facts)
    return Found("ok", f"{place.unit} is active: {facts.get('StatusText') or 'no status'}", facts=facts)


def exposure(place: Place) -> Found:
    """What ``systemd-analyze security`` makes of the unit, with its drop-ins where systemd runs, else of its file."""
    unit = unit_file(place)
    if unit is None:
        return Found("skipped", f"{place.unit} is not installed here")
    if shutil.which("systemd-analyze") is None:
        return Found("skipped", "there is no systemd-analyze here")
    said = _run("systemd-analyze", "security", "--no-pager", place.unit) or _run(
        "systemd-analyze", "security", "--no-pager", "--offline=true", str(unit))
    told = re.search(r"Overall exposure level.*?: ([0-9.]+) (\w+)", said)
    if told is None:
        return Found("skipped", "systemd-analyze does not say")
    level = float(told[1])
    facts = {"exposure": level, "unit": str(unit)}
    if level > MOST_EXPOSURE:
        return Found("warning", f"exposure {level:g} of 10 ({told[2]})", "a drop-in opens more than it must: `systemctl cat "
                     f"{place.unit}`, `systemd-analyze security {place.unit}`", facts)
    return Found("ok", f"exposure {level:g} of 10 ({told[2]})", facts=facts)


def unit_file(place: Place) -> Path | None:
    """Where the unit is installed."""
    return next((path for folder in UNITS if (path := place.root / folder / place.unit).is_file()), None)


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
