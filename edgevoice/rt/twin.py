"""The real-time core in pure Python: the same promises as the C core, under the same tests, by one lock instead of atomics.

It is the reference that the C core is read against, and the portable fallback; what it cannot promise is time, since its callback
waits for the GIL.  Theory and laws are in ``contract.py``.  Here are the workers' ends, as in ``ext/host.c``; the callback is in
``twin_rt.py``, the virtual device in ``twin_device.py``.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from edgevoice.rt.contract import (
    Channel,
    Counters,
    FrontState,
    Hops,
    Int16,
    Lateness,
    PlayEvent,
    channel_number,
    fixed_gain,
    playout_frames,
)
from edgevoice.rt.twin_front import Front, Judge
from edgevoice.rt.twin_live import Live, Token, generation_number
from edgevoice.rt.twin_mixer import Over
from edgevoice.rt.twin_rt import Rt, Slot, checked

__all__ = ["Core", "Live", "Token"]

EARCON_S = 2.0


class Core(Rt):
    """See ``contract.Core``; parameters as those of the C core."""

    def __init__(self, rate: int, hop: int, *, capture_ms: int = 4000, playback_ms: int = 1000, ring_start: int = 0) -> None:
        del ring_start  # numbers here do not overflow
        if not 8000 <= rate <= 192000:
            raise ValueError(f"rate must be 8000 to 192000 Hz, not {rate}")
        if not 16 <= hop <= rate // 5:
            raise ValueError(f"hop must be 16 to {rate // 5} frames (200 ms), not {hop}")
        if not 0 < capture_ms <= 600000 or not 0 < playback_ms <= 600000:
            raise ValueError(f"capture_ms and playback_ms must be 1 to 600000, not {capture_ms} and {playback_ms}")
        super().__init__(rate, hop, _slots(capture_ms * 0.001 * rate, hop))
        self._playback_slots = _slots(playback_ms * 0.001 * rate, hop)
        self._earcon_slots = _slots(EARCON_S * rate, hop)
        self.capture_frames = self._capture_slots * hop
        self.locked = False
        self.playback_frames = self._playback_slots * hop
        self._owners = {end: threading.Lock() for end in ("Core.read", "Core.write", "Core.earcon")}
        self._written_last = 0
        self._closed = False
        self._front_end: Front | None = None
        self._armed = 0

    # Ears.

    def read(self, timeout_s: float) -> Hops | None:
        deadline = time.monotonic() + _timeout(timeout_s)
        with self._owner("Core.read"), self._changed:
            while not self._hops:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                self._changed.wait(min(left, 0.1))
            first = self._hops[0][0]
            run: list[tuple[int, Int16, Int16]] = []
            while self._hops and self._hops[0][0] == first + len(run) * self.hop:
                run.append(self._hops.popleft())
            self._counts["consumed"] += len(run) * self.hop
        near, far = np.concatenate([near for _, near, _ in run]), np.concatenate([far for _, _, far in run])
        if self._front_end is None:
            return Hops(first, near, far)
        clean, clean_index, probabilities, frame_index, onset = self._front_end.hear(first, near, far, self.hop)
        armed, reflex = self._armed, None
        if onset is not None and armed and self.pause(armed):
            self._front_end.paused()
            reflex = (armed, onset)
        return Hops(first, near, far, clean, clean_index, probabilities, frame_index, reflex)

    def start_front(self, vad: Judge, *, onset: float = 0.5, offset: float = 0.35, min_speech_ms: float = 64, hangover_ms: float = 160,
                    cancel_echo: bool = True) -> bool:
        """As the contract says, but that no echo is cancelled and that it happens in ``read``; any ``Vad`` will do."""
        del cancel_echo
        if self._front_end is not None:
            raise RuntimeError("the front end was already started")
        self._front_end = Front(vad, self.rate, onset, offset, min_speech_ms, hangover_ms)
        return True

    def arm(self, generation: int) -> None:
        self._armed = generation_number(generation)

    def disarm(self) -> None:
        self._armed = 0

    def front(self) -> FrontState | None:
        return None if self._front_end is None else self._front_end.state()

    def events(self) -> list[PlayEvent]:
        with self._owner("Core.read"), self._changed:
            found = list(self._events)
            self._events.clear()
        return found

    # Mouth.

    def write(self, generation: int, samples: Int16, *, last: bool = False, timeout_s: float | None = None) -> int:
        """As the contract says; an empty ``last`` that found no room in ``timeout_s`` is a ``TimeoutError``, as 0 frames say nothing."""
        generation = generation_number(generation)
        samples = checked(samples, np.int16, "samples to play")
        deadline = time.monotonic() + (_timeout(timeout_s) if timeout_s is not None else 1e9)
        taken = 0
        with self._owner("Core.write"), self._changed:
            while taken < len(samples) or last:
                if self._closed or self.live.current() != generation:
                    break
                if self._written_last == generation:
                    raise ValueError(f"generation {generation} was already ended by last=True")
                if len(self._play) == self._playback_slots:
                    left = deadline - time.monotonic()
                    if left <= 0 and len(samples) == 0:
                        raise TimeoutError(f"no room for the end of generation {generation} in {timeout_s} s")
                    if left <= 0:
                        break
                    self._changed.wait(min(left, 0.1))
                    continue
                piece = samples[taken:taken + self.hop].copy()
                taken += len(piece)
                ends = last and taken == len(samples)
                self._play.append(Slot(generation, piece, ends))
                before = self._written[1] if self._written[0] == generation else 0
                self._written = (generation, before + len(piece))
                if ends:
                    self._written_last = generation
                    break
        return taken

    # Anybody.

    def queued(self, generation: int) -> int:
        generation = generation_number(generation)
        with self._changed:
            if self._written[0] != generation or self.live.current() != generation:
                return 0
            return self._written[1] - self._heard.get(generation, 0)

    @property
    def full(self) -> bool:
        with self._changed:
            return len(self._play) == self._playback_slots

    def heard(self, generation: int) -> int:
        with self._changed:
            return self._heard.get(generation_number(generation), 0)

    def pause(self, generation: int) -> bool:
        generation = generation_number(generation)
        with self._changed:
            if self.live.current() != generation:
                return False
            self._pause = generation
            return True

    def resume(self, generation: int) -> bool:
        generation = generation_number(generation)
        with self._changed:
            if self.live.current() != generation:
                return False
            if self._pause == generation:
                self._pause = 0
            return True

    def gate(self, generation: int) -> None:
        with self._changed:
            self._gate = generation_number(generation)

    def open(self, generation: int) -> bool:
        generation = generation_number(generation)
        with self._changed:
            if self._gate == generation:
                self._gate = 0
            return self.live.current() == generation

    def earcon(self, samples: Int16) -> int:
        return self._put_over(self._earcons, 0, checked(samples, np.int16, "an earcon"))

    def alarm(self, samples: Int16) -> int:
        return self._put_over(self._alarms, self._alarm_order, checked(samples, np.int16, "an alarm"))

    def stop_alarm(self) -> None:
        with self._changed:
            self._alarm_order += 1

    def _put_over(self, over: Over, order: int, samples: Int16) -> int:
        if not len(samples):
            return 0
        taken = 0
        with self._owner("Core.earcon"), self._changed:
            while taken < len(samples) and len(over.slots) < self._earcon_slots:
                over.slots.append((order, samples[taken:taken + self.hop].copy()))
                taken += len(over.slots[-1][1])
        return taken

    def set_volume(self, gain: float, channel: Channel | None = None) -> None:
        if channel is None:
            self._gain = fixed_gain(gain)
        else:
            self._channel_gain[channel_number(channel)] = fixed_gain(gain)

    def set_ducking(self, gain: float) -> None:
        if not 0.0 <= gain <= 1.0:
            raise ValueError(f"ducking must be 0 to 1, not {gain}")
        self._duck = fixed_gain(gain)

    def announce(self, generation: int, channel: Channel = "announcement") -> None:
        self._announced_as = channel_number(channel)
        self._announcement = generation_number(generation)

    def mute(self, muted: bool) -> None:
        self._muted = bool(muted)

    @property
    def muted(self) -> bool:
        return self._muted

    def set_playout(self, stretch_below_s: float, hold_s: float = 0.0, shorten_above_s: float = 0.0) -> None:
        frames = playout_frames(self.rate, stretch_below_s, hold_s, shorten_above_s)
        with self._changed:
            self._stretch_below, self._hold_frames, self._shorten_above = frames

    def counters(self) -> Counters:
        with self._changed:
            counts = dict(self._counts)
            counts["depth"] = len(self._hops) * self.hop + (self._fill if self._hop else 0)
            live = self.live.current()
            counts["queue"] = self._written[1] - self._heard.get(live, 0) if live and self._written[0] == live else 0
        return Counters(**counts)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def lateness(self) -> Lateness:
        return self._late.snapshot()

    def process(self, near: Int16 | None, frames: int, *, overflow: bool = False, underflow: bool = False,
                now_s: float = 0.0) -> Int16:
        """The callback: ``frames`` captured (``None`` for no input) against ``frames`` to play."""
        if frames < 1:
            raise ValueError(f"a period has at least one frame, not {frames}")
        if near is not None:
            near = checked(near, np.int16, "captured audio")
            if len(near) != frames:
                raise ValueError(f"{frames} frames were announced and {len(near)} given")
        if not now_s >= 0.0:
            raise ValueError(f"now_s must be 0 or more seconds, not {now_s}")
        return self._process(near, frames, overflow, underflow, int(now_s * 1e9))

    def _owner(self, end: str) -> _Owner:
        if self._closed:
            raise ValueError("the audio core is closed")
        return _Owner(self._owners[end], end)


class _Owner:
    """Holds one end of the core for one thread; ``RuntimeError`` for a second one."""

    def __init__(self, lock: threading.Lock, end: str) -> None:
        self._lock, self._end = lock, end

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(f"{self._end} is called by two threads at once; it belongs to one")

    def __exit__(self, *unused: object) -> None:
        self._lock.release()


def _slots(frames: float, hop: int) -> int:
    slots = 2
    while slots * hop < frames:
        slots *= 2
    return slots


def _timeout(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"a timeout is 0 or more seconds, not {seconds}")
    return min(seconds, 1e9)
