"""Idle: what the daemon takes while it waits for its wake word in a quiet room: processor, memory, wake-ups, thread by thread.

A process of its own builds the whole session as ``edgevoice run`` does, all engines loaded and the wake word armed, on the virtual device
in real time, whose room is white noise at -60 dB of full scale.  Figures are taken from /proc over 20 s (quick) or 60 s, after 5 s of
settling.  Wake-ups are the voluntary context switches of all threads.  The device's thread stands in for the sound card's: it counts in
the totals, and is shown apart.  Most of the cost is caches gone cold between two hops, so that other programs on the machine raise it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.benchmarks import Result, progress, run_child
from edgevoice.daemon import WATCH_S
from edgevoice.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTLE_S = 5.0
NOISE_DB = -60.0
START_S = 120.0
"""engines load in a tenth of this"""
TOP = 6
"""threads shown each by itself"""


def run(quick: bool) -> list[Result]:
    seconds = 20.0 if quick else 60.0
    progress(f"engines load, {SETTLE_S:.0f} s of settling, {seconds:.0f} s measured")
    made = run_child([sys.executable, "-m", "tests.bench.idle", str(seconds)], timeout_s=seconds + START_S, cwd=ROOT,
                     env={**os.environ, "PYTHONPATH": str(ROOT)})
    if made.returncode:
        raise RuntimeError(f"the idle session ended with {made.returncode}: {made.stderr.strip()[-500:]}")
    found = json.loads(made.stdout.strip().rpartition("\n")[2])
    threads = found["threads"]
    results = [
        Result("processor, wake word armed in a quiet room", found["cpu"], "% of a core", "< 3"),
        Result("of it in the kernel", found["kernel"], "% of a core"),
        Result("resident memory", found["rss_mb"], "MiB"),
        Result("threads", len(threads), ""),
        Result("wake-ups", found["wakeups"], "/s"),
        Result("voice-activity frames judged", found["judged"], "/s"),
        Result("audio lost", found["dropped"], "frames", "== 0")]
    for row in sorted(threads, key=lambda row: -row["cpu"])[:TOP]:
        results.append(Result(f"processor: {row['name']}", row["cpu"], "% of a core"))
        results.append(Result(f"wake-ups: {row['name']}", row["wakeups"], "/s"))
    return results


# The child's side.

@dataclass(frozen=True, slots=True)
class Usage:
    """Of one thread, or of all: seconds in user and kernel mode, voluntary context switches."""

    user_s: float
    kernel_s: float
    wakeups: int


def usage_of(task: Path) -> Usage:
    """From ``/proc/PID/task/TID``: times in ticks of the system's clock, 10 ms as a rule."""
    fields = (task / "stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    user, kernel = int(fields[11]) / tick, int(fields[12]) / tick
    wakeups = 0
    for line in (task / "status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            wakeups = int(line.split()[1])
    return Usage(user, kernel, wakeups)


def all_threads() -> dict[int, Usage]:
    """Ours, by the kernel's number."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = usage_of(task)
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found


async def _idle(settings: Settings, seconds: float) -> dict[str, Any]:
    from edgevoice import app
    from edgevoice.pipeline.session import Session
    from edgevoice.rt import ScriptedDevice

    rate = settings.audio.rate
    core = app.make_core(settings)
    noise = np.random.default_rng(1).normal(0.0, 32768 * 10 ** (NOISE_DB / 20), 10 * rate).astype(np.int16)
    device = ScriptedDevice(core, realtime=True, noise=noise, max_seconds=1)
    engines = await asyncio.to_thread(app.load_engines, settings)
    trace, clock = app.make_trace(settings)
    session = Session(core, engines, settings, trace, clock, may_rest=True, loaders=app.loaders(settings))
    await session.start()
    before = set(all_threads())
    device.start()
    device_thread = set(all_threads()) - before
    app.announce(trace, settings, core.counters().captured)
    try:
        await _watch(device, session, SETTLE_S)
        judged, first, began = _judged(trace), all_threads(), time.monotonic()
        times = os.times()
        await _watch(device, session, seconds)
        passed, last, times_now = time.monotonic() - began, all_threads(), os.times()
        names = {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id is not None}
        names |= dict.fromkeys(device_thread, "the virtual device")
        judged = _judged(trace) - judged
        rss = _rss_mb()
    finally:
        device.stop()
        stuck = await session.stop()
        dropped = core.counters().dropped
        core.close()
        if not stuck:
            engines.close()
    nothing = Usage(0.0, 0.0, 0)
    rows = []
    for thread, now in last.items():
        then = first.get(thread, nothing)
        rows.append({"name": names.get(thread, f"a library's thread {thread - os.getpid()}"),
                     "cpu": 100 * (now.user_s + now.kernel_s - then.user_s - then.kernel_s) / passed,
                     "wakeups": (now.wakeups - then.wakeups) / passed})
    kernel = times_now.system - times.system
    return {"cpu": 100 * (times_now.user - times.user + kernel) / passed, "kernel": 100 * kernel / passed, "rss_mb": rss,
            "wakeups": sum(row["wakeups"] for row in rows), "judged": judged / passed, "dropped": dropped, "threads": rows}


async def _watch(device: Any, session: Any, seconds: float) -> None:
    """As ``edgevoice run`` does: look four times a second whether all is well."""
    until = time.monotonic() + seconds
    stop = asyncio.Event()
    while (left := until - time.monotonic()) > 0:
        if device.error is not None or session.failure is not None:
            raise RuntimeError(device.error or session.failure)
        try:
            await asyncio.wait_for(stop.wait(), min(WATCH_S, left))
        except TimeoutError:
            continue


def _judged(trace: Any) -> int:
    return sum(row["event"] == "vad" for row in trace.events())


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_idle(Settings(), float(sys.argv[1])))))
