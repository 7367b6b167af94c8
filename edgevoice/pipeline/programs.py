"""A user's program, run for a call: without a shell, with an environment of its own, bounded in time and in what it says.

Law: whatever happens (it ends, takes too long, is cancelled, says too much, starts others), nothing of its process group is alive
afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import Any, cast

from edgevoice.errors import EngineError

MOST_BYTES = 4096
"""of what it says; the rest is read and dropped"""
SPOKEN = 300
"""characters of that which are passed on: about twenty seconds of speech"""
END_S = 1.0
"""in which a killed program is gone"""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


class ToolFailed(EngineError):
    """A tool could not do what it was called for.  Its text says why, and holds no word that was said."""


async def run(argv: Sequence[str], timeout_s: float) -> str:
    """What it wrote on its standard output, in one line.  ``ToolFailed`` where it cannot be started or fails; ``TimeoutError``."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=ENVIRONMENT, cwd="/", start_new_session=True)
    except OSError as error:
        raise ToolFailed(f"{argv[0]} cannot be started: {error.strerror or error}") from error
    assert process.stdout is not None
    said = bytearray()
    reading = asyncio.ensure_future(_read(process.stdout, said))
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
            _end(process.pid)  # what it left running would keep its output open
            await asyncio.wait((reading,), timeout=END_S)
    finally:
        _end(process.pid)
        await asyncio.wait((reading, asyncio.ensure_future(process.wait())), timeout=END_S)
        reading.cancel()
        cast(Any, process)._transport.close()  # somebody who left the group may hold the output open; asyncio has no other way
    if code != 0:
        raise ToolFailed(f"{argv[0]} ended with {code}")
    return _line(said.decode("utf-8", "replace"))


async def _read(stream: asyncio.StreamReader, said: bytearray) -> None:
    while piece := await stream.read(MOST_BYTES):
        said += piece[:MOST_BYTES - len(said)]


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SPOKEN]


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
