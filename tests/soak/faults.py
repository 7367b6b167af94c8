"""Engines in which anything may go wrong at any time: each verb and each piece of an answer is a place where a fault can be armed.

A fault happens once, at the next pass of its place.  "hang" answers no cancel and lasts until ``free``; "raise" is an ``EngineError``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from edgevoice.engines.protocols import Cancel, Completion, Float32, Llm, Stt, SttStream, Tts, TurnEnd
from edgevoice.errors import EngineError
from edgevoice.events import Message, Partial

How = Literal["hang", "raise"]

PLACES = ("llm.begin", "llm.token", "llm.prefill", "stt.open", "stt.partial", "stt.settle", "stt.finish", "tts.begin", "tts.more", "turn")


class Faults:
    """Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: dict[str, How] = {}
        self._free = threading.Event()
        self.hanging = 0
        """threads that hang now"""
        self.happened: dict[str, int] = {}

    def arm(self, place: str, how: How) -> None:
        with self._lock:
            self._armed[place] = how

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def free(self) -> None:
        """Whoever hangs goes on."""
        with self._lock:
            self._free.set()
            self._free = threading.Event()

    def point(self, place: str) -> None:
        """On the engine's thread: what is armed here happens."""
        with self._lock:
            how = self._armed.pop(place, None)
            if how is None:
                return
            what = f"{place} {how}s"
            self.happened[what] = self.happened.get(what, 0) + 1
            free = self._free
            self.hanging += how == "hang"
        if how == "raise":
            raise EngineError(f"{place} broke, for the soak")
        free.wait()
        with self._lock:
            self.hanging -= 1


class FaultyLlm:
    def __init__(self, inner: Llm, faults: Faults) -> None:
        self._inner, self._faults = inner, faults

    def generate(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, *,
                 max_tokens: int | None = None, grammar: str = "") -> Completion:
        self._faults.point("llm.begin")

        def passed(delta: str) -> None:
            emit(delta)
            self._faults.point("llm.token")

        return self._inner.generate(messages, passed, cancel, max_tokens=max_tokens, grammar=grammar)

    def prefill(self, messages: Sequence[Message], cancel: Cancel, *, growing: bool = False) -> int:
        self._faults.point("llm.prefill")
        return self._inner.prefill(messages, cancel, growing=growing)

    def weigh(self, messages: Sequence[Message], replies: Sequence[str], cancel: Cancel) -> list[float] | None:
        return self._inner.weigh(messages, replies, cancel)

    def ending(self, messages: Sequence[Message], cancel: Cancel) -> float | None:
        return self._inner.ending(messages, cancel)

    def close(self) -> None:
        self._inner.close()


class FaultyTts:
    def __init__(self, inner: Tts, faults: Faults) -> None:
        self.rate = inner.rate
        self._inner, self._faults = inner, faults

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel) -> None:
        self._faults.point("tts.begin")

        def passed(samples: Float32) -> None:
            emit(samples)
            self._faults.point("tts.more")

        self._inner.synthesize(text, passed, cancel)

    def close(self) -> None:
        self._inner.close()


class FaultyStt:
    def __init__(self, inner: Stt, faults: Faults) -> None:
        self.streaming = inner.streaming
        self._inner, self._faults = inner, faults

    def open(self, *, eager: bool = False) -> SttStream:
        self._faults.point("stt.open")
        return _FaultyStream(self._inner.open(eager=eager), self._faults)

    def close(self) -> None:
        self._inner.close()


class _FaultyStream:
    def __init__(self, inner: SttStream, faults: Faults) -> None:
        self._inner, self._faults = inner, faults

    def accept(self, samples: Float32) -> None:
        self._inner.accept(samples)

    def partial(self) -> Partial:
        self._faults.point("stt.partial")
        return self._inner.partial()

    def settle(self) -> str:
        self._faults.point("stt.settle")
        return self._inner.settle()

    def finish(self) -> str:
        self._faults.point("stt.finish")
        return self._inner.finish()


class FaultyTurnEnd:
    def __init__(self, inner: TurnEnd, faults: Faults) -> None:
        self._inner, self._faults = inner, faults

    def probability(self, samples: Float32) -> float:
        self._faults.point("turn")
        return self._inner.probability(samples)

    def close(self) -> None:
        self._inner.close()
