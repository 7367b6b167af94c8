"""Sentences that are always the same, as sound: made while nobody waits, played without the synthesizer.

Theory: an apology is needed most where the synthesizer hangs, and a "one moment" where the processor has no time.  The cache is bounded by
what it plays for; the phrases that must be there (``keep``) never leave, the others go in the order of their last use.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]


class Phrases:
    """Text to int16 samples at the device's rate.  Any thread."""

    def __init__(self, rate: int, most_s: float, keep: Iterable[str] = ()) -> None:
        self._most = int(most_s * rate)
        self._keep = [text for text in dict.fromkeys(keep) if text] if self._most else []
        self._found: OrderedDict[str, Int16] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def missing(self) -> str | None:
        """A phrase that must be there and is not."""
        with self._lock:
            return next((text for text in self._keep if text not in self._found), None)

    @property
    def frames(self) -> int:
        """All of them together."""
        with self._lock:
            return sum(len(samples) for samples in self._found.values())

    def get(self, text: str) -> Int16 | None:
        with self._lock:
            samples = self._found.get(text)
            if samples is not None:
                self._found.move_to_end(text)
            return samples

    def put(self, text: str, samples: Int16) -> None:
        """Remember, unless it alone is too long."""
        with self._lock:
            if not text or not len(samples) or len(samples) > self._most:
                return
            self._found[text] = samples
            self._found.move_to_end(text)
            total = sum(len(other) for other in self._found.values())
            for other in [other for other in self._found if other not in self._keep and other != text]:
                if total <= self._most:
                    break
                total -= len(self._found.pop(other))
