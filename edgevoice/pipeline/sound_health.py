"""How the sound path does: one snapshot of every counter between microphone and loudspeaker, and in words what is wrong with it.

Counters run since the start; what is alarmed at is what the last minute added to them, so that an old fault is not told for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from edgevoice.clock import Clock
from edgevoice.pipeline import playout_health
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.minute import LastMinute
from edgevoice.pipeline.playout_health import PlayoutHealth
from edgevoice.pipeline.wakes import WakeCounts
from edgevoice.rt.contract import LATE_MS, Clocks, Core, Counters, FrontState, Lateness
from edgevoice.rt.supervised import DeviceState

USUAL = 0.99
"""the share of callbacks whose lateness is alarmed at"""

FAR_APART_PPM = 1400.0
"""of the 1500 that the converter does; two cards that work are within 200"""


@dataclass(frozen=True, slots=True)
class SoundHealth:
    """One moment.  ``device`` is ``None`` where nobody looks after the card, ``front`` without a front end."""

    device: DeviceState | None
    counters: Counters
    lateness: Lateness
    front: FrontState | None
    playout: PlayoutHealth
    wakes: WakeCounts | None
    """``None`` without a wake word"""
    locked: bool
    """the rings' memory cannot be swapped out"""
    fifo: bool
    """the front end runs under SCHED_FIFO"""
    alerts: tuple[Alert, ...]
    """what is wrong, a sentence each, the worst first; empty where nothing is"""

    def document(self) -> dict[str, Any]:
        """JSON-ready; lateness as callbacks by upper edge in ms."""
        edges = (*map(str, LATE_MS), "more")
        return {**asdict(self), "alerts": list(self.alerts), "lateness": {
            "worst_ms": round(1000 * self.lateness.worst_s, 2), "callbacks": dict(zip(edges, self.lateness.counts, strict=True))}}


@dataclass(frozen=True, slots=True)
class _Note:
    counters: Counters
    lateness: Lateness
    clocks: Clocks | None


class SoundMeter:
    """Looks at the core now and then; one thread.  ``allowed_late_ms``: by how much a callback may be late before sound is lost."""

    def __init__(self, core: Core, clock: Clock, playout: Callable[[], PlayoutHealth],
                 wakes: Callable[[], WakeCounts | None] = lambda: None, *, allowed_late_ms: float) -> None:
        self._core, self._clock, self._playout, self._wakes = core, clock, playout, wakes
        self._allowed_late_ms = allowed_late_ms
        self._minute: LastMinute[_Note] = LastMinute()
        self._noted(None)

    def look(self, device: DeviceState | None = None) -> SoundHealth:
        """``device``: of the card, where it is supervised."""
        front, playout = self._core.front(), self._playout()
        now, then = self._noted(None if device is None else device.clocks)
        alerts = [*_of_device(device), *_of_counters(now, then, self._core.rate), *_of_clocks(now.clocks, then.clocks),
                  *self._of_lateness(now, then), *_of_front(front), *playout_health.alerts(playout)]
        return SoundHealth(device, now.counters, now.lateness, front, playout, self._wakes(), self._core.locked,
                           front is not None and front.fifo, tuple(alerts))

    def _noted(self, clocks: Clocks | None) -> tuple[_Note, _Note]:
        """(now, a minute ago)"""
        now = _Note(self._core.counters(), self._core.lateness(), clocks)
        return now, self._minute.note(self._clock.now(), now)

    def _of_lateness(self, now: _Note, then: _Note) -> list[Alert]:
        minute = Lateness(tuple(a - b for a, b in zip(now.lateness.counts, then.lateness.counts, strict=True)), now.lateness.worst_s)
        usual = minute.beyond(USUAL)
        if usual is None or usual <= self._allowed_late_ms:
            return []
        least = max(edge for edge in (0, *LATE_MS) if edge < usual)
        return [Alert("callbacks_late", f"one callback of the sound card in a hundred comes {least} ms late or more (sound is lost from "
                      f"{self._allowed_late_ms:.0f} ms on): the machine is too busy, or real-time rights are missing; a longer "
                      "audio.latency_ms helps")]


def _of_device(device: DeviceState | None) -> list[Alert]:
    return [] if device is None or device.problem is None else [Alert("no_sound", f"no sound: {device.problem}", severe=True)]


_LOSSES = (
    ("dropped", "capture_dropped",
     "{ms:.0f} ms of the microphone's sound were thrown away in the last minute: who listens was held up for longer than the capture ring "
     "lasts (audio.capture_ms)"),
    ("xruns_in", "capture_overflow",
     "the sound card lost the microphone's sound {count} times in the last minute (input overflow): the audio thread came too late; give "
     "it real-time rights, or a longer audio.latency_ms"),
    ("xruns_out", "playback_underflow",
     "the loudspeaker had nothing to play {count} times in the last minute (output underflow): the audio thread came too late; give it "
     "real-time rights, or a longer audio.latency_ms"),
    ("events_lost", "play_events_lost",
     "{count} events of the loudspeaker found nobody to take them in the last minute: who listens was held up"))
"""(counter, alert, words) of what should never grow"""


def _of_counters(now: _Note, then: _Note, rate: int) -> list[Alert]:
    grown = ((getattr(now.counters, counter) - getattr(then.counters, counter), name, words) for counter, name, words in _LOSSES)
    return [Alert(name, words.format(count=count, ms=1000 * count / rate)) for count, name, words in grown if count]


def _of_clocks(now: Clocks | None, then: Clocks | None) -> list[Alert]:
    """Cards that were opened anew meanwhile count from 0 again."""
    if now is None:
        return []
    found = []
    torn, before = now.underruns + now.overruns, 0 if then is None else then.underruns + then.overruns
    times = torn - before if torn >= before else torn
    if times:
        found.append(Alert(
            "clocks_torn",
            f"on its way from the microphone's clock to the loudspeaker's, sound was torn {times} times in the last minute: one of the "
            "two cards comes too late or in bunches; give the audio threads real-time rights, or a longer audio.latency_ms"))
    if abs(now.drift_ppm) > FAR_APART_PPM:
        found.append(Alert(
            "clocks_apart",
            f"the clocks of microphone and loudspeaker are {now.drift_ppm:.0f} ppm apart, which is nearly more than can be drawn "
            "together: one of the cards does not keep the rate that it was asked for"))
    return found


def _of_front(front: FrontState | None) -> list[Alert]:
    found = []
    if front is not None and front.cancelling and front.noncausal:
        found.append(Alert(
            "echo_noncausal",
            "the microphone hears the loudspeaker before the core is told what plays, so its echo cannot be cancelled: capture "
            "and playback are buffered unlike; set audio.latency_ms anew, or use one card for both"))
    if front is not None and front.cancelling and front.useless:
        found.append(Alert(
            "echo_useless",
            "the device's own voice is plainly in the microphone's signal, and none of it can be taken off: look for clipping "
            "(turn the loudspeaker or the microphone down) and for sound effects of the card"))
    return found
