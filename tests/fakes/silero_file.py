"""ONNX files in the form of Silero's 16 kHz network, with random weights: written here, so that a wrong one is as easy as a right one."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from edgevoice.engines.protocols import Float32
from edgevoice.engines.silero_weights import CONVOLUTIONS, SHAPES


def random_weights(seed: int = 0) -> dict[str, Float32]:
    """Weights whose activations neither die nor explode, with the true Fourier basis."""
    rng = np.random.default_rng(seed)
    n = np.arange(256)
    angle = 2 * np.pi * np.arange(129)[:, None] * n / 256
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 256)
    weights = {}
    for name, shape in SHAPES.items():
        scale = 0.3 if len(shape) == 1 else 1.5 / np.sqrt(np.prod(shape[1:]))
        weights[name] = rng.normal(0, scale, shape).astype(np.float32)
    basis = np.concatenate([np.cos(angle) * window, -np.sin(angle) * window])
    weights["stft.forward_basis_buffer"] = basis.astype(np.float32)[:, None]
    return weights


def onnx(weights: Mapping[str, np.ndarray], *, prefix: str = "model.", inside: int = 0, constants: bool = False, kind: int = 1,
         floats: bool = False, dims: Mapping[str, tuple[int, ...]] | None = None,
         convolutions: Mapping[str, tuple[list[int], list[int]]] = CONVOLUTIONS) -> bytes:
    """A file's bytes.  ``inside`` graphs within graphs; ``constants`` in place of initializers; ``floats`` in place of raw data;
    ``dims`` to tell of other shapes than the arrays have."""
    graph = b""
    for end, (strides, padding) in convolutions.items():
        attributes = _field(5, _field(1, b"strides") + _packed(8, strides)) + _field(5, _field(1, b"pads") + _one_by_one(8, padding))
        graph += _field(1, _field(1, b"x") + _field(1, (prefix + end).encode()) + _field(4, b"Conv") + attributes)
    for end, array in weights.items():
        name = (prefix + end).encode()
        content = _field(4 if floats else 9, array.astype("<f4").tobytes())
        tensor = _packed(1, (dims or {}).get(end, array.shape)) + _number(2, kind) + _field(8, b"" if constants else name) + content
        if constants:
            graph += _field(1, _field(2, name) + _field(4, b"Constant") + _field(5, _field(1, b"value") + _field(5, tensor)))
        else:
            graph += _field(5, tensor)
    for _ in range(inside):
        graph = _field(1, _field(4, b"If") + _field(5, _field(1, b"then_branch") + _field(6, graph)))
    return _number(1, 8) + _field(2, b"test") + _field(7, graph) + struct.pack("<BI", 15 << 3 | 5, 0)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _packed(field: int, values: tuple[int, ...] | list[int]) -> bytes:
    return _field(field, b"".join(_varint(value) for value in values))


def _one_by_one(field: int, values: list[int]) -> bytes:
    return b"".join(_number(field, value) for value in values)
