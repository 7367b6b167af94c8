"""Voice activity: which engine a model folder asks for."""

from __future__ import annotations

from pathlib import Path

from edgevoice.engines.protocols import Vad
from edgevoice.engines.silero import MODEL_FILE, SileroVad
from edgevoice.settings import VadSettings


def load(settings: VadSettings, folder: Path) -> Vad:
    """The VAD in ``folder`` (an installed model, or the .onnx file itself); ``ModelError`` if it is none."""
    return SileroVad(folder if folder.is_file() else folder / MODEL_FILE)
