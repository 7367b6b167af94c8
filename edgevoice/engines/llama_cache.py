"""The system prompt's KV state on disk: a cold start reads 5 MB where it would compute for half a second (a Pi: for several).

Laws
- A file is used only if its key, its tokens and its checksum are right; anything else is a miss that is counted, never an error.
- Files appear whole or not at all; a full or read-only disk costs the cache and nothing more.
- At most ``KEPT`` files lie beside a model; the longest unused go first.

Format, in the machine's byte order: magic ``EVKV1``, the key (32 bytes), CRC-32 of the tokens and the state (u32), number of tokens
(u32), the tokens (i32 each), llama.cpp's sequence state.  The key is a sha256 over what decides the state: the model file, llama.cpp's
version, the context's shape, the tokens.  The checksum finds torn and rotten files (an SD card after a power cut), so nothing is
fsynced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"EVKV1\n\0\0"
KEPT = 8
"""files; 5 MB each with the default model"""
ABANDONED_S = 3600.0
"""a temporary file so much older than the newest state was left by a process that died"""
_HEAD = struct.Struct("=8s32sII")
_ENDS = 1 << 20
"""bytes of a model file's beginning and end that tell it from another of the same size and time"""


@dataclass(slots=True)
class CacheCounts:
    """What became of each look-up and each write."""

    hits: int = 0
    misses: int = 0
    """no file yet"""
    rejected: int = 0
    """a file was there but torn, rotten, stale or refused by llama.cpp; it is replaced"""
    saved: int = 0
    unsaved: int = 0
    """could not be written"""


def identity(model: Path) -> str:
    """What tells a model file from any other without reading all of it: the installer's sha256 where there is one, size, time
    of change, and a digest of its ends."""
    stat = model.stat()
    digest = hashlib.sha256()
    with model.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, stat.st_size - _ENDS))
        digest.update(file.read(_ENDS))
    listed = ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # a bare .gguf has no model.json, and needs none
        listed = str(json.loads((model.parent / "model.json").read_text(encoding="utf-8"))["files"][model.name]["sha256"])
    return f"{listed}:{stat.st_size}:{stat.st_mtime_ns}:{digest.hexdigest()}"


class PromptCache:
    """States of system prompts in ``folder``, for one model and one kind of context (``facts``)."""

    def __init__(self, folder: Path, facts: Sequence[str]) -> None:
        self.folder = folder
        self.counts = CacheCounts()
        self._facts = "\n".join(facts).encode()

    def path(self, tokens: Sequence[int]) -> Path:
        return self.folder / f"prompt-{self._key(tokens).hex()[:16]}.kv"

    def load(self, tokens: Sequence[int]) -> bytes | None:
        """The state for exactly ``tokens``, or None."""
        try:
            raw = self.path(tokens).read_bytes()
        except FileNotFoundError:
            self.counts.misses += 1
            return None
        except OSError:
            self.counts.rejected += 1
            return None
        start = _HEAD.size + 4 * len(tokens)
        if len(raw) > start:
            magic, key, checksum, count = _HEAD.unpack_from(raw)
            right = (magic, key, count, raw[_HEAD.size:start]) == (MAGIC, self._key(tokens), len(tokens), _packed(tokens))
            if right and zlib.crc32(memoryview(raw)[_HEAD.size:]) == checksum:
                self.counts.hits += 1
                with contextlib.suppress(OSError):  # a read-only store: the order of use is lost, nothing else
                    os.utime(self.path(tokens))
                return raw[start:]
        self.counts.rejected += 1
        return None

    def refused(self) -> None:
        """llama.cpp would not take the state that ``load`` just gave."""
        self.counts.hits -= 1
        self.counts.rejected += 1

    def save(self, tokens: Sequence[int], state: bytes) -> bool:
        """Write beside, then rename; False (and counted) if the disk will not have it."""
        body = _packed(tokens)
        head = _HEAD.pack(MAGIC, self._key(tokens), zlib.crc32(state, zlib.crc32(body)), len(tokens))
        temporary = self.folder / f".prompt-{os.getpid()}.tmp"
        try:
            try:
                with temporary.open("wb") as file:
                    file.write(head)
                    file.write(body)
                    file.write(state)
                temporary.replace(self.path(tokens))
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        except OSError:
            self.counts.unsaved += 1
            return False
        self.counts.saved += 1
        self._trim()
        return True

    def _trim(self) -> None:
        with contextlib.suppress(OSError):  # another process may trim the same folder
            files = sorted(self.folder.glob("prompt-*.kv"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files[KEPT:]:
                path.unlink(missing_ok=True)
            for path in self.folder.glob(".prompt-*.tmp"):
                if path.stat().st_mtime < files[0].stat().st_mtime - ABANDONED_S:
                    path.unlink(missing_ok=True)

    def _key(self, tokens: Sequence[int]) -> bytes:
        return hashlib.sha256(self._facts + b"\0" + _packed(tokens)).digest()


def _packed(tokens: Sequence[int]) -> bytes:
    return array("i", tokens).tobytes()
