"""How the benchmarks of lost audio and of idling count, on cases counted by hand."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.bench.idle import all_threads, usage_of
from tests.bench.xrun import OURS, PERIOD, PLAIN, SUBJECTS, _results, lost_frames


def counter(start: int, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """What the card gives from its frame ``start`` on."""
    return (1 + np.arange(start, start + frames) % PERIOD).astype(np.int16)


def test_a_whole_signal_lost_nothing_also_across_the_counters_wrap() -> None:
    assert lost_frames(counter(PERIOD - 100, 3 * PERIOD)) == 0


@pytest.mark.parametrize("gap", [1, 160, PERIOD - 1])
@pytest.mark.parametrize("at", [500, PERIOD - 10])
def test_gaps_are_counted_to_the_frame(at: int, gap: int) -> None:
    pieces = [counter(0, at), counter(at + gap, 1000), counter(at + gap + 1007, 50)]
    assert lost_frames(np.concatenate(pieces)) == gap + 7


def cell(lost: int, **more: int) -> dict[str, int]:
    return {"frames": 1000, "lost": lost, "xruns": 0, "xruns_in": 0, "dropped": 0, "unexplained": 0, "fifo": 1, **more}


def test_a_cell_that_could_not_be_taken_is_no_zero() -> None:
    cells = {(subject, "none"): [cell(0), cell(0)] for subject in SUBJECTS}
    cells[OURS, "none"] = [cell(0), {}]
    rows = {row.metric: row for row in _results(cells, ("none",))}
    assert rows[f"frames lost, load none: {OURS}"].value is None
    assert rows[f"frames lost, load none: {OURS}"].met is False


def test_losses_add_up_over_the_repeats() -> None:
    cells = {(subject, "100"): [cell(2), cell(5, xruns=1)] for subject in SUBJECTS}
    rows = {row.metric: row for row in _results(cells, ("100",))}
    assert rows[f"frames lost of 2007, GIL held for 100 ms: {OURS}"].value == 7
    assert rows[f"device xruns counted, in or out, all loads: {PLAIN}"].value == 1


def test_a_threads_wake_ups_are_seen() -> None:
    go, over = threading.Event(), threading.Event()
    found: list[int] = []

    def nap() -> None:
        found.append(threading.get_native_id())
        go.wait()
        for _ in range(20):
            time.sleep(0.001)
        over.wait()
    thread = threading.Thread(target=nap)
    thread.start()
    while not found:
        time.sleep(0.001)
    before = all_threads()[found[0]].wakeups
    go.set()
    while (woken := usage_of(Path(f"/proc/{os.getpid()}/task/{found[0]}")).wakeups - before) < 20:
        time.sleep(0.005)
    over.set()
    thread.join()
    assert woken >= 20
