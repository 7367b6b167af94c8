"""What a process had of the processor (proc(5): stat and schedstat, seconds)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def ran_s(pid: int) -> float:
    """Of all its threads, also those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """That its present threads were ready to run and had no core, all together."""
    waited = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            waited += int((thread / "schedstat").read_text(encoding="ascii").split()[1])
    return waited / 1e9
