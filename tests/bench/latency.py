"""From the user's last sound to the device's first: spoken turns in real time, speculating and not, beside one engine after another.

Every turn is a conversation of its own through the real callback; zero and first sound are read from the recordings by
``shared/tools/v2v.py``.  Half of the turns have a kitchen's noise 10 dB below the speech, and one in six comes after the engines
have stood still for a while.  In the same configuration come utterances with a pause inside: any sound of the device's before
the user goes on is a cut-off.  The baselines are streaming without speculation and, on the same texts and after the same wait, the
engines one after another with a warm KV.

A full run takes about half an hour.  Each turn's row is kept in the user's cache folder as soon as it is there, and an interrupted run
of the same sources goes on from it.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.waterfall import LABELS, STAGES
from tests.bench.turns import LISTEN_S, ROOT, ask, in_sequence, settings_for, shared_folder
from tests.bench.utterances import with_noise

SNR_DB = 10.0
IDLE_S = 12.0
"""engines that have not worked for so long have lost their place in the processor's caches"""
PAUSE_LISTEN_S, QUICK_LISTEN_S = 0.3, 0.3

FULL = {"orders": 24, "recorded": 16, "voice": 20, "spliced": 64, "hesitations": 40}
QUICK = {"orders": 1, "recorded": 0, "voice": 1, "spliced": 1, "hesitations": 0}

Row = dict[str, Any]


def run(quick: bool) -> list[Result]:
    return figures("latency", quick, pauses=True)


def figures(bench: str, quick: bool, *, pauses: bool) -> list[Result]:
    """The table of latency, as the machine is at the moment."""
    shared_folder(bench)
    with _kept(f"{bench} {quick}") as folder:
        kinds = ["speculating", "streaming", "sequential", *(["pauses"] if pauses else [])]
        for together in [kinds] if quick else [[kind] for kind in kinds]:
            _child(bench, together, folder, quick)
        peaks = {kind: json.loads((folder / f"{kind}.done").read_text()) for kind in kinds}
        rows = {kind: [json.loads(line) for line in (folder / f"{kind}.jsonl").read_text().splitlines()] for kind in kinds}
    results = _latency(rows["speculating"], rows["streaming"], rows["sequential"], quick)
    if pauses:
        results += _pauses(rows["pauses"], quick)
    if not quick:  # where all run in one process
        results.append(Result("peak RSS of the speculating run", peaks["speculating"], "MiB", None, "sequential run", peaks["sequential"]))
    return results


def _latency(rows: Sequence[Row], plain: Sequence[Row], sequential: Sequence[Row], quick: bool) -> list[Result]:
    base = {row["name"]: row for row in sequential}
    wait = {row["name"]: row["stages"]["endpoint"] for row in rows if row["stages"].get("endpoint") is not None}
    v2v, v2v_plain = _v2v(rows), _v2v(plain)
    one_by_one = [(wait[name] + row["compute_s"]) * 1000 for name, row in base.items() if name in wait]
    results = [
        Result("turns", len(rows), "", None if quick else ">= 60"),
        Result("turns answered", len(v2v), "", f">= {len(rows)}"),
        Result("turns answered before the user was done", sum(row["cut_off"] for row in rows), "")]
    targets = {50: "<= 450", 95: "<= 900", 99: None}
    for at, target in targets.items():
        results += [Result(f"V2V p{at}", percentile(v2v, at), "ms", target, "streaming without speculation", percentile(v2v_plain, at)),
                    Result(f"V2V p{at} of one engine after another", percentile(one_by_one, at), "ms")]
    for name, chosen in _groups(rows):
        results += [Result(f"V2V {name}, p{at}", percentile(_v2v(chosen), at), "ms", None, "streaming without speculation",
                           percentile(_v2v([row for row in plain if row["name"] in {r["name"] for r in chosen}]), at)) for at in (50, 95)]
    for stage in STAGES:
        results.append(Result(f"{LABELS[stage]}, after the last sound, p50", _stage(rows, stage), "ms", None,
                              "streaming without speculation", _stage(plain, stage)))
    results += [Result(f"one after another: {engine}, p50", median(row[f"{engine}_s"] * 1000 for row in sequential), "ms")
                for engine in ("stt", "llm", "tts")]
    heard = [row for row in rows if row["v2v_s"] is not None]
    starved = sum(row["starved"] > 0 for row in heard)
    short = sum(row["first_chunk_words"] == 1 and row["chunks"] > 1 for row in heard)
    results += [
        Result("replies that starved", 100 * starved / len(heard) if heard else None, "%", "<= 5", "streaming without speculation",
               100 * sum(row["starved"] > 0 for row in plain if row["v2v_s"] is not None) / max(1, len(v2v_plain))),
        Result("replies whose first piece was a lone word of several", short, "", "== 0")]
    return results + _waste(rows, "")


