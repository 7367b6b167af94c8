"""Wake words by pymicro-wakeword: microWakeWord models, several at once, on one set of features.

Theory: a feature frame is made of every 10 ms (``MicroFrontend``, 40 mel bands); each model takes a few frames at a time and its newest
scores are averaged over its own sliding window.  A word is heard when that mean rises above the model's cutoff, or ``threshold`` where
one is set.  After a hit all words are ignored for ``refractory_ms`` of audio, also one that rose in that time and still stands at its
end; the models keep listening, so that their state stays whole.

Laws: hits depend on the samples alone, not on the pieces they came in; a model file from outside the package is first tried in a child
process, since the TensorFlow Lite library ends the process it is in on a damaged one.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.engines.protocols import SPEECH_RATE, Int16, WakeWord
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import WakeHit
from edgevoice.settings import WakeSettings

CHUNK = SPEECH_RATE // 100
"""samples the feature frontend takes at a time, 10 ms"""
TRIAL_S = 30.0
"""a child that tries a model takes a third of a second; past this it hangs"""
TRIAL = """
import sys, numpy, pymicro_wakeword
model = pymicro_wakeword.MicroWakeWord.from_config(sys.argv[1])
for features in pymicro_wakeword.MicroWakeWordFeatures().process_streaming(bytes(32000)):
    model.process_streaming_prob(features)
"""
"""a second of silence through everything that can fail"""
TFLITE_MAGIC = b"TFL3"
"""flatbuffer identifier at byte 4 of every TensorFlow Lite model"""


PRIMED_S, PRIMED_DB = 1.0, -65.0
"""of noise that a new detector is given before anything else (dB of full scale): its features follow the level of the room, and one that
knows none yet missed 11 of 72 of the default voice's words in the first 0.6 s of a room at -49 dB and 4 at -60, against 4 and none;
louder noise lost quiet recorded words, silence was worse than nothing"""

EASED = 0.65
"""of the cutoff, while a reply lies over the user: of 24 users under one the lowest scored 0.64, 8 of them less than the cutoff of 0.85"""
FAR_END = 0.35
"""of the cutoff, at the loudspeaker: what stays of the device's voice in the microphone must never be surer than this"""


def load(settings: WakeSettings, folder: Path | None = None, *, far_end: bool = False, primed: bool = False) -> WakeWord:
    """The words of ``settings``: names of the package's own models, of configurations in ``wake.folder``, or paths of ``.json`` files;
    and typed ones, heard by the transducer in ``folder``.  ``far_end``: to listen to the loudspeaker, where a word too many does little
    harm and one missed does much.  ``primed``: to hear the first word as well as any other; the room's, not the loudspeaker's."""
    engines: list[WakeWord] = []
    refractory = 0 if far_end else settings.refractory_ms
    if settings.words:
        micro = MicroWake(settings.words, settings.threshold, refractory, own_folder(settings), settings.sensitivity,
                          FAR_END if far_end else 1.0)
        if primed:
            micro.prime()
        engines.append(micro)
    if settings.keywords:
        from edgevoice.engines.keywords import KeywordWake

        if folder is None:
            raise ModelError("wake.keywords: no model hears them; set wake.keyword_model to a streaming transducer (zipformer)")
        engines.append(KeywordWake(settings.keywords, folder, 1.0 if far_end else settings.sensitivity, refractory))
    return engines[0] if len(engines) == 1 else Together(engines)


def available(folder: Path | None = None) -> list[str]:
    """Names that may stand in ``settings.wake.words``; ``EngineError`` without the package."""
    return sorted(_configs(folder))


@dataclass(frozen=True, slots=True)
class About:
    """What a word's model says of itself; ``phrase`` is what to say."""

    name: str
    phrase: str
    author: str = ""
    website: str = ""
    languages: tuple[str, ...] = ()


