"""Onset of speech to the decision that it interrupts, while Python is busy: rows of ``bench xrun``.

A reply sounds on the virtual device, whose thread is C and keeps real time; users begin to speak at known device frames.  "Native": the
front end's reflex, from the user's first sample to the frame at which the pause had faded.  "In Python": the same network by onnxruntime
and the same hysteresis in a thread that reads the core, and the frame that the device had come to when it called ``pause``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.benchmarks import Result, median, percentile, progress, run_child
from tests.bench.busy import loads
from tests.bench.utterances import clips

ROOT = Path(__file__).resolve().parents[2]
RATE, HOP = 16000, 160
GAP_S = 1.6
"""of silence before each user"""
LOADS = ("none", "500")
FULL, QUICK = 12, 2
"""users; with the GIL held each step of this benchmark's own takes half a second"""
PATIENCE_S = 5
"""after a user's end, for a decision that comes late"""
CHILD_S = 300.0
WAYS = ("native", "in Python")


def results(shared: Path, quick: bool) -> list[Result]:
    rows = []
    for load in LOADS:
        delays: dict[str, list[float | None]] = {}
        for way in WAYS:
            progress(f"onset to decision {way}, GIL load {load}")
            try:
                made = run_child([sys.executable, "-m", "tests.bench.reflex", way, load, str(QUICK if quick else FULL), str(shared)],
                                 timeout_s=CHILD_S, cwd=ROOT)
            except TimeoutError as error:
                progress(f"{way}, GIL load {load}: {error}")
                continue
            if made.returncode:
                progress((made.stderr.strip() or f"ended with {made.returncode}").rpartition("\n")[2])
                continue
            delays[way] = json.loads(made.stdout.strip().rpartition("\n")[2])
        said = "GIL held for 500 ms" if load == "500" else "load none"
        python = [value for value in delays.get("in Python", []) if value is not None]
        for way in WAYS:
            found = [value for value in delays.get(way, []) if value is not None]
            rows.append(Result(f"onset to barge-in decision, p50, {said}: {way}", median(found), "ms", None,
                               "in Python" if way == "native" else None, median(python) if way == "native" else None))
            rows.append(Result(f"onset to barge-in decision, p95, {said}: {way}", percentile(found, 95), "ms",
                               "<= 250" if way == "native" else None, "in Python" if way == "native" else None,
                               percentile(python, 95) if way == "native" else None))
            rows.append(Result(f"users not noticed, of {len(delays.get(way, []))}, {said}: {way}",
                               len(delays.get(way, [])) - len(found) if way in delays else None, "users",
                               "== 0" if way == "native" else None))
    return rows


def _child(way: str, load: str, count: int, shared: Path) -> list[float | None]:
    from edgevoice import app
    from edgevoice.rt import ScriptedDevice, make_core
    from edgevoice.settings import Settings

    core = make_core(RATE, 10, capture_ms=8000, playback_ms=30000)
    device = ScriptedDevice(core, realtime=True, period=HOP, max_seconds=0)
    pauses: dict[int, int] = {}
    over = threading.Event()
    if way == "native":
        core.start_front(app.load_vad(Settings()), cancel_echo=False)
        ears = threading.Thread(target=_take, args=(core, pauses, over), daemon=True)
    else:
        ears = threading.Thread(target=_judge, args=(core, device, pauses, over), daemon=True)
    ears.start()
    device.start()
    stop = threading.Event()
    workers = [threading.Thread(target=work, args=(stop,), daemon=True) for work in loads(load)]
    for worker in workers:
        worker.start()
    delays: list[float | None] = []
    for generation, user in enumerate(clips(shared, "commands", count, "order"), 1):
        samples, onset = user.samples, round(user.speech[0][0] * RATE)
        reply = np.zeros(int((GAP_S + len(samples) / RATE + PATIENCE_S + 1) * RATE), np.int16)
        core.live.begin(generation)
        core.write(generation, reply, timeout_s=1.0)
        core.arm(generation)
        start = device.say(samples, device.position + int(GAP_S * RATE))
        end = start + len(samples)
        while device.position < end or (generation not in pauses and device.position < end + PATIENCE_S * RATE):
            time.sleep(0.02)
        delays.append(1000 * (pauses[generation] - start - onset) / RATE if generation in pauses else None)
        core.live.cancel(generation)
    stop.set()
    over.set()
    for thread in (*workers, ears):
        thread.join()
    device.stop()
    return delays


def _take(core: Any, pauses: dict[int, int], over: threading.Event) -> None:
    """The front end has paused by itself: only its events are taken, whenever Python comes to it."""
    while not over.is_set():
        core.read(0.1)
        pauses.update({event.generation: event.sample for event in core.events() if event.kind == "paused"})


def _judge(core: Any, device: Any, pauses: dict[int, int], over: threading.Event) -> None:
    """The front end's rule, in Python."""
    from edgevoice.dialog.speech import SpeechDetector, SpeechStart
    from edgevoice.engines.silero import SileroVad
    from edgevoice.engines.vad import MODEL_FILE
    from edgevoice.models import find
    from edgevoice.settings import Settings

    settings = Settings()
    vad = SileroVad(find(settings.paths, settings.vad.model) / MODEL_FILE)
    detector = SpeechDetector(onset=settings.vad.onset, offset=settings.vad.offset, min_speech_ms=settings.vad.min_speech_ms,
                              hangover_ms=settings.vad.hangover_ms, frame_ms=32)
    rest, at = np.zeros(0, np.float32), 0
    while not over.is_set():
        hops = core.read(0.1)
        if hops is None:
            continue
        rest = np.concatenate([rest, hops.near.astype(np.float32) / 32768])
        while len(rest) >= 512:
            for edge in detector.feed(vad.process(rest[:512]), at):
                generation = core.live.current()
                if isinstance(edge, SpeechStart) and generation and generation not in pauses:
                    core.pause(generation)
                    pauses[generation] = device.position
            rest, at = rest[512:], at + 512


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