def _waste(rows: Sequence[Row], where: str) -> list[Result]:
    total: dict[str, float] = {}
    for row in rows:
        for name, value in row["speculated"].items():
            total[name] = total.get(name, 0) + value
    turns = max(1, len(rows))
    return [Result(f"answers begun ahead{where}, a turn", total.get("attempts", 0) / turns, ""),
            Result(f"of them confirmed{where}", 100 * total.get("confirmed", 0) / max(1, total.get("attempts", 0)), "%"),
            Result(f"tokens for nothing{where}, a turn", total.get("wasted_tokens", 0) / turns, ""),
            Result(f"synthesized for nothing{where}, a turn", total.get("wasted_audio_s", 0) / turns, "s"),
            Result(f"CPU for nothing{where}, a turn", total.get("wasted_cpu_s", 0) / turns, "s")]


def _pauses(rows: Sequence[Row], quick: bool) -> list[Result]:
    results = [Result("utterances with a pause of 300 to 1000 ms", len(rows), "", None if quick else ">= 100"),
               Result("cut off in the pause", _share(rows), "%", "<= 10")]
    results += [Result(f"cut off in the pause, {kind}", _share([row for row in rows if row["kind"] == kind]), "%")
                for kind in ("spliced", "hesitation")]
    results += [Result(f"cut off in a pause of {low} to {high} ms", _share([row for row in rows if low <= row["pause_ms"] < high]), "%")
                for low, high in ((300, 500), (500, 700), (700, 1001))]
    return results + _waste(rows, " with a pause")


def _share(rows: Sequence[Row]) -> float | None:
    return 100 * sum(row["cut_off"] for row in rows) / len(rows) if rows else None


def _v2v(rows: Sequence[Row]) -> list[float]:
    return [row["v2v_s"] * 1000 for row in rows if row["v2v_s"] is not None]


def _stage(rows: Sequence[Row], stage: str) -> float | None:
    return median(row["stages"][stage] * 1000 for row in rows if row["stages"].get(stage) is not None)


