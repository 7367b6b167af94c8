"""Whether the user is done, by the sound of it: smart-turn v3 through onnxruntime.

Theory: a small Whisper encoder with a head that tells the probability of a finished turn from the last 8 s of audio.  Its input is
Whisper's log-mel spectrogram (Radford et al., 2022): zero mean and unit variance over the window, frames of 25 ms every 10 ms under a
periodic Hann window, 80 triangular bands on Slaney's mel scale with areas of one, base-10 logarithms no more than 8 below the highest,
then (x + 4) / 4.  Shorter audio is preceded by zeros.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.engines.levels import check_audio
from edgevoice.engines.model_files import check_sizes, choose
from edgevoice.engines.protocols import SPEECH_RATE, Float32, TurnEnd
from edgevoice.errors import EngineError, ModelError

WINDOW_S = 8
SAMPLES = WINDOW_S * SPEECH_RATE
FRAME, HOP, BANDS = 400, 160, 80
_KNEE_HZ, _KNEE_MEL, _STEP = 1000.0, 15.0, np.log(6.4) / 27.0
"""Slaney's scale: linear up to 1 kHz, 200/3 Hz a mel, logarithmic above"""


def load(folder: Path) -> TurnEnd:
    """The model in ``folder``; ``ModelError`` if it is none."""
    check_sizes(folder)
    return SmartTurn(choose(folder, "smart-turn-v3*.onnx"))


class SmartTurn:
    """A ``TurnEnd``.  About 30 to 90 ms a call on one x86 core."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("hearing the end of a turn needs the package onnxruntime, which is not installed (pip install onnxruntime)"
                              ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"{path}: onnxruntime refuses it: {str(error).splitlines()[0]}") from error
        (entry,) = self._session.get_inputs()
        if entry.name != "input_features" or list(entry.shape[1:]) != [BANDS, SAMPLES // HOP]:
            raise ModelError(f"{path}: its input is {entry.name} {entry.shape}; wants input_features of {BANDS} x {SAMPLES // HOP}")
        self._bands = mel_bands()

    def probability(self, samples: Float32) -> float:
        if self._session is None:
            raise EngineError("the turn-end model is closed")
        check_audio(samples)
        features = log_mel(samples, self._bands)
        (found,) = self._session.run(None, {"input_features": features[None]})
        value = float(np.asarray(found).reshape(-1)[0])
        if not 0.0 <= value <= 1.0:
            raise EngineError(f"the turn-end model returned {value}, which is no probability")
        return value

    def close(self) -> None:
        self._session = None


def log_mel(samples: Float32, bands: NDArray[np.float64] | None = None) -> Float32:
    """Whisper's features of the last 8 s, shape (80, 800)."""
    window = np.zeros(SAMPLES, np.float32)
    if len(samples):
        window[-min(len(samples), SAMPLES):] = samples[-SAMPLES:]
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    padded = np.pad(window.astype(np.float64), FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:SAMPLES // HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME + 1)[:-1])) ** 2
    levels = np.log10(np.maximum(1e-10, power @ (mel_bands() if bands is None else bands))).T
    made: Float32 = ((np.maximum(levels, levels.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return made


def mel_bands() -> NDArray[np.float64]:
    """Weights of each frequency in each band, shape (201, 80)."""
    edges = _hertz(np.linspace(0.0, float(_mel(SPEECH_RATE / 2)), BANDS + 2))
    frequencies = np.linspace(0.0, SPEECH_RATE / 2, FRAME // 2 + 1)
    slopes = edges[None, :] - frequencies[:, None]
    widths = np.diff(edges)
    triangles = np.maximum(0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    made: NDArray[np.float64] = triangles * (2.0 / (edges[2:] - edges[:-2]))[None, :]
    return made


def _mel(hertz: float) -> float:
    return hertz * 3.0 / 200.0 if hertz < _KNEE_HZ else float(_KNEE_MEL + np.log(hertz / _KNEE_HZ) / _STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _KNEE_MEL, mel * 200.0 / 3.0, _KNEE_HZ * np.exp(_STEP * (mel - _KNEE_MEL)))
