"""The sound path's health: what the last minute added is alarmed at, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from edgevoice.pipeline.playout_health import PlayoutMeter
from edgevoice.pipeline.sound_health import SoundMeter, _of_front
from edgevoice.pipeline.wakes import WakeCounts
from edgevoice.rt import twin
from edgevoice.rt.contract import Clocks, FrontState
from edgevoice.rt.supervised import DeviceState

RATE, HOP = 16000, 160
FRONT = FrontState(hops=1, blocks=1, path_changes=0, reflexes=0, dropped=0, erle_db=20.0, delay_ms=30.0, drift_ppm=0.0, busy_s=0.0,
                   slowest_s=0.0, cancelling=True, awake=True, converged=True, noncausal=False, useless=False, fifo=False)


class Clock:
    def __init__(self) -> None:
        self.t = 100.0

    def now(self) -> float:
        return self.t


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.core = twin.Core(RATE, HOP, capture_ms=100)
        playout = PlayoutMeter(self.core, self.clock)
        self.playout = lambda: playout.health("reply", 0.05, None)
        self.meter = SoundMeter(self.core, self.clock, self.playout, allowed_late_ms=50)

    def run(self, seconds: float, *, read: bool = True, late_s: float = 0.0, **status: Any) -> None:
        for k in range(round(seconds * RATE / HOP)):
            self.clock.t += HOP / RATE
            self.core.process(None, HOP, now_s=self.clock.t + late_s * (k % 20 == 19), **status)
            if read:
                self.core.read(0)


def test_a_path_that_does_well_has_nothing_to_say_and_is_whole_in_json() -> None:
    bench = Bench()
    bench.run(5.0, late_s=0.003)
    health = bench.meter.look(DeviceState(open=True, problem=None, losses=1, reopened=1, away_s=2.0))
    assert health.alerts == ()
    document = json.loads(json.dumps(health.document()))
    assert document["counters"]["captured"] == 5 * RATE and document["device"]["losses"] == 1
    assert document["lateness"]["callbacks"]["1"] == 475 and document["lateness"]["callbacks"]["5"] == 25
    assert document["lateness"]["worst_ms"] == pytest.approx(3.0, abs=0.1)
    assert document["locked"] is False and document["fifo"] is False


def test_each_fault_is_told_with_its_figure_and_only_for_a_minute() -> None:
    bench = Bench()
    bench.run(1.0, read=False)  # the ring holds some of it
    bench.core.process(np.zeros(HOP, np.int16), HOP, overflow=True)
    bench.core.process(np.zeros(HOP, np.int16), HOP, underflow=True)
    dropped, overflow, underflow = bench.meter.look().alerts
    lost_ms = 1000 * bench.core.counters().dropped // RATE
    assert lost_ms > 500 and dropped.startswith(f"{lost_ms} ms of the microphone's sound were thrown away")
    assert "lost the microphone's sound 1 times" in overflow and "nothing to play 1 times" in underflow
    bench.core.read(0)
    bench.run(30.0)
    assert len(bench.meter.look().alerts) == 3
    bench.run(31.0)
    assert bench.meter.look().alerts == ()


def test_late_callbacks_are_told_where_they_cost_sound() -> None:
    bench = Bench()
    bench.run(3.0, late_s=0.12)
    (late,) = bench.meter.look().alerts
    assert "comes 100 ms late or more (sound is lost from 50 ms on)" in late


def test_no_card_comes_first() -> None:
    bench = Bench()
    bench.core.process(None, HOP, overflow=True)
    assert bench.meter.look(DeviceState(open=False, problem="it was unplugged", losses=1, reopened=0, away_s=1.0)).alerts[0] == \
        "no sound: it was unplugged"


@pytest.mark.parametrize(("changes", "told"), [
    ({}, None), ({"noncausal": True}, "before the core is told"), ({"useless": True}, "none of it can be taken off"),
    ({"noncausal": True, "useless": True, "cancelling": False}, None)])
def test_a_canceller_that_cannot_cancel_is_told(changes: dict[str, bool], told: str | None) -> None:
    found = _of_front(dataclasses.replace(FRONT, **changes))  # type: ignore[arg-type]
    assert len(found) == (told is not None) and (told is None or told in found[0])


def test_two_clocks_are_told_of_where_they_tear_the_sound_or_lie_too_far_apart() -> None:
    bench = Bench()

    def look(seconds: float, **facts: float) -> tuple[str, ...]:
        bench.run(seconds)
        clocks = Clocks(**{"drift_ppm": 80.0, "fill_ms": 25.0, "wanted_ms": 25.0, "underruns": 0, "overruns": 0, **facts})  # type: ignore[arg-type]
        return bench.meter.look(DeviceState(open=True, problem=None, losses=0, reopened=0, away_s=0.0, clocks=clocks)).alerts

    assert look(1.0) == ()
    (torn,) = look(1.0, underruns=2, overruns=1)
    assert "torn 3 times in the last minute" in torn
    look(30.0, underruns=2, overruns=1)
    assert look(31.0, underruns=2, overruns=1) == ()
    assert "torn 1 times" in look(1.0, underruns=1)[0], "the cards were opened anew and count from 0"
    (apart,) = look(70.0, underruns=1, drift_ppm=-1450.0)
    assert "-1450 ppm apart" in apart


def test_the_document_has_the_clocks_and_the_wake_words() -> None:
    bench = Bench()
    clocks = Clocks(drift_ppm=-30.0, fill_ms=25.5, wanted_ms=25.0, underruns=0, overruns=0)
    meter = SoundMeter(bench.core, bench.clock, bench.playout, lambda: WakeCounts(3, 1, 12.5), allowed_late_ms=50)
    document = meter.look(DeviceState(open=True, problem=None, losses=0, reopened=0, away_s=0.0, clocks=clocks)).document()
    assert document["device"]["clocks"] == {"drift_ppm": -30.0, "fill_ms": 25.5, "wanted_ms": 25.0, "underruns": 0, "overruns": 0}
    assert document["wakes"] == {"heard": 3, "own": 1, "listened_s": 12.5}
