"""Two recognizers for one utterance: a streaming one for the words as they come, an offline one for the words that count.

Theory: a streaming model is quick and cheap and hears worse than one that sees the whole utterance.  At a pause, while it is awaited
whether the turn is over, there is time for the second: its text stands, and words that come later are the first's, counted from there.

Laws: a second that raises, or hears nothing where the first heard words, changes nothing: the first's words stand.
"""

from __future__ import annotations

import logging

from edgevoice.engines.protocols import Float32, Stt, SttStream
from edgevoice.errors import EngineError
from edgevoice.events import Partial

log = logging.getLogger(__name__)


class TwoPassStt:
    """An ``Stt``; it owns both."""

    streaming = True

    def __init__(self, first: Stt, second: Stt) -> None:
        self._first, self._second = first, second

    def open(self, *, eager: bool = False) -> SttStream:
        return TwoPassStream(self._first.open(eager=eager), self._second.open())

    def close(self) -> None:
        self._first.close()
        self._second.close()


class TwoPassStream:
    """A ``SttStream``."""

    def __init__(self, first: SttStream, second: SttStream) -> None:
        self._first, self._second = first, second
        self._settled = ""
        self._words_then = 0
        """the first's, when the second settled"""

    def accept(self, samples: Float32) -> None:
        self._first.accept(samples)
        self._second.accept(samples)

    def partial(self) -> Partial:
        found = self._first.partial()
        if not self._settled:
            return found
        later = found.text.split()[self._words_then:]
        text = " ".join([self._settled, *later])
        return Partial(text, len(self._settled))

    def settle(self) -> str:
        first = self._first.settle()
        self._settled = self._better(first, final=False)
        self._words_then = len(first.split())
        return self._settled

    def finish(self) -> str:
        return self._better(self._first.finish(), final=True)

    def _better(self, first: str, *, final: bool) -> str:
        try:
            second = self._second.finish() if final else self._second.settle()
        except EngineError as error:
            log.warning("the second pass failed: %s", error)
            return first
        return second or first