def _groups(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    tests: list[tuple[str, Callable[[Row], bool]]] = [
        ("in quiet", lambda row: not row["noise"]), ("in a kitchen", lambda row: row["noise"]), ("warm", lambda row: not row["idle"]),
        ("first after idling", lambda row: row["idle"]), ("recorded orders", lambda row: row["kind"] == "order"),
        ("other recordings", lambda row: row["kind"] == "recorded"), ("the default voice", lambda row: row["kind"] == "spoken")]
    for name, belongs in tests:
        chosen = [row for row in rows if belongs(row)]
        if chosen:
            yield name, chosen


@contextmanager
def _kept(what: str) -> Iterator[Path]:
    """A folder for the rows of this run, which stays if it is interrupted, and is found again by the same sources."""
    facts = hashlib.sha256(what.encode())
    for pattern in ("edgevoice/**/*.py", "ext/*.[ch]", "tests/bench/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            facts.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "edgevoice" / "bench" / facts.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _child(bench: str, kinds: Sequence[str], folder: Path, quick: bool) -> None:
    """Run some kinds to their end in a process of its own, but for what an earlier, interrupted run has done."""
    left = [kind for kind in kinds if not (folder / f"{kind}.done").exists()]
    if left:
        argv = [sys.executable, "-m", "tests.bench.latency", bench, ",".join(left), str(folder), "quick" if quick else "full"]
        made = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT, check=False)  # its progress is ours
        if made.returncode:
            raise RuntimeError(f"the {' and '.join(left)} run ended with {made.returncode}; the same command goes on from there")


def _main() -> None:
    bench, kinds, folder, mode = sys.argv[1:]
    from edgevoice import app

    engines = app.load_engines(settings_for(speculation=True))
    try:
        for kind in kinds.split(","):
            _one(bench, kind, engines, Path(folder) / f"{kind}.jsonl", quick=mode == "quick")
    finally:
        engines.close()


def _one(bench: str, kind: str, engines: Any, path: Path, *, quick: bool) -> None:
    from edgevoice import audio
    from tests.bench import utterances

    shared = shared_folder(bench)
    size = QUICK if quick else FULL
    settings = settings_for(speculation=kind != "streaming")
    have = {json.loads(line)["name"] for line in path.read_text().splitlines()} if path.exists() else set()
    if kind == "pauses":
        asked = utterances.paused(shared, engines.tts, spliced=size["spliced"], hesitations=size["hesitations"])
    else:
        asked = utterances.complete(shared, engines.tts, orders=size["orders"], recorded=size["recorded"], voice=size["voice"])
    if kind == "sequential":
        _sequence(engines, settings, asked, path, have)
    else:
        kitchen = audio.read(shared / "audio" / "noise" / "kitchen.flac", 16_000)
        listen_s = PAUSE_LISTEN_S if kind == "pauses" else QUICK_LISTEN_S if quick else LISTEN_S
        _ask_all(bench, kind, engines, settings, asked, kitchen, path, have, listen_s, warm_up=not quick)
    path.with_suffix(".done").write_text(json.dumps(_peak_mb()))


def _ask_all(bench: str, kind: str, engines: Any, settings: Any, asked: Sequence[Any], kitchen: Any, path: Path, have: set[str],
             listen_s: float, *, warm_up: bool) -> None:
    v2v = shared_folder(bench) / "tools" / "v2v.py"
    if warm_up:  # the process's first is no turn
        ask(settings, engines, asked[0].samples, asked[0].speech, v2v, listen_s=listen_s)
    started = time.monotonic()
    for number, said in enumerate(asked):
        noisy, idle = number % 2 == 1, kind != "pauses" and number % 6 == 3
        if said.name in have:
            continue
        if idle:
            time.sleep(IDLE_S)
        heard = with_noise(said, kitchen, SNR_DB, number) if noisy else said
        row = ask(settings, engines, heard.samples, heard.speech, v2v, listen_s=listen_s)
        row |= {"name": said.name, "kind": said.kind, "noise": noisy, "idle": idle}
        if len(said.speech) > 1:
            row["pause_ms"] = round(1000 * (said.speech[1][0] - said.speech[0][1]))
        _append(path, row)
        progress(f"{bench}: {kind} {number + 1} of {len(asked)}, {time.monotonic() - started:.0f} s: " + (
            "no answer" if row["v2v_s"] is None else f"{row['v2v_s'] * 1000:.0f} ms") + (", cut off" if row["cut_off"] else ""))
        gc.collect()  # the last conversation with its recording, which a device does not make


def _peak_mb() -> float | None:
    """Of this process (MiB); the kernel's own mark, which begins with the program and not with whoever started it."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def _sequence(engines: Any, settings: Any, asked: Sequence[Any], path: Path, have: set[str]) -> None:
    texts = {row["name"]: (row["text"], row["stages"].get("endpoint")) for row in
             map(json.loads, path.with_name("speculating.jsonl").read_text().splitlines())}
    for number, said in enumerate([asked[0], *asked]):
        text, wait_s = texts[said.name]
        if said.name in have or not text:
            continue
        row = in_sequence(engines, settings, said.samples, said.end, wait_s or 0.6, text)
        if number:  # the first is asked twice: once to warm up
            _append(path, row | {"name": said.name})


def _append(path: Path, row: Row) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    _main()
