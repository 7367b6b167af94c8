"""llama.cpp through the ctypes layer of llama-cpp-python: one model, one context, one sequence, and an exact account of its KV.

Laws
- ``Context.live`` is what the KV cache holds, token for token, at every return and after every exception: an aborted or failed
  decode takes back the batch it was in, and ``live`` is cut to what llama.cpp then says it kept.
- Nothing of llama.cpp reaches stderr; its error lines become the text of ``ModelError`` and ``EngineError``.
- The abort function handed to llama.cpp is C and never Python: a Python one would take the GIL at each of about a thousand
  graph nodes a token, behind whichever thread holds it.

Theory.  The class ``llama_cpp.Llama`` keeps a logits row for every token of the context and copies them into its saved states
(40 MB against 5); here logits exist for one token only (``n_outputs_max`` 1), weights are mapped and never copied, and
flash attention keeps the compute buffer small.  A context belongs to one thread at a time.
"""

from __future__ import annotations

import collections
import ctypes
import importlib
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.engines import llama_kernels
from edgevoice.engines.protocols import Cancel
from edgevoice.errors import EngineError, ModelError

BATCH = 128
"""Tokens a decode call.  Twice as many is 2 % faster and doubles what an abort throws away."""
POLL_S = 0.002
"""How often a ``Cancel`` without C pointers is looked at; a decode step takes several times as long."""
CLOSERS = (".", "?", "!", "...", "\n", "\n\n", ".\n", "?\n", "!\n", ".\n\n", "?\n\n", '."', '?"', '!"', ".)", "?)")
"""what stands after a finished sentence; most vocabularies have most of them as one token"""
ABORTED = 2
"""What ``llama_decode`` returns after its abort function said true (llama.h)."""

_LEVEL_ERROR = 4
_complaints: collections.deque[str] = collections.deque(maxlen=4)
_library: Any = None
_library_lock = threading.Lock()
_log_callback: Any = None


class Aborted(Exception):
    """The abort function said so; the context is consistent."""


def library() -> Any:
    """The ``llama_cpp.llama_cpp`` module, initialized once and silenced; ``EngineError`` where the package is missing."""
    global _library, _log_callback
    with _library_lock:
        if _library is None:
            try:
                c = importlib.import_module("llama_cpp.llama_cpp")
            except ImportError as error:
                raise EngineError("the language model needs the package llama-cpp-python "
                                  f"({error}): pip install llama-cpp-python") from error
            except (OSError, RuntimeError) as error:
                raise EngineError(f"llama-cpp-python does not load on this machine ({error}): build it here, "
                                  "pip install --no-binary llama-cpp-python --force-reinstall llama-cpp-python") from error
            _log_callback = c.llama_log_callback(_log)
            c.llama_log_set(_log_callback, None)
            llama_kernels.load()
            c.llama_backend_init()
            _library = c
    return _library


