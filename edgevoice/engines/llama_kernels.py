"""llama.cpp's kernels, where they are files of their own.

Theory: a build for one machine has its kernels inside.  A build for many (the Debian package) has a library for each kind of processor, and
whoever loads llama.cpp has to say where they are; it takes the one that fits this processor best.
"""

from __future__ import annotations

import importlib

from edgevoice.errors import EngineError


def load() -> None:
    """Before the first model; again does nothing.  ``ImportError`` and ``OSError`` as importing llama_cpp; ``EngineError`` where no kernel
    fits this processor."""
    ggml = importlib.import_module("llama_cpp._ggml")
    if ggml.libggml.ggml_backend_reg_count() == 0:
        ggml.libggml.ggml_backend_load_all_from_path(str(ggml.libggml_base_path).encode())
        if ggml.libggml.ggml_backend_reg_count() == 0:
            raise EngineError(f"llama.cpp has no kernels for this processor in {ggml.libggml_base_path}")
