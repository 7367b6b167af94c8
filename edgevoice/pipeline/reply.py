"""The one reply stream: what the engine writes, as frames that any number of readers follow at their own pace.

Laws
- ``seq`` counts 0, 1, 2 … without gaps; exactly one frame has ``finish``, and it is the last; an error frame comes right
  before a closing frame whose ``finish`` is "error"; the deltas joined are the reply's text (``events.ReplyFrame``).
- Every reader sees every frame, in order, from the first, also one that begins late.  Nothing is dropped and nothing is merged.
- A *holding* reader that is more than ``depth`` frames behind holds the writer of text, for as long as the generation lives;
  other readers never hold anyone.  Errors and the closing frame never wait.
- A stream that begins provisional (speculation) is settled by its first frame that is not provisional: then all its text
  stands.  Its writer may be done before that; the closing frame waits then for the settling.  Cancelled or failed while
  provisional, it is taken back whole.

Theory.  The frames of a reply are few (at most llm.max_tokens, and three) and small, so the stream keeps them all, and a reader is
a cursor into that list: what would be a queue for each reader, with a rule for what to drop, is one bounded log instead.  The
writer is one thread; ``close`` and ``fail`` may come from any thread and the first wins; what is written after it is dropped and
``delta`` says so.  Readers may be on any thread; an event loop is woken by ``listen``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from edgevoice.engines.protocols import Cancel
from edgevoice.events import FINISH_REASONS, FinishReason, ReplyFrame, Usage

HOLD_DEPTH = 64
"""Frames a holding reader may be behind; two or three sentences."""
TIGHT_DEPTH = 1
"""Frames behind while everything shall be left to the reader."""
_LOOK_S = 0.005
"""How often a held writer looks at its ``Cancel``, which cannot wake it."""


class ReplyStream:
    """Frames of one generation.  ``cancel`` frees a writer that is held; without one only readers and ``close`` do.
    ``origin``: of the question that it answers, where that has one."""

    def __init__(self, generation: int, turn: int, *, provisional: bool = False, cancel: Cancel | None = None, origin: str = "") -> None:
        self.generation, self.turn, self.origin = generation, turn, origin
        self._cancel = cancel
        self._provisional = provisional
        self._frames: list[ReplyFrame] = []
        self._changed = threading.Condition()
        self._holding: list[Reader] = []
        self._listeners: list[Callable[[], None]] = []
        self._waiting: tuple[FinishReason, Usage | None] | None = None

    @property
    def closed(self) -> bool:
        with self._changed:
            return self._ended()

    @property
    def finish(self) -> FinishReason | None:
        with self._changed:
            return self._frames[-1].finish if self._frames else None

    @property
    def usage(self) -> Usage | None:
        """What the closing frame said the reply cost."""
        with self._changed:
            return self._frames[-1].usage if self._frames else None

    @property
    def text(self) -> str:
        """The reply so far."""
        with self._changed:
            return "".join(frame.delta for frame in self._frames)

    def delta(self, text: str) -> bool:
        """Add text; blocks while a holding reader is too far behind.  False if the stream is closed or was cancelled meanwhile,
        and then the text is dropped.  The writer's thread only."""
        with self._changed:
            while not self._written() and any(len(self._frames) - reader.position >= reader.depth for reader in self._holding):
                if self._cancel is not None and self._cancel.cancelled():
                    return False
                self._changed.wait(None if self._cancel is None else _LOOK_S)
            if self._written():
                return False
            if text:
                self._append(delta=text)
        self._tell()
        return True

    def settle(self) -> bool:
        """What was provisional stands.  False if it already did, or the stream is closed."""
        with self._changed:
            if self._ended() or not self._provisional:
                return False
            self._provisional = False
            self._append()
            if self._waiting is not None:
                finish, usage = self._waiting
                self._append(finish=finish, usage=usage)
        self._tell()
        return True

    def close(self, finish: FinishReason, usage: Usage | None = None) -> bool:
        """The closing frame, now or with the settling; True for the one call that wrote it.  For "error" use ``fail``."""
        if finish not in FINISH_REASONS or finish == "error":
            raise ValueError(f"a stream closes with one of {', '.join(FINISH_REASONS[:-1])}, not {finish!r}; an error goes through fail()")
        with self._changed:
            if self._provisional and finish != "cancelled":
                if self._written():
                    return False
                self._waiting = finish, usage
                self._changed.notify_all()
                return True
        return self._end(None, finish, usage)

    def fail(self, message: str, usage: Usage | None = None) -> bool:
        """An error frame and the closing frame "error"; True for the one call that wrote them."""
        return self._end(message or "unknown error", "error", usage)

    def read(self, *, hold: bool = False, ahead: bool = False, depth: int = HOLD_DEPTH) -> Reader:
        """A reader from the first frame on.  With ``hold`` the writer waits for it; close it when it is done.  With ``ahead`` it is
        for whoever works on provisional text: it does not wait for the closing frame of a reply that is ``complete``."""
        if depth < 1:
            raise ValueError(f"depth must be at least 1 frame, not {depth}")
        reader = Reader(self, depth, ahead)
        if hold:
            with self._changed:
                self._holding.append(reader)
        return reader

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change, on the changing thread, outside of any lock; it must be quick and must not raise
        (``loop.call_soon_threadsafe``)."""
        with self._changed:
            self._listeners.append(listener)
            late = bool(self._frames)
        if late:
            listener()

    def _end(self, error: str | None, finish: FinishReason, usage: Usage | None) -> bool:
        with self._changed:
            if self._ended():
                return False
            if error is not None:
                self._append(error=error)
            self._append(finish=finish, usage=usage)
        self._tell()
        return True

    def _written(self) -> bool:
        """No more text comes."""
        return self._ended() or self._waiting is not None

    def _ended(self) -> bool:
        return bool(self._frames) and self._frames[-1].finish is not None

    def _append(self, *, delta: str = "", error: str | None = None, finish: FinishReason | None = None, usage: Usage | None = None) -> None:
        self._frames.append(ReplyFrame(self.generation, self.turn, len(self._frames), delta, self._provisional, error, finish, usage))
        self._changed.notify_all()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _take(self, reader: Reader, timeout_s: float | None, most: int | None) -> list[ReplyFrame]:
        with self._changed:
            self._changed.wait_for(lambda: reader.over or len(self._frames) > reader.position or (reader.ahead and self._written()),
                                   timeout_s)
            if reader.over:
                return []
            frames = self._frames[reader.position:None if most is None else reader.position + most]
            if frames:
                reader.position += len(frames)
                reader.over = frames[-1].finish is not None
                self._changed.notify_all()
            return frames

    def _lean(self, reader: Reader, depth: int) -> None:
        with self._changed:
            reader.depth = depth
            self._changed.notify_all()

    def _at_end(self, reader: Reader) -> bool:
        with self._changed:
            return reader.over or (self._written() and reader.position == len(self._frames))

    def _release(self, reader: Reader) -> None:
        with self._changed:
            reader.over = True
            if reader in self._holding:
                self._holding.remove(reader)
            self._changed.notify_all()


class Reader:
    """A place in a stream.  Iterating blocks for frames and ends after the closing one."""

    def __init__(self, stream: ReplyStream, depth: int, ahead: bool) -> None:
        self._stream = stream
        self.depth, self.ahead = depth, ahead
        self.position = 0
        """frames taken"""
        self.over = False
        """the closing frame was taken, or this reader was closed"""

    def get(self, timeout_s: float | None = None) -> ReplyFrame | None:
        """The next frame; None when ``timeout_s`` ran out, the last frame was taken, the reader was closed, or (``ahead``) all text was
        taken and the closing frame waits."""
        frames = self._stream._take(self, timeout_s, 1)
        return frames[0] if frames else None

    def poll(self) -> list[ReplyFrame]:
        """All frames that wait; never blocks."""
        return self._stream._take(self, 0.0, None)

    def lean(self, depth: int) -> None:
        """From now on hold the writer (``hold``) when this reader is ``depth`` frames behind."""
        self._stream._lean(self, depth)

    @property
    def complete(self) -> bool:
        """All text that will ever be was taken, though the closing frame may still wait for a provisional stream to be settled."""
        return self._stream._at_end(self)

    def close(self) -> None:
        """Read no more and hold no one; wakes a ``get`` that waits.  Idempotent, from any thread."""
        self._stream._release(self)

    def __iter__(self) -> Iterator[ReplyFrame]:
        while (frame := self.get()) is not None:
            yield frame
