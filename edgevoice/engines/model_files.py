"""A look at a model folder before an engine gets it.

Theory: sherpa-onnx ends the process, without an exception, on files that do not fit one another: an ONNX file without the metadata it
expects, a token list of another model.  What can be seen cheaply from outside is looked at here (a few ms): file sizes against the
folder's own ``model.json``, ONNX metadata, the token list.  It is no proof; a model's installation tries it in a child process.
"""

from __future__ import annotations

import base64
import binascii
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from edgevoice.errors import ModelError

METADATA_FIELD = 14
"""``metadata_props`` in ONNX's ModelProto (onnx.proto); a message of key = 1, value = 2"""


def choose(folder: Path, *patterns: str) -> Path:
    """The file in ``folder`` that the first pattern with a match names; ``ModelError`` if none does or it is empty."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read as a model folder ({error.strerror})") from error
    for pattern in patterns:
        for name in names:
            if fnmatchcase(name, pattern):
                path = folder / name
                if not path.is_file() or not path.stat().st_size:
                    raise ModelError(f"{path}: is empty or not a file; `edgevoice models verify` tells what else is wrong")
                return path
    raise ModelError(f"{folder}: has no {patterns[0]}; it is not a whole model (install it again with `edgevoice models pull`)")


def check_sizes(folder: Path) -> dict[str, object]:
    """What ``model.json`` says ({} without one); ``ModelError`` where a file's size is not the one it records."""
    path = folder / "model.json"
    if not path.is_file():
        return {}
    try:
        said: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        files = dict(said.get("files", {}))  # type: ignore[call-overload]
        sizes = {str(name): int(facts["size"]) for name, facts in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a model's record ({error}); install the model again") from error
    for name, size in sizes.items():
        try:
            found = (folder / name).stat().st_size
        except OSError as error:
            raise ModelError(f"{folder / name}: is missing; install the model again with `edgevoice models pull`") from error
        if found != size:
            raise ModelError(f"{folder / name}: has {found} bytes instead of {size}; install the model again with `edgevoice models pull`")
    return said


def read_tokens(path: Path) -> dict[int, str]:
    """The symbols of a tokens.txt by their ids (``symbol id`` a line, ids growing; the space may be the symbol)."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a token list ({error})") from error
    symbols: dict[int, str] = {}
    last = -1
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        symbol, _, index = line.rstrip("\r").rpartition(" ")
        if not symbol or not (index.isascii() and index.isdigit()) or int(index) <= last:
            raise ModelError(f"{path}:{number}: not a token list (wants a symbol, a space and a number above {last})")
        last = int(index)
        symbols[last] = symbol
    if not symbols:
        raise ModelError(f"{path}: holds no tokens")
    return symbols


def check_base64_tokens(path: Path, least: int) -> None:
    """``ModelError`` unless the symbols of a tokens.txt are base64 and at least ``least`` in number."""
    symbols = read_tokens(path)
    for index, symbol in symbols.items():
        try:
            base64.b64decode(symbol, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ModelError(f"{path}: token {index}, {symbol!r}, is not base64; the list belongs to another kind of model") from error
    if len(symbols) < least:
        raise ModelError(f"{path}: {len(symbols)} tokens; wants {least} or more, so it is cut short or belongs to another model")


def metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file, its tensors skipped unread; ``ModelError`` if it is not protobuf from end to end."""
    found = {}
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            while file.tell() < size:
                tag = _varint(file)
                if tag & 7 == 0:
                    _varint(file)
                elif tag & 7 == 2:
                    length = _varint(file)
                    if file.tell() + length > size:
                        raise ValueError("ends in the middle")
                    if tag >> 3 == METADATA_FIELD:
                        key, value = _pair(file, file.tell() + length)
                        found[key] = value
                    else:
                        file.seek(length, 1)
                else:
                    raise ValueError(f"has a field of wire type {tag & 7}")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a whole ONNX file ({error})") from error
    return found


def check_ort(path: Path) -> None:
    """``ModelError`` unless the file begins as onnxruntime's own format does (a flatbuffer with the identifier ORTM)."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ORTM":
            raise ModelError(f"{path}: not a model in onnxruntime's .ort format")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("ends in the middle")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("has a number without end")


def _pair(file: BinaryIO, end: int) -> tuple[str, str]:
    """One StringStringEntryProto."""
    parts = {1: b"", 2: b""}
    while file.tell() < end:
        tag = _varint(file)
        if tag & 7 != 2:
            raise ValueError("has metadata that is no text")
        length = _varint(file)
        parts[tag >> 3] = file.read(length)
    return parts[1].decode(), parts[2].decode()
