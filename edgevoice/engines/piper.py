"""Piper voices (VITS) on sherpa-onnx.

Theory: text → clauses in IPA (the phonemizer's) → pieces of one inference each → samples.  A piece is never stopped in its middle, so
it is short (``PIECE_WORDS``), and a cancel is seen between pieces; memory grows with the longest piece and never shrinks, which is the
other reason.  A voice ends each piece with 40 to 200 ms of near-silence and begins it with 30 to 60, at its own whim: both are cut off,
and the pause that the punctuation asks for is put in their place.  That takes the head's silence from the wait for a reply.

Traps, seen in sherpa-onnx 2.0.1: a wrong file ends the process (``exit(255)``), so everything it would stumble on is checked here before it
is asked; an empty list of phonemes gives noise; its own silence handling is off, since it would fight ours.
"""

from __future__ import annotations

import json
import logging
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgevoice.engines.protocols import Cancel, Float32, Phonemizer
from edgevoice.errors import EngineError, ModelError

FAMILY = "piper-vits"
FILES = ("model.onnx", "tokens.txt", "config.json")
METADATA = ("sample_rate", "n_speakers", "language", "comment")
"""Without these in the model file sherpa-onnx ends the process."""
BEGIN, END, PAD = "^", "$", "_"
PIECE_WORDS = 12
"""Clauses of one sentence are joined up to here: whole phrases sound better, and 12 words keep a desktop busy for 0.25 s."""
PHONEMES_A_WORD = 10
"""A piece has at most so many phonemes for each word allowed; English has 7, with its space.  Stops a "word" of 600 letters."""
PAUSES_S = {",": 0.10, ";": 0.18, ":": 0.18, ".": 0.28, "!": 0.28, "?": 0.28}
"""Silence after a piece, by its last mark; the comma's is what the voice itself makes within a sentence."""
JOINT_S = 0.02
"""Silence after a piece that ends within a phrase."""
HEAD_LEVEL, HEAD_KEEP_S = 0.010, 0.008
TAIL_LEVEL, TAIL_KEEP_S = 0.024, 0.040
"""Sound begins and ends where it first and last exceeds this share of the piece's peak; so much before and after is kept and faded."""
WARM_UP = "Ready to speak as soon as you ask me to."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """What the voice's own config.json says."""

    rate: int
    speakers: int
    language: str
    noise_scale: float
    length_scale: float
    noise_w: float
    symbols: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> VoiceConfig:
        path = folder / "config.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            inference = data.get("inference", {})
            return cls(rate=int(data["audio"]["sample_rate"]), speakers=int(data.get("num_speakers", 1)),
                       language=str(data.get("espeak", {}).get("voice", "en-us")),
                       noise_scale=float(inference.get("noise_scale", 0.667)), length_scale=float(inference.get("length_scale", 1.0)),
                       noise_w=float(inference.get("noise_w", 0.8)), symbols=frozenset(data["phoneme_id_map"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: is no Piper voice's configuration ({error!r}); {_again(folder)}") from error


class PiperTts:
    """A ``Tts``.  Takes ownership of ``phonemizer``.  One thread at a time."""

    def __init__(self, folder: Path, voice: VoiceConfig, phonemizer: Phonemizer, *, threads: int = 1, speed: float = 1.0,
                 speaker: int = 0, max_words: int = 24) -> None:
        if speaker >= voice.speakers:
            raise ModelError(f"{folder.name}: has no speaker {speaker}; wants 0 to {voice.speakers - 1}")
        check(folder, voice)
        self.rate = voice.rate
        self._voice, self._phonemizer, self._speed, self._speaker = voice, phonemizer, speed, speaker
        self._max_words = max_words
        self._unknown: set[str] = set()
        self._tts: Any = _engine(folder, voice, threads)
        for piece in self._pieces(WARM_UP):
            self._infer(piece)

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel, *, speed: float = 1.0) -> None:
        if self._tts is None:
            raise EngineError("the synthesizer is closed")
        if cancel.cancelled():
            return
        for piece in self._pieces(text):
            if cancel.cancelled():
                return
            samples = shape(self._infer(piece, speed), self.rate, PAUSES_S.get(piece[-1], JOINT_S) / (self._speed * speed))
            if cancel.cancelled():
                return
            if len(samples):
                emit(samples)

    def close(self) -> None:
        self._phonemizer.close()
        self._tts = None

    def _pieces(self, text: str) -> list[str]:
        if not any(c.isalnum() for c in text):
            return []
        return pieces([self._known(clause) for clause in self._phonemizer.phonemes(text)], self._max_words)

    def _known(self, clause: str) -> str:
        """The clause without phonemes that the voice has not learned; each is logged the first time."""
        lost = {c for c in clause if c not in self._voice.symbols}
        for c in sorted(lost - self._unknown):
            _log.warning("the voice has no phoneme %r (U+%04X %s): left out", c, ord(c), unicodedata.name(c, "?"))
        self._unknown |= lost
        return "".join(c for c in clause if c not in lost)

    def _infer(self, piece: str, speed: float = 1.0) -> Float32:
        import sherpa_onnx

        how = sherpa_onnx.GenerationConfig()
        how.phoneme_codepoints = [[ord(c) for c in piece]]
        how.sid, how.speed, how.silence_scale = self._speaker, self._speed * speed, 1.0
        made: list[Float32] = []

        def take(samples: Float32, _progress: float) -> int:
            made.append(np.array(samples, np.float32))  # the engine's buffer is gone after this call
            return 1  # 0 would stop it, whatever its documentation says

        try:
            self._tts.generate("", how, take)
        except RuntimeError as error:
            raise EngineError(f"sherpa-onnx failed to speak {piece[:60]!r}: {error}") from error
        samples = np.concatenate(made) if made else np.zeros(0, np.float32)
        if not np.isfinite(samples).all():
            raise EngineError(f"the voice made samples that are not numbers of {piece[:60]!r}")
        return samples


def pieces(clauses: list[str], max_words: int) -> list[str]:
    """IPA clauses as pieces for one inference each: never over a sentence's end, at most ``max_words`` words in any."""
    together = min(PIECE_WORDS, max_words)
    made: list[str] = []
    for clause in clauses:
        for part in _cut(clause, max_words):
            if made and made[-1][-1] in ",;:" and _words(made[-1]) + _words(part) <= together:
                made[-1] += f" {part}"
            else:
                made.append(part)
    return made


def shape(samples: Float32, rate: int, pause_s: float) -> Float32:
    """The sound between its silences, faded at both ends, then ``pause_s`` of silence.  Nothing for a piece without a sound."""
    level = np.abs(samples)
    peak = float(level.max(initial=0.0))
    if peak < 1e-4:  # -80 dB: the voice said nothing
        return np.zeros(0, np.float32)
    start = max(0, int(np.argmax(level > HEAD_LEVEL * peak)) - int(HEAD_KEEP_S * rate))
    end = min(len(samples), len(samples) - int(np.argmax(level[::-1] > TAIL_LEVEL * peak)) + int(TAIL_KEEP_S * rate))
    out = np.zeros(end - start + int(pause_s * rate), np.float32)
    sound = out[:end - start]
    sound[:] = samples[start:end]
    head, tail = min(int(HEAD_KEEP_S * rate), len(sound)), min(int(TAIL_KEEP_S * rate), len(sound))
    sound[:head] *= np.linspace(0, 1, head, endpoint=False, dtype=np.float32)
    sound[len(sound) - tail:] *= np.linspace(1, 0, tail, dtype=np.float32)
    return out


def check(folder: Path, voice: VoiceConfig) -> None:
    """``ModelError`` for every fault in the files of ``folder`` that would end the process inside sherpa-onnx."""
    for name in FILES:
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: {name} is missing; {_again(folder)}")
    try:
        metadata = _onnx_metadata(folder / "model.onnx")
        tokens = _tokens(folder / "tokens.txt")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: {error}; {_again(folder)}") from error
    if missing := [name for name in METADATA if name not in metadata]:
        raise ModelError(f"{folder / 'model.onnx'}: has no {', '.join(missing)} in its metadata; {_again(folder)}")
    if metadata["sample_rate"] != str(voice.rate):
        raise ModelError(f"{folder}: model.onnx is made for {metadata['sample_rate']} Hz, config.json says {voice.rate}; {_again(folder)}")
    if absent := [symbol for symbol in (BEGIN, END, PAD, *sorted(voice.symbols)) if symbol not in tokens]:
        raise ModelError(f"{folder / 'tokens.txt'}: has no {absent[0]!r}; {_again(folder)}")


def _tokens(path: Path) -> set[str]:
    """The symbols of a tokens.txt (``symbol id`` a line, the space as an empty symbol); ``ValueError`` names a bad line."""
    symbols = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line:
            continue
        found = re.fullmatch(r"(.+) (\d+)", line)
        if not found:
            raise ValueError(f"tokens.txt:{number}: {line[:20]!r} is not a symbol and a number")
        symbols.add(found[1])
    return symbols


def _onnx_metadata(path: Path) -> dict[str, str]:
    """``metadata_props`` of an ONNX file, by a walk over its outermost fields (protobuf; nothing is read but their lengths).

    ``ValueError`` for a file that is cut short or no protobuf.
    """
    size = path.stat().st_size
    found: dict[str, str] = {}
    with path.open("rb") as file:
        while file.tell() < size:
            tag = _varint(file)
            if tag >> 3 == 0:  # no field has this number, but a file of zeros would be walked in steps of two bytes
                raise ValueError(f"{path.name} is damaged")
            if tag & 7 == 0:
                _varint(file)
            elif tag & 7 == 2:
                length = _varint(file)
                if file.tell() + length > size:
                    raise ValueError(f"{path.name} is cut short or damaged")
                if tag >> 3 == 14:  # metadata_props
                    end = file.tell() + length
                    entry = {1: "", 2: ""}
                    while file.tell() < end:
                        field, count = _varint(file) >> 3, _varint(file)
                        entry[field] = file.read(count).decode(errors="replace")
                    found[entry[1]] = entry[2]
                else:
                    file.seek(length, os.SEEK_CUR)
            else:
                raise ValueError(f"{path.name} is cut short or damaged")
    return found


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("model.onnx is cut short or damaged")


def _engine(folder: Path, voice: VoiceConfig, threads: int) -> Any:
    try:
        import sherpa_onnx
    except ImportError as error:
        raise EngineError(f"the package sherpa-onnx cannot be used ({error}); install it with: pip install sherpa-onnx==2.0.1") from error
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(
        model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt"), noise_scale=voice.noise_scale,
        noise_scale_w=voice.noise_w, length_scale=voice.length_scale)
    try:
        return sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(
            model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=threads), silence_scale=1.0))
    except RuntimeError as error:
        raise ModelError(f"{folder}: sherpa-onnx cannot load it ({error}); {_again(folder)}") from error


def _cut(clause: str, max_words: int) -> list[str]:
    """A clause in parts of nearly equal size that keep to the limits; its mark stays with the last."""
    longest = PHONEMES_A_WORD * max_words
    words = [word[at:at + longest] for word in clause.split() for at in range(0, len(word), longest)]
    if all(unicodedata.category(c) not in ("Ll", "Lo") for c in clause):  # marks and stress alone have no sound
        return []
    number = max(-(-len(words) // max_words), -(-len(clause) // longest))
    size = -(-len(words) // number)
    return [" ".join(words[at:at + size]) for at in range(0, len(words), size)]


def _words(ipa: str) -> int:
    return ipa.count(" ") + 1


def _again(folder: Path) -> str:
    return f"install it again: edgevoice models pull {folder.name}"