def check_gguf(path: Path) -> None:
    """Refuse what is plainly no GGUF before llama.cpp maps it; ``ModelError`` says what was found."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror or error}") from error
    if not head:
        raise ModelError(f"{path} is empty, not a GGUF file")
    if head[:4] != b"GGUF":
        raise ModelError(f"{path} is no GGUF file: it begins with {head[:4]!r}, not b'GGUF'")
    if len(head) < 24:
        raise ModelError(f"{path} is cut off after {size} bytes; fetch it again")
    version, tensors, _ = struct.unpack("<IQQ", head[4:])
    if not 2 <= version <= 3:
        raise ModelError(f"{path}: GGUF version {version} is not known here; 2 and 3 are")
    if not tensors:
        raise ModelError(f"{path} holds no tensors: a vocabulary alone cannot answer")


class Model:
    """Weights and vocabulary of one GGUF file, mapped read-only."""

    def __init__(self, path: Path, gpu_layers: int = 0) -> None:
        self._c = library()
        self._model: Any = None
        check_gguf(path)
        params = self._c.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = self._c.LLAMA_LOAD_MODE_MMAP
        forget_complaints()
        self._model = self._c.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ModelError(f"llama.cpp refuses {path}: {complaint('no reason given')}")
        self.vocab = self._c.llama_model_get_vocab(self._model)
        self.pointer = self._model
        self.trained_context: int = self._c.llama_model_n_ctx_train(self._model)
        self.vocabulary: int = self._c.llama_vocab_n_tokens(self.vocab)
        self.bos: int = self._c.llama_vocab_bos(self.vocab)
        self.eos: int = self._c.llama_vocab_eos(self.vocab)
        self.adds_bos: bool = self._c.llama_vocab_get_add_bos(self.vocab)
        template = self._c.llama_model_chat_template(self._model, None)
        self.chat_template: str | None = template.decode("utf-8", "replace") if template else None
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids; with ``special`` off, "<|im_end|>" in ``text`` is eleven plain characters and steers nothing."""
        raw = text.encode("utf-8", "replace")
        if not raw:
            return []
        room = len(raw) + 8
        while True:
            out = (self._c.llama_token * room)()
            count = self._c.llama_tokenize(self.vocab, raw, len(raw), out, room, False, special)
            if count >= 0:
                return list(out[:count])
            room = -count

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes a token stands for (perhaps part of a character); empty for control tokens unless ``special``."""
        key = ~token if special else token
        if key not in self._pieces:
            room = 64
            while True:
                out = ctypes.create_string_buffer(room)
                count = self._c.llama_token_to_piece(self.vocab, token, out, room, 0, special)
                if count >= 0:
                    break
                room = -count
            self._pieces[key] = out.raw[:count]
        return self._pieces[key]

    def ends(self, token: int) -> bool:
        """True where a reply is over: end of generation, or a control token that can only open a turn no one asked for."""
        return bool(self._c.llama_vocab_is_eog(self.vocab, token) or self._c.llama_vocab_is_control(self.vocab, token))

    def closers(self) -> NDArray[np.int32]:
        """The tokens that follow a finished sentence: its mark, a line's end, the end of the text."""
        alone = [tokens[0] for text in CLOSERS if len(tokens := self.tokenize(text, special=False)) == 1]
        return np.asarray(sorted({*alone, *([self.eos] if self.eos >= 0 else [])}), np.int32)

    def close(self) -> None:
        if self._model:
            self._c.llama_model_free(self._model)
            self._model = self.pointer = None


