"""A child of the soak test: plays a sequence that never repeats through a real device and compares what comes back, sample by sample.

Arguments: seconds, latency in ms.  Prints one JSON report at the end.  What was played is known by its place: sample n of the sequence is a
hash of n, so that nothing has to be kept and a single lost, repeated or changed sample is seen.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from edgevoice.rt import Core, PortAudioDevice

RATE, HOP = 16000, 160
BLOCK = RATE // 4


def sequence(start: int, count: int) -> np.ndarray:
    """Samples ``start`` …; between 1 and 20000, so that silence is none of it."""
    n = np.arange(start, start + count, dtype=np.uint64)
    n = (n ^ (n >> np.uint64(7))) * np.uint64(0x9E3779B97F4A7C15)
    return ((n >> np.uint64(40)) % np.uint64(20000) + np.uint64(1)).astype(np.int16)


class Comparison:
    """Finds where the sequence begins in what is captured, and then compares everything."""

    def __init__(self) -> None:
        self.compared = self.wrong = 0
        self.first_wrong: int | None = None
        self._rest = np.zeros(0, np.int16)
        self._at: int | None = None

    def take(self, near: np.ndarray) -> None:
        heard = np.concatenate([self._rest, near])
        self._rest = np.zeros(0, np.int16)
        if self._at is None:
            sounding = np.flatnonzero(heard)
            if not len(sounding) or len(heard) - sounding[0] < HOP:
                self._rest = heard[-2 * HOP:]
                return
            heard, self._at = heard[sounding[0]:], 0
        wrong = np.flatnonzero(heard != sequence(self._at, len(heard)))
        if len(wrong) and self.first_wrong is None:
            self.first_wrong = self._at + int(wrong[0])
        self.wrong += len(wrong)
        self.compared += len(heard)
        self._at += len(heard)


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    seconds, latency_ms = float(sys.argv[1]), int(sys.argv[2])
    core = Core(RATE, HOP, playback_ms=4000)
    core.live.begin(1)
    device = PortAudioDevice(core, latency_ms=latency_ms)
    device.start()
    over = threading.Event()

    def play() -> None:
        at = 0
        while not over.is_set():
            at += core.write(1, sequence(at, BLOCK), timeout_s=1.0)

    player = threading.Thread(target=play)
    player.start()
    comparison = Comparison()
    begin = time.monotonic()
    memory: list[float] = []
    threads: list[int] = []
    while time.monotonic() - begin < seconds and device.error is None:
        hops = core.read(0.5)
        if hops is not None:
            comparison.take(hops.near)
        if int((time.monotonic() - begin) / seconds * 50) >= len(memory):
            memory.append(rss_mb())
            threads.append(threading.active_count())
    over.set()
    player.join()
    error = device.error
    device.stop()
    counters = core.counters()
    print(json.dumps({
        "error": error, "compared": comparison.compared, "wrong": comparison.wrong, "first_wrong": comparison.first_wrong,
        "dropped": counters.dropped, "xruns_in": counters.xruns_in, "xruns_out": counters.xruns_out, "underruns": counters.underruns,
        "balanced": counters.captured == counters.consumed + counters.dropped + counters.depth,
        "memory_mb": [round(min(memory[5:]), 2), round(memory[-1], 2)], "threads": [min(threads), max(threads)]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
