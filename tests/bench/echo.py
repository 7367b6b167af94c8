"""Echo: what is left of the device's own voice, what it takes for speech, and who is heard over it; beside WebRTC's APM and nothing.

The far end is the default voice; rooms, delays of 20 to 250 ms, drift of 200 ppm, soft clipping and changes of path are simulated
(``echoes.py``) and go through the product's own front end, hop by hop, faster than real time; and three real pairs of recordings.
A self-trigger is an onset of speech (0.5 / 0.35, 64 ms, as by default) where no user speaks.  A barge-in is noticed when the decision
falls within 250 ms of the user's first sample; users speak at 0 to 10 dB over the echo, from 6 s on.  ERLE: of the linear output, which
is what the recognizer gets.  Double talk's word error rate: labelled sentences over the reply, recognized whole, with known ends.

Peers, with the same network behind them: livekit's AudioProcessingModule (WebRTC's AEC3; its noise suppression and gain control off,
delay told as 0), and no canceller.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice import app, room
from edgevoice.audio import read, to_int16
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Int16, Stt
from edgevoice.engines.silero import MODEL_FILE
from edgevoice.engines.silero_native import SileroNative
from edgevoice.engines.whole import speech
from edgevoice.models import find
from edgevoice.rt._core import Core
from edgevoice.settings import PathSettings, Settings
from tests.bench import echoes
from tests.bench.echoes import KINDS, VAD_FRAME, Judged, Kind, Scene
from tests.bench.wer import LABEL_FIXES, count

ROOT = Path(__file__).resolve().parents[2]
HOP = SPEECH_RATE // 100
SCENE_S = 20.0
NOTICED_MS = 250.0
FIRST_SEED = 10_000
"""no constant was tuned on these"""
REPLIES = (
    "The weather today is mostly sunny with a light breeze from the west, and tonight it will cool down to around twelve degrees.",
    "Sure. The capital of Australia is Canberra, although many people believe that it is Sydney or Melbourne.",
    "I have set a timer for ten minutes. I will let you know when it is done.",
    "You have three appointments tomorrow. The first one is at nine thirty with the dentist, and the last one is at five.",
    "To make pancakes, mix two eggs with a cup of milk and a cup of flour, add a pinch of salt, and fry them in butter.",
    "The kitchen light is on, the living room is at twenty one degrees, and the front door is locked.",
)
Way = Callable[[Int16, Int16], Judged]
"""(near, far) -> what a canceller and the network made of them"""
OURS, APM, NOTHING = "ours", "livekit APM", "no canceller"


def run(quick: bool) -> list[Result]:
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared") / "audio"
    vad = SileroNative(find(PathSettings(), "silero-vad") / MODEL_FILE)
    progress("the far end's sentences")
    sentences = _voice()
    ways: dict[str, Way] = {OURS: lambda near, far: echoes.through_front(vad, near, far)}
    peers: dict[str, Way] = {NOTHING: lambda near, far: echoes.through_front(vad, near, far, cancel_echo=False)}
    results: list[Result] = []
    try:
        from livekit import rtc
        peers[APM] = lambda near, far: _apm(rtc, vad, near, far)
    except ImportError:
        results.append(Result(f"{APM}: not installed (pip install livekit)", None, ""))
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if quick else 23))
    some = seeds[:1 if quick else 5]
    for name, way in {**ways, **peers}.items():
        results += _alone(name, way, sentences, seeds if name == OURS else some)
        results += _over(name, way, sentences, seeds if name == OURS else some, shared / "commands")
    results += _pairs(vad, {**ways, **peers}, shared / "echo")
    results += _double_talk({**ways, **peers}, sentences, shared / "stt", 4 if quick else 24)
    return results + _cost(vad, sentences)


def _voice() -> list[Float32]:
    tts = app.load_tts(Settings())
    made = [speech(tts, text, SPEECH_RATE) for text in REPLIES]
    tts.close()
    return made


def _apm(rtc: Any, vad: SileroNative, near: Int16, far: Int16) -> Judged:
    module = rtc.AudioProcessingModule(echo_cancellation=True, noise_suppression=False, high_pass_filter=False, auto_gain_control=False)
    clean = []
    for at in range(0, len(near) - HOP + 1, HOP):
        played = rtc.AudioFrame(far[at:at + HOP].tobytes(), SPEECH_RATE, 1, HOP)
        heard = rtc.AudioFrame(near[at:at + HOP].tobytes(), SPEECH_RATE, 1, HOP)
        module.process_reverse_stream(played)
        module.set_stream_delay_ms(0)
        module.process_stream(heard)
        clean.append(np.frombuffer(heard.data, np.int16).astype(np.float32) / np.float32(32768.0))
    whole = np.concatenate(clean)
    vad.reset()
    starts = range(0, len(whole) - VAD_FRAME + 1, VAD_FRAME)
    probabilities = np.array([vad.process(whole[at:at + VAD_FRAME]) for at in starts], np.float32)
    state = Core(SPEECH_RATE, HOP)
    state.start_front(vad, threaded=False)
    return Judged(whole, probabilities, np.array([at + VAD_FRAME for at in starts], np.int64), state.front())


def _alone(name: str, way: Way, sentences: Sequence[Float32], seeds: Sequence[int]) -> list[Result]:
    """Nobody speaks but the device."""
    results = []
    triggers, minutes = 0, 0.0
    for kind in KINDS:
        progress(f"{name}: echo alone, {kind}")
        early, late, after = [], [], []
        found = 0
        for seed in seeds:
            made = echoes.scene(seed, kind, sentences, SCENE_S)
            judged = way(made.near, made.far)
            found += len(judged.onsets())
            minutes += len(made.near) / SPEECH_RATE / 60
            early.append(echoes.erle_db(made.near, judged.clean, 2.0, 5.0))
            late.append(echoes.erle_db(made.near, judged.clean, 5.0, 10.0 if kind == "change" else SCENE_S))
            after.append(echoes.erle_db(made.near, judged.clean, 12.0, 15.0))
        triggers += found
        results.append(Result(f"{name}: ERLE after 2 to 5 s, {kind}, p50", median(early), "dB"))
        results.append(Result(f"{name}: ERLE after 5 s, {kind}, p50", median(late), "dB"))
        results.append(Result(f"{name}: ERLE after 5 s, {kind}, p10", percentile(late, 10), "dB"))
        if kind == "change":
            results.append(Result(f"{name}: ERLE 2 to 5 s after the path changed, p50", median(after), "dB"))
        results.append(Result(f"{name}: self-triggers, {kind}", found, ""))
    results.append(Result(f"{name}: minutes of echo", minutes, "min"))
    results.append(Result(f"{name}: self-triggers a minute", triggers / minutes, "1/min", "== 0" if name == OURS else None))
    return results


def _over(name: str, way: Way, sentences: Sequence[Float32], seeds: Sequence[int], commands: Path) -> list[Result]:
    """Users talk over the reply."""
    results = []
    everyone: list[float] = []
    for kind in KINDS:
        progress(f"{name}: barge-ins, {kind}")
        delays: list[float] = []
        for seed in seeds:
            made = echoes.scene(seed + 1000, kind, sentences, SCENE_S, commands)
            delays += _delays(made, way(made.near, made.far))
        everyone += delays
        results.append(Result(f"{name}: barge-ins noticed within 250 ms, {kind}", _share(delays), "%"))
    results.append(Result(f"{name}: barge-ins", len(everyone), ""))
    results.append(Result(f"{name}: barge-ins noticed within 250 ms", _share(everyone), "%", ">= 95" if name == OURS else None))
    results.append(Result(f"{name}: barge-in delay, p50", median(everyone), "ms"))
    results.append(Result(f"{name}: barge-ins never noticed", 100.0 * np.mean(np.isinf(everyone)), "%"))
    return results


def _delays(made: Scene, judged: Judged) -> list[float]:
    """ms from each user's first sample to the decision; infinite for one who was not noticed."""
    onsets = judged.onsets()
    found = []
    for user in made.users:
        hits = [onset for onset in onsets if user.start < onset <= user.end + 2 * VAD_FRAME]
        found.append(1000.0 * (hits[0] - user.start) / SPEECH_RATE if hits else float("inf"))
    return found


