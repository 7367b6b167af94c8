"""A recognizer without a model: each utterance says the next text of a script, a word for every ``word_s`` of sound.

``FakeStt(["turn on the light"])`` · the texts go round · ``delay_s`` in each decode · ``fail="text"`` raises where the text would be
final · ``hang`` is an event: the final text is not given before it is set · silence has no text.  ``opened`` counts streams, ``finals``
keeps what was given out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np

from edgevoice.engines.protocols import SPEECH_RATE, Float32, SttStream
from edgevoice.errors import EngineError
from edgevoice.events import Partial

LOUD = 0.005
"""a sample of greater magnitude is sound"""


class FakeStt:
    """An ``Stt``."""

    def __init__(self, texts: Sequence[str] = ("what time is it",), *, streaming: bool = True, word_s: float = 0.25, delay_s: float = 0.0,
                 fail: str = "", hang: threading.Event | None = None) -> None:
        self.texts, self.streaming, self.word_s, self.delay_s, self.fail, self.hang = list(texts), streaming, word_s, delay_s, fail, hang
        self.opened = 0
        self.finals: list[str] = []
        self.closed = False

    def open(self, *, eager: bool = False) -> SttStream:
        if self.closed:
            raise EngineError("the recognizer is closed")
        self.opened += 1
        return FakeStream(self, self.texts[(self.opened - 1) % len(self.texts)])

    def close(self) -> None:
        self.closed = True


class FakeStream:
    """An ``SttStream``."""

    def __init__(self, stt: FakeStt, text: str) -> None:
        self._stt = stt
        self._words = text.split()
        self._sound = 0
        self._settled: int | None = None
        self._used_up = False

    def accept(self, samples: Float32) -> None:
        self._check()
        if samples.dtype != np.float32 or samples.ndim != 1:
            raise ValueError(f"samples of {samples.dtype} and shape {samples.shape}: wants float32, one dimension")
        self._sound += int(np.count_nonzero(np.abs(samples) > LOUD))

    def partial(self) -> Partial:
        self._check()
        time.sleep(self._stt.delay_s)
        heard = self._words[:int(self._sound / SPEECH_RATE / self._stt.word_s)]
        return Partial(" ".join(heard), len(" ".join(heard[:-1])))

    def settle(self) -> str:
        self._check()
        if self._settled != self._sound:
            time.sleep(self._stt.delay_s)
            self._settled = self._sound
        if self._stt.fail:
            raise EngineError(self._stt.fail)
        if self._stt.hang is not None:
            self._stt.hang.wait()
        return " ".join(self._words) if self._sound else ""

    def finish(self) -> str:
        text = self.settle()
        self._used_up = True
        self._stt.finals.append(text)
        return text

    def _check(self) -> None:
        if self._used_up:
            raise EngineError("this utterance is finished; open a new stream")
