"""Text to speech: which engine a model folder asks for."""

from __future__ import annotations

import json
from pathlib import Path

from edgevoice.engines import lexicon
from edgevoice.engines.phonemes import EspeakPhonemizer
from edgevoice.engines.piper import FAMILY, FILES, PiperTts, VoiceConfig
from edgevoice.engines.protocols import Tts
from edgevoice.errors import ModelError
from edgevoice.settings import TtsSettings


def load(settings: TtsSettings, folder: Path) -> Tts:
    """The synthesizer for the model in ``folder``, warmed up, so that its first call is as quick as the others.

    ``ModelError`` for a folder of another family or a damaged one, ``ConfigError`` for a bad lexicon, ``EngineError`` where sherpa-onnx
    or espeak-ng is not installed.
    """
    family = _family(folder)
    if family != FAMILY:
        raise ModelError(f"{folder}: a model of the family {family!r} is no voice that can be used here; wants {FAMILY}")
    voice = VoiceConfig.read(folder)
    words = lexicon.load(Path(settings.lexicon).expanduser()) if settings.lexicon else None
    phonemizer = EspeakPhonemizer(voice.language, words)
    try:
        return PiperTts(folder, voice, phonemizer, threads=settings.threads, speed=settings.speed, speaker=settings.speaker,
                        max_words=settings.max_chunk_words)
    except BaseException:
        phonemizer.close()
        raise


def _family(folder: Path) -> str:
    """What model.json says, else what the files look like."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such voice; see: edgevoice models list")
    manifest = folder / "model.json"
    if manifest.is_file():
        try:
            return str(json.loads(manifest.read_text(encoding="utf-8"))["family"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{manifest}: is damaged ({error}); install the voice again: edgevoice models pull {folder.name}") from error
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ModelError(f"{folder}: is no {FAMILY} voice: {', '.join(missing)} missing; see: edgevoice models list")
    return FAMILY