def _share(delays: Sequence[float]) -> float | None:
    return 100.0 * float(np.mean([delay <= NOTICED_MS for delay in delays])) if delays else None


def _pairs(vad: SileroNative, ways: dict[str, Way], folder: Path) -> list[Result]:
    """Recorded by real devices, whose delay nobody knows."""
    results = []
    for kind in ("farend_singletalk", "doubletalk", "nearend_singletalk"):
        mic = next(iter(sorted(folder.glob(f"*_{kind}_mic.flac"))))
        near, far = (to_int16(read(path, rate=SPEECH_RATE)) for path in (mic, Path(str(mic).replace("_mic", "_lpb"))))
        length = min(len(near), len(far))
        for name, way in ways.items():
            judged = way(near[:length], far[:length])
            if kind == "farend_singletalk":
                left = echoes.erle_db(near, judged.clean, 2.0, 1e6)
                results.append(Result(f"{name}: real pair, far end alone, ERLE after 2 s", left, "dB"))
                target = "== 0" if name == OURS else None
                results.append(Result(f"{name}: real pair, far end alone, self-triggers", len(judged.onsets()), "", target))
            else:
                results.append(Result(f"{name}: real pair, {kind}, onsets of speech", len(judged.onsets()), ""))
    return results


def _double_talk(ways: dict[str, Way], sentences: Sequence[Float32], folder: Path, clips: int) -> list[Result]:
    progress("word errors in double talk")
    labels = json.loads((folder / "labels.json").read_text())
    rows = labels if isinstance(labels, list) else [{"file": name, **row} for name, row in labels.items()]
    chosen = [row for row in rows if row["kind"] in ("read", "command")][:clips]
    settings = Settings()
    engine = app.load_stt(settings)
    said = [LABEL_FIXES.get(row["file"], row["text"]) for row in chosen]
    heard: dict[str, list[str]] = {"without echo": [], **{name: [] for name in ways}}
    for index, row in enumerate(chosen):
        voice = room.at_level(read(folder / row["file"], rate=SPEECH_RATE), SPEECH_RATE, -26.0)
        wait = int(6.0 * SPEECH_RATE)
        made = echoes.scene(FIRST_SEED + 5000 + index, "plain", sentences, 6.0 + len(voice) / SPEECH_RATE + 0.5)
        echo = room.at_level(made.near.astype(np.float32) / np.float32(32768.0), SPEECH_RATE, -28.0)
        near = echo.copy()
        near[wait:wait + len(voice)] += voice
        heard["without echo"].append(_recognized(engine, voice))
        for name, way in ways.items():
            judged = way(to_int16(np.clip(near, -1.0, 1.0)), made.far[:len(near)])
            heard[name].append(_recognized(engine, judged.clean[wait - SPEECH_RATE // 5:wait + len(voice) + SPEECH_RATE // 5]))
    engine.close()
    base = count(zip(said, heard["without echo"], strict=True)).rate
    errors = {name: 100.0 * count(zip(said, texts, strict=True)).rate for name, texts in heard.items() if name != "without echo"}
    return [Result(f"{name}: word error rate in double talk, user 2 dB over the echo", rate, "%", None, "the same without echo",
                   100.0 * base) for name, rate in errors.items()]


def _recognized(engine: Stt, samples: Float32) -> str:
    stream = engine.open()
    stream.accept(np.ascontiguousarray(samples, np.float32))
    return stream.finish()


def _cost(vad: SileroNative, sentences: Sequence[Float32]) -> list[Result]:
    """The front end's time a hop of 10 ms, canceller and network included, called from Python (1 us more than from its own thread)."""
    progress("cost of a hop")
    kind: Kind = "plain"
    made = echoes.scene(FIRST_SEED, kind, sentences, SCENE_S)
    results = []
    for state, far in (("cancelling", made.far), ("asleep", np.zeros_like(made.far))):
        core = Core(SPEECH_RATE, HOP, playback_ms=1000)
        core.start_front(vad, threaded=False)
        core.live.begin(1)
        taken = []
        for at in range(0, len(far) - HOP + 1, HOP):
            core.write(1, far[at:at + HOP])
            core.process(made.near[at:at + HOP], HOP)
            start = time.perf_counter()
            core.step_front()
            taken.append(1e6 * (time.perf_counter() - start))
            core.read(0)
        core.close()
        results.append(Result(f"front end, a hop of 10 ms, {state}, mean", float(np.mean(taken)), "us"))
        results.append(Result(f"front end, a hop of 10 ms, {state}, p99", percentile(taken, 99), "us"))
    return results
