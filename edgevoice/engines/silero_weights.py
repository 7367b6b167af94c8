"""The weights of Silero's 16 kHz voice-activity network, read out of its ONNX file without the package ``onnx``.

Theory: an ONNX file is one protocol buffer.  A tensor stands in a graph's list of initializers or as the value of a ``Constant``
node, and a graph may hold others as attributes of its nodes (the branches of an ``If``: one for 16 kHz and one for 8 kHz, where a
file has both).  The network's tensors are known by how their names end; they count only if all fifteen stand in one graph under one
prefix, with the right shapes, float32 and finite, and if each convolution that uses them has the stride and padding that
``ext/vad.h`` computes.  Field numbers are those of ``onnx.proto`` (ONNX IR, version 3 and later).

Laws: bytes from a file are never trusted: any length, depth or count that does not fit is a ``ModelError`` that names the file and
what was found; nothing is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from edgevoice.engines.protocols import Float32
from edgevoice.errors import ModelError

SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({
    "stft.forward_basis_buffer": (258, 1, 256),
    "encoder.0.reparam_conv.weight": (128, 129, 3), "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3), "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3), "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (128, 64, 3), "encoder.3.reparam_conv.bias": (128,),
    "decoder.rnn.weight_ih": (512, 128), "decoder.rnn.weight_hh": (512, 128),
    "decoder.rnn.bias_ih": (512,), "decoder.rnn.bias_hh": (512,),
    "decoder.decoder.2.weight": (1, 128, 1), "decoder.decoder.2.bias": (1,),
})
"""name's end -> shape, in the order of ``ev_vad_weights`` (ext/vad.h)"""

CONVOLUTIONS: Mapping[str, tuple[list[int], list[int]]] = MappingProxyType({
    "stft.forward_basis_buffer": ([128], [0, 0]),
    "encoder.0.reparam_conv.weight": ([1], [1, 1]), "encoder.1.reparam_conv.weight": ([2], [1, 1]),
    "encoder.2.reparam_conv.weight": ([2], [1, 1]), "encoder.3.reparam_conv.weight": ([1], [1, 1]),
    "decoder.decoder.2.weight": ([1], [0, 0]),
})
"""name's end of a convolution's weights -> (strides, padding)"""

LARGEST_FILE = 8 << 20
"""bytes; the file has 1.3 MB (2.8 with the network for 8 kHz), what is far beyond is not it"""
DEEPEST = 16
"""graphs within graphs; Silero's have 4"""
FLOAT32 = 1
"""``TensorProto.DataType.FLOAT``"""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class _Graph:
    """Tensors and convolutions of one graph, without those of graphs inside it."""

    tensors: dict[str, bytes] = field(default_factory=dict)
    """name -> ``TensorProto``"""
    convolutions: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    """name of the weights -> (strides, padding)"""


class _Malformed(ValueError):
    """Bytes that are no protocol buffer, or not this one."""


