"""One copy of a model's weights for all who use it in this process.

Theory: llama.cpp only reads a model once it is loaded, so any number of contexts, each on its own thread, may stand on the same one: the
conversation's and the one on loan cost a KV cache each and the weights once, also where they were repacked for the processor and are
no longer the file's own pages.

Law: a file that was exchanged on the disk meanwhile is another model.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgevoice.engines.llama_native import Model, check_gguf

_lock = threading.Lock()
_users: dict[tuple[str, int, int, int], tuple[Model, int]] = {}


@contextmanager
def weights(path: Path, gpu_layers: int) -> Iterator[Model]:
    """The model, until the block ends; ``ModelError`` as ``Model`` raises it.  Any thread."""
    check_gguf(path)
    stat = path.stat()
    key = str(path.resolve()), stat.st_ino, stat.st_mtime_ns, gpu_layers
    with _lock:
        model, users = _users.get(key) or (Model(path, gpu_layers), 0)
        _users[key] = model, users + 1
    try:
        yield model
    finally:
        with _lock:
            model, users = _users.pop(key)
            if users > 1:
                _users[key] = model, users - 1
            else:
                model.close()