def about(settings: WakeSettings) -> list[About]:
    """Of each word that is heard, by the name that a hit has; typed ones are of nobody's making."""
    configs, made = _configs(own_folder(settings)) if settings.words else {}, []
    for word in settings.words:
        path = _find(word, configs)
        _check(path)
        facts = json.loads(path.read_text(encoding="utf-8"))
        languages = facts.get("trained_languages")
        made.append(About(path.stem, str(facts["wake_word"]), str(facts.get("author", "")), str(facts.get("website", "")),
                          tuple(map(str, languages)) if isinstance(languages, list) else ()))
    return made + [About(word.strip().lower().replace(" ", "_"), word) for word in settings.keywords]


def own_folder(settings: WakeSettings) -> Path | None:
    """Where the user's own models are; ``ModelError`` if that is no folder."""
    if not settings.folder:
        return None
    own = Path(settings.folder).expanduser()
    if not own.is_dir():
        raise ModelError(f"wake.folder = {settings.folder}: no such folder; it should hold microWakeWord models (.json and .tflite)")
    return own


def check_words(settings: WakeSettings) -> None:
    """``ModelError`` names the folder that is not there, or the first of ``wake.words`` that nothing is known of; no model is opened."""
    if settings.enabled and settings.words:
        configs = _configs(own_folder(settings))
        for word in settings.words:
            _find(word, configs)


class MicroWake:
    """A ``WakeWord``.  ``threshold`` 0 takes each model's own cutoff, moved by ``sensitivity``; ``share`` of either counts."""

    def __init__(self, words: Sequence[str], threshold: float = 0.0, refractory_ms: int = 1500, folder: Path | None = None,
                 sensitivity: float = 0.5, share: float = 1.0) -> None:
        package = _package()
        configs = _configs(folder)
        paths = [_find(word, configs) for word in words]
        cutoffs = [_check(path) for path in paths]
        self._names = [path.stem for path in paths]
        self._cutoffs = [share * (threshold or moved(cutoff, sensitivity)) for cutoff in cutoffs]
        self._share = 1.0
        self._refractory = refractory_ms * SPEECH_RATE // 1000
        self._features: Any = package.MicroWakeWordFeatures()
        self._models = [_open(package, path) for path in paths]
        self._rest: Int16 = np.empty(0, np.int16)
        self._heard = self._frames = self._deaf_until = 0
        self._above = [False] * len(words)

    def prime(self) -> None:
        """Hear a quiet room before the first sound, which is no part of what is counted; until ``reset``."""
        level = 32768.0 * 10.0 ** (PRIMED_DB / 20.0)
        room = np.random.default_rng(0).normal(0.0, level, int(PRIMED_S * SPEECH_RATE))
        self.process(np.rint(room).astype(np.int16))
        self._heard = self._deaf_until = 0
        self._above = [False] * len(self._names)

    def attend(self, speech: bool) -> None:
        """It always runs: 23 us for 10 ms."""

    def ease(self, eased: bool) -> None:
        self._share = EASED if eased else 1.0

    def process(self, samples: Int16) -> list[WakeHit]:
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError(f"samples of {samples.dtype} and shape {samples.shape}: wants int16, one dimension")
        if self._features is None:
            raise EngineError("the wake word detector is closed")
        audio = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(audio) - len(audio) % CHUNK
        self._rest = audio[whole:].copy()
        hits: list[WakeHit] = []
        for start in range(0, whole, CHUNK):
            self._heard += CHUNK
            for features in self._features.process_streaming(audio[start:start + CHUNK].tobytes()):
                hits += self._listen(features)
        return hits

    def reset(self) -> None:
        self._rest = np.empty(0, np.int16)
        self._heard = self._frames = self._deaf_until = 0
        self._above = [False] * len(self._names)
        self._features.reset()
        for model in self._models:
            model.reset()

    def close(self) -> None:
        for model in self._models:
            model.close()
        self._models = []
        self._features = None

    def _listen(self, features: Any) -> list[WakeHit]:
        """Every model hears every frame, deaf or not; of several words in one frame the surest counts."""
        self._frames += 1
        hits = []
        for at, model in enumerate(self._models):
            score = float(model.process_streaming_prob(features))
            if self._frames % model.stride:
                continue  # the model waits for more frames; its 0 is no score
            above = score > self._share * self._cutoffs[at]
            rose = above and not self._above[at]
            self._above[at] = above
            if rose:
                hits.append(WakeHit(self._names[at], round(score, 4), self._heard))
        if not hits or self._heard < self._deaf_until:
            return []
        self._deaf_until = self._heard + self._refractory
        return [max(hits, key=lambda hit: hit.score)]


