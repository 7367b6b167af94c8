"""How playback does, as figures that somebody may collect, and in words where one is beyond what the field alarms at.

A minute is the last one of the clock: a younger meter counts what was until now.  Depth is judged by what it costs.  A queue below
``least_depth_s`` is about to be heard as a gap, in any mode, unless the end of the reply waits in it.  A queue above ``most_depth_s`` is
delay between two people, and so an alert for a live stream; for a reply that is synthesized ahead of its sound it is what one wants.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgevoice.clock import Clock
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.minute import LastMinute
from edgevoice.pipeline.playout import Estimate, Mode
from edgevoice.rt.contract import Core


@dataclass(frozen=True, slots=True)
class PlayoutHealth:
    """One moment of playback.  ``None``: nothing is known yet."""

    mode: Mode
    underruns: int
    """since the start"""
    underruns_per_minute: int
    """those of the last minute"""
    depth_s: float
    """sound that waits to be played"""
    depth_least_s: float | None
    """the least that waited within the last reply before its end came"""
    target_s: float
    """depth that would hide the jitter"""
    jitter_p95_s: float | None
    stretch_share: float
    """of what sounded in the last minute, what was made up to play it slower"""
    shorten_share: float
    """of what came in the last minute, what was left out to play it faster"""


@dataclass(frozen=True, slots=True)
class PlayoutLimits:
    """Beyond these an operator is told; the values are those usual for voice over a network."""

    underruns_per_minute: int = 3
    least_depth_s: float = 0.05
    most_depth_s: float = 0.5
    jitter_p95_s: float = 0.1


LIMITS = PlayoutLimits()


def alerts(health: PlayoutHealth, limits: PlayoutLimits = LIMITS) -> list[Alert]:
    """What is beyond the limits, a sentence each, with the figure and the limit."""
    found = []
    if health.underruns_per_minute > limits.underruns_per_minute:
        found.append(Alert(
            "playout_gaps",
            f"playback ran dry {health.underruns_per_minute} times in the last minute (more than {limits.underruns_per_minute}): "
            "the sound has gaps, its source is too slow"))
    if health.depth_least_s is not None and health.depth_least_s < limits.least_depth_s:
        found.append(Alert(
            "playout_shallow", f"only {1000 * health.depth_least_s:.0f} ms of sound waited at one moment of the last reply (less than "
            f"{1000 * limits.least_depth_s:.0f} ms): it was about to have a gap"))
    if health.mode == "live" and health.depth_s > limits.most_depth_s:
        found.append(Alert(
            "playout_late",
            f"{1000 * health.depth_s:.0f} ms of a live stream wait to be played (more than {1000 * limits.most_depth_s:.0f} ms): "
            "what is heard is late by so much"))
    if health.jitter_p95_s is not None and health.jitter_p95_s > limits.jitter_p95_s:
        found.append(Alert(
            "playout_jitter", f"one piece of sound in twenty comes more than {1000 * health.jitter_p95_s:.0f} ms late (limit "
            f"{1000 * limits.jitter_p95_s:.0f} ms)"))
    return found


@dataclass(frozen=True, slots=True)
class _Note:
    underruns: int
    played: int
    stretched: int
    shortened: int


class PlayoutMeter:
    """Notes the core's counters as sound comes, and tells the last minute of them.  Any thread."""

    def __init__(self, core: Core, clock: Clock) -> None:
        self._core, self._clock = core, clock
        self._minute: LastMinute[_Note] = LastMinute()
        self.note()

    def note(self) -> None:
        """Now is a moment that a minute may be counted from: call it whenever sound comes."""
        self._noted()

    def health(self, mode: Mode, target_s: float, jitter_s: float | None) -> PlayoutHealth:
        """The rest is the source's estimate (``of``), which belongs to another thread."""
        now, then = self._noted()
        counters = self._core.counters()
        played, stretched, shortened = (now.played - then.played, now.stretched - then.stretched, now.shortened - then.shortened)
        return PlayoutHealth(
            mode=mode, underruns=now.underruns, underruns_per_minute=now.underruns - then.underruns,
            depth_s=counters.queue / self._core.rate,
            depth_least_s=counters.queue_least / self._core.rate if counters.played else None, target_s=target_s, jitter_p95_s=jitter_s,
            stretch_share=stretched / (played - shortened + stretched) if played else 0.0,
            shorten_share=shortened / played if played else 0.0)

    def of(self, estimate: Estimate) -> PlayoutHealth:
        """On the estimate's own thread."""
        return self.health(estimate.mode, estimate.target_s, estimate.jitter_s)

    def _noted(self) -> tuple[_Note, _Note]:
        """(now, the newest note that is a minute old, or the oldest there is)"""
        counters = self._core.counters()
        now = _Note(counters.underruns, counters.played, counters.stretched, counters.shortened)
        return now, self._minute.note(self._clock.now(), now)
