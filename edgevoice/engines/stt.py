"""Speech to text: which engine a model folder asks for, and the offline one (Moonshine through sherpa-onnx)."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from edgevoice.clock import Clock
from edgevoice.engines.model_files import check_base64_tokens, check_ort, check_sizes, choose
from edgevoice.engines.protocols import SPEECH_RATE, Float32, Stt, SttStream
from edgevoice.engines.stt_offline import OfflineStream
from edgevoice.engines.stt_streaming import StreamingStt
from edgevoice.engines.stt_two_pass import TwoPassStt
from edgevoice.errors import EngineError, ModelError
from edgevoice.settings import SttSettings

LEAST_TOKENS = 1000
"""every Moonshine vocabulary is larger (tiny-en: 32,768)"""

_log = logging.getLogger(__name__)


def load(settings: SttSettings, folder: Path, final: Path | None = None) -> Stt:
    """The recognizer in ``folder``; with ``final``, a folder too, its words are settled by that one (``stt_two_pass``)."""
    first = _load(settings, folder)
    if final is None:
        return first
    try:
        if not first.streaming:
            raise ModelError(f"{folder}: stt.final_model wants a streaming stt.model, and this one sees whole utterances already")
        second = _load(dataclasses.replace(settings, hotwords=[]), final)
        if second.streaming:
            second.close()
            raise ModelError(f"{final}: stt.final_model wants a model that sees whole utterances, and this one streams")
    except Exception:
        first.close()
        raise
    return TwoPassStt(first, second)


def _load(settings: SttSettings, folder: Path) -> Stt:
    """``model.json`` says which family it is, else its files do."""
    family = check_sizes(folder).get("family")
    if family is None:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        family = ("moonshine-v2" if "encoder_model.ort" in names
                  else "zipformer-transducer" if any(name.startswith("joiner") for name in names) else None)
    if family == "moonshine-v2":
        if settings.hotwords:
            _log.warning("%s: hotwords are not used: Moonshine cannot favour words", folder)
        return MoonshineStt(folder, settings.threads, settings.partial_cpu)
    if family == "zipformer-transducer":
        return StreamingStt(folder, settings.threads, settings.hotwords)
    raise ModelError(f"{folder}: {f'a model of the family {family!r}' if family else 'its files'} cannot recognize speech here; wants "
                     "moonshine-v2 (encoder_model.ort, decoder_model_merged.ort, tokens.txt) or zipformer-transducer "
                     "(encoder, decoder and joiner .onnx, tokens.txt)")


class MoonshineStt:
    """An ``Stt`` over a folder of the family moonshine-v2."""

    streaming = False

    def __init__(self, folder: Path, threads: int = 1, partial_cpu: float = 0.25, clock: Clock | None = None) -> None:
        encoder, decoder = choose(folder, "encoder_model.ort"), choose(folder, "decoder_model_merged.ort")
        tokens = choose(folder, "tokens.txt")
        for path in (encoder, decoder):
            check_ort(path)
        check_base64_tokens(tokens, LEAST_TOKENS)
        self._share = partial_cpu
        self._clock = clock
        try:
            import sherpa_onnx
        except ImportError as error:
            raise EngineError("speech to text needs the package sherpa-onnx, which is not installed (pip install sherpa-onnx)") from error
        try:
            self._recognizer: Any = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
                encoder=str(encoder), decoder=str(decoder), tokens=str(tokens), num_threads=threads)
        except Exception as error:
            raise ModelError(f"{folder}: sherpa-onnx refuses it: {str(error).splitlines()[0]}") from error

    def open(self, *, eager: bool = False) -> SttStream:
        if self._recognizer is None:
            raise EngineError("the recognizer is closed")
        return OfflineStream(self.decode, self._share, self._clock, eager=eager)

    def decode(self, samples: Float32) -> str:
        """The text of a whole utterance, as the model writes it."""
        if self._recognizer is None:
            raise EngineError("the recognizer is closed")
        try:
            stream = self._recognizer.create_stream()
            stream.accept_waveform(SPEECH_RATE, samples.tolist())  # a list goes in several times faster than an ndarray
            self._recognizer.decode_stream(stream)
            return str(stream.result.text)
        except Exception as error:
            raise EngineError(f"the recognizer failed: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        self._recognizer = None
