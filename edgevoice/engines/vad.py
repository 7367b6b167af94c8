"""Voice activity: which engine a model folder asks for.

Silero's network runs in our own C wherever that is built and knows the file; otherwise in onnxruntime, ten times slower, and the log
says why.
"""

from __future__ import annotations

import logging
from pathlib import Path

from edgevoice.engines.protocols import Vad
from edgevoice.engines.silero import MODEL_FILE, SileroVad
from edgevoice.errors import EngineError, ModelError
from edgevoice.settings import VadSettings

_log = logging.getLogger(__name__)


def load(settings: VadSettings, folder: Path) -> Vad:
    """The VAD in ``folder`` (an installed model, or the .onnx file itself); ``ModelError`` if it is none."""
    path = folder if folder.is_file() else folder / MODEL_FILE
    try:
        from edgevoice.engines.silero_native import SileroNative
    except ImportError as error:
        _log.warning("voice activity runs in onnxruntime, since the C kernel is not built or does not load (%s)", error)
        return SileroVad(path)
    try:
        return SileroNative(path)
    except ModelError as error:
        if not path.is_file():
            raise
        try:
            slow = SileroVad(path)
        except EngineError:
            raise error from None  # what is wrong is the file, not that onnxruntime is not there to try it too
        _log.warning("voice activity runs in onnxruntime, since the C kernel refuses the model: %s", error)
        return slow
