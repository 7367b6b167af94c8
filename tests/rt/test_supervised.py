"""A sound card that comes and goes: time goes on without it, it is used again, and only one of card and stand-in calls the core."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgevoice.errors import DeviceError
from edgevoice.rt import DeviceState, SupervisedDevice
from edgevoice.rt.contract import Clocks

PATIENCE_S = 20.0
CLOCKS = Clocks(drift_ppm=12.0, fill_ms=25.0, wanted_ms=25.0, underruns=1, overruns=0)


class Card:
    """Calls the core as a card does while it is plugged in."""

    clocks = CLOCKS

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def start(self) -> None:
        self._bench.opened += 1
        if not self._bench.there.is_set():
            raise DeviceError("no input device on this machine")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        core = self._bench.core
        while self._bench.there.is_set() and not self._over.is_set():
            with self._bench.calling("card"):
                core.process(np.full(core.hop, 1234, np.int16), core.hop)
            time.sleep(0.002)

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def running(self) -> bool:
        return self.error is None

    @property
    def error(self) -> str | None:
        return None if self._bench.there.is_set() else "it was unplugged"


class Bench:
    """A core that notices two callers at once, and a card's socket."""

    def __init__(self, core: Any) -> None:
        self.core = core
        self.there = threading.Event()
        self.opened = 0
        self.told: list[DeviceState] = []
        self.both = False
        self._busy = threading.Lock()
        self.device = SupervisedDevice(self, lambda: Card(self), self.told.append)

    # What the supervisor asks of a core.

    @property
    def rate(self) -> int:
        return int(self.core.rate)

    @property
    def hop(self) -> int:
        return int(self.core.hop)

    def process(self, near: np.ndarray | None, frames: int, *, overflow: bool = False, underflow: bool = False) -> np.ndarray:
        assert near is None
        with self.calling("stand-in"):
            made: np.ndarray = self.core.process(near, frames)
        return made

    def counters(self) -> Any:
        return self.core.counters()

    def calling(self, who: str) -> Any:
        bench = self

        class Call:
            def __enter__(self) -> None:
                bench.both |= not bench._busy.acquire(blocking=False)

            def __exit__(self, *_: object) -> None:
                bench._busy.release()

        del who
        return Call()


@pytest.fixture
def bench(core: Any) -> Any:
    made = Bench(core)
    yield made
    made.device.stop()
    assert not made.both, "card and stand-in called the core at once"


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_without_a_card_time_goes_on_and_it_is_said(bench: Bench) -> None:
    bench.device.start()
    assert bench.device.running and bench.device.error is None
    wait(lambda: bench.core.counters().captured > 3200)
    state = bench.device.state
    assert (state.open, state.problem, state.losses) == (False, "no input device on this machine", 0)
    assert state.away_s > 0
    assert not bench.core.read(0).near.any()


def test_a_card_that_is_there_is_used_at_once(bench: Bench) -> None:
    bench.there.set()
    bench.device.start()
    assert bench.device.state.open
    wait(lambda: bench.core.counters().captured > 320)
    assert (bench.core.read(0).near == 1234).all()
    assert [state.open for state in bench.told] == [True]


def test_pulled_and_plugged_it_goes_on_each_time(bench: Bench) -> None:
    bench.there.set()
    bench.device.start()
    for turn in range(1, 4):
        bench.there.clear()
        wait(lambda: not bench.device.state.open)
        before = bench.core.counters().captured
        wait(lambda before=before: bench.core.counters().captured > before + 1600)  # type: ignore[misc]
        bench.there.set()
        wait(lambda: bench.device.state.open)
        assert (bench.device.state.losses, bench.device.state.reopened) == (turn, turn)
    assert [state.open for state in bench.told] == [True] + [False, True] * 3
    assert bench.told[1].problem == "it was unplugged"
    counters = bench.core.counters()
    assert counters.captured == counters.consumed + counters.dropped + counters.depth


def test_attempts_are_spaced_out(bench: Bench) -> None:
    bench.device.start()
    wait(lambda: bench.opened >= 3)
    assert bench.device.state.away_s > 0.25 + 0.4


def test_a_reply_ends_in_order_without_a_card(bench: Bench) -> None:
    bench.device.start()
    bench.core.live.begin(1)
    bench.core.write(1, np.ones(4800, np.int16), last=True)
    wait(lambda: bench.core.counters().played == 4800)
    kinds = []

    def ended() -> bool:
        kinds.extend(event.kind for event in bench.core.events())
        return "end" in kinds

    wait(ended)


def test_stop_ends_it_for_good_and_it_can_start_again(bench: Bench) -> None:
    bench.there.set()
    bench.device.start()
    bench.device.stop()
    bench.device.stop()
    assert not bench.device.running
    callbacks = bench.core.counters().callbacks
    time.sleep(0.05)
    assert bench.core.counters().callbacks == callbacks
    bench.device.start()
    assert bench.device.state.open
