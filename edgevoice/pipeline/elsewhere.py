"""The device as microphone and loudspeaker of a conversation that is led elsewhere: the wake word and what is heard go there, and what is
to be said comes from there as sound.

Theory: leading elsewhere is a filter before the machine.  What the microphone has to tell (wake word, speech) is told to whoever leads and
not to the machine, which so begins no turn, asks no model, and pauses nothing; what comes to be said is an announcement whose sound is
there already, and passes the mouth, the mixer and the history of generations like any other: mute, volume, stop and the alarms work as
ever.

Threads: ``Elsewhere`` on the loop's thread; a ``Sound`` is filled on any one and taken on the mouth's.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import Protocol

from edgevoice.dialog.commands import Event
from edgevoice.dialog.table import Kind
from edgevoice.rt.contract import Int16

OF_MICROPHONE = frozenset({Kind.WAKE, Kind.SPEECH_START, Kind.SPEECH_CONFIRMED, Kind.SPEECH_LASTS, Kind.SPEECH_RESUMED})
"""what a muted microphone cannot have said"""
MOST_S = 120.0
"""of a sound that waits to be played: who sends has no reason to be slower"""
GAP_S = 5.0
"""without any more of a sound after which it counts as ended"""


class Leader(Protocol):
    """Who leads the conversation.  On the loop's thread; quick."""

    def woken(self, word: str, sample: int) -> None:
        """The wake word was said, until 16 kHz sample ``sample`` of what ``Session.listen_microphone`` tells."""

    def unheard(self) -> None:
        """The microphone was muted."""


class Elsewhere:
    """``leader``: ``None`` while the conversation is the device's own."""

    def __init__(self, rate: int, speech_rate: int, woken: Callable[[], None]) -> None:
        """``woken``: the device's part of it: silence, and a tone."""
        self.leader: Leader | None = None
        self._rate, self._speech_rate, self._woken = rate, speech_rate, woken

    def takes(self, event: Event) -> bool:
        """Whether it is not for the machine."""
        leader = self.leader
        if leader is None:
            return False
        if event.kind in (Kind.WAKE, Kind.LISTEN):
            self._woken()
            leader.woken(event.text, event.sample * self._speech_rate // self._rate)
            return True
        if event.kind is Kind.UNHEARD:
            leader.unheard()
        return event.kind in OF_MICROPHONE


class Sound:
    """Speech from elsewhere, at ``rate``.  ``over`` is called once, on the loop's thread, when it was played or silenced."""

    def __init__(self, rate: int, over: Callable[[], None]) -> None:
        self.rate, self._over = rate, over
        self._pieces: collections.deque[Int16] = collections.deque()
        self._waiting = 0
        self._closed = self._ended = False
        self._changed = threading.Condition()

    def put(self, samples: Int16) -> bool:
        """False if that is more than may wait, or nobody plays it any more; then it is dropped."""
        with self._changed:
            if self._closed or self._waiting + len(samples) > MOST_S * self.rate:
                return False
            self._pieces.append(samples)
            self._waiting += len(samples)
            self._changed.notify()
            return True

    def close(self) -> None:
        """No more of it comes."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    @property
    def complete(self) -> bool:
        """Whether all of it was taken."""
        with self._changed:
            return self._closed and not self._pieces

    def take(self, timeout_s: float) -> Int16 | None:
        """The next piece; ``None`` if there is none after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._closed, timeout_s)
            if not self._pieces:
                return None
            piece = self._pieces.popleft()
            self._waiting -= len(piece)
            return piece

    def over(self) -> None:
        self.close()
        if not self._ended:
            self._ended = True
            self._over()
