"""Whether the daemon makes progress, and who is told.

Theory: a process that runs is not yet one that listens.  The watchdog is fed only while all of this went on since it was last fed: the
device's callback captured sound, the front end and the ears took it, no engine is stuck beyond its time, and the loop, which asks.
A card that is away has a stand-in that keeps the clock, so that its absence is no standstill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgevoice.rt.contract import Counters

READY_S = 0.2
"""of sound that was listened to before a wake word would really be heard: detectors are primed (``engines.wake``), so this shows only
that sound comes and is listened to, and lets the features find the level of a room that is not quiet"""


class Systemd(Protocol):
    def ready(self) -> None: ...

    def status(self, text: str) -> None: ...

    def alive(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Beat:
    """What a look found.  ``failure``: why the conversation cannot go on; ``problem``: what is wrong with the sound card."""

    counters: Counters
    failure: str | None
    problem: str | None


class Heartbeat:
    """``look`` from the loop, several times within the watchdog's time."""

    def __init__(self, systemd: Systemd, rate: int, *, well: str) -> None:
        self._systemd, self._rate, self._well = systemd, rate, well
        self._fed: Counters | None = None
        self.ready = False
        self.standing: str | None = None
        """who makes no progress"""

    def look(self, beat: Beat) -> None:
        before, now = self._fed, beat.counters
        self.standing = beat.failure
        if self.standing is None and before is not None:
            if now.captured <= before.captured:
                self.standing = "the sound card's callback stands still"
            elif now.consumed <= before.consumed:
                self.standing = "nobody listens to what was captured"
        if self.standing is not None:
            self._systemd.status(self.standing)
            return
        self._fed = now
        self._systemd.alive()
        if now.consumed >= READY_S * self._rate and not self.ready:
            self.ready = True
            self._systemd.ready()
        if self.ready:
            self._systemd.status(self._well if beat.problem is None else f"no sound: {beat.problem}; looking for it")
        else:
            self._systemd.status("beginning to listen")
