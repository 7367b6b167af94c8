"""Random histories: the C core against the twin as its model, sample by sample, with ring indices that overflow on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgevoice.rt import _core, twin
from edgevoice.rt.contract import CHANNELS

RATE, HOP = 16000, 64


class Lockstep(RuleBasedStateMachine):
    """Every call goes to both cores and must give the same; the ledger must balance after each."""

    @initialize(capture_ms=st.sampled_from([9, 17, 40]), playback_ms=st.sampled_from([9, 40]), before=st.integers(0, 12))
    def make(self, capture_ms: int, playback_ms: int, before: int) -> None:
        self.cores: list[Any] = [module.Core(RATE, HOP, capture_ms=capture_ms, playback_ms=playback_ms, ring_start=2**64 - 1 - before)
                                 for module in (_core, twin)]
        self.newest = 0
        self.ended = 0
        self.voice = 0
        self.frames = 0
        self.read_to = 0
        self.lost = 0

    def both(self, call: Any) -> Any:
        results = [call(core) for core in self.cores]
        if isinstance(results[0], np.ndarray):
            np.testing.assert_array_equal(*results)
        else:
            assert results[0] == results[1]
        return results[0]

    def samples(self, count: int) -> np.ndarray:
        self.voice += count
        return ((np.arange(self.voice - count, self.voice) * 7919) % 65536 - 32768).astype(np.int16)

    @rule(frames=st.one_of(st.integers(1, 5), st.integers(1, 300), st.just(HOP)), deaf=st.booleans(), overflow=st.booleans(),
          underflow=st.booleans())
    def period(self, frames: int, deaf: bool, overflow: bool, underflow: bool) -> None:
        near = None if deaf else (np.arange(self.frames, self.frames + frames) % 65536 - 32768).astype(np.int16)
        self.both(lambda core: core.process(near, frames, overflow=overflow, underflow=underflow))
        self.frames += frames

    @rule()
    def read(self) -> None:
        runs = [core.read(0) for core in self.cores]
        if runs[0] is None:
            assert runs[1] is None
            return
        assert runs[0].index == runs[1].index
        np.testing.assert_array_equal(runs[0].near, runs[1].near)
        np.testing.assert_array_equal(runs[0].far, runs[1].far)
        assert runs[0].index >= self.read_to and runs[0].index % HOP == 0
        self.lost += runs[0].index - self.read_to
        self.read_to = runs[0].index + len(runs[0].near)

    @rule(step=st.integers(1, 3))
    def begin(self, step: int) -> None:
        self.newest += step
        self.both(lambda core: core.live.begin(self.newest).generation)

    @rule(back=st.integers(0, 1))
    def cancel(self, back: int) -> None:
        if self.newest > back:
            self.both(lambda core: core.live.cancel(self.newest - back))

    @rule(count=st.integers(0, 400), last=st.booleans())
    def write(self, count: int, last: bool) -> None:
        if not self.newest or self.ended == self.newest:
            return
        samples = self.samples(count)

        def write(core: Any) -> int | None:
            try:
                taken: int = core.write(self.newest, samples, last=last, timeout_s=0)
            except TimeoutError:
                return None
            return taken

        if self.both(write) == count and last and self.cores[0].live.current() == self.newest:
            self.ended = self.newest

    @rule(back=st.integers(0, 1), on=st.booleans())
    def pause(self, back: int, on: bool) -> None:
        if self.newest > back:
            self.both(lambda core: (core.pause if on else core.resume)(self.newest - back))

    @rule(count=st.integers(0, 300))
    def earcon(self, count: int) -> None:
        samples = self.samples(count)
        self.both(lambda core: core.earcon(samples))

    @rule(gain=st.sampled_from([0.0, 0.3, 1.0, 2.5, 4.0]))
    def volume(self, gain: float) -> None:
        self.both(lambda core: core.set_volume(gain))

    @rule(count=st.integers(0, 300))
    def alarm(self, count: int) -> None:
        samples = self.samples(count)
        self.both(lambda core: core.alarm(samples))

    @rule()
    def stop_alarm(self) -> None:
        self.both(lambda core: core.stop_alarm())

    @rule(channel=st.sampled_from(CHANNELS), gain=st.sampled_from([0.0, 0.4, 1.0, 3.0]), duck=st.sampled_from([0.0, 0.25, 1.0]))
    def channels(self, channel: str, gain: float, duck: float) -> None:
        self.both(lambda core: (core.set_volume(gain, channel), core.set_ducking(duck)))

    @rule(ahead=st.integers(0, 1), channel=st.sampled_from(CHANNELS))
    def announce(self, ahead: int, channel: str) -> None:
        if self.newest + ahead:
            self.both(lambda core: core.announce(self.newest + ahead, channel))

    @rule(on=st.booleans())
    def mute(self, on: bool) -> None:
        self.both(lambda core: (core.mute(on), core.muted))

    @rule(below=st.sampled_from([0.0, 0.01, 0.05, 1.0]), hold=st.sampled_from([0.0, 0.0, 0.013, 0.1]), hurry=st.booleans())
    def playout(self, below: float, hold: float, hurry: bool) -> None:
        self.both(lambda core: core.set_playout(below, hold, max(below, 0.01) if hurry else 0.0))

    @rule(count=st.integers(0, 800), period=st.integers(1, 900), pitch=st.integers(30, 200), loud=st.integers(50, 32767))
    def hum(self, count: int, period: int, pitch: int, loud: int) -> None:
        """Something with a pitch, and then what came of it."""
        if self.newest and self.ended != self.newest:
            samples = np.rint(loud * np.sin(np.arange(count) * 2 * np.pi / pitch)).astype(np.int16)
            self.both(lambda core: core.write(self.newest, samples, timeout_s=0))
        self.period(period, True, False, False)

    @rule()
    def events(self) -> None:
        self.both(lambda core: core.events())

    @invariant()
    def the_ledger_balances(self) -> None:
        if not hasattr(self, "cores"):
            return
        counters = self.both(lambda core: core.counters())
        assert counters.captured == counters.consumed + counters.dropped + counters.depth == self.frames
        assert counters.consumed == self.read_to - self.lost
        assert counters.dropped >= self.lost
        if self.newest:
            self.both(lambda core: (core.heard(self.newest), core.queued(self.newest), core.live.current()))


Lockstep.TestCase.settings = settings(max_examples=300, stateful_step_count=60)
TestLockstep = Lockstep.TestCase