class Together:
    """Several detectors as one."""

    def __init__(self, engines: Sequence[WakeWord]) -> None:
        self._engines = engines

    def attend(self, speech: bool) -> None:
        for engine in self._engines:
            engine.attend(speech)

    def ease(self, eased: bool) -> None:
        for engine in self._engines:
            engine.ease(eased)

    def process(self, samples: Int16) -> list[WakeHit]:
        return sorted((hit for engine in self._engines for hit in engine.process(samples)), key=lambda hit: hit.sample)

    def reset(self) -> None:
        for engine in self._engines:
            engine.reset()

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


def moved(cutoff: float, sensitivity: float) -> float:
    """``cutoff`` at sensitivity 0.5, half way to 1 at 0, half of it at 1."""
    if sensitivity <= 0.5:
        return cutoff + (1.0 - cutoff) * (0.5 - sensitivity)
    return cutoff * (1.5 - sensitivity)


def _package() -> Any:
    try:
        import pymicro_wakeword
    except ImportError as error:
        raise EngineError(
            "wake words need the package pymicro-wakeword, which is not installed (pip install pymicro-wakeword)") from error
    return pymicro_wakeword


def _configs(folder: Path | None) -> dict[str, Path]:
    """Model name to its configuration file; the user's own go before the package's."""
    found = {path.stem: path for path in (Path(_package().__file__).parent / "models").glob("*.json")}
    if folder is not None and folder.is_dir():
        found |= {path.stem: path for path in folder.glob("*.json") if path.name != "model.json"}
    return found


def _find(word: str, configs: dict[str, Path]) -> Path:
    if word in configs:
        return configs[word]
    path = Path(word).expanduser()
    if path.suffix == ".json":
        if path.is_file():
            return path
        raise ModelError(f"wake word {word}: no such file")
    raise ModelError(f"wake word {word!r} is unknown; there are {', '.join(sorted(configs))}, or give the path of a microWakeWord .json")


def _check(path: Path) -> float:
    """The cutoff in a microWakeWord configuration; ``ModelError`` if that or its model file cannot be right."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        micro = config["micro"]
        cutoff, window = float(micro["probability_cutoff"]), int(micro["sliding_window_size"])
        model = path.parent / str(config["model"])
        str(config["wake_word"])
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a microWakeWord configuration ({error})") from error
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a microWakeWord configuration: wants model, wake_word, micro.probability_cutoff and "
                         f"micro.sliding_window_size ({error} is missing or of a wrong kind)") from error
    if not (math.isfinite(cutoff) and 0.0 < cutoff <= 1.0) or window < 1:
        raise ModelError(f"{path}: probability_cutoff {cutoff} and sliding_window_size {window}: wants 0 < cutoff <= 1 and a window of "
                         "1 or more")
    try:
        with model.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"{model}: the model that {path.name} names cannot be read ({error.strerror})") from error
    if head[4:] != TFLITE_MAGIC:
        raise ModelError(f"{model}: not a TensorFlow Lite model")
    return cutoff


def _open(package: Any, path: Path) -> Any:
    if path.parent != Path(package.__file__).parent / "models":
        _try_in_child(path)
    try:
        return package.MicroWakeWord.from_config(path)
    except Exception as error:
        raise ModelError(f"{path}: the wake word engine refuses it: {error}") from error


def _try_in_child(path: Path) -> None:
    try:
        child = subprocess.run([sys.executable, "-c", TRIAL, str(path)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=TRIAL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path}: the wake word engine hangs on it (tried for {TRIAL_S:.0f} s)") from error
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"ended with {child.returncode}"])[-1]
        raise ModelError(f"{path}: the wake word engine refuses it: {last}")
