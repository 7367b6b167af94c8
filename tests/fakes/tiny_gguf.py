"""A language model of a few kilobytes that llama.cpp really loads and runs: one layer, 32 wide, bytes as its vocabulary.

For tests that need a model file that is right (or, cut and scribbled over, wrong), not one that says anything.  Layout: GGUF version 3.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

_WIDTH, _FEED, _CONTEXT, _ALIGN = 32, 64, 128, 32
_UINT32, _FLOAT32, _STRING, _ARRAY, _INT32 = 4, 6, 8, 9, 5
_F32, _F16 = 0, 1
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write(path: Path, *, seed: int = 0, half: bool = False) -> Path:
    """Write a model; another ``seed`` makes other weights, ``half`` stores its matrices as float16."""
    path.write_bytes(build(seed=seed, half=half))
    return path


def build(*, seed: int = 0, half: bool = False) -> bytes:
    """The file's bytes, the same for the same arguments."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256)), "▁", "a", "▁a"]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *([_BYTE] * 256), _NORMAL, _NORMAL, _NORMAL]
    facts: dict[str, Any] = {
        "general.architecture": "llama", "general.name": "tiny", "llama.context_length": _CONTEXT, "llama.embedding_length": _WIDTH,
        "llama.block_count": 1, "llama.feed_forward_length": _FEED, "llama.attention.head_count": 2, "llama.rope.dimension_count": 16,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens), "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0,
    }
    random = np.random.default_rng(seed)
    matrices = {
        "token_embd": (len(tokens), _WIDTH), "output": (len(tokens), _WIDTH),
        **{f"blk.0.attn_{part}": (_WIDTH, _WIDTH) for part in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (_FEED, _WIDTH), "blk.0.ffn_up": (_FEED, _WIDTH), "blk.0.ffn_down": (_WIDTH, _FEED),
    }
    tensors = {name: random.normal(0, 0.1, shape).astype(np.float16 if half else np.float32) for name, shape in matrices.items()}
    tensors |= {name: np.ones(_WIDTH, np.float32) for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)) + b"".join(_text(key) + _value(value) for key, value in facts.items())
    body = b""
    for name, array in tensors.items():
        shape = array.shape[::-1]
        kind = _F16 if array.dtype == np.float16 else _F32
        head += _text(f"{name}.weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(body))
        body += _padded(array.tobytes())
    return _padded(head) + body


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    kind, items = {
        str: (_STRING, b"".join(_text(item) for item in value if isinstance(item, str))),
        float: (_FLOAT32, np.asarray(value, np.float32).tobytes() if isinstance(value[0], float) else b""),
        int: (_INT32, np.asarray(value, np.int32).tobytes() if isinstance(value[0], int) else b""),
    }[type(value[0])]
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + items


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGN)
