"""Voice to voice: spoken questions in real time through the whole pipeline, beside the same engines one after another.

Both runs are processes of their own on the same questions, with engines loaded and the system prompt's KV warm.  The baseline waits as
long for the end of the turn, then transcribes the whole utterance, writes the whole reply, synthesizes all of it, and plays.  Only
the computing between the endpoint and the first sound is compared, since the wait is the same by construction; V2V is read from the
recordings: from the question's last speech sample to the first sample of the reply at the device.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.benchmarks import Result, median, percentile, progress, run_child
from edgevoice.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
STAGES = (("endpoint", "stt_final"), ("stt_final", "llm_first_token"), ("llm_first_token", "tts_chunk"), ("tts_chunk", "tts_first_chunk"),
          ("tts_first_chunk", "playback_first_sample"))
LISTEN_S = 3.0
"""of each reply that is played before the next question"""


def run(quick: bool) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="edgevoice-e2e-") as folder:
        streamed, peak_mb = _child("streamed", Path(folder), quick)
        sequential, sequential_mb = _child("sequential", Path(folder), quick)
    rows = streamed["questions"]
    base = {row["name"]: row for row in sequential["questions"]}
    answered = [row for row in rows if row["v2v_s"] is not None]
    pairs = [(row, base[row["name"]]) for row in answered if row["name"] in base]
    v2v = [row["v2v_s"] * 1000 for row in answered]
    v2v_sequential = [(row["wait_s"] + other["compute_s"]) * 1000 for row, other in pairs]
    compute = [row["compute_s"] * 1000 for row in answered]
    compute_sequential = [other["compute_s"] * 1000 for _, other in pairs]
    name = "stt, llm and tts one after another"
    compute_name = "computing from endpoint to first sound"
    results = [
        Result("questions asked", len(rows), "", None if quick else ">= 20"),
        Result("questions answered", len(answered), "", f">= {len(rows)}"),
        Result("questions answered with the baseline's very words", sum(row["reply"] == other["reply"] for row, other in pairs), ""),
        *(Result(f"V2V {label}", percentile(v2v, at), "ms", None, name, percentile(v2v_sequential, at))
          for label, at in (("p50", 50), ("p90", 90), ("max", 100))),
        Result("wait for the end of the turn, p50", median(row["wait_s"] * 1000 for row in answered), "ms"),
        Result(f"{compute_name}, p50", median(compute), "ms", None, name, median(compute_sequential)),
        Result(f"{compute_name}, p90", percentile(compute, 90), "ms", None, name, percentile(compute_sequential, 90)),
        Result("times faster than the baseline, median of questions", median(other["compute_s"] / row["compute_s"] for row, other in pairs),
               "x", ">= 4"),
    ]
    for start, end in STAGES:
        results.append(Result(f"stage {start} to {end}, p50", median(row["stages"][f"{start} to {end}"] * 1000 for row in answered), "ms"))
    for stage in ("stt", "llm", "tts"):
        results.append(Result(f"baseline's {stage}, p50", median(other[f"{stage}_s"] * 1000 for _, other in pairs), "ms"))
    results.append(Result("peak RSS of the streamed run", peak_mb, "MiB", "<= 600", "sequential run", sequential_mb))
    results.append(Result("underruns in replies", sum(row["underruns"] for row in rows), ""))
    return results


def _child(kind: str, folder: Path, quick: bool) -> tuple[dict[str, Any], float]:
    progress(f"{kind} run")
    out = folder / f"{kind}.json"
    argv = [sys.executable, "-m", "tests.bench.e2e", kind, str(out), "quick" if quick else "full", str(folder / "streamed.json")]
    made = run_child(argv, timeout_s=1800, cwd=ROOT)
    if made.returncode:
        raise RuntimeError(f"the {kind} run ended with {made.returncode}: {made.stderr.strip()[-400:]}")
    return json.loads(out.read_text()), made.peak_rss_mb


def _settings() -> Settings:
    settings = Settings()
    return dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=False),
                               dialog=dataclasses.replace(settings.dialog, earcons=False))


def _questions(tts: Any, quick: bool) -> list[Any]:
    from tests.bench.questions import SHARED_ORDERS, SPOKEN, orders, spoken

    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    recorded = orders(shared, 1 if quick else SHARED_ORDERS) if (shared / "audio").is_dir() else []
    return [spoken(tts, text) for text in SPOKEN[:2 if quick else None]] + recorded


def _streamed(quick: bool) -> dict[str, Any]:
    from edgevoice import app

    settings = _settings()
    engines = app.load_engines(settings)
    questions = _questions(engines.tts, quick)
    rows = []
    try:
        for question in (questions[0], *questions):  # the first is asked twice: once to warm up
            rows.append(asyncio.run(_ask(settings, engines, question)))
            gc.collect()  # the last conversation with its recording, which a device does not make
    finally:
        engines.close()
    return {"questions": rows[1:]}


async def _ask(settings: Settings, engines: Any, question: Any) -> dict[str, Any]:
    from edgevoice.converse import Conversation, Line
    from edgevoice.dialog.table import State

    conversation = Conversation(settings, engines)
    talk = asyncio.create_task(conversation.run([Line(question.samples, "start", 0.0)]))
    deadline = time.monotonic() + 60.0
    heard_since: float | None = None
    while not talk.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
        state = conversation.session.machine.state
        if state is State.SPEAKING and heard_since is None:
            heard_since = time.monotonic()
        if heard_since is not None and time.monotonic() - heard_since > LISTEN_S:
            conversation.session.stop_speaking()
    made = await talk
    first = {}
    for row in made.events:
        first.setdefault(row["event"], row["t"])
    sound = np.flatnonzero(made.speaker[question.end:])
    answered = "playback_first_sample" in first and "endpoint" in first and len(sound) > 0
    endpoint = next((row for row in made.events if row["event"] == "endpoint"), None)
    return {
        "name": question.name,
        "v2v_s": int(sound[0]) / made.rate if answered else None,
        "wait_s": (endpoint["sample"] - question.end) / made.rate if endpoint else None,
        "compute_s": first["playback_first_sample"] - first["endpoint"] if answered else None,
        "stages": {f"{a} to {b}": max(0.0, first[b] - first[a]) for a, b in STAGES} if answered else {},
        "text": next((row["text"] for row in made.events if row["event"] == "stt_final"), ""),
        "reply": "".join(frame.delta for frames in made.replies[:1] for frame in frames),
        "underruns": sum(row["event"] == "underrun" for row in made.events),
    }


def _sequential(quick: bool, streamed: dict[str, Any]) -> dict[str, Any]:
    from edgevoice import app, audio
    from edgevoice.dialog.chunker import Chunker
    from edgevoice.dialog.history import History
    from edgevoice.engines.never import Never
    from tests.bench.questions import RATE

    settings = _settings()
    engines = app.load_engines(settings)
    questions = {question.name: question for question in _questions(engines.tts, quick)}
    rows = []
    try:
        for k, said in enumerate([streamed["questions"][0], *streamed["questions"]]):
            if not said["text"]:
                continue
            question = questions[said["name"]]
            end = question.end + int(settings.dialog.endpoint_ms * RATE / 1000)
            t0 = time.perf_counter()
            stream = engines.stt.open()
            stream.accept(audio.to_float32(question.samples[:end]))
            stream.finish()
            t1 = time.perf_counter()
            deltas: list[str] = []
            # The streamed run's transcript, so that both answer the same words.
            messages = History(settings.llm.system_prompt, max_turns=1).messages(said["text"])
            engines.llm.generate(messages, deltas.append, Never())
            t2 = time.perf_counter()
            chunker = Chunker(settings.dialog.first_chunk_words, settings.tts.max_chunk_words)
            for chunk in [*chunker.feed("".join(deltas), 0.0), *chunker.flush()]:
                engines.tts.synthesize(chunk.spoken, lambda _: None, Never())
            t3 = time.perf_counter()
            if k:
                rows.append({"name": said["name"], "stt_s": t1 - t0, "llm_s": t2 - t1, "tts_s": t3 - t2, "compute_s": t3 - t0,
                             "reply": "".join(deltas)})
    finally:
        engines.close()
    return {"questions": rows}


def _main() -> None:
    kind, out, mode, streamed = sys.argv[1:]
    made = _streamed(mode == "quick") if kind == "streamed" else _sequential(mode == "quick", json.loads(Path(streamed).read_text()))
    Path(out).write_text(json.dumps(made))


if __name__ == "__main__":
    _main()
