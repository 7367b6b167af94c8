"""Conversions at install: publishers' files into what the engines read.

Theory.  A Piper voice lacks the metadata sherpa-onnx looks for; protobuf messages may be concatenated, so entries of
``ModelProto.metadata_props`` (field 14, each a ``StringStringEntryProto`` of key 1 and value 2) are appended to the file as they are
(onnx.proto3, protobuf encoding guide).  Moonshine ships its vocabulary as length-prefixed bytes; sherpa-onnx wants lines of
``base64(token) id``.  A Q4_1 GGUF is stored anew as Q8_0 by llama.cpp's own quantizer, in a child process.

Laws: the input folder's files are moved or consumed, never needed again; what is made is the same for the same input.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edgevoice.engines import llama_kernels
from edgevoice.errors import EngineError, ModelError
from edgevoice.models import child, families

QUANTIZE_DEADLINE_S = 900.0
"""1 s for 135 M parameters on a laptop; a Pi 4 with a slow card and a model ten times as large stays below this."""
_METADATA_PROPS = 14
_LENGTH_DELIMITED = 2
_FIXED_WIDTHS = {1: 8, 5: 4}
_MISSING = 3
"""The child's exit code where llama-cpp-python is not installed."""


def install_form(family: str, raw: Path, out: Path, *, requantize: bool = False, keep_fds: Sequence[int] = ()) -> dict[str, str]:
    """Fill ``out`` with the family's files from ``raw`` (which is used up); how each converted file was made, by name.

    ``ModelError`` where a file is not what its name says or ``raw`` lacks one.
    """
    known = families.get(family)
    assert known is not None, family
    names = [path.name for path in raw.iterdir()]
    made: dict[str, str] = {}
    # a publisher's GGUF may happen to be called model.gguf: only `requantize` tells whether it is to be converted
    ready = families.fill(known.installed, names) if not requantize else None
    if ready is not None:
        _move(raw, out, ready.values())
        return made
    filled = families.fill(known.raw, names) if known.raw else None
    if filled is None:
        raise ModelError(f"files of a {family} model are missing: there are only {', '.join(sorted(names)) or 'none'}")
    if "licence" in filled:
        _move(raw, out, [filled["licence"]])
    if family == "piper-vits":
        made = _piper(raw / filled["model"], raw / filled["config"], out)
    elif family == "moonshine-v2":
        _move(raw, out, [filled["encoder"], filled["decoder"]])
        (out / "tokens.txt").write_bytes(moonshine_tokens((raw / filled["tokenizer"]).read_bytes()))
        made = {"tokens.txt": f"from {filled['tokenizer']}"}
    elif requantize:
        made = _requantize(raw / filled["model"], out / "model.gguf", keep_fds)
    else:
        os.replace(raw / filled["model"], out / "model.gguf")
    return made


def moonshine_tokens(data: bytes) -> bytes:
    """``tokens.txt`` from ``tokenizer.bin``: a length byte n (128 and more: n + 128 * next - 128), then n bytes, again and again.

    An unused slot has length 0 and gets no line.  ``ModelError`` if the data ends inside a token.
    """
    lines, position, index = [], 0, 0
    while position < len(data):
        length = data[position]
        position += 1
        if length >= 128:
            if position >= len(data):
                raise ModelError(f"tokenizer.bin ends inside the length of token {index}")
            length += data[position] * 128 - 128
            position += 1
        token = data[position:position + length]
        if len(token) != length:
            raise ModelError(f"tokenizer.bin ends inside token {index}")
        position += length
        if token:
            lines.append(base64.b64encode(token.replace("▁".encode(), b" ")) + b" %d\n" % index)
        index += 1
    if not lines:
        raise ModelError("tokenizer.bin has no tokens")
    return b"".join(lines)


def piper_tokens(config: dict[str, Any]) -> str:
    """``tokens.txt`` from a Piper voice's json: ``symbol id`` a line."""
    return "".join(f"{symbol} {ids[0]}\n" for symbol, ids in config["phoneme_id_map"].items())


