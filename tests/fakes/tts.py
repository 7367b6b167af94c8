"""A scriptable synthesizer: a sine for each clause, as long as its words, with every way to misbehave.

``FakeTts(word_s=…)`` seconds a word · ``delay_s`` before each piece · ``fail="text"`` raises at the first piece · ``hang=True`` works until
it is cancelled · ``silent=True`` emits nothing · ``nan=True`` emits NaN.  ``texts`` keeps what it was asked to say, ``started`` is set
once it has begun.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import numpy as np

from edgevoice.engines.protocols import Cancel, Float32
from edgevoice.errors import EngineError


class FakeCancel:
    """A ``Cancel`` that a test flips."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def cancel(self) -> None:
        self._flag.set()

    def cancelled(self) -> bool:
        return self._flag.is_set()

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


class FakeTts:
    """A ``Tts`` without a model."""

    def __init__(self, rate: int = 22_050, *, word_s: float = 0.3, delay_s: float = 0.0, fail: str = "", hang: bool = False,
                 silent: bool = False, nan: bool = False) -> None:
        self.rate = rate
        self.word_s, self.delay_s, self.fail, self.hang, self.silent, self.nan = word_s, delay_s, fail, hang, silent, nan
        self.texts: list[str] = []
        self.started = threading.Event()
        self.closed = False

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel, *, speed: float = 1.0) -> None:
        if self.closed:
            raise EngineError("the synthesizer is closed")
        if cancel.cancelled():
            return
        self.texts.append(text)
        self.started.set()
        for clause in re.split(r"(?<=[,;:.!?])\s+", text):
            words = sum(any(c.isalnum() for c in word) for word in clause.split())
            if not words:
                continue
            while self.hang and not cancel.cancelled():
                time.sleep(0.002)
            if self.delay_s:
                time.sleep(self.delay_s)
            if self.fail:
                raise EngineError(self.fail)
            if cancel.cancelled():
                return
            if not self.silent:
                emit(self._sound(words, speed))

    def close(self) -> None:
        self.closed = True

    def _sound(self, words: int, speed: float) -> Float32:
        t = np.arange(int(words * self.word_s / speed * self.rate)) / self.rate
        sound: Float32 = (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
        if self.nan:
            sound[len(sound) // 2] = np.nan
        return sound
