"""The converter between two clocks: simulated cards whose clocks drift, whose callbacks are late, bunched, or stop for a while."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from edgevoice.rt._core import Asrc
from edgevoice.rt.contract import Clocks, Int16

RATE, PERIOD = 16_000, 160
MOST_PPM = 1500


@dataclass
class Cards:
    """Two cards on a simulated wall clock: capture's is ``ppm`` fast.  Callbacks are late by up to ``late_s`` (their square: mostly by
    little) and come ``bunch`` at a time; ``gaps`` are (start, end) in s, of ("in" or "out"), in which a card's callbacks are missing."""

    ppm: float = 0.0
    late_s: float = 0.002
    bunch: int = 1
    timed: bool = True
    gaps: tuple[tuple[str, float, float], ...] = ()
    rate: int = RATE
    seed: int = 1
    history: list[Clocks] = field(default_factory=list)

    def run(self, seconds: float, source: Callable[[np.ndarray], np.ndarray]) -> Int16:
        """What is played; ``source`` makes float samples of full scale 32767 from their indices."""
        chance = np.random.default_rng(self.seed)
        period = self.rate // 100
        asrc = Asrc(self.rate, period)
        lasts = {"in": period / self.rate / (1 + self.ppm * 1e-6), "out": period / self.rate}
        phase = {"in": 0.0, "out": 0.0037}
        done = {"in": 0, "out": 0}
        at = 0
        waiting = [(phase[end] + self.bunch * lasts[end], end) for end in lasts]
        played = []
        heapq.heapify(waiting)
        noted = 0
        while waiting[0][0] < seconds:
            due, end = heapq.heappop(waiting)
            now = due + self.late_s * chance.random() ** 2
            for _ in range(self.bunch):
                done[end] += 1
                if any(end == which and start <= due < stop for which, start, stop in self.gaps):
                    at += period if end == "in" else 0
                elif end == "in":
                    index = np.arange(at, at + period)
                    asrc.push(np.rint(source(index)).astype(np.int16), 100.0 + now if self.timed else 0.0)
                    at += period
                else:
                    played.append(asrc.pull(period, 100.0 + now if self.timed else 0.0))
            heapq.heappush(waiting, (phase[end] + (done[end] + self.bunch) * lasts[end], end))
            if end == "out" and now > noted:
                noted += 1
                self.history.append(asrc.clocks)
        return np.concatenate(played)


def sine(hz: float, rate: int = RATE) -> Callable[[np.ndarray], np.ndarray]:
    return lambda index: 16_000.0 * np.sin(2 * np.pi * hz * index / rate)


def fitted(piece: np.ndarray, hz: float, rate: int = RATE) -> tuple[float, float]:
    """(signal to noise in dB, ppm) of the sine near ``hz`` that fits best."""
    time = np.arange(len(piece)) / rate

    def rest(ppm: float) -> float:
        turn = 2 * np.pi * hz * (1 + ppm * 1e-6) * time
        basis = np.stack([np.cos(turn), np.sin(turn), np.ones(len(time))], 1)
        return float(np.linalg.lstsq(basis, piece, rcond=None)[1][0])

    low, high = -2.0 * MOST_PPM, 2.0 * MOST_PPM
    golden = (5 ** 0.5 - 1) / 2
    for _ in range(36):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if rest(a) < rest(b) else (a, high)
    ppm = (low + high) / 2
    return 10 * np.log10(float(piece.var()) * len(piece) / rest(ppm)), ppm


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0, 1000.0])
def test_ten_minutes_of_drift_are_drawn_together_without_a_tear(ppm: float) -> None:
    cards = Cards(ppm)
    played = cards.run(600.0, sine(1000.0)).astype(np.float64)
    last = cards.history[-1]
    assert (last.underruns, last.overruns) == (0, 0)
    assert last.drift_ppm == pytest.approx(ppm, abs=5.0)
    settled = cards.history[60:]
    assert max(abs(then.fill_ms - then.wanted_ms) for then in settled) < 1.0, "from the first minute on"
    assert max(then.fill_ms for then in cards.history[3:]) < 30.0
    found = [fitted(played[at:at + 4000], 1000.0) for at in range(60 * RATE, len(played) - 4000, 10 * RATE)]
    assert min(snr for snr, _ in found) > 75.0
    assert max(abs(tone - ppm) for _, tone in found) < 300.0, "ppm: no wavering that anybody hears (3000 are just heard)"
    assert np.median([abs(tone - ppm) for _, tone in found]) < 10.0