def onnx_metadata(path: Path) -> dict[str, str]:
    """The ``metadata_props`` of an ONNX file; only the headers of the other top-level fields are read.

    ``ModelError`` if the file is not made of protobuf fields to its very end.
    """
    found = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            key = _varint(file.read, path)
            field, wire = key >> 3, key & 7
            if field == 0:  # no field has this number, but a file of zeros would be walked in steps of two bytes
                raise ModelError(f"{path.name} is no ONNX file")
            if wire == _LENGTH_DELIMITED:
                length = _varint(file.read, path)
                if file.tell() + length > size:
                    raise ModelError(f"{path.name} is no ONNX file, or a truncated one")
                if field == _METADATA_PROPS:
                    name, value = _entry(file.read(length), path)
                    found[name] = value
                else:
                    file.seek(length, os.SEEK_CUR)
            elif wire == 0:
                _varint(file.read, path)
            elif wire in _FIXED_WIDTHS and file.tell() + _FIXED_WIDTHS[wire] <= size:
                file.seek(_FIXED_WIDTHS[wire], os.SEEK_CUR)
            else:
                raise ModelError(f"{path.name} is no ONNX file, or a truncated one")
    return found


def encode_metadata(entries: dict[str, str]) -> bytes:
    """``metadata_props`` entries in protobuf's wire form, ready to be appended to an ONNX file."""
    out = bytearray()
    for name, value in entries.items():
        entry = b"".join(bytes([field << 3 | _LENGTH_DELIMITED]) + _encode_varint(len(text)) + text
                         for field, text in ((1, name.encode()), (2, value.encode())))
        out += bytes([_METADATA_PROPS << 3 | _LENGTH_DELIMITED]) + _encode_varint(len(entry)) + entry
    return bytes(out)


def main(arguments: Sequence[str]) -> int:
    """In the child, for llama.cpp's quantizer may abort the process on a bad file: source and target to an exit code."""
    source, target = arguments
    try:
        import llama_cpp
    except ModuleNotFoundError:
        return _MISSING
    llama_kernels.load()
    how = llama_cpp.llama_model_quantize_default_params()
    how.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    how.allow_requantize = True
    how.nthread = max(1, (os.cpu_count() or 2) - 1)
    failed = llama_cpp.llama_model_quantize(source.encode(), target.encode(), how) != 0
    print(f"llama-cpp-python {llama_cpp.__version__}")
    return int(failed)


def _piper(model: Path, config: Path, out: Path) -> dict[str, str]:
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
        wanted = {
            "sample_rate": str(int(settings["audio"]["sample_rate"])),
            "n_speakers": str(int(settings.get("num_speakers", 1))),
            "language": str(settings.get("language", {}).get("name_english", settings["espeak"]["voice"])),
            "comment": "piper",
        }
        tokens = piper_tokens(settings)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{config.name} is not the json of a Piper voice ({error!r})") from error
    present = onnx_metadata(model)
    missing = {name: value for name, value in wanted.items() if name not in present}
    # a copy, for the original may share its bytes with a download that is kept until all is well
    shutil.copyfile(model, out / "model.onnx")
    model.unlink()
    os.replace(config, out / "config.json")
    with (out / "model.onnx").open("ab") as file:
        file.write(encode_metadata(missing))
    (out / "tokens.txt").write_text(tokens, encoding="utf-8")
    made = {"tokens.txt": f"from {config.name}"}
    if missing:
        made["model.onnx"] = f"{model.name} with metadata {', '.join(missing)}"
    return made


def _requantize(source: Path, target: Path, keep_fds: Sequence[int]) -> dict[str, str]:
    ended = child.run("edgevoice.models.convert", [str(source), str(target)], deadline_s=QUANTIZE_DEADLINE_S, keep_fds=keep_fds)
    if ended.code == _MISSING:
        raise EngineError("requantizing needs the package llama-cpp-python: install it with `pip install llama-cpp-python`")
    if ended.code != 0 or ended.timed_out or not target.is_file():
        raise ModelError(f"llama.cpp could not requantize {source.name} to Q8_0: {ended.reason()}")
    source.unlink()
    return {target.name: f"{source.name} requantized to Q8_0 by {ended.stdout.strip()}"}


def _move(raw: Path, out: Path, names: Iterable[str]) -> None:
    for name in names:
        shutil.move(raw / name, out / name)


def _varint(read: Callable[[int], bytes], path: Path) -> int:
    value = shift = 0
    while True:
        byte = read(1)
        if not byte or shift > 63:
            raise ModelError(f"{path.name} is no ONNX file, or a truncated one")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _entry(data: bytes, path: Path) -> tuple[str, str]:
    """Key and value of one ``StringStringEntryProto``."""
    stream, texts = io.BytesIO(data), {1: "", 2: ""}
    while stream.tell() < len(data):
        field = _varint(stream.read, path) >> 3
        texts[field] = stream.read(_varint(stream.read, path)).decode("utf-8", "replace")
    return texts[1], texts[2]
