"""Progress on stderr: a bar that redraws itself where someone looks at a terminal, few plain lines where a log is written.

Laws: stdout is never touched (programs read it); one task at a time; a task that fails still ends its line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

REDRAW_S = 0.1
"""A bar is redrawn no faster than the eye needs."""
LINE_S = 10.0
"""In a log, a line at least this far apart: a slow link at 100 kB/s makes 90 lines for the largest default model, not 9,000."""
BAR = 24


def human(size: float) -> str:
    """Bytes as people say them: ``93 MB`` (powers of ten, as package indexes and disks count)."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


class Task:
    """One thing under way; ``total`` 0 where unknown.  Used from one thread."""

    def __init__(self, stream: TextIO | None, label: str, total: int, done: int = 0) -> None:
        self._stream, self._label, self.total, self.done = stream, label, total, done
        self._tty = stream is not None and stream.isatty()
        self._drawn = time.monotonic()
        self._shown = False

    def advance(self, count: int) -> None:
        self.set(self.done + count)

    def set(self, done: int) -> None:
        self.done = done
        now = time.monotonic()
        if self._stream is None or now - self._drawn < (REDRAW_S if self._tty else LINE_S):
            return
        self._drawn = now
        self._shown = True
        if self._tty:
            self._stream.write(f"\r\x1b[K{self._line()}")
        else:
            self._stream.write(f"{self._line()}\n")
        self._stream.flush()

    def finish(self) -> None:
        if self._stream is not None and self._tty and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self) -> str:
        if not self.total:
            return f"{self._label}: {human(self.done)}"
        share = min(1.0, self.done / self.total)
        if not self._tty:
            return f"{self._label}: {human(self.done)} of {human(self.total)} ({share:.0%})"
        filled = round(share * BAR)
        return f"{self._label} [{'#' * filled}{'.' * (BAR - filled)}] {human(self.done)} of {human(self.total)}"


class Progress:
    """What a pull tells while it works; ``stream`` ``None`` for silence."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def say(self, line: str) -> None:
        if self._stream is not None:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Task]:
        task = Task(self._stream, label, total, done)
        try:
            yield task
        finally:
            task.finish()


def on_stderr() -> Progress:
    return Progress(sys.stderr)