@pytest.mark.parametrize(("hz", "rate", "least"), [(100.0, 16_000, 80.0), (4000.0, 16_000, 70.0), (6500.0, 16_000, 60.0),
                                                   (1000.0, 48_000, 80.0), (16_000.0, 48_000, 60.0)])
def test_the_window_keeps_every_pitch_clean(hz: float, rate: int, least: float) -> None:
    played = Cards(150.0, late_s=0.0, rate=rate).run(70.0, sine(hz, rate)).astype(np.float64)
    assert fitted(played[-rate // 4:], hz, rate)[0] > least


def test_what_has_lag_or_bunches_gets_a_deeper_ring_and_is_not_torn_any_more() -> None:
    cards = Cards(200.0, bunch=4)
    cards.run(400.0, sine(1000.0))
    half = cards.history[200]
    assert cards.history[-1].underruns == half.underruns <= 2 and cards.history[-1].overruns == 0
    assert 30.0 < cards.history[-1].wanted_ms < 25.0 + 2 * 4 * 10.0


@pytest.mark.parametrize("ppm", [-200.0, 1000.0])
def test_without_times_it_goes_by_what_lies_in_the_ring(ppm: float) -> None:
    cards = Cards(ppm, timed=False)
    cards.run(200.0, sine(1000.0))
    assert cards.history[-1].underruns <= 2 and cards.history[-1].overruns == 0
    assert cards.history[-1].drift_ppm == pytest.approx(ppm, abs=150.0)


@pytest.mark.parametrize(("end", "what"), [("in", "underruns"), ("out", "overruns")])
def test_a_card_that_stops_for_a_while_is_counted_and_heals_without_a_click(end: str, what: str) -> None:
    """A tone of 200 Hz never moves by more than 1257 from one sample to the next; a tear without a fade would move by up to 32000."""
    cards = Cards(100.0, gaps=((end, 30.0, 30.2),))
    played = cards.run(90.0, sine(200.0)).astype(np.int64)
    last = cards.history[-1]
    assert 1 <= getattr(last, what) <= 3
    assert np.abs(np.diff(played)).max() < 2 * 1257
    assert abs(last.fill_ms - last.wanted_ms) < 1.0 and last.wanted_ms < 45.0
    assert np.abs(played[35 * RATE:36 * RATE]).max() > 15_000, "it sounds again"


def test_silence_stays_silence_and_the_first_sound_fades_in() -> None:
    assert not Cards(300.0).run(5.0, lambda index: np.zeros(len(index))).any()
    played = Cards().run(2.0, lambda index: np.full(len(index), 10_000.0))
    start = int(np.flatnonzero(played)[0])
    assert 0.4 * RATE < start < 1.0 * RATE, "after the callbacks' pace is known"
    assert np.abs(np.diff(played[start - 1:start + 200].astype(int))).max() < 300


def test_a_restart_forgets_the_old_sound() -> None:
    asrc = Asrc(RATE, PERIOD)
    for k in range(100):
        asrc.push(np.full(PERIOD, 5000, np.int16), 1.0 + k * 0.01)
        out = asrc.pull(PERIOD, 1.005 + k * 0.01)
    assert out.max() == 5000
    asrc.restart()
    for k in range(100):
        asrc.push(np.zeros(PERIOD, np.int16), 9.0 + k * 0.01)
        assert not asrc.pull(PERIOD, 9.005 + k * 0.01).any()


def test_a_full_ring_takes_no_more_and_old_sound_is_never_played() -> None:
    asrc = Asrc(RATE, PERIOD)
    for k in range(1000):
        asrc.push(np.full(PERIOD, 7, np.int16), 1.0 + k * 0.01)
    heard = []
    for k in range(1000, 1200):
        asrc.push(np.full(PERIOD, 9, np.int16), 1.0 + k * 0.01)
        heard.append(asrc.pull(PERIOD, 1.002 + k * 0.01))
    assert set(np.concatenate(heard).tolist()) <= set(range(10)) and 7 not in np.concatenate(heard)[-RATE:] and heard[-1].min() == 9
    assert asrc.clocks.overruns == 0, "what nobody wanted before playback began is no loss"


@pytest.mark.parametrize(("rate", "period"), [(4000, 160), (16_000, 8), (16_000, 4000)])
def test_what_it_cannot_do_is_refused(rate: int, period: int) -> None:
    with pytest.raises(ValueError, match="rate must be 8000 to 192000 Hz"):
        Asrc(rate, period)
