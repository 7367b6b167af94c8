"""A streaming transducer (Zipformer) through sherpa-onnx: each piece of audio is decoded once, as it comes.

Theory: sherpa's stream keeps features and encoder state; a chunk is decoded as soon as it is whole (320 ms, and the encoder's look-ahead).
Hotwords need a beam search (``modified_beam_search``, four paths) and the model's BPE vocabulary.  Under it the best path may still
turn to another, so what is stable is decided as for any recognizer whose hypotheses follow one another (``agreement``).  Two silences are
put in: one before the audio, without which an utterance of one word is often lost (word errors on 40 spoken digits fall from 78 % to
53 %, on sentences nothing changes), and one after it at ``settle`` and ``finish``, which pushes the last words through the look-ahead.

Laws: the utterance's end is the dialog's affair, so sherpa's own endpoint rules are off and no rule cuts a long utterance; capital
letters without punctuation are presented in lower case, with "I" and the first letter capital.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgevoice.engines.agreement import Transcript
from edgevoice.engines.levels import check_audio
from edgevoice.engines.model_files import choose, metadata, read_tokens
from edgevoice.engines.protocols import SPEECH_RATE, Float32, SttStream
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import Partial

LEAD_S = 0.3
"""silence before the audio: about one encoder chunk"""
TAIL_S = 0.6
"""silence after it: a chunk of 320 ms, the look-ahead of 130 ms, and room for the last word's late tokens"""
HOTWORDS_SCORE = 2.5
"""bonus of each hotword token: of ten words asked for in 29 sentences 2 were found without, 4 at 1.5, 6 at 2.5, 7 at 3.5, where other words
begin to suffer"""
MODEL_TYPES = ("zipformer", "zipformer2")
"""what the encoder's metadata must say; sherpa-onnx ends the process on an unknown type"""

_log = logging.getLogger(__name__)


class StreamingStt:
    """An ``Stt`` over a folder of the family zipformer-transducer."""

    streaming = True

    def __init__(self, folder: Path, threads: int = 1, hotwords: Sequence[str] = ()) -> None:
        encoder = choose(folder, "encoder*.int8.onnx", "encoder*.onnx")
        decoder = choose(folder, "decoder.onnx", "decoder*[!8].onnx", "decoder*.onnx")
        joiner = choose(folder, "joiner*.int8.onnx", "joiner*.onnx")
        tokens = choose(folder, "tokens.txt")
        symbols = check_transducer(encoder, decoder, joiner, tokens)
        vocabulary = folder / "bpe.vocab"
        self._hotwords = _phrases(hotwords, symbols) if vocabulary.is_file() else ""
        if hotwords and not self._hotwords:
            _log.warning("%s: hotwords are not used: the model has no bpe.vocab", folder)
        try:
            import sherpa_onnx
        except ImportError as error:
            raise EngineError("speech to text needs the package sherpa-onnx, which is not installed (pip install sherpa-onnx)") from error
        search = {"decoding_method": "modified_beam_search", "modeling_unit": "bpe", "bpe_vocab": str(vocabulary),
                  "hotwords_score": HOTWORDS_SCORE} if self._hotwords else {}
        try:
            self._recognizer: Any = sherpa_onnx.OnlineRecognizer.from_transducer(
                str(tokens), str(encoder), str(decoder), str(joiner), num_threads=threads, **search)
        except Exception as error:
            raise ModelError(f"{folder}: sherpa-onnx refuses it: {str(error).splitlines()[0]}") from error
        self._shouts = not any(c.islower() for symbol in symbols for c in symbol if not symbol.startswith("<"))

    def open(self, *, eager: bool = False) -> SttStream:
        if self._recognizer is None:
            raise EngineError("the recognizer is closed")
        stream = self._recognizer.create_stream(hotwords=self._hotwords) if self._hotwords else self._recognizer.create_stream()
        return StreamingStream(self._recognizer, stream, self._shouts)

    def close(self) -> None:
        self._recognizer = None


class StreamingStream:
    """A ``SttStream`` over sherpa's stream."""

    def __init__(self, recognizer: Any, stream: Any, shouts: bool) -> None:
        self._recognizer = recognizer
        self._stream = stream
        self._shouts = shouts
        self._transcript = Transcript()
        self._settled = True
        self._used_up = False
        self._silence(LEAD_S)

    def accept(self, samples: Float32) -> None:
        self._check()
        check_audio(samples)
        if len(samples):
            self._stream.accept_waveform(SPEECH_RATE, samples.tolist())  # a list goes in several times faster than an ndarray
            self._settled = False

    def partial(self) -> Partial:
        self._check()
        self._decode()
        return Partial(self._text(), len(" ".join(self._transcript.committed)))

    def settle(self) -> str:
        self._check()
        if not self._settled:
            self._silence(TAIL_S)
            self._decode()
            self._settled = True
        return self._text()

    def finish(self) -> str:
        text = self.settle()
        self._used_up = True
        self._stream = None
        return text

    def _check(self) -> None:
        if self._used_up:
            raise EngineError("this utterance is finished; open a new stream")

    def _silence(self, seconds: float) -> None:
        self._stream.accept_waveform(SPEECH_RATE, [0.0] * int(seconds * SPEECH_RATE))

    def _decode(self) -> None:
        decoded = False
        try:
            while self._recognizer.is_ready(self._stream):
                self._recognizer.decode_stream(self._stream)
                decoded = True
            if decoded:
                self._transcript.update(present(self._recognizer.get_result(self._stream), self._shouts).split())
        except Exception as error:
            raise EngineError(f"the recognizer failed: {str(error).splitlines()[0]}") from error

    def _text(self) -> str:
        return " ".join(self._transcript.words)


def present(text: str, shouts: bool) -> str:
    """A transcript for reading.  ``shouts``: the model knows capital letters only."""
    words = (text.lower() if shouts else text).split()
    words = [word[0].upper() + word[1:] if word == "i" or word.startswith("i'") else word for word in words]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]]) if words else ""


def _phrases(hotwords: Sequence[str], symbols: Sequence[str]) -> str:
    """Hotwords as sherpa takes them: in the case of the model's tokens, divided by slashes."""
    upper = not any(c.islower() for symbol in symbols for c in symbol if not symbol.startswith("<"))
    phrases = (" ".join(word.replace("/", " ").split()) for word in hotwords)
    return "/".join(phrase.upper() if upper else phrase.lower() for phrase in phrases if phrase)


def check_transducer(encoder: Path, decoder: Path, joiner: Path, tokens: Path) -> list[str]:
    """The model's symbols; ``ModelError`` for what would make sherpa-onnx end the process."""
    kind = metadata(encoder).get("model_type")
    if kind not in MODEL_TYPES:
        raise ModelError(f"{encoder}: its metadata names the model type {kind!r}; wants {' or '.join(MODEL_TYPES)}")
    said = metadata(decoder)
    for path, names, needed in ((decoder, said, ("vocab_size", "context_size")), (joiner, metadata(joiner), ("joiner_dim",))):
        for name in needed:
            if not names.get(name, "").isdigit():
                raise ModelError(f"{path}: its metadata has no {name}; this is not the {path.name.split('.')[0]} of a transducer")
    symbols = read_tokens(tokens)
    if len(symbols) != int(said["vocab_size"]) or max(symbols) != len(symbols) - 1:
        raise ModelError(f"{tokens}: {len(symbols)} tokens up to number {max(symbols)} for a model of {said['vocab_size']}; the list "
                         "belongs to another model")
    return list(symbols.values())
