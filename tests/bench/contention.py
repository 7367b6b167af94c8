"""The table of latency while another process keeps one core busy: spoken turns in real time, with the same baselines.

The busy process counts at the ordinary priority, pinned to the last of the cores that this process may use; everything else is as in
``latency.py``, which measures a free machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from edgevoice.benchmarks import Result
from tests.bench import latency

SPIN = "while True: pass"


def run(quick: bool) -> list[Result]:
    with _busy_core():
        return latency.figures("contention", quick, pauses=False)


@contextmanager
def _busy_core() -> Iterator[None]:
    core = max(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\n{SPIN}"]) as spinning:
        try:
            yield
        finally:
            spinning.kill()
