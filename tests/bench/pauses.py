"""What the engines say of each pause in an utterance, on the sample clock: heard once, kept, and replayed under any rule.

Theory: voice activity, provisional words and the sound's probability depend on the audio alone and never on how long the turn's end is
awaited, as long as it is awaited.  So each utterance is heard once under a rule that never ends it: at each pause the recognizer settles
its words, the turn-end model is asked, and asked again a little later, and the language model, which has read all but the last
words, is asked whether they end there.  What each answer took is kept as CPU time, which neighbours on the machine do not stretch.  The
rows are kept in the user's cache folder under a digest of the sources, the settings and the audio.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgevoice import audio
from edgevoice.benchmarks import progress
from edgevoice.dialog.endpoint import EndpointRule, Mark, Utterance
from edgevoice.dialog.history import History
from edgevoice.dialog.speech import SpeechDetector, SpeechStart
from edgevoice.engines.never import Never
from edgevoice.engines.protocols import SPEECH_RATE
from edgevoice.events import Message
from edgevoice.pipeline.ears import endpoint_rule
from edgevoice.pipeline.turn import SAMPLES
from edgevoice.settings import Settings
from tests.bench.turns import ROOT
from tests.bench.utterances import Utterance as Said

MS = SPEECH_RATE // 1000
ASKED_MS = (0, 128)
"""after the pause was seen: as we ask, and after 200 ms of silence, as smart-turn's authors do"""
NEVER = 1 << 40
SOURCES = ("edgevoice/engines/stt*.py", "edgevoice/engines/agreement.py", "edgevoice/engines/levels.py", "edgevoice/engines/silero*.py",
           "edgevoice/engines/turn_end.py", "edgevoice/engines/ll*.py", "edgevoice/dialog/endpoint.py",
           "edgevoice/dialog/speech.py", "tests/bench/pauses.py", "tests/bench/utterances.py", "tests/bench/questions.py",
           "tests/bench/turn_training.py")


@dataclass(frozen=True, slots=True)
class Sound:
    """What the turn-end model said ``after_ms`` of the pause's being seen, and the ms it took."""

    after_ms: float
    probability: float
    cost_ms: float


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause, seen at sample ``at``.  Its words cost ``text_ms``, and ``ending_ms`` more the probability that they are all."""

    at: int
    text: str
    text_ms: float
    ending: float | None
    ending_ms: float
    sounds: tuple[Sound, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance.  ``start`` and ``at`` are samples, ``speech`` seconds; ``probabilities`` one a frame from sample 0."""

    name: str
    kind: str
    noisy: bool
    speech: tuple[tuple[float, float], ...]
    start: int
    frame: int
    probabilities: tuple[float, ...]
    pauses: tuple[Paused, ...]


def rule_for(settings: Settings, endpoint: int) -> EndpointRule:
    """The ears', with another wait and no end."""
    return replace(endpoint_rule(settings.vad, settings.dialog), endpoint=endpoint, longest=NEVER)


def hear(said: Said, *, noisy: bool, settings: Settings, engines: Any) -> Heard:
    """Run the engines over ``said``; ``engines`` has ``vad``, ``stt``, ``llm`` and ``turn_end``."""
    samples = audio.to_float32(said.samples)
    frame = engines.vad.frame
    engines.vad.reset()
    probabilities = [float(engines.vad.process(samples[at:at + frame])) for at in range(0, len(samples) - frame + 1, frame)]
    start = _start(probabilities, frame, settings)
    utterance = Utterance(start, rule_for(settings, NEVER))
    stream = engines.stt.open(eager=False)
    pauses: list[Paused] = []
    fed, seen = start, -1
    for number, probability in enumerate(probabilities):
        end = (number + 1) * frame
        if end <= start:
            continue
        marks = utterance.feed(probability, end, frame)
        if Mark.RESUME in marks:
            seen = -1
        if seen < 0:
            stream.accept(samples[fed:end])
            stream.partial()
            fed = end
        if Mark.PAUSE in marks:
            seen = end
            text, text_ms = _timed(lambda: stream.settle().strip())
            _read_ahead(text, settings, engines.llm)
            ending, ending_ms = _timed(lambda words=text: engines.llm.ending(_asked(words, settings), Never()))
            pauses.append(Paused(end, text, text_ms, ending, ending_ms, ()))
        if seen >= 0 and end - seen in {round(ms * MS / frame) * frame for ms in ASKED_MS}:
            so_far = samples[max(start, end - SAMPLES):end]
            found, cost_ms = _timed(lambda so_far=so_far: engines.turn_end.probability(so_far))
            pauses[-1] = replace(pauses[-1], sounds=(*pauses[-1].sounds, Sound((end - seen) / MS, found, cost_ms)))
    return Heard(said.name, said.kind, noisy, said.speech, start, frame, tuple(round(p, 4) for p in probabilities), tuple(pauses))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the ms of processor it took."""
    began = time.thread_time()
    made = work()
    return made, (time.thread_time() - began) * 1000


def _asked(words: str, settings: Settings) -> tuple[Message, ...]:
    return History(settings.llm.system_prompt, max_turns=1).messages(words)


def _read_ahead(words: str, settings: Settings, llm: Any) -> None:
    """What the model has read while the words were spoken: all but the last two."""
    llm.prefill(_asked(" ".join(words.split()[:-2]), settings), Never(), growing=True)


def _start(probabilities: Sequence[float], frame: int, settings: Settings) -> int:
    """Where the ears begin to listen: the first onset, and the sound kept from before it."""
    vad = settings.vad
    detector = SpeechDetector(onset=vad.onset, offset=vad.offset, min_speech_ms=vad.min_speech_ms, hangover_ms=vad.hangover_ms,
                              frame_ms=frame / MS)
    for number, probability in enumerate(probabilities):
        for edge in detector.feed(probability, number * frame):
            if isinstance(edge, SpeechStart):
                return max(0, edge.sample - vad.preroll_ms * MS)
    return 0


def kept(name: str, count: int, ask: Callable[[], Sequence[tuple[Said, bool]]], settings: Settings,
         load: Callable[[], Any]) -> list[Heard]:
    """The first ``count`` utterances of ``ask`` (utterance, noisy), from the cache called ``name`` as far as it goes; ``load`` makes the
    engines for the rest.  With all of them kept neither is called."""
    path = _path(name, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [_read(json.loads(line)) for line in path.read_text().splitlines()][:count] if path.exists() else []
    if len(rows) == count:
        return rows
    asked = ask()[:count]
    engines = load()
    with path.open("a") as file:
        for said, noisy in asked[len(rows):]:
            row = hear(said, noisy=noisy, settings=settings, engines=engines)
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            rows.append(row)
            if len(rows) % 20 == 0:
                progress(f"{name}: heard {len(rows)} of {len(asked)}")
    return rows


def _read(row: dict[str, Any]) -> Heard:
    pauses = tuple(Paused(**{**pause, "sounds": tuple(Sound(**sound) for sound in pause["sounds"])}) for pause in row["pauses"])
    speech = tuple((a, b) for a, b in row["speech"])
    return Heard(**{**row, "speech": speech, "probabilities": tuple(row["probabilities"]), "pauses": pauses})


def _path(name: str, settings: Settings) -> Path:
    facts = hashlib.sha256(repr((settings.vad, settings.stt, settings.llm, settings.dialog.pause_ms, settings.dialog.turn_model)).encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            facts.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "edgevoice" / "bench" / f"{name}-{facts.hexdigest()[:16]}.jsonl"
