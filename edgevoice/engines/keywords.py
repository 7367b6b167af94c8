"""Words that the user types as wake words: sherpa-onnx's KeywordSpotter over a small streaming transducer.

Theory: a beam search that is only rewarded for the pieces of the wanted words, so that no model has to be trained for them.  A word is
spelled with the model's own pieces: of all ways, the one with the highest sum of log probabilities (Viterbi over ``bpe.vocab``).  The
network costs about fifty times what a microWakeWord model does, so it runs only while somebody speaks, from a second before the
speech was noticed until half a second after its end; each speech begins with fresh streams.  It hears in chunks of 320 ms, and whether
a word is found hangs on how it falls into them (21 to 29 of 30 in one trial), so two streams listen, half a chunk apart (26 to 30).

Laws: sample indices are those of the audio since the last reset, whatever was skipped; hits do not depend on the pieces in which audio
came, but on where ``attend`` was called between them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.engines.model_files import choose
from edgevoice.engines.protocols import SPEECH_RATE, Int16
from edgevoice.engines.stt_streaming import check_transducer
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import WakeHit

BEFORE_S = 1.0
"""heard from before speech was noticed"""
AFTER_S = 0.5
"""heard after its end: the network looks ahead"""
SURE, UNSURE = 0.5, 0.05
"""thresholds at sensitivity 0 and 1, on a logarithmic scale; sherpa-onnx's own default of 0.25 lies at 0.3"""
PHASE_S = 0.16
"""half a chunk"""
BOOST = 1.5
"""reward of each piece of a wanted word"""
START = "▁"


def spell(word: str, scores: Mapping[str, float]) -> list[str]:
    """``word`` in the model's pieces; ``ModelError`` names the letter that none of them has."""
    written = "".join(START + part for part in word.split())
    for text in (written.upper(), written.lower(), written):
        nothing: tuple[float, list[str]] = (-math.inf, [])
        best = [nothing] * (len(text) + 1)
        best[0] = (0.0, [])
        for end in range(1, len(text) + 1):
            for begin in range(max(0, end - 24), end):
                piece = text[begin:end]
                if piece in scores and best[begin][0] + scores[piece] > best[end][0]:
                    best[end] = best[begin][0] + scores[piece], [*best[begin][1], piece]
        if best[-1][1]:
            return best[-1][1]
    known = {letter for piece in scores for letter in piece}
    strange = [letter for letter in word if not letter.isspace() and not {letter.upper(), letter.lower()} & known]
    why = f"no piece of the model has {strange[0]!r}" if strange else "it cannot be put together from the model's pieces"
    raise ModelError(f"wake.keywords: {word!r} cannot be spelled: {why}; write it in words of the model's language")


