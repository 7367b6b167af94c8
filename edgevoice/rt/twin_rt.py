"""The twin's callback, as ``ext/rt.c`` is the C core's; names follow it one to one."""

from __future__ import annotations

import collections
import threading
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgevoice.rt.contract import Counters, Int16, PlayEvent, PlayKind
from edgevoice.rt.twin_late import Late
from edgevoice.rt.twin_live import Live
from edgevoice.rt.twin_mixer import Mixer, scaled
from edgevoice.rt.twin_stretch import FASTEST, SLOWEST, Stretch

T = TypeVar("T", bound=np.generic)

HEARD = 128
"""Generations whose heard frames are remembered."""
EVENTS = 256
REFILL = 4
"""Times 5 ms that must wait before a reply that ran dry goes on."""


@dataclass(slots=True)
class Slot:
    generation: int
    samples: Int16
    last: bool


class Rt(Mixer):
    """The memory that the callback shares with everybody, and the callback.  ``changed`` guards all of it but ``gain``."""

    def __init__(self, rate: int, hop: int, capture_slots: int) -> None:
        super().__init__(rate // 200)
        self.rate = rate
        self.hop = hop
        self._muted = False
        self._late = Late()
        self.live = Live()
        self._capture_slots = capture_slots
        self._changed = threading.Condition()
        self._hops: collections.deque[tuple[int, Int16, Int16]] = collections.deque()
        self._play: collections.deque[Slot] = collections.deque()
        self._events: collections.deque[PlayEvent] = collections.deque()
        self._counts = dict.fromkeys(Counters.__dataclass_fields__, 0)
        self._pause = self._gate = 0
        self._frame = 0
        self._hop: tuple[int, Int16, Int16] | None = None
        self._fill = 0
        self._slot_at = 0
        self._ramp = self._fade
        self._sounding_frames = self._ended = self._paused = 0
        self._starved = False
        self._heard: dict[int, int] = {}
        self._written = (0, 0)
        self._stretch = Stretch(rate)
        self._stretch_below = self._hold_frames = self._shorten_above = self._pace = self._held = self._held_to = 0

    def _process(self, near: Int16 | None, frames: int, overflow: bool, underflow: bool, now: int) -> Int16:
        with self._changed:
            self._late.note(now, self._frame, self.rate, overflow or underflow)
            self._counts["xruns_in"] += overflow
            self._counts["xruns_out"] += underflow
            out = np.zeros(frames, np.int16)
            self._loudspeaker(out)
            self._mix(out)
            self._microphone(None if self._muted else near, out)
            self._counts["zeroed"] += frames * self._muted
            self._counts["callbacks"] += 1
            self._changed.notify_all()
        return out

    def _event(self, kind: PlayKind, generation: int, sample: int, frames: int) -> None:
        if len(self._events) == EVENTS:
            self._counts["events_lost"] += 1
        else:
            self._events.append(PlayEvent(kind, generation, sample, frames))

    def _front(self, live: int, keep: int) -> Slot | None:
        while self._play:
            slot = self._play[0]
            if slot.generation in (keep, live):
                return slot
            self._counts["stale"] += len(slot.samples) - self._slot_at
            self._release()
        return None

    def _left(self, live: int) -> int:
        """Frames of the live generation that are written and not played."""
        if self._written[0] != live:
            return 0
        return self._written[1] - (self._sounding_frames if self._sounding == live else 0)

    def _last_waits(self, live: int) -> bool:
        return bool(self._play) and self._play[-1].generation == live and self._play[-1].last

    def _set_pace(self, live: int) -> None:
        below, above = self._stretch_below, self._shorten_above
        pace = 0
        if (below or above) and not self._last_waits(live):
            left, half = self._left(live), (below + 1) // 2
            if left < below:
                pace = SLOWEST * min(below - left, half) // half
            elif above and left > above:
                pace = -(FASTEST * min(left - above, above) // above)
        if (pace < 0) != (self._pace < 0):
            self._stretch.forget()
        self._pace = pace

    def _peek(self, live: int, count: int) -> Int16 | None:
        pieces: list[Int16] = []
        got, at = 0, self._slot_at
        for slot in self._play:
            if got == count or slot.generation != live:
                break
            pieces.append(slot.samples[at:at + count - got])
            got += len(pieces[-1])
            at = 0
        return np.concatenate(pieces) if got == count else None

    def _release(self) -> None:
        self._play.popleft()
        self._slot_at = 0

    def _take(self, slot: Slot, to: Int16, frames: int) -> None:
        to[:frames] = slot.samples[self._slot_at:self._slot_at + frames]
        self._stretch.forward(to[:frames], abs(self._pace))
        self._slot_at += frames
        self._count_heard(frames)

    def _count_heard(self, frames: int) -> None:
        self._sounding_frames += frames
        self._heard[self._sounding] = self._sounding_frames
        self._counts["played"] += frames

    def _finish_slot(self, slot: Slot, now: int) -> None:
        if self._slot_at < len(slot.samples):
            return
        self._release()
        if slot.last:
            self._event("end", slot.generation, now, self._sounding_frames if self._sounding == slot.generation else 0)
            self._sounding = 0
            self._ended = slot.generation

    def _fade_out(self, to: Int16) -> None:
        gains = self._ramp - 1 - np.arange(len(to), dtype=np.int32)
        to[:] = scaled(to, gains, self._fade)
        self._ramp -= len(to)

    def _fade_in(self, to: Int16) -> None:
        gains = self._ramp + 1 + np.arange(len(to), dtype=np.int32)
        to[:] = scaled(to, gains, self._fade)
        self._ramp += len(to)

    def _made_up(self, to: Int16) -> int:
        made = self._stretch.take(len(to))
        to[:len(made)] = made
        return len(made)

    def _made_up_fading(self, to: Int16) -> int:
        if self._starved:
            return self._made_up(to)
        frames = self._made_up(to[:self._ramp])
        self._fade_out(to[:frames])
        return frames

    def _die(self, live: int, to: Int16, now: int) -> int:
        made = self._made_up_fading(to) if self._paused != self._sounding else 0
        if made:
            return made
        slot = self._front(live, self._sounding) if self._ramp and self._paused != self._sounding else None
        if slot and slot.generation == self._sounding and len(slot.samples) > self._slot_at:
            frames = min(len(to), self._ramp, len(slot.samples) - self._slot_at)
            self._take(slot, to, frames)
            self._fade_out(to[:frames])
            if self._slot_at == len(slot.samples):
                self._release()
            return frames
        self._event("silent", self._sounding, now, self._sounding_frames)
        self._sounding = 0
        return 0

    def _hold(self, live: int, to: Int16, now: int) -> int:
        if self._paused != live:
            made = self._made_up_fading(to) if self._sounding == live else 0
            if made:
                return made
            slot = self._front(live, live) if self._sounding == live and self._ramp else None
            if slot and len(slot.samples) > self._slot_at:
                frames = min(len(to), self._ramp, len(slot.samples) - self._slot_at)
                self._take(slot, to, frames)
                self._fade_out(to[:frames])
                self._finish_slot(slot, now + frames)
                return frames
            self._paused = live
            self._ramp = 0
            self._event("paused", live, now, self._sounding_frames if self._sounding == live else 0)
        return len(to)

    def _speak(self, live: int, to: Int16, now: int) -> int:
        if self._paused and self._paused == live:
            self._event("resumed", live, now, self._sounding_frames if self._sounding == live else 0)
        self._paused = 0
        if self._sounding:
            fading = not self._starved and self._ramp < self._fade
            made = self._made_up(to[:self._fade - self._ramp] if fading else to)
            if made and fading:
                self._fade_in(to[:made])
            if made:
                return made
        slot = self._front(live, 0)
        if slot is None:
            return 0 if self._starve(now) else len(to)
        silent = self._late_start(live, len(to), now)
        if silent:
            return silent
        frames = min(len(to), len(slot.samples) - self._slot_at)
        if frames:
            if not self._sounding:
                self._begin_sound(live, now)
            self._set_pace(live)
            if self._ramp == self._fade and (self._lengthened(live) or self._shortened(live)):
                return 0
            self._starved = False
            fading = self._ramp < self._fade
            if fading:
                frames = min(frames, self._fade - self._ramp)
            self._take(slot, to, frames)
            if fading:
                self._fade_in(to[:frames])
        self._finish_slot(slot, now + frames)
        return frames

    def _starve(self, now: int) -> bool:
        """Tell it once; whether a tail was made up."""
        if not self._sounding or self._starved:
            return False
        self._starved = True
        self._counts["underruns"] += 1
        self._event("underrun", self._sounding, now, self._sounding_frames)
        if not self._stretch_below:
            return False
        self._stretch.conceal(self._ramp, self._fade)
        self._ramp = 0
        return True

    def _late_start(self, live: int, room: int, now: int) -> int:
        if self._sounding:
            refilling = (self._starved and self._stretch_below and self._left(live) < REFILL * self._fade
                         and not self._last_waits(live))
            return room if refilling else 0
        if self._held != live:
            self._held, self._held_to = live, now + self._hold_frames
        if self._gate == live:
            return room
        return 0 if now >= self._held_to or self._last_waits(live) else min(room, self._held_to - now)

    def _lengthened(self, live: int) -> bool:
        if self._pace <= 0 or not self._stretch.due:
            return False
        ahead = self._peek(live, self._stretch.overlap)
        if ahead is None:
            return False
        made = self._stretch.lengthen(ahead)
        self._counts["stretched"] += made
        return made > 0

    def _shortened(self, live: int) -> bool:
        if self._pace >= 0 or not self._stretch.due:
            return False
        ahead = self._peek(live, self._stretch.reach + 1)
        frames = 0 if ahead is None else self._stretch.shorten(ahead[:-1], -self._pace)
        left = frames
        while left:
            some = min(left, len(self._play[0].samples) - self._slot_at)
            left -= some
            self._slot_at += some
            if self._slot_at == len(self._play[0].samples):
                self._release()
        if frames:
            self._counts["shortened"] += frames - self._stretch.overlap
            self._count_heard(frames)
        return frames > 0

    def _begin_sound(self, generation: int, now: int) -> None:
        self._sounding, self._sounding_frames, self._starved, self._ramp = generation, 0, False, self._fade
        self._stretch.reset()
        self._counts["queue_least"] = self._left(generation)
        self._heard[generation] = 0
        while len(self._heard) > HEARD:
            del self._heard[next(iter(self._heard))]
        self._event("first", generation, now, 0)

    def _loudspeaker(self, out: Int16) -> None:
        live = self.live.current()
        done = 0
        while done < len(out):
            now, to = self._frame + done, out[done:]
            if self._sounding and self._sounding != live:
                done += self._die(live, to, now)
            elif live and self._pause == live and self._ended != live:
                done += self._hold(live, to, now)
            else:
                done += self._speak(live, to, now)
        if live and self._sounding == live and self._paused != live and not self._last_waits(live):
            self._counts["queue_least"] = min(self._counts["queue_least"], self._left(live))

    def _microphone(self, near: Int16 | None, out: Int16) -> None:
        done = 0
        while done < len(out):
            if self._fill == 0:
                full = len(self._hops) == self._capture_slots
                self._hop = None if full else (self._frame, np.zeros(self.hop, np.int16), np.zeros(self.hop, np.int16))
            some = min(len(out) - done, self.hop - self._fill)
            if self._hop:
                if near is not None:
                    self._hop[1][self._fill:self._fill + some] = near[done:done + some]
                self._hop[2][self._fill:self._fill + some] = out[done:done + some]
            else:
                self._counts["dropped"] += some
            done += some
            self._fill += some
            self._frame += some
            if self._fill == self.hop:
                if self._hop:
                    self._hops.append(self._hop)
                self._hop = None
                self._fill = 0
        self._counts["captured"] += len(out)


def checked(array: object, dtype: type[T], what: str) -> NDArray[T]:
    """The array, contiguous; ``ValueError`` unless it is one-dimensional and of that type."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
        given = f"{array.ndim}-dimensional {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{what} must be a one-dimensional array of {np.dtype(dtype).name}, not {given}")
    return np.ascontiguousarray(array)