def read_weights(path: Path) -> dict[str, Float32]:
    """The arrays of ``SHAPES``, in its order, C-contiguous; ``ModelError`` if ``path`` does not hold that network."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ModelError(f"{path}: {size} bytes: not the Silero VAD network for 16 kHz, which has 1.3 MB")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        graphs = list(_model(data))
        return _choose(graphs)
    except _Malformed as error:
        raise ModelError(f"{path}: not the Silero VAD network for 16 kHz: {error}") from error


def _choose(graphs: list[_Graph]) -> dict[str, Float32]:
    """The one set of tensors that fits; otherwise says what comes closest."""
    reasons: list[tuple[int, str]] = []
    for graph in graphs:
        for prefix in _prefixes(graph):
            found, reason = _fit(graph, prefix)
            if reason is None:
                return found
            reasons.append((len(found), reason))
    if reasons:
        raise _Malformed(max(reasons, key=lambda entry: entry[0])[1])
    names = [name for graph in graphs for name in graph.tensors]
    if not names:
        raise _Malformed("it has no tensors")
    raise _Malformed(f"none of its {len(names)} tensors ends in a name like 'encoder.0.reparam_conv.weight' (the first is {names[0]!r})")


def _prefixes(graph: _Graph) -> list[str]:
    """What stands before the known names, each once, in order."""
    return list(dict.fromkeys(
        name.removesuffix(end) for name in graph.tensors for end in SHAPES if name.endswith(end) and _whole(name, end)))


def _whole(name: str, end: str) -> bool:
    return name == end or not name[-len(end) - 1].isalnum()


def _fit(graph: _Graph, prefix: str) -> tuple[dict[str, Float32], str | None]:
    """The tensors under ``prefix`` as far as they fit, and why the next one does not."""
    found: dict[str, Float32] = {}
    for end, shape in SHAPES.items():
        name = prefix + end
        if name not in graph.tensors:
            return found, f"it has no tensor {name!r}"
        array, reason = _tensor(graph.tensors[name], name, shape)
        if array is None:
            return found, reason
        if end in CONVOLUTIONS:
            strides, padding = CONVOLUTIONS[end]
            if name not in graph.convolutions:
                return found, f"no convolution uses {name!r}"
            if graph.convolutions[name] != (strides, padding):
                has = graph.convolutions[name]
                return found, f"the convolution with {name!r} has strides {has[0]} and padding {has[1]}, wants {strides} and {padding}"
        found[end] = array
    return found, None


def _tensor(data: bytes, name: str, shape: tuple[int, ...]) -> tuple[Float32 | None, str]:
    """A ``TensorProto``: dims 1, data_type 2, float_data 4, raw_data 9, data_location 14."""
    dims: list[int] = []
    kind, raw, floats, elsewhere = 0, None, b"", 0
    for number, value in _fields(data):
        if number == 1:
            dims += _integers(value)
        elif number == 2:
            kind = _integer(value)
        elif number == 4:
            floats += _bytes(value)
        elif number == 9:
            raw = _bytes(value)
        elif number == 14:
            elsewhere = _integer(value)
    if kind != FLOAT32:
        return None, f"tensor {name!r} has element type {kind}, wants {FLOAT32} (float32)"
    if tuple(dims) != shape:
        return None, f"tensor {name!r} has shape {tuple(dims)}, wants {shape}"
    if elsewhere:
        return None, f"tensor {name!r} is kept in another file"
    content = floats if raw is None else raw
    wanted = 4 * int(np.prod(shape))
    if len(content) != wanted:
        return None, f"tensor {name!r} has {len(content)} bytes, wants {wanted}"
    array = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(array).all():
        return None, f"tensor {name!r} has values that are no finite numbers"
    return array, ""


def _model(data: bytes) -> Iterator[_Graph]:
    """``ModelProto``: graph 7."""
    if not data:
        raise _Malformed("it is empty")
    graphs = [value for number, value in _fields(data) if number == 7]
    if not graphs:
        raise _Malformed("it has no graph")
    for graph in graphs:
        yield from _graph(_bytes(graph), DEEPEST)


def _graph(data: bytes, depth: int) -> Iterator[_Graph]:
    """``GraphProto``: node 1, initializer 5.  Yields it and then the graphs inside it."""
    if not depth:
        raise _Malformed(f"it has graphs nested more than {DEEPEST} deep")
    graph, inner = _Graph(), []
    for number, value in _fields(data):
        if number == 1:
            inner += _node(_bytes(value), graph)
        elif number == 5:
            tensor = _bytes(value)
            graph.tensors[_name(tensor)] = tensor
    yield graph
    for each in inner:
        yield from _graph(each, depth - 1)


def _node(data: bytes, graph: _Graph) -> list[bytes]:
    """``NodeProto``: input 1, output 2, op_type 4, attribute 5.  Notes what it says of tensors; returns the graphs it holds."""
    inputs: list[str] = []
    outputs: list[str] = []
    kind, graphs = "", []
    integers: dict[str, list[int]] = {}
    value_tensor = None
    for number, value in _fields(data):
        if number in (1, 2, 4):
            text = _bytes(value).decode("utf-8", "replace")
            if number == 4:
                kind = text
            else:
                (inputs if number == 1 else outputs).append(text)
        elif number == 5:  # AttributeProto: name 1, t 5, g 6, ints 8, graphs 11
            name, own = "", []
            for inner_number, inner in _fields(_bytes(value)):
                if inner_number == 1:
                    name = _bytes(inner).decode("utf-8", "replace")
                elif inner_number == 5:
                    value_tensor = _bytes(inner)
                elif inner_number in (6, 11):
                    graphs.append(_bytes(inner))
                elif inner_number == 8:
                    own += _integers(inner)
            integers[name] = own
    if kind == "Constant" and value_tensor is not None and outputs:
        graph.tensors[outputs[0]] = value_tensor
    elif kind == "Conv" and len(inputs) > 1:
        graph.convolutions[inputs[1]] = (integers.get("strides", [1]), integers.get("pads", [0, 0]))
    return graphs


def _name(tensor: bytes) -> str:
    return next((_bytes(value).decode("utf-8", "replace") for number, value in _fields(tensor) if number == 8), "")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one message: an ``int`` for a varint, ``bytes`` for all else."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise _Malformed("it is no ONNX file (a field numbered 0)")
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _Malformed(f"it is no ONNX file (wire type {kind} of field {number})")
        if length > end - position:
            raise _Malformed(f"it is no ONNX file, or cut short (field {number} of {length} bytes, {end - position} left)")
        yield number, data[position:position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _Malformed("it is no ONNX file, or cut short (a number without an end)")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _Malformed("it is no ONNX file (a number of more than 64 bits)")


def _integers(value: int | bytes) -> list[int]:
    """A repeated integer, packed or one at a time."""
    if isinstance(value, int):
        return [value]
    numbers, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        numbers.append(number)
    return numbers


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _Malformed("it is no ONNX file (bytes in place of a number)")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _Malformed("it is no ONNX file (a number in place of bytes)")
    return value
