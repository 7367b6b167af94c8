"""Which of the profiles in ``configs/`` fits the machine at hand: by what it is called where that is known, else by how fast it is.

Theory: a profile was made for a board, and says how much slower than the machine that the defaults were chosen on it takes that board to
be.  A machine that nobody made a profile for gets that of the nearest speed.  The trial takes the engines of the settings through one
sentence (``checks.engines``), in a child and for ``BENCH_S`` at most.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevoice.adapters.mqtt.adapter import board
from edgevoice.settings import Settings

BENCH_S = 20.0
REFERENCE_TOKENS_PER_S, REFERENCE_STT_RTF = 80.0, 0.045
"""of the default models on the machine that the defaults were chosen on: two x86-64 cores, otherwise idle (`bench llm`, `bench stt`)"""
BOARDS = ((r"Raspberry Pi (4|400|Compute Module 4)\b", "pi4"), (r"Raspberry Pi (5|500|Compute Module 5)\b", "pi5"),
          (r"Jetson.*Orin|Orin.*(Nano|NX|AGX)", "jetson-orin"))
SPEEDS = ((1.4, "default"), (2.8, "pi5"), (float("inf"), "pi4"))
"""times slower than the reference, up to which a profile is the nearest: those were made for 1, 2 and 4"""
HOPELESS = 10.0
"""times slower: no setting helps any more"""
NEEDED_MB = 900
"""of memory: the default engines take about 600 MB, and the system wants the rest"""
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of it without measuring."""

    board: str
    machine: str
    cores: int
    memory_mb: int | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A profile, why it, and what stands against it all the same."""

    profile: str
    why: str
    warnings: tuple[str, ...]

    @property
    def file(self) -> Path | None:
        """Where it lies, if this is a checkout."""
        path = CONFIGS / f"{self.profile}.toml"
        return path if path.is_file() else None


def look(root: Path = Path("/")) -> Machine:
    """This machine; ``root`` is for tests."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    named = _read(root / "proc/device-tree/model").strip("\0\n ")
    return Machine(named or board(), platform.machine(), os.cpu_count() or 1, int(found[1]) // 1024 if found else None)


def measure(settings: Settings) -> dict[str, Any]:
    """The figures of one sentence through the engines; ``error`` in place of those that it did not come to."""
    from edgevoice.checks import engines

    return engines.trial(settings, BENCH_S)


def propose(machine: Machine, figures: Mapping[str, Any]) -> Proposal:
    """``figures`` as ``measure`` gives them, empty where nothing was measured."""
    warnings = []
    if machine.memory_mb is not None and machine.memory_mb < NEEDED_MB:
        warnings.append(f"{machine.memory_mb} MB of memory are less than the default engines want ({NEEDED_MB}): choose smaller models")
    if figures.get("error"):
        warnings.append(f"the engines could not be measured: {figures['error']}")
    slower = slowness(figures)
    if slower is not None and slower > HOPELESS:
        warnings.append(f"{slower:.0f} times slower than where the defaults were chosen: answers will come late whatever is set")
    named = next((profile for pattern, profile in BOARDS if re.search(pattern, machine.board)), None)
    if named is not None:
        return Proposal(named, f"it is a {machine.board}", tuple(warnings))
    if slower is None:
        return Proposal("default", f"no profile is for a {machine.board}, and its speed is not known", tuple(warnings))
    profile = next(profile for most, profile in SPEEDS if slower <= most)
    pace = f"{slower:.1f} times slower than" if slower > 1.0 else "as fast as"
    return Proposal(profile, f"no profile is for a {machine.board}; it is {pace} the machine that the defaults were chosen on, to which "
                    f"{profile} is nearest", tuple(warnings))


def slowness(figures: Mapping[str, Any]) -> float | None:
    """How many times slower than the reference, by the slower of model and recognizer; ``None`` without both."""
    if not figures.get("tokens_per_s") or not figures.get("stt_rtf"):
        return None
    return max(REFERENCE_TOKENS_PER_S / float(figures["tokens_per_s"]), float(figures["stt_rtf"]) / REFERENCE_STT_RTF)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
