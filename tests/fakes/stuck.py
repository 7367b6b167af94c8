"""Engines that hang as a driver does: they answer no cancel, until a test lets them go.

Each wraps another engine and hangs at one place of it.  ``free`` ends all hanging; ``hung`` is set once somebody hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from edgevoice.engines.protocols import Cancel, Completion, Float32, Llm, Stt, SttStream, Tts, TurnEnd
from edgevoice.events import Message, Partial, Sampling


class Stuck:
    """Where somebody hangs."""

    def __init__(self) -> None:
        self.free, self.hung = threading.Event(), threading.Event()
        self.closed = False

    def here(self) -> None:
        self.hung.set()
        self.free.wait(60.0)


class StuckLlm(Stuck):
    """Hangs after ``tokens`` deltas of a reply, or while it reads ahead."""

    def __init__(self, inner: Llm, tokens: int = 0, *, reading: bool = False) -> None:
        super().__init__()
        self._inner, self._tokens, self._reading = inner, tokens, reading

    def generate(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, *,
                 max_tokens: int | None = None, grammar: str = "", sampling: Sampling | None = None) -> Completion:
        if self._tokens == 0:
            self.here()
        count = 0

        def counted(delta: str) -> None:
            nonlocal count
            emit(delta)
            count += 1
            if count == self._tokens:
                self.here()

        return self._inner.generate(messages, counted, cancel, max_tokens=max_tokens, grammar=grammar, sampling=sampling)

    @property
    def size(self) -> int:
        return self._inner.size

    def length(self, messages: Sequence[Message]) -> int:
        return self._inner.length(messages)

    def weigh(self, messages: Sequence[Message], replies: Sequence[str], cancel: Cancel) -> list[float] | None:
        return self._inner.weigh(messages, replies, cancel)

    def prefill(self, messages: Sequence[Message], cancel: Cancel, *, growing: bool = False) -> int:
        if self._reading:
            self.here()
        return self._inner.prefill(messages, cancel, growing=growing)

    def ending(self, messages: Sequence[Message], cancel: Cancel) -> float | None:
        return self._inner.ending(messages, cancel)

    def close(self) -> None:
        self.closed = True


class StuckTts(Stuck):
    """Hangs at a text with ``word`` in it, when ``skip`` such were spoken."""

    def __init__(self, inner: Tts, word: str, skip: int = 0) -> None:
        super().__init__()
        self.rate = inner.rate
        self._inner, self._word, self._skip = inner, word, skip

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel) -> None:
        if self._word in text:
            self._skip -= 1
            if self._skip < 0:
                self.here()
        self._inner.synthesize(text, emit, cancel)

    def close(self) -> None:
        self.closed = True


class StuckStt(Stuck):
    """Hangs in one of a stream's verbs."""

    streaming = True

    def __init__(self, inner: Stt, where: Literal["open", "partial", "settle", "finish"]) -> None:
        super().__init__()
        self._inner, self.where = inner, where

    def open(self, *, eager: bool = False) -> SttStream:
        if self.where == "open":
            self.here()
        return _StuckStream(self, self._inner.open(eager=eager))

    def close(self) -> None:
        self.closed = True


class _StuckStream:
    def __init__(self, stuck: StuckStt, inner: SttStream) -> None:
        self._stuck, self._inner = stuck, inner

    def accept(self, samples: Float32) -> None:
        self._inner.accept(samples)

    def partial(self) -> Partial:
        if self._stuck.where == "partial":
            self._stuck.here()
        return self._inner.partial()

    def settle(self) -> str:
        if self._stuck.where == "settle":
            self._stuck.here()
        return self._inner.settle()

    def finish(self) -> str:
        if self._stuck.where == "finish":
            self._stuck.here()
        return self._inner.finish()


class StuckTurnEnd(Stuck):
    def __init__(self, inner: TurnEnd) -> None:
        super().__init__()
        self._inner = inner

    def probability(self, samples: Float32) -> float:
        self.here()
        return self._inner.probability(samples)

    def close(self) -> None:
        self.closed = True
