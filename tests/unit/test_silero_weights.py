"""Silero's weights out of an ONNX file: found where they may stand, and every file that is not that network refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice.engines.silero_weights import CONVOLUTIONS, DEEPEST, LARGEST_FILE, SHAPES, read_weights
from edgevoice.errors import ModelError
from tests.fakes.silero_file import onnx, random_weights

WEIGHTS = random_weights()
BIAS = "encoder.2.reparam_conv.bias"


def written(folder: Path, data: bytes) -> Path:
    path = folder / "a.onnx"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", [
    {}, {"inside": 1}, {"inside": 4}, {"prefix": ""}, {"floats": True},
    {"constants": True, "inside": 1, "prefix": "If_0_then_branch__Inline_0__"}])
def test_weights_are_found_wherever_they_may_stand(form: dict[str, Any], tmp_path: Path) -> None:
    found = read_weights(written(tmp_path, onnx(WEIGHTS, **form)))
    assert list(found) == list(SHAPES)
    for name, array in found.items():
        assert array.dtype == np.float32 and array.flags.c_contiguous
        np.testing.assert_array_equal(array, WEIGHTS[name])


def test_the_sixteen_kilohertz_branch_is_taken_where_there_are_two(tmp_path: Path) -> None:
    other = {name: array * 2 for name, array in random_weights(1).items()}
    other["stft.forward_basis_buffer"] = np.zeros((130, 1, 128), np.float32)
    other["encoder.0.reparam_conv.weight"] = np.zeros((128, 65, 3), np.float32)
    eight, sixteen = onnx(other, prefix="If_0_else_branch__", inside=1), onnx(WEIGHTS, prefix="If_0_then_branch__", inside=1)
    found = read_weights(written(tmp_path, eight + sixteen))  # a message twice is a message with both contents
    np.testing.assert_array_equal(found[BIAS], WEIGHTS[BIAS])


def without(name: str) -> dict[str, np.ndarray]:
    return {key: array for key, array in WEIGHTS.items() if key != name}


def with_value(name: str, value: float) -> dict[str, np.ndarray]:
    array = WEIGHTS[name].copy()
    array.flat[3] = value
    return WEIGHTS | {name: array}


REFUSED = {
    "empty": (b"", "it is empty"),
    "zeros": (bytes(4 << 20), "field numbered 0"),
    "text": (b"Not Found\n", "no ONNX file"),
    "no graph": (b"\x08\x08", "has no graph"),
    "no tensors": (onnx({}), "has no tensors"),
    "other names": (onnx({"fc.weight": np.zeros((2, 2))}), "none of its 1 tensors ends in a name like .* first is 'model.fc.weight'"),
    "a part of a name": (onnx(WEIGHTS, prefix="model.not"), "none of its 15 tensors"),
    "one missing": (onnx(without(BIAS)), f"no tensor 'model.{BIAS}'"),
    "another shape": (onnx(WEIGHTS | {BIAS: np.zeros((65,))}), rf"'model.{BIAS}' has shape \(65,\), wants \(64,\)"),
    "half precision": (onnx(WEIGHTS, kind=10), "has element type 10, wants 1"),
    "not a number": (onnx(with_value(BIAS, np.nan)), "no finite numbers"),
    "infinite": (onnx(with_value("decoder.rnn.weight_ih", np.inf)), "'model.decoder.rnn.weight_ih' has values"),
    "another stride": (onnx(WEIGHTS, convolutions={**CONVOLUTIONS, "encoder.1.reparam_conv.weight": ([1], [1, 1])}),
                       r"encoder.1.reparam_conv.weight' has strides \[1\] and padding \[1, 1\], wants \[2\]"),
    "shorter than its shape": (onnx(WEIGHTS | {BIAS: np.zeros(63)}, dims={BIAS: (64,)}), "has 252 bytes, wants 256"),
    "unused": (onnx(WEIGHTS, convolutions={}), "no convolution uses 'model.stft"),
    "too deep": (onnx(WEIGHTS, inside=DEEPEST), "nested more than"),
    "too long a number": (b"\x08" + b"\xff" * 11, "more than 64 bits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_another_file_is_refused_with_what_was_found(case: str, tmp_path: Path) -> None:
    data, words = REFUSED[case]
    path = written(tmp_path, data)
    with pytest.raises(ModelError, match=words) as raised:
        read_weights(path)
    assert str(raised.value).startswith(f"{path}: not the Silero VAD network for 16 kHz: ") and "\n" not in str(raised.value)


def test_an_absent_or_enormous_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: cannot be read: No such file"):
        read_weights(tmp_path / "absent.onnx")
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ModelError, match=f"{LARGEST_FILE + 1} bytes: not the Silero VAD"):
        read_weights(path)


def test_a_file_cut_short_or_damaged_anywhere_is_refused_or_read_but_never_worse(tmp_path: Path) -> None:
    whole = onnx(WEIGHTS)
    rng = np.random.default_rng(5)
    for length in rng.integers(1, len(whole) - 6, 40):
        with pytest.raises(ModelError):
            read_weights(written(tmp_path, whole[:length]))
    structure = len(onnx({}))  # the bytes before the first tensor, where damage changes what is read, not only numbers
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(0, structure + 60, 3):
            damaged[place] = rng.integers(0, 256)
        try:
            assert list(read_weights(written(tmp_path, bytes(damaged)))) == list(SHAPES)
        except ModelError:
            pass
