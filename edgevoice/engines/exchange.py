"""A wake word detector that can be changed for another while it listens."""

from __future__ import annotations

import dataclasses
import threading

from edgevoice.engines.protocols import Int16, WakeWord
from edgevoice.events import WakeHit


class ExchangeableWake:
    """A ``WakeWord``.  ``exchange`` from any thread; everything else on the listener's, which also closes the detector that goes."""

    def __init__(self, engine: WakeWord) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._next: WakeWord | None = None
        self._heard = self._began = 0
        """samples since the reset, and of those before the present detector"""
        self._speech = self._eased = False

    def exchange(self, engine: WakeWord) -> None:
        """Listen with ``engine`` from the next samples on."""
        with self._lock:
            waiting, self._next = self._next, engine
        if waiting is not None:
            waiting.close()

    def attend(self, speech: bool) -> None:
        self._speech = speech
        self._engine.attend(speech)

    def ease(self, eased: bool) -> None:
        self._eased = eased
        self._engine.ease(eased)

    def process(self, samples: Int16) -> list[WakeHit]:
        if self._next is not None:
            with self._lock:
                old, self._engine, self._next = self._engine, self._next, None
            old.close()
            self._began = self._heard
            self._engine.ease(self._eased)
            if self._speech:
                self._engine.attend(True)
        self._heard += len(samples)
        hits = self._engine.process(samples)
        return [dataclasses.replace(hit, sample=hit.sample + self._began) for hit in hits] if self._began else hits

    def reset(self) -> None:
        self._engine.reset()
        self._heard = self._began = 0

    def close(self) -> None:
        self._engine.close()
        with self._lock:
            waiting, self._next = self._next, None
        if waiting is not None:
            waiting.close()
