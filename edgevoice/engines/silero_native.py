"""Silero VAD v6 by our own C: the probability of speech in each 32 ms, without onnxruntime.

Theory: ``ext/vad.h``.  The same network on the same weights as ``engines.silero``, nine times faster; probabilities differ by float32's
rounding only.  The native front-end thread takes the same ``Net`` by its address, without Python.
"""

from __future__ import annotations

from pathlib import Path

from edgevoice.engines.protocols import Float32, Int16
from edgevoice.engines.silero import MODEL_FILE
from edgevoice.engines.silero_weights import read_weights
from edgevoice.errors import EngineError, ModelError
from edgevoice.rt._vad import Net, Stream, kernels


class SileroNative:
    """A ``Vad``.  ``path`` is the .onnx file; ``kernel`` one of ``edgevoice.rt._vad.kernels()`` or "best"."""

    frame = 512

    def __init__(self, path: Path, kernel: str = "best") -> None:
        self.net = load_net(path, kernel)
        self._stream: Stream | None = Stream(self.net)

    def process(self, frame: Float32 | Int16) -> float:
        """As ``Vad.process``; also takes int16 samples, as a device gives them."""
        if self._stream is None:
            raise EngineError("the VAD is closed")
        return self._stream.process(frame)

    def reset(self) -> None:
        if self._stream is not None:
            self._stream.reset()

    def close(self) -> None:
        self._stream = None


def load_net(path: Path, kernel: str = "best") -> Net:
    """The packed weights in the .onnx file ``path``; ``ModelError`` if it is none of Silero's for 16 kHz, ``ValueError`` for a
    kernel that this machine does not have."""
    if kernel not in ("best", *kernels()):
        raise ValueError(f"no voice-activity kernel {kernel!r} here: there are best, {', '.join(kernels())}")
    if not path.is_file():
        raise ModelError(f"{path}: no such file (wants {MODEL_FILE} of Silero VAD; `edgevoice models pull silero-vad` fetches it)")
    weights = read_weights(path)
    try:
        return Net(weights.values(), kernel)
    except ValueError as error:
        raise ModelError(f"{path}: not the Silero VAD network for 16 kHz: {error}") from error
