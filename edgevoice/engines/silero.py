"""Silero VAD v6 by onnxruntime: the probability of speech in each 32 ms.

Theory: the network sees 64 samples of the frame before and then the frame's 512 (without that context it is deaf to onsets), and
carries an LSTM state of 2 x 128 floats.  All arrays are bound once and reused; the state is read from one and written to the other
of a pair, so a frame allocates nothing and copies no state.

Laws: one thread for the network (it is too small for two); frames in order without gaps, or ``reset`` in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.engines.protocols import SPEECH_RATE, Float32
from edgevoice.errors import EngineError, ModelError

MODEL_FILE = "silero_vad_16k_op15.onnx"
CONTEXT = 64
"""samples of the previous frame that the network sees again"""
STATE_SHAPE = (2, 1, 128)


class SileroVad:
    """A ``Vad``.  ``path`` is the .onnx file."""

    frame = 512

    def __init__(self, path: Path) -> None:
        self._input = np.zeros((1, CONTEXT + self.frame), np.float32)
        self._states = (np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32))
        self._rate = np.array(SPEECH_RATE, np.int64)
        self._probability = np.zeros((1, 1), np.float32)
        self._session: Any = _open(path)
        self._bindings = self._bind(path)
        self._turn = 0

    def process(self, frame: Float32) -> float:
        if frame.shape != (self.frame,):
            raise ValueError(f"a frame of shape {frame.shape}: wants ({self.frame},)")
        if self._session is None:
            raise EngineError("the VAD is closed")
        self._input[0, :CONTEXT] = self._input[0, -CONTEXT:]
        self._input[0, CONTEXT:] = frame
        try:
            self._session.run_with_iobinding(self._bindings[self._turn])
        except Exception as error:
            raise EngineError(f"silero-vad failed on a frame: {_line(error)}") from error
        self._turn ^= 1
        return float(self._probability[0, 0])

    def reset(self) -> None:
        self._input.fill(0.0)
        for state in self._states:
            state.fill(0.0)
        self._turn = 0

    def close(self) -> None:
        self._bindings = ()
        self._session = None

    def _bind(self, path: Path) -> tuple[Any, ...]:
        """One binding for each direction between the two states."""
        bindings = []
        for source, target in (self._states, self._states[::-1]):
            binding = self._session.io_binding()
            try:
                for name, array in (("input", self._input), ("state", source), ("sr", self._rate)):
                    binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
                for name, array in (("output", self._probability), ("stateN", target)):
                    binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            except Exception as error:
                raise ModelError(f"{path}: not a Silero VAD model for 16 kHz: {_line(error)}") from error
            bindings.append(binding)
        return tuple(bindings)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file (wants {MODEL_FILE} of Silero VAD; `edgevoice models pull silero-vad` fetches it)")
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError("voice activity needs the package onnxruntime, which is not installed (pip install onnxruntime)") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path}: onnxruntime refuses it: {_line(error)}") from error


def _line(error: Exception) -> str:
    """The first line of an error that may have many."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
