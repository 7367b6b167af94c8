"""One part of a soak: a child with the daemon in it, the world around it, and what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice import app, demo
from edgevoice.settings import Settings
from tests.soak import judge
from tests.soak.outside import Outside
from tests.soak.script import FROM_OUTSIDE, INTERRUPTION, LINES, MISHAPS

ROOT = Path(__file__).resolve().parents[2]
RATE = 16_000
SILENT_S = 240.0
"""real time without a row after which the child stands still; a conversation and all that is waited for in it is shorter"""
UNHEARD = 0.1
"""share of wake words that may go unheard; the synthesizer's are, one in fifty"""
ENOUGH = 300
"""conversations in which every mishap comes to pass: each is dealt five times"""
CONFIG = """\
[mqtt]
host = "127.0.0.1"
port = {port}
id = "soak"
[http]
enabled = true
port = 0
grace_s = 0.5
requests_per_s = 0
[llm]
max_tokens = 32
[dialog]
followup_s = 3.0
[tools]
builtin = ["time", "timer"]
"""


@dataclass(frozen=True, slots=True)
class Part:
    """What is wanted: ``seconds`` of device time."""

    name: str
    seconds: float
    compressed: bool
    quick: bool
    sabotage: str = ""
    """what leaks, for the tests of the soak: memory, files or threads"""


@dataclass(frozen=True, slots=True)
class Outcome:
    part: str
    seed: int
    conversations: int
    device_s: float
    real_s: float
    answered_p50_s: float | None
    trends: list[judge.Trend]
    findings: list[str]
    facts: dict[str, Any]

    @property
    def well(self) -> bool:
        return not self.findings and all(trend.flat for trend in self.trends)

    def document(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "trends": [{**dataclasses.asdict(trend), "flat": trend.flat} for trend in self.trends],
                "well": self.well}


def write_lines(folder: Path) -> None:
    """What the people say, each with the wake word before it and without, and the room's noise."""
    settings = Settings()
    tts, wake = app.load_tts(settings), app.load_wake(settings)
    try:
        called = demo.said(tts, ("Okay nabu.",), RATE, wake)
        pause = np.zeros(int(demo.WAKE_PAUSE_S * RATE), np.int16)
        made: dict[str, Any] = {"noise": demo.quiet_room(RATE)}
        for line in (*LINES, INTERRUPTION):
            made[line.name] = demo.said(tts, line.pieces, RATE)
            made[f"wake {line.name}"] = np.concatenate([called, pause, made[line.name]])
        np.savez(folder / "lines.npz", **made)
    finally:
        tts.close()
        wake.close()


def run(part: Part, seed: int, folder: Path, progress: Callable[[dict[str, Any], float], None], rows: Path | None = None) -> Outcome:
    """Let it happen.  ``folder`` has the lines; ``progress`` is told each conversation and the device time it ended at; with ``rows``
    all that the child tells is kept there."""
    state = folder / f"state-{part.name}"
    state.mkdir()
    findings: list[str] = []
    samples: list[dict[str, Any]] = []
    answered: list[float] = []
    facts: dict[str, Any] = {}
    mishaps: set[str] = set()
    begun = time.monotonic()
    with Outside(folder / part.name) as outside:
        (folder / "soak.toml").write_text(CONFIG.format(port=outside.broker_port), encoding="utf-8")
        arguments = {"folder": str(folder), "compressed": part.compressed, "quick": part.quick, "seconds": part.seconds, "seed": seed,
                     "sabotage": part.sabotage}
        with (folder / f"{part.name}.log").open("wb") as log:
            child = subprocess.Popen([sys.executable, "-m", "tests.soak.appliance", json.dumps(arguments)], cwd=ROOT, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=log, text=True,
                                     env={**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(state)})
        assert child.stdin is not None and child.stdout is not None
        told: queue.SimpleQueue[str] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(child.stdout, told), daemon=True)
        reader.start()
        kept = rows.open("a", encoding="utf-8") if rows is not None else None
        try:
            while True:
                try:
                    line = told.get(timeout=SILENT_S)
                except queue.Empty:
                    findings.append(f"it stands still: nothing was told for {SILENT_S:g} s")
                    child.send_signal(signal.SIGABRT)  # its threads are in the log
                    break
                if not line:
                    break
                if kept is not None:
                    kept.write(line)
                row = json.loads(line)
                match row.pop("row"):
                    case "begun":
                        outside.port = row["http"]
                    case "outside":
                        outside.do(row["do"], row)
                        child.stdin.write(f"{row['number']}\n")
                        child.stdin.flush()
                    case "conversation":
                        samples.append(row["sample"])
                        if row["mishap"] is not None:
                            mishaps.add(row["mishap"])
                        if row["answered_s"] is not None and row["mishap"] is None:
                            answered.append(row["answered_s"])
                        progress(row, row["sample"]["t"])
                    case "finding":
                        row.get("state", {}).pop("trace", None)  # it is in the rows that are kept
                        findings.append(" ".join(f"{name}={value}" if name != "what" else str(value) for name, value in row.items()))
                        progress(row, samples[-1]["t"] if samples else 0.0)
                    case "ended":
                        facts = row
        except BrokenPipeError:
            findings.append("it ended before it was told to")
        finally:
            if kept is not None:
                kept.close()
            try:
                child.wait(60.0)
            except subprocess.TimeoutExpired:
                findings.append("the process does not end")
                child.kill()
                child.wait()
            reader.join()
            child.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        findings += outside.failed
    log_text = (folder / f"{part.name}.log").read_text(errors="replace")
    if child.returncode or not facts:
        findings.append(f"it ended with {child.returncode}: {log_text[-1500:]}")
    if "Traceback" in log_text:
        findings.append(f"a traceback: {log_text[log_text.index('Traceback'):][:1500]}")
    findings += [f"frames do not add up {text}" for text in judge.unbalanced(samples)]
    wakes = facts.get("events", {}).get("wake", 0)
    unheard = samples[-1]["unheard"] if samples else 0
    if unheard > max(2.0, UNHEARD * (wakes + unheard)):
        findings.append(f"{unheard} wake words of {wakes + unheard} were not heard")
    if len(samples) >= ENOUGH:
        findings += [f"{mishap} never came to pass" for mishap in sorted(set(MISHAPS) - _came_to_pass(mishaps, facts))]
    if left := facts.get("threads"):
        findings.append(f"threads outlive the daemon: {', '.join(left)}")
    return Outcome(part.name, seed, len(samples), samples[-1]["t"] if samples else 0.0, round(time.monotonic() - begun, 1),
                   float(np.median(answered)) if answered else None, judge.trends(samples), findings, facts)


def _came_to_pass(mishaps: set[str], facts: dict[str, Any]) -> set[str]:
    """Faults of engines as they happened, the others as they were made."""
    return mishaps & set(FROM_OUTSIDE) | {what.removesuffix("s") for what in facts.get("faults", {})}


def _read(stream: Any, told: queue.SimpleQueue[str]) -> None:
    for line in stream:
        told.put(line)
    told.put("")
