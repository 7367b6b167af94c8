"""A sound card at the other end of a network: a ``Device`` whose microphone arrives in pieces, and whose clock is that microphone's.

Theory: whoever speaks is not in a hurry to be recorded, so that sound is taken as it comes, in bunches or not; each hop of it moves the
core's clock on by a hop, and what the loudspeaker played meanwhile goes to the same client, who so gets as many samples as he sends: the
two clocks cannot drift apart.  Only what is missing needs a decision.  It is waited for as long as pieces have been late lately
(``playout.Live``, the measure that a live stream's playback is made by); then the gap is filled, a fade and silence, since who listens is a
recognizer, and a sound that is made up would be words; and what comes for it later is thrown away, or the answer would lag by that ever
after.  While nobody sends anything the clock goes on by itself.

Law: exactly one thread calls the core; ``put``, ``open`` and ``shut`` never wait for it.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from edgevoice.host import name_thread
from edgevoice.pipeline.playout import Live
from edgevoice.rt.contract import Clocks, Int16, Processor

MOST_S = 2.0
"""of sound that may wait"""
AHEAD_S = 10.0
"""a piece so far ahead of the others belongs to another count"""
WAIT_S = 0.1
"""at least so long what is late is waited for: a retransmission takes some round trips"""
BEHIND_S = 0.5
"""of a clock that was held up, made up for"""
FADE_S = 0.005


class Jitter:
    """Pieces in the order of their samples, whatever the order in which they came.  Positions are samples at ``rate``; one thread."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.late = self.concealed = self.reordered = 0
        """frames thrown away; frames made up; pieces that came before an earlier one"""
        self._live = Live(rate)
        self._pieces: dict[int, Int16] = {}
        self._next: int | None = None
        self._newest = 0
        self._longest_s = 0.0
        self._last = np.zeros(0, np.int16)
        self._fade_in = False

    @property
    def wait_s(self) -> float:
        """For how long a piece may be missing."""
        return self._longest_s + max(WAIT_S, self._live.target_s)

    @property
    def waiting(self) -> int:
        """Frames that are there."""
        return sum(len(piece) for piece in self._pieces.values())

    def put(self, sample: int, samples: Int16, now: float) -> None:
        if not len(samples):
            return
        if self._next is None or not -AHEAD_S * self.rate < sample - self._next < AHEAD_S * self.rate:
            self._pieces.clear()
            self._live.begin()
            self._next = self._newest = sample
        self._live.came(now, sample / self.rate)
        self._longest_s = max(self._longest_s, min(len(samples) / self.rate, MOST_S / 4))
        end = sample + len(samples)
        if end <= self._next:
            self.late += len(samples)
            return
        if sample < self._next:
            self.late += self._next - sample
            samples, sample = samples[self._next - sample:], self._next
        self.reordered += sample < self._newest
        self._newest = max(self._newest, sample)
        known = self._pieces.get(sample)
        if known is None or len(known) < len(samples):
            self._pieces[sample] = samples
        while self.waiting > MOST_S * self.rate:
            first = min(self._pieces)
            dropped = self._pieces.pop(first)
            self.late += len(dropped)
            self._next = max(self._next, first + len(dropped))

    def take(self, frames: int) -> Int16 | None:
        """The next ``frames``, if they are there."""
        if self._next is None:
            return None
        made: list[Int16] = []
        at, have = self._next, 0
        while have < frames:
            piece = self._at(at)
            if piece is None:
                return None
            made.append(piece[:frames - have])
            have, at = have + len(made[-1]), at + len(made[-1])
        self._go_on(at)
        samples = np.concatenate(made)
        if self._fade_in:
            self._fade_in = False
            samples = _faded(samples, self.rate)
        self._last = samples
        return samples

    def conceal(self, frames: int) -> Int16:
        """What stands in the place of the next ``frames``: those that are there, the last sound faded out, and silence."""
        made = np.zeros(frames, np.int16)
        if self._next is None:
            return made
        there = np.zeros(frames, bool)
        for start, piece in self._pieces.items():
            begin, end = max(start, self._next), min(start + len(piece), self._next + frames)
            if begin < end:
                made[begin - self._next:end - self._next] = piece[begin - start:end - start]
                there[begin - self._next:end - self._next] = True
        if not there[0] and len(self._last):
            tail = _faded(self._last[::-1][:frames].copy(), self.rate, out=True)[:int(FADE_S * self.rate)]
            made[:len(tail)][~there[:len(tail)]] = tail[~there[:len(tail)]]
        self.concealed += int(np.count_nonzero(~there))
        self._go_on(self._next + frames)
        self._last, self._fade_in = np.zeros(0, np.int16), True
        return made

    def restart(self) -> None:
        """The next piece begins a new count."""
        self._pieces.clear()
        self._live.begin()
        self._next, self._fade_in = None, False

    def _go_on(self, at: int) -> None:
        """The next sample is number ``at``; what is before it is over."""
        self._next = at
        for start in [start for start, piece in self._pieces.items() if start + len(piece) <= at]:
            del self._pieces[start]

    def _at(self, sample: int) -> Int16 | None:
        """What there is from ``sample`` on."""
        piece = self._pieces.get(sample)
        if piece is not None:
            return piece
        for start, piece in self._pieces.items():
            if start <= sample < start + len(piece):
                return piece[sample - start:]
        return None


class NetworkDevice:
    """A ``Device`` (``rt.contract``)."""

    def __init__(self, core: Processor) -> None:
        self._core = core
        self._jitter = Jitter(core.rate)
        self._changed = threading.Condition()
        self._open = self._stopping = False
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def start(self) -> None:
        self._stopping = False
        self._due = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="edgevoice-net", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> str | None:
        return None

    @property
    def clocks(self) -> Clocks | None:
        return None

    def open(self) -> None:
        """A microphone begins to send.  Any thread, as all that follows."""
        with self._changed:
            self._open = True
            self._jitter.restart()
            self._due = time.monotonic()

    def shut(self) -> None:
        """It sends no more; what has come is heard."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def put(self, sample: int, samples: Int16) -> None:
        """``samples`` at the core's rate, of which the first is number ``sample``."""
        with self._changed:
            if self._open:
                self._jitter.put(sample, samples, time.monotonic())
                self._changed.notify()

    @property
    def counts(self) -> dict[str, int]:
        """Frames that were late or made up, and pieces out of order."""
        jitter = self._jitter
        return {"late": jitter.late, "concealed": jitter.concealed, "reordered": jitter.reordered}

    def _run(self) -> None:
        name_thread()
        core, hop = self._core, self._core.hop
        period = hop / core.rate
        while True:
            with self._changed:
                while not self._stopping:
                    now = time.monotonic()
                    near = self._jitter.take(hop)
                    if near is not None:
                        self._due = now + period
                        break
                    late_at = self._due + (self._jitter.wait_s if self._open else 0.0)
                    if now >= late_at:
                        near = self._jitter.conceal(hop) if self._open else None
                        self._due = max(self._due + period, now - BEHIND_S)
                        break
                    self._changed.wait(late_at - now)
                else:
                    return
            core.process(near, hop, now_s=now)


def _faded(samples: Int16, rate: int, *, out: bool = False) -> Int16:
    """With a linear fade over its first ``FADE_S``."""
    length = min(int(FADE_S * rate), len(samples))
    ramp = (np.arange(length, dtype=np.float32) + 0.5) / max(length, 1)
    made = samples.copy()
    made[:length] = np.rint(samples[:length] * (ramp[::-1] if out else ramp)).astype(np.int16)
    return made
