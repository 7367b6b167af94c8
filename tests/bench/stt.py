"""Recognition: word error rate of both kinds, real-time factor, and how long after the last word the final text is there.

Theory.  Audio is handed over in frames of 32 ms, as a conversation does.  For the delays, a simulation stands in for a sound card: a
frame arrives when its last sample was spoken; the recognizer takes it when it has arrived and the work before it is done; each call
takes the time that it really takes, measured here and now, on that clock.  So queueing is honest and nobody waits for silence.  As in
the product, a partial is asked for only when no newer frame waits, ``settle`` when the voice detector sees a pause, and no audio is
handed over between a pause and the speech after it.  The end of speech is the one measured by level (``edges.json``), not the detector's.

Baselines: the model alone on the whole file at once (for the streaming model: the whole file in one piece), and, for the delay, the
whole utterance decoded when the turn has ended.  How texts are compared, and which labels are wrong, is in ``wer``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgevoice.audio import read
from edgevoice.benchmarks import Result, median, percentile, progress, run_child
from edgevoice.dialog.endpoint import EndpointRule, Mark, Utterance
from edgevoice.dialog.speech import END_LAG_MS
from edgevoice.engines import stt, vad
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Stt, Vad
from edgevoice.errors import UsageError
from edgevoice.models import find
from edgevoice.settings import PathSettings, Settings
from tests.bench.wer import LABEL_FIXES, count

ROOT = Path(__file__).resolve().parents[2]
STREAMING = "models/zipformer-en-gigaspeech-3.3m"
KINDS = {"sentences": ("read", "command"), "digits": ("digit",)}
LENGTHS_S = (1, 2, 4, 6, 8)
MS = SPEECH_RATE // 1000
MEMORY = """
import sys
from pathlib import Path
from edgevoice.audio import read
from edgevoice.engines import stt
from edgevoice.settings import SttSettings
stream = stt.load(SttSettings(), Path(sys.argv[1])).open()
stream.accept(read(sys.argv[2]))
print(stream.finish())
"""


@dataclass(frozen=True, slots=True)
class Clip:
    """``end``: the last sample of speech, where it is known."""

    said: str
    audio: Float32
    end: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """Times in s: from the last sample of speech to the final text, and from the endpoint to it; ``partials`` CPU seconds."""

    delay: float
    after_endpoint: float
    partials: float
    seconds: float


def run(quick: bool) -> list[Result]:
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    if not (shared / "audio").is_dir():
        raise UsageError(f"bench stt: no labelled audio at {shared}; set EDGEVOICE_SHARED to the folder that has audio/")
    settings = Settings()
    labelled = {kind: _labelled(shared, names, 3 if quick else 1) for kind, names in KINDS.items()}
    orders = _orders(shared, 8 if quick else 40)
    detector = vad.load(settings.vad, find(settings.paths, settings.vad.model))
    results = []
    for name, folder in (("offline", find(PathSettings(), settings.stt.model)), ("streaming", shared / STREAMING)):
        if not folder.is_dir():
            progress(f"no {name} model at {folder}: left out")
            continue
        engine = stt.load(settings.stt, folder)
        progress(f"{name}: {folder.name}")
        results += _accuracy(f"{name} ({folder.name})", engine, labelled)
        results += _delays(name, engine, detector, orders, settings)
        if isinstance(engine, stt.MoonshineStt):
            results += _costs(name, engine, labelled["sentences"])
            results += _memory(name, folder, shared / "audio/stt/coqui-ljspeech_tests_data_ljspeech_wavs_LJ001-0003.flac")
        engine.close()
    return results


def _labelled(shared: Path, kinds: Sequence[str], every: int) -> list[Clip]:
    rows = [row for row in json.loads((shared / "audio/stt/labels.json").read_text()) if row["kind"] in kinds]
    return [Clip(LABEL_FIXES.get(row["file"], row["text"]), read(shared / "audio/stt" / row["file"])) for row in rows[::every]]


def _orders(shared: Path, most: int) -> list[Clip]:
    """Spoken orders with silence after them, evenly taken from all that have a measured end."""
    folder = shared / "audio/commands"
    ends = {name: spans[-1][1] for name, spans in sorted(json.loads((folder / "edges.json").read_text()).items()) if spans}
    names = list(ends)[::max(1, len(ends) // most)][:most]
    return [Clip("", read(folder / name), int(ends[name] * SPEECH_RATE)) for name in names]


def _accuracy(title: str, engine: Stt, labelled: dict[str, list[Clip]]) -> list[Result]:
    results = []
    spent = {"streamed": 0.0, "whole": 0.0}
    for kind, clips in labelled.items():
        texts: dict[str, list[tuple[str, str]]] = {"streamed": [], "whole": []}
        for clip in clips:
            for way, decode in (("streamed", _streamed), ("whole", _whole)):
                start = time.perf_counter()
                texts[way].append((clip.said, decode(engine, clip.audio)))
                spent[way] += time.perf_counter() - start
        streamed, whole = count(texts["streamed"]), count(texts["whole"])
        results.append(Result(f"{title}: word error rate, {len(clips)} {kind}, {streamed.words} words", 100 * streamed.rate, "%", None,
                              "the model alone, whole file", 100 * whole.rate))
    seconds = sum(len(clip.audio) for clips in labelled.values() for clip in clips) / SPEECH_RATE
    results.append(Result(f"{title}: real-time factor with partials", spent["streamed"] / seconds, "", "<= 0.5",
                          "the model alone, whole file", spent["whole"] / seconds))
    return results


def _streamed(engine: Stt, audio: Float32) -> str:
    stream = engine.open()
    for at in range(0, len(audio), 512):
        stream.accept(audio[at:at + 512])
        stream.partial()
    return stream.finish()


def _whole(engine: Stt, audio: Float32) -> str:
    if isinstance(engine, stt.MoonshineStt):
        return engine.decode(audio)
    stream = engine.open()
    stream.accept(audio)
    return stream.finish()


def _delays(name: str, engine: Stt, detector: Vad, orders: Sequence[Clip], settings: Settings) -> list[Result]:
    ways = {
        "settled in the pause": [_turn(engine, detector, clip, settings, partials=True, settle=True) for clip in orders],
        "not settled": [_turn(engine, detector, clip, settings, partials=True, settle=False) for clip in orders],
        "decoded at the end": [_turn(engine, detector, clip, settings, partials=False, settle=False) for clip in orders],
    }
    turns = {way: [turn for turn in made if turn is not None] for way, made in ways.items()}
    base = turns["decoded at the end"]
    baseline = "the whole utterance decoded at the endpoint"
    results = [Result(f"{name}: turns timed of {len(orders)}", len(base), "", f">= {len(orders)}")]
    for way in ("settled in the pause", "not settled"):
        for label, at in (("p50", 50), ("p90", 90)):
            results.append(Result(f"{name}: last speech sample to final text, {way}, {label}",
                                  percentile([1000 * turn.delay for turn in turns[way]], at), "ms", None, baseline,
                                  percentile([1000 * turn.delay for turn in base], at)))
        results.append(Result(f"{name}: endpoint to final text, {way}, p50", median(1000 * turn.after_endpoint for turn in turns[way]),
                              "ms", "<= 10" if way == "settled in the pause" else None, baseline,
                              median(1000 * turn.after_endpoint for turn in base)))
    settled = turns["settled in the pause"]
    share = sum(turn.partials for turn in settled) / max(sum(turn.seconds for turn in settled), 1e-9)
    return [*results, Result(f"{name}: share of a core for partials", share, "", f"<= {settings.stt.partial_cpu}")]


def _turn(engine: Stt, detector: Vad, clip: Clip, settings: Settings, *, partials: bool, settle: bool) -> Turn | None:
    """One utterance on the simulated clock; ``None`` where the turn never ended."""
    rule = EndpointRule(settings.vad.onset, settings.vad.offset, settings.vad.min_speech_ms * MS, settings.vad.hangover_ms * MS,
                        settings.dialog.endpoint_ms * MS, int(settings.dialog.max_utterance_s * SPEECH_RATE), END_LAG_MS * MS)
    utterance = Utterance(0, rule)
    stream = engine.open()
    worker = Worker()
    cpu = fed = 0.0
    holding = False
    start = 0
    detector.reset()
    for at in range(0, len(clip.audio) - detector.frame + 1, detector.frame):
        end = at + detector.frame
        arrived = end / SPEECH_RATE
        marks = utterance.feed(detector.process(clip.audio[at:end]), end, detector.frame)
        if Mark.SPEECH in marks:
            start = max(0, end - settings.vad.preroll_ms * MS)
            worker.do(arrived, lambda piece=clip.audio[start:at]: stream.accept(piece))
        holding = holding and Mark.RESUME not in marks
        if utterance.has_speech and not holding:
            worker.do(arrived, lambda piece=clip.audio[at:end]: stream.accept(piece))
            fed += detector.frame / SPEECH_RATE
            if partials and worker.free < arrived + detector.frame / SPEECH_RATE:
                before = time.process_time()
                worker.do(arrived, stream.partial)
                cpu += time.process_time() - before
        if Mark.PAUSE in marks:
            holding = True
            if settle:
                worker.do(arrived, stream.settle)
        if Mark.END in marks:
            worker.do(arrived, stream.finish)
            return Turn(worker.free - clip.end / SPEECH_RATE, worker.free - arrived, cpu, fed)
    return None


class Worker:
    """One thread's time: a job begins when it has come and the one before it is done."""

    def __init__(self) -> None:
        self.free = 0.0

    def do(self, arrived: float, job: Callable[[], object]) -> None:
        start = time.perf_counter()
        job()
        self.free = max(self.free, arrived) + time.perf_counter() - start


def _costs(name: str, engine: stt.MoonshineStt, clips: Sequence[Clip]) -> list[Result]:
    """What one decode costs by the length of its window."""
    speech = np.concatenate([clip.audio for clip in clips])
    results = []
    for seconds in LENGTHS_S:
        window = seconds * SPEECH_RATE
        taken = []
        for at in range(0, min(len(speech) - window, 5 * window), window):
            start = time.perf_counter()
            engine.decode(speech[at:at + window])
            taken.append(1000 * (time.perf_counter() - start))
        results.append(Result(f"{name}: decoding {seconds} s", median(taken), "ms"))
    return results


def _memory(name: str, folder: Path, clip: Path) -> list[Result]:
    made = run_child([sys.executable, "-c", MEMORY, str(folder), str(clip)], timeout_s=60, cwd=ROOT)
    if made.returncode:
        raise RuntimeError(f"the recognizer's child failed: {made.stderr.strip()[-300:]}")
    return [Result(f"{name}: peak memory of a process that only recognizes 10 s", made.peak_rss_mb, "MiB")]