class Context:
    """The KV cache of one sequence.  ``size`` tokens; ``live`` is what it holds now."""

    def __init__(self, model: Model, *, size: int, threads: int) -> None:
        self._c = c = library()
        params = c.llama_context_default_params()
        params.n_ctx = size
        params.n_batch = params.n_ubatch = min(BATCH, size)
        params.n_outputs_max = 1
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = c.LLAMA_FLASH_ATTN_TYPE_AUTO
        params.no_perf = True
        forget_complaints()
        self._context: Any = c.llama_init_from_model(model.pointer, params)
        if not self._context:
            raise EngineError(f"llama.cpp cannot make a context of {size} tokens: {complaint('out of memory?')}")
        self.pointer = self._context
        self.size = size
        self._vocabulary = model.vocabulary
        self.live: list[int] = []
        self.has_logits = False
        """True while the logits of the last live token are at hand."""
        self.evaluated = 0
        """tokens decoded in this context's life"""
        self._memory = c.llama_get_memory(self._context)
        self._no_abort = c.ggml_abort_callback(0)
        self._batch = (c.llama_token * BATCH)()

    @property
    def can_shift(self) -> bool:
        return bool(self._c.llama_memory_can_shift(self._memory))

    def arm(self, address: int, argument: int) -> None:
        """Have decodes ask the C function at ``address``; both must live until ``disarm``."""
        self._c.llama_set_abort_callback(self._context, self._c.ggml_abort_callback(address), argument)

    def disarm(self) -> None:
        self._c.llama_set_abort_callback(self._context, self._no_abort, None)

    def decode(self, tokens: Sequence[int]) -> None:
        """Append at most ``BATCH`` tokens; ``Aborted`` or ``EngineError`` leave whole earlier batches in place."""
        count = len(tokens)
        self._batch[:count] = tokens
        self.has_logits = False
        status = self._c.llama_decode(self._context, self._c.llama_batch_get_one(self._batch, count))
        if status == 0:
            self.live.extend(tokens)
            self.has_logits = True
            self.evaluated += count
            return
        reason = complaint(f"status {status}")
        del self.live[self._c.llama_memory_seq_pos_max(self._memory, 0) + 1:]
        if status == ABORTED:
            raise Aborted
        raise EngineError(f"llama.cpp could not decode {count} tokens after {len(self.live)}: {reason}")

    def share(self, tokens: NDArray[np.int32]) -> float:
        """The probability that one of ``tokens`` follows the last live one, whose logits must be at hand."""
        if not self.has_logits:
            raise RuntimeError("the last token has no logits")
        row = np.ctypeslib.as_array(self._c.llama_get_logits_ith(self._context, -1), (self._vocabulary,))
        weights = np.exp(row - row.max())
        return float(weights[tokens].sum(dtype=np.float64) / weights.sum(dtype=np.float64))

    def logs(self) -> NDArray[np.float64]:
        """The logarithm of each token's probability to follow the last live one, whose logits must be at hand."""
        if not self.has_logits:
            raise RuntimeError("the last token has no logits")
        row = np.ctypeslib.as_array(self._c.llama_get_logits_ith(self._context, -1), (self._vocabulary,)).astype(np.float64)
        row -= row.max()
        return np.asarray(row - np.log(np.exp(row).sum()))

    def likeliest(self, count: int) -> list[tuple[int, float]]:
        """Tokens and their logits, the likeliest first, of those that may follow the last live one, whose logits must be at hand."""
        if not self.has_logits:
            raise RuntimeError("the last token has no logits")
        row = np.ctypeslib.as_array(self._c.llama_get_logits_ith(self._context, -1), (self._vocabulary,))
        found = np.argpartition(row, -count)[-count:]
        return [(int(token), float(row[token])) for token in found[np.argsort(-row[found], kind="stable")]]

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens (all of them, where this kind of memory cannot forget a part)."""
        if count >= len(self.live):
            return
        self.has_logits = False
        if self._c.llama_memory_seq_rm(self._memory, 0, count, -1):
            del self.live[count:]
        else:
            self.clear()

    def cut(self, start: int, stop: int) -> None:
        """Forget tokens ``start`` … ``stop`` and close the gap.  The keys are turned to their new positions by the next decode,
        which must not be aborted: half of the layers would be turned twice."""
        if not self._c.llama_memory_seq_rm(self._memory, 0, start, stop):
            self.clear()
            return
        self._c.llama_memory_seq_add(self._memory, 0, stop, -1, start - stop)
        del self.live[start:stop]
        self.has_logits = False

    def clear(self) -> None:
        self._c.llama_memory_clear(self._memory, False)
        self.live.clear()
        self.has_logits = False

    def save(self) -> bytes:
        """The KV state of ``live`` (about 22 kB a token for a 135M model)."""
        size = self._c.llama_state_seq_get_size(self._context, 0)
        buffer = (ctypes.c_uint8 * size)()
        return bytes(memoryview(buffer)[:self._c.llama_state_seq_get_data(self._context, buffer, size, 0)])

    def restore(self, state: bytes, tokens: Sequence[int]) -> bool:
        """Take a state that ``save`` gave while ``live`` was ``tokens``; False, with the context empty, if llama.cpp refuses it."""
        self.clear()
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = self._c.llama_state_seq_set_data(self._context, buffer, len(state), 0)
        if not read or self._c.llama_memory_seq_pos_max(self._memory, 0) + 1 != len(tokens):
            self.clear()
            return False
        self.live.extend(tokens)
        return True

    def close(self) -> None:
        if self._context:
            self._c.llama_free(self._context)
            self._context = self.pointer = None


class AbortSwitch:
    """Arms a context with a ``Cancel`` for the length of a ``with`` block.

    Where the ``Cancel`` has no C function of its own, the abort function is libc's ``strlen`` over a byte of ours: its result read
    as a bool is false for "" and true for a string of one character, and a watcher thread writes that character once
    ``cancelled()`` says so.
    """

    def __init__(self, context: Context, cancel: Cancel) -> None:
        self._context, self._cancel = context, cancel
        self._flag = ctypes.create_string_buffer(2)
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> AbortSwitch:
        pointers = self._cancel.abort_pointers()
        if pointers is None:
            strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
            assert strlen is not None
            pointers = strlen, ctypes.addressof(self._flag)
            self._watcher = threading.Thread(target=self._watch, args=(self._cancel.cancelled,), name="llm-cancel", daemon=True)
            self._watcher.start()
        self._context.arm(*pointers)
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.disarm()
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self, cancelled: Callable[[], bool]) -> None:
        while not cancelled():
            if self._over.wait(POLL_S):
                return
        self._flag[0] = b"\x01"


def _log(level: int, text: bytes, _data: object) -> None:
    """llama.cpp's logger, on whichever thread it logs: errors are kept for the exception that follows, the rest is dropped."""
    if level == _LEVEL_ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())


def forget_complaints() -> None:
    """Before a call whose reason for failing shall be told."""
    _complaints.clear()


def complaint(otherwise: str) -> str:
    """The first of the latest error lines: those after it only say that something failed because of it."""
    reason = next((line for line in _complaints if line), otherwise)
    _complaints.clear()
    return reason
