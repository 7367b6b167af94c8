"""Turns asked in real time, as the benchmarks of latency share them: one conversation a turn, on the virtual device, with real engines.

Each row tells of one turn: what a program outside (``tools/v2v.py``) read from its two recordings, and what the trace says beside it.
Earcons and the wake word are off, and there is nothing in the product yet that answers from a cache or without the model.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.errors import UsageError
from edgevoice.settings import Settings
from edgevoice.waterfall import STAGES, stages

ROOT = Path(__file__).resolve().parents[2]
LISTEN_S = 3.0
"""of each reply that is played"""
LONGEST_S = 40.0


def shared_folder(bench: str) -> Path:
    """Labelled audio and tools; ``UsageError`` where there are none."""
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    for needed in ("audio/commands/edges.json", "audio/stt/edges.json", "audio/noise/kitchen.flac", "tools/v2v.py"):
        if not (shared / needed).is_file():
            raise UsageError(f"bench {bench}: {shared / needed} is missing; set EDGEVOICE_SHARED to the folder that has audio/ and tools/")
    return shared


def settings_for(*, speculation: bool) -> Settings:
    settings = Settings()
    return dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=False),
                               dialog=dataclasses.replace(settings.dialog, earcons=False, speculation=speculation))


def ask(settings: Settings, engines: Any, samples: Any, speech: Any, v2v: Path, *, listen_s: float = LISTEN_S) -> dict[str, Any]:
    """One turn, in real time; ``listen_s`` of the reply is played.  ``speech``: [(start, end), …] in seconds."""
    made, speculated = asyncio.run(_converse(settings, engines, samples, listen_s))
    turns = stages(made.events, made.rate)
    heard = next((turn for turn in turns if turn.playback_first_sample is not None), None)
    chunks = [row for row in made.events if row["event"] == "tts_chunk" and heard is not None and row.get("generation") == heard.generation]
    reply = next((frames for frames in made.replies if heard is not None and frames and frames[0].generation == heard.generation), [])
    return {
        **_from_outside(v2v, made.mic, made.speaker, made.rate, speech),
        "stages": {name: getattr(heard, name) for name in STAGES} if heard is not None else {},
        "text": heard.text if heard is not None else next((row["text"] for row in made.events if row["event"] == "stt_final"), ""),
        "reply": "".join(frame.delta for frame in reply),
        "first_chunk_words": len(chunks[0]["text"].split()) if chunks else None,
        "chunks": len(chunks),
        "read_late": None if heard is None or heard.prompt_tokens is None else heard.prompt_tokens - (heard.cached_tokens or 0),
        "starved": sum(row["event"] == "underrun" for row in made.events),
        "speculated": dataclasses.asdict(speculated),
        "errors": [row.get("message", "") for row in made.events if row["event"] == "error"],
    }


async def _converse(settings: Settings, engines: Any, samples: Any, listen_s: float) -> tuple[Any, Any]:
    from edgevoice.converse import Conversation, Line
    from edgevoice.dialog.table import State

    conversation = Conversation(settings, engines)
    talk = asyncio.create_task(conversation.run([Line(samples, "start", 0.0)]))
    deadline = time.monotonic() + LONGEST_S
    heard_since: float | None = None
    while not talk.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
        if conversation.session.machine.state is State.SPEAKING and heard_since is None:
            heard_since = time.monotonic()
        if heard_since is not None and time.monotonic() - heard_since > listen_s:
            conversation.session.stop_speaking()
    made = await talk
    return made, conversation.session.speculated


def _from_outside(v2v: Path, mic: Any, speaker: Any, rate: int, speech: Any) -> dict[str, Any]:
    """What the program ``v2v.py`` reads from the recordings."""
    from edgevoice import audio

    with tempfile.TemporaryDirectory(prefix="edgevoice-v2v-") as folder:
        audio.write_wav(Path(folder) / "user.wav", mic, rate)
        audio.write_wav(Path(folder) / "speaker.wav", speaker, rate)
        (Path(folder) / "edges.json").write_text(json.dumps({"user.wav": [[float(a), float(b)] for a, b in speech]}))
        made = subprocess.run([sys.executable, str(v2v), "user.wav", "speaker.wav", "--edges", "edges.json", "--json"], cwd=folder,
                              capture_output=True, text=True, check=False)
    if made.returncode not in (0, 1):
        raise RuntimeError(f"{v2v} ended with {made.returncode}: {made.stderr.strip()[-300:]}")
    rows = json.loads(made.stdout)
    if len(rows) != 1:
        raise RuntimeError(f"{v2v} saw {len(rows)} turns in a recording of one")
    return {"v2v_s": rows[0]["latency_s"], "cut_off": rows[0]["cut_off"]}


def in_sequence(engines: Any, settings: Settings, samples: Any, end: int, wait_s: float, text: str) -> dict[str, float | str]:
    """The same engines one after another on one turn: the whole utterance transcribed, the whole reply written, all of it synthesized.
    The reply answers ``text``, so that both runs say the same.  Seconds."""
    from edgevoice import audio
    from edgevoice.dialog.chunker import Chunker
    from edgevoice.dialog.history import History
    from edgevoice.engines.never import Never
    from tests.bench.questions import RATE

    t0 = time.perf_counter()
    stream = engines.stt.open()
    stream.accept(audio.to_float32(np.asarray(samples)[:end + int(wait_s * RATE)]))
    stream.finish()
    t1 = time.perf_counter()
    deltas: list[str] = []
    engines.llm.generate(History(settings.llm.system_prompt, max_turns=1).messages(text), deltas.append, Never())
    t2 = time.perf_counter()
    chunker = Chunker(settings.dialog.first_chunk_words, settings.tts.max_chunk_words)
    for chunk in [*chunker.feed("".join(deltas), 0.0), *chunker.flush()]:
        engines.tts.synthesize(chunk.spoken, lambda _: None, Never())
    t3 = time.perf_counter()
    return {"stt_s": t1 - t0, "llm_s": t2 - t1, "tts_s": t3 - t2, "compute_s": t3 - t0, "reply": "".join(deltas)}
