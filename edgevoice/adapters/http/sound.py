"""What a loudspeaker plays, for any number of listeners: one bounded ring for each quality, which each of them reads at his own pace.

Theory: a piece is made into bytes once, whoever listens; a listener is a number in the ring, so that one that falls behind costs nothing
and holds nobody: what he did not take in time is gone.  Silence is not kept: the next piece's sample says how long it was.  Low quality is
made only while somebody wants it.

Threads: ``hear`` on any one; everything else on the edge's loop.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgevoice.adapters.http.wire import LOW_RATE, MULAW, S16, mulaw
from edgevoice.audio import Resampler, to_float32, to_int16

Quality = Literal["full", "low"]
Int16 = NDArray[np.int16]

PIECE_S = 0.02
"""of sound in a piece: 50 messages a second"""
RING = 100
"""pieces kept: two seconds"""
JOINED = 10
"""pieces that one message may hold, for who was behind"""
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Heard:
    """Pieces that follow each other without a gap.  ``sample``: of the first, at ``rate``."""

    format: int
    sample: int
    frames: int
    rate: int
    data: bytes


class _Ring:
    def __init__(self, form: int, rate: int, bytes_a_frame: int) -> None:
        self.format, self.rate, self._width = form, rate, bytes_a_frame
        self._pieces: collections.deque[tuple[int, bytes]] = collections.deque(maxlen=RING)
        self.last = 0
        """pieces so far"""

    def put(self, sample: int, data: bytes) -> None:
        self._pieces.append((sample, data))
        self.last += 1

    def after(self, place: int) -> tuple[Heard | None, int]:
        """What comes after ``place``, and the place after that."""
        place = max(place, self.last - len(self._pieces))
        at = place - (self.last - len(self._pieces))
        if at >= len(self._pieces):
            return None, place
        first = self._pieces[at][0]
        parts: list[bytes] = []
        frames = 0
        while at < len(self._pieces) and len(parts) < JOINED and self._pieces[at][0] == first + frames:
            parts.append(self._pieces[at][1])
            frames += len(parts[-1]) // self._width
            at += 1
        return Heard(self.format, first, frames, self.rate, b"".join(parts)), place + len(parts)


class Sound:
    """``told`` is called when something can be read."""

    def __init__(self, rate: int, told: Callable[[], None]) -> None:
        self.rate = rate
        self.wanted: collections.Counter[Quality] = collections.Counter()
        """listeners of each quality"""
        self._loop, self._told = asyncio.get_running_loop(), told
        self._rings: dict[Quality, _Ring] = {"full": _Ring(S16, rate, 2), "low": _Ring(MULAW, LOW_RATE, 1)}
        self._came: collections.deque[tuple[int, Int16]] = collections.deque(maxlen=4 * RING)
        self._draining = False
        self._part: list[Int16] = []
        self._part_at, self._part_frames = 0, 0
        self._sounding = False
        self._lower: Resampler | None = None
        self._lower_at = 0

    def hear(self, index: int, samples: Int16) -> None:
        """``samples`` were played from device frame ``index`` on.  Any one thread."""
        if not self.wanted.total():
            return
        self._came.append((index, samples))
        if not self._draining:
            self._draining = True
            with contextlib.suppress(RuntimeError):  # the edge has ended
                self._loop.call_soon_threadsafe(self._drain)

    def newest(self, quality: Quality) -> int:
        """The place from which only what comes from now on is read."""
        return self._rings[quality].last

    def behind_s(self, quality: Quality, place: int) -> float:
        """Sound that waits there, in seconds."""
        return (self._rings[quality].last - place) * PIECE_S

    def after(self, quality: Quality, place: int) -> tuple[Heard | None, int]:
        return self._rings[quality].after(place)

    def _drain(self) -> None:
        self._draining = False
        before = self._rings["full"].last
        while self._came:
            self._take(*self._came.popleft())
        if self._rings["full"].last != before:
            self._told()

    def _take(self, index: int, samples: Int16) -> None:
        if not samples.any():
            self._finish()
            return
        if index != self._part_at + self._part_frames:
            self._finish()
        if not self._part:
            self._part_at = index
        self._part.append(samples)
        self._part_frames += len(samples)
        if not self._sounding or self._part_frames >= PIECE_S * self.rate:  # the first sound after silence waits for nothing
            self._flush()
        self._sounding = True

    def _finish(self) -> None:
        """Silence follows."""
        self._flush()
        self._sounding = False
        if self._lower is not None:
            self._put_low(self._lower.process(_NOTHING, last=True))
            self._lower = None

    def _flush(self) -> None:
        if not self._part:
            return
        samples = np.concatenate(self._part)
        at, self._part = self._part_at, []
        self._part_at, self._part_frames = at + len(samples), 0
        self._rings["full"].put(at, samples.astype("<i2", copy=False).tobytes())
        if not self.wanted["low"]:
            self._lower = None
            return
        if self._lower is None:
            self._lower, self._lower_at = Resampler(self.rate, LOW_RATE), -(-at * LOW_RATE // self.rate)
        self._put_low(self._lower.process(to_float32(samples)))

    def _put_low(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._rings["low"].put(self._lower_at, mulaw(to_int16(samples)))
            self._lower_at += len(samples)
