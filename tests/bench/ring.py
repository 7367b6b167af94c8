"""The ring: what a block of 10 ms costs to hand over, beside plain copies, collections.deque and queue.SimpleQueue.

The ring is measured from C, as the audio thread uses it (``ext/tests/bench_ring.c``, built here from ``ext/ring.c`` with the core's own
flags): one thread pushes and pops in turns with two memcpys of the same bytes into the same slots and out, in rounds of 2000, and the
figure is the median round; between two threads, items a second (the median of three runs, a ring of the capture ring's slots) and the
round trip by two rings.  Python's queues carry numpy arrays as a program would use them: a copy goes in, and is copied out into a buffer
that stays.  "deque" between threads is polled (``time.sleep(0)`` when empty), as it cannot wait.  A 10 ms block is 160 samples of int16
at 16 kHz and 480 at 48 kHz.  Where other programs share the machine the two-thread figures say more about them: see ``host.load_1m``.
"""

from __future__ import annotations

import collections
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevoice.benchmarks import Result, median, percentile, progress

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c11", "-O3", "-fvisibility=hidden")
BLOCKS = (160, 480)
SLOTS = 16
"""few enough that slots and block stay in the first cache: what is compared is the ring, not memory"""
CAPTURE_SLOTS = 512
"""what the capture ring of 4 s has"""
RUNS = 3
OURS = "ours, from C"

Block = NDArray[np.int16]
Put = Callable[[Block], None]
Get = Callable[[], Block]


def run(quick: bool) -> list[Result]:
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="edgevoice-ring-") as folder:
        program = _build(Path(folder))
        for samples in BLOCKS:
            results += _one_thread(program, samples, quick)
        for samples in BLOCKS:
            results += _two_threads(program, samples, quick)
    return results


def _build(folder: Path) -> Path | None:
    if not shutil.which("cc"):
        progress("no C compiler (cc): the ring itself cannot be measured")
        return None
    program = folder / "bench_ring"
    sources = [ROOT / "ext" / "tests" / "bench_ring.c", ROOT / "ext" / "ring.c"]
    subprocess.run(["cc", *FLAGS, *sources, "-o", program, "-lpthread"], check=True)
    return program


def _rows(program: Path | None, *arguments: object) -> list[list[float]]:
    if program is None:
        return []
    made = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, check=True, timeout=120)
    return [[float(word) for word in line.split()] for line in made.stdout.splitlines()]


def _one_thread(program: Path | None, samples: int, quick: bool) -> list[Result]:
    progress(f"one thread, {samples} samples")
    rounds = 300 if quick else 3000
    results = []
    for slots, where, target in ((SLOTS, f"{SLOTS} slots", "<= 1.5"), (CAPTURE_SLOTS, f"{CAPTURE_SLOTS} slots", None)):
        rows = _rows(program, "one", samples, slots, rounds)
        ring, copies = median(row[0] for row in rows), median(row[1] for row in rows)
        name = f"push and pop of {samples} samples, one thread, {where}"
        results.append(Result(f"{name}: {OURS}", ring, "ns", None, "two memcpy", copies))
        results.append(Result(f"{name}: times two memcpy", ring / copies if ring and copies else None, "", target))
        if slots == SLOTS:
            ours = ring
    count = 20_000 if quick else 100_000
    for queue_name, make in QUEUES.items():
        put, get = make()
        taken = median(_turns(put, get, samples, count // 10) for _ in range(10))
        results.append(Result(f"push and pop of {samples} samples, one thread: {queue_name}", taken, "ns", None, OURS, ours))
    return results


def _two_threads(program: Path | None, samples: int, quick: bool) -> list[Result]:
    progress(f"two threads, {samples} samples")
    count = 200_000 if quick else 2_000_000
    streams = [row[0] for _ in range(RUNS) for row in _rows(program, "stream", samples, CAPTURE_SLOTS, count)]
    trips = [row[0] for row in _rows(program, "echo", samples, SLOTS, 10_000 if quick else 100_000)]
    item = median(streams)
    ours_rate = None if item is None else 1e9 / item
    ours_trip, ours_slow = (None if ns is None else ns / 1000 for ns in (median(trips), percentile(trips, 99)))
    rates = [Result(f"{samples} samples an item between two threads: {OURS}", ours_rate, "items/s")]
    round_trips = [Result(f"round trip of {samples} samples between two threads, median: {OURS}", ours_trip, "us"),
                   Result(f"round trip of {samples} samples between two threads, p99: {OURS}", ours_slow, "us")]
    for name, make in QUEUES.items():
        rate = median(_stream(*make(), samples, 10_000 if quick else 50_000) for _ in range(RUNS))
        rates.append(Result(f"{samples} samples an item between two threads: {name}", rate, "items/s", None, OURS, ours_rate))
        seconds = _echo(make(), make(), samples, 1000 if quick else 5000)
        for which, value, ours in (("median", median(seconds), ours_trip), ("p99", percentile(seconds, 99), ours_slow)):
            round_trips.append(Result(f"round trip of {samples} samples between two threads, {which}: {name}",
                                      None if value is None else 1e6 * value, "us", None, OURS, ours))
    return rates + round_trips


def _deque() -> tuple[Put, Get]:
    blocks: collections.deque[Block] = collections.deque()

    def get() -> Block:
        while True:
            try:
                return blocks.popleft()
            except IndexError:
                time.sleep(0)
    return blocks.append, get


def _simple_queue() -> tuple[Put, Get]:
    blocks: queue.SimpleQueue[Block] = queue.SimpleQueue()
    return blocks.put, blocks.get


QUEUES = {"collections.deque with numpy": _deque, "queue.SimpleQueue with numpy": _simple_queue}


def _turns(put: Put, get: Get, samples: int, count: int) -> float:
    """ns an item, put and taken by one thread."""
    source, sink = np.zeros(samples, np.int16), np.zeros(samples, np.int16)
    start = time.perf_counter_ns()
    for _ in range(count):
        put(source.copy())
        sink[:] = get()
    return (time.perf_counter_ns() - start) / count


def _stream(put: Put, get: Get, samples: int, count: int) -> float:
    """Items a second from one thread to another."""
    source, sink = np.zeros(samples, np.int16), np.zeros(samples, np.int16)

    def take_all() -> None:
        for _ in range(count):
            sink[:] = get()
    taker = threading.Thread(target=take_all, daemon=True)
    start = time.perf_counter()
    taker.start()
    for _ in range(count):
        put(source.copy())
    taker.join()
    return count / (time.perf_counter() - start)


def _echo(there: tuple[Put, Get], back: tuple[Put, Get], samples: int, count: int) -> list[float]:
    """Seconds of each trip there and back."""
    source, sink, middle = (np.zeros(samples, np.int16) for _ in range(3))

    def answer_all() -> None:
        for _ in range(count):
            middle[:] = there[1]()
            back[0](middle.copy())
    answerer = threading.Thread(target=answer_all, daemon=True)
    answerer.start()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        there[0](source.copy())
        sink[:] = back[1]()
        seconds.append(time.perf_counter() - start)
    answerer.join()
    return seconds
