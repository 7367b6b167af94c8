"""A child of the soak test: plays a sequence that never repeats through a real device and compares what comes back, sample by sample.

Arguments: seconds, latency in ms.  Prints one JSON report at the end.  What was played is known by its place: sample n of the sequence is a
hash of n, so that nothing has to be kept and a single lost, repeated or changed sample is seen.

Whose a break is: the sequence is looked at in three places.  The far end is what the callback handed to the card, the near end what it was
handed, both in the core's own hops; a witness, another process, records the same microphone from the sound server.  The core's ledger and
counters say what it lost itself, ``lateness`` how late its callbacks came, the kernel how long its threads waited for a core
(``verdict``).
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgevoice.rt import Core, PortAudioDevice
from tests.fakes import cores

RATE, HOP = 16000, 160
BLOCK = RATE // 4
RUN = 64
"""samples that must fit for a place in the sequence to be found again; three would hardly ever fit by chance"""
BACK, AHEAD = 4 * RATE, 20 * RATE
"""how far from where it broke the sequence is looked for"""
MARGIN_S = 0.05
"""by which lateness and waiting for a core may differ, since they are measured in different places"""


def sequence(start: int, count: int) -> np.ndarray:
    """Samples ``start`` …; between 1 and 20000, so that silence is none of it."""
    n = np.arange(start, start + count, dtype=np.uint64)
    n = (n ^ (n >> np.uint64(7))) * np.uint64(0x9E3779B97F4A7C15)
    return ((n >> np.uint64(40)) % np.uint64(20000) + np.uint64(1)).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Break:
    """In samples."""

    at: int
    """of the sequence: the first that did not come as it should"""
    foreign: int
    """heard in its place: silence, or what is none of the sequence here"""
    jump: int
    """from there to where the sequence goes on: what was lost, less than 0 for what came twice"""


class Comparison:
    """Finds where the sequence begins in what is heard, and then compares everything; after a break it is found again."""

    def __init__(self) -> None:
        self.compared = 0
        self.breaks: list[Break] = []
        self._rest = np.zeros(0, np.int16)
        self._at: int | None = None
        self._foreign: int | None = None
        """while the sequence is lost: samples heard since"""

    @property
    def lost(self) -> bool:
        """It broke, and has not been found again."""
        return self._foreign is not None

    def take(self, samples: np.ndarray) -> None:
        heard = np.concatenate([self._rest, samples])
        self._rest = np.zeros(0, np.int16)
        if self._at is None:
            sounding = np.flatnonzero(heard)
            if not len(sounding) or len(heard) - sounding[0] < HOP:
                self._rest = heard[-2 * HOP:]
                return
            heard, self._at = heard[sounding[0]:], 0
        while len(heard):
            heard = self._follow(heard) if self._foreign is None else self._find(heard)

    def _follow(self, heard: np.ndarray) -> np.ndarray:
        assert self._at is not None
        wrong = np.flatnonzero(heard != sequence(self._at, len(heard)))
        right = int(wrong[0]) if len(wrong) else len(heard)
        self.compared += right
        self._at += right
        if len(wrong):
            self._foreign = 0
        return heard[right:]

    def _find(self, heard: np.ndarray) -> np.ndarray:
        assert self._at is not None and self._foreign is not None
        for place in np.flatnonzero(heard[:max(0, len(heard) - RUN + 1)]):
            found = _place(heard[place:place + RUN], max(0, self._at - BACK), self._at + AHEAD)
            if found is not None:
                self.breaks.append(Break(self._at, self._foreign + int(place), found - self._at))
                self._at, self._foreign = found, None
                return heard[place:]
        passed = max(0, len(heard) - RUN + 1)
        self._foreign += passed
        self._rest = heard[passed:]
        return heard[:0]


def _place(run: np.ndarray, begin: int, end: int) -> int | None:
    """Where ``run`` lies in that part of the sequence; a second of it at a time."""
    for start in range(begin, end, RATE):
        window = sequence(start, RATE + len(run))
        for candidate in np.flatnonzero(window[:RATE] == run[0]):
            if np.array_equal(window[candidate:candidate + len(run)], run):
                return start + int(candidate)
    return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """In words; what nobody answers for is not there."""

    ours: list[str]
    machine: list[str]
    """it gave us no core: nothing is shown by what broke meanwhile"""
    server: list[str]


def verdict(report: dict[str, Any]) -> Verdict:
    """Whose the breaks of a ``report`` are."""
    ours: list[str] = []
    if report["error"] is not None:
        ours.append(f"the device gave up: {report['error']}")
    if not report["balanced"]:
        ours.append("the ledger of frames does not balance")
    if report["dropped"] or report["gaps"]:
        ours.append(f"{report['dropped']} frames found the capture ring full, in {report['gaps']} gaps")
    if report["underruns"]:
        ours.append(f"the callback found nothing to play {report['underruns']} times")
    if report["far_breaks"]:
        ours.append(f"what the callback handed over is not the sequence: {report['far_breaks'][0]}")
    breaks = report["breaks"]
    if not breaks or ours:
        return Verdict(ours, [], [])
    where = "and in the witness's recording" if report["witness_breaks"] else "and not in the witness's recording"
    what = f"{len(breaks)} breaks {where}, the first {breaks[0]}"
    xruns = report["xruns_in"] + report["xruns_out"]
    late_s = report["worst_late_s"]
    if not xruns and late_s < report["latency_s"] / 2:
        return Verdict([], [], [f"{what}; every callback came in time and the card told of no loss"])
    why = (f"{what}; a callback came {late_s:.3f} s late, the card told of {xruns} losses, threads waited {report['waited_s']:.3f} s "
           "for a core")
    if late_s > report["waited_s"] + MARGIN_S:
        return Verdict([f"{why}: it was late of itself"], [], [])
    return Verdict([], [why], [])


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    seconds, latency_ms = float(sys.argv[1]), int(sys.argv[2])
    with subprocess.Popen(["parec", "-d", "mic", "--raw", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=100"],
                          stdout=subprocess.PIPE) as recorder:
        try:
            report = soak(seconds, latency_ms, recorder)
        finally:
            recorder.kill()
    print(json.dumps(report))
    return 0


def soak(seconds: float, latency_ms: int, recorder: subprocess.Popen[bytes]) -> dict[str, Any]:
    core = Core(RATE, HOP, playback_ms=4000)
    core.live.begin(1)
    device = PortAudioDevice(core, latency_ms=latency_ms)
    witness, near, far = Comparison(), Comparison(), Comparison()
    assert recorder.stdout is not None
    watching = threading.Thread(target=_watch, args=(recorder.stdout, witness), daemon=True)
    watching.start()
    device.start()
    over = threading.Event()

    def play() -> None:
        at = 0
        while not over.is_set():
            at += core.write(1, sequence(at, BLOCK), timeout_s=1.0)

    player = threading.Thread(target=play)
    player.start()
    begin = time.monotonic()
    memory: list[float] = []
    threads: list[int] = []
    gaps = following = 0
    while time.monotonic() - begin < seconds and device.error is None:
        hops = core.read(0.5)
        if hops is not None:
            gaps += hops.index != following
            following = hops.index + len(hops.near)
            near.take(hops.near)
            far.take(hops.far)
        if int((time.monotonic() - begin) / seconds * 50) >= len(memory):
            memory.append(rss_mb())
            threads.append(threading.active_count())
    waited_s = cores.waited_s(os.getpid())
    over.set()
    player.join()
    error = device.error
    device.stop()
    counters = core.counters()
    return {
        "error": error, "compared": near.compared, "breaks": _rows(near), "far_breaks": _rows(far), "witness_breaks": _rows(witness),
        "witnessed": witness.compared, "dropped": counters.dropped, "gaps": gaps, "xruns_in": counters.xruns_in,
        "xruns_out": counters.xruns_out, "underruns": counters.underruns, "worst_late_s": core.lateness().worst_s, "waited_s": waited_s,
        "latency_s": latency_ms / 1000,
        "balanced": counters.captured == counters.consumed + counters.dropped + counters.depth,
        "memory_mb": [round(min(memory[5:]), 2), round(memory[-1], 2)], "threads": [min(threads), max(threads)]}


def _watch(stream: IO[bytes], witness: Comparison) -> None:
    while block := stream.read(2 * BLOCK):
        witness.take(np.frombuffer(block[:len(block) // 2 * 2], np.int16))


def _rows(comparison: Comparison) -> list[dict[str, int]]:
    rows = [dataclasses.asdict(one) for one in comparison.breaks]
    if comparison.lost:
        rows.append({"at": comparison._at or 0, "foreign": comparison._foreign or 0, "jump": 0})
    return rows


if __name__ == "__main__":
    sys.exit(main())