class KeywordWake:
    """A ``WakeWord``.  ``sensitivity`` 0..1.  Its scores are all 1: sherpa-onnx tells none."""

    def __init__(self, words: Sequence[str], folder: Path, sensitivity: float = 0.5, refractory_ms: int = 1500) -> None:
        blank = [word for word in words if not word.strip()]
        if blank or not words:
            raise ModelError("wake.keywords: an empty word cannot be heard; give the words as they are spoken, such as \"hey kitchen\"")
        encoder = choose(folder, "encoder*.int8.onnx", "encoder*.onnx")
        decoder = choose(folder, "decoder.onnx", "decoder*[!8].onnx", "decoder*.onnx")
        joiner = choose(folder, "joiner*.int8.onnx", "joiner*.onnx")
        tokens = choose(folder, "tokens.txt")
        scores = _scores(choose(folder, "bpe.vocab"), check_transducer(encoder, decoder, joiner, tokens))
        self._names = {word.strip().lower().replace(" ", "_"): word for word in words}
        threshold = SURE * (UNSURE / SURE) ** sensitivity
        lines = [f"{' '.join(spell(word, scores))} @{name}" for name, word in self._names.items()]
        try:
            import sherpa_onnx
        except ImportError as error:
            raise EngineError("typed wake words need the package sherpa-onnx, which is not installed (pip install sherpa-onnx)") from error
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            try:
                self._spotter: Any = sherpa_onnx.KeywordSpotter(
                    tokens=str(tokens), encoder=str(encoder), decoder=str(decoder), joiner=str(joiner), keywords_file=file.name,
                    num_threads=1, keywords_score=BOOST, keywords_threshold=threshold)
            except Exception as error:
                raise ModelError(f"{folder}: sherpa-onnx refuses it: {str(error).splitlines()[0]}") from error
        self._refractory = refractory_ms * SPEECH_RATE // 1000
        self.decoded = 0
        """samples that the network was given: what was said, and little more"""
        self._streams: list[Any] = []
        self._kept: Int16 = np.empty(0, np.int16)
        self._waiting: list[WakeHit] = []
        self._heard = self._deaf_until = 0
        self._until: int | None = None

    def attend(self, speech: bool) -> None:
        """Somebody speaks from now on, or nobody does any more."""
        if speech and not self._streams:
            self._streams = [self._spotter.create_stream() for _ in range(2)]
            self._streams[1].accept_waveform(SPEECH_RATE, [0.0] * int(PHASE_S * SPEECH_RATE))
            kept, self._kept = self._kept, np.empty(0, np.int16)
            self._waiting += self._feed(kept)
        self._until = None if speech else self._heard + int(AFTER_S * SPEECH_RATE)

    def ease(self, eased: bool) -> None:
        """Its thresholds stand in the network's own list of words."""

    def process(self, samples: Int16) -> list[WakeHit]:
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise ValueError(f"samples of {samples.dtype} and shape {samples.shape}: wants int16, one dimension")
        if self._spotter is None:
            raise EngineError("the wake word detector is closed")
        hits, self._waiting = self._waiting, []
        if self._streams:
            left = len(samples) if self._until is None else self._until - self._heard
            heard, samples = samples[:left], samples[left:]
            self._heard += len(heard)
            hits += self._feed(heard)
            if self._until is not None and self._heard >= self._until:
                self._streams, self._until = [], None
        self._heard += len(samples)
        if not self._streams:
            self._kept = np.concatenate((self._kept, samples))[-int(BEFORE_S * SPEECH_RATE):]
        return hits

    def reset(self) -> None:
        self._streams, self._kept, self._until = [], np.empty(0, np.int16), None
        self._waiting = []
        self._heard = self._deaf_until = 0

    def close(self) -> None:
        self._spotter, self._streams = None, []

    def _feed(self, samples: Int16) -> list[WakeHit]:
        if not len(samples):
            return []
        self.decoded += len(samples)
        hits = []
        floats = (samples.astype(np.float32) / 32768.0).tolist()
        for stream in self._streams:
            stream.accept_waveform(SPEECH_RATE, floats)
            while self._spotter.is_ready(stream):
                self._spotter.decode_stream(stream)
                name = str(self._spotter.get_result(stream))
                if not name:
                    continue
                self._spotter.reset_stream(stream)
                if self._heard >= self._deaf_until:
                    self._deaf_until = self._heard + max(self._refractory, 2 * int(PHASE_S * SPEECH_RATE))
                    hits.append(WakeHit(name, 1.0, self._heard))
        return hits


def _scores(path: Path, symbols: Sequence[str]) -> dict[str, float]:
    """Piece to log probability, of the pieces that the network knows."""
    found, known = {}, set(symbols)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        piece, _, score = line.rpartition("\t")
        try:
            if piece in known and not piece.startswith("<"):
                found[piece] = float(score)
        except ValueError as error:
            raise ModelError(f"{path}: line {number} is {line!r}; wants a piece, a tab and its score") from error
    if not found:
        raise ModelError(f"{path}: has no piece that tokens.txt knows")
    return found
