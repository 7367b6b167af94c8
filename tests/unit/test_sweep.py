"""The tools that the measurement is made of, on signals whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgevoice import sweep as sweeps
from edgevoice.acoustic import Plan
from edgevoice.sweep import Sweep
from tests.fakes.echo_path import sweep_at


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("stretch", [1.0, 1.0002, 0.9998])
def test_the_wave_is_its_formula(rate: int, stretch: float) -> None:
    sweep = Sweep(rate)
    wave = sweep.samples(stretch)
    assert len(wave) == round(sweep.frames * stretch)
    np.testing.assert_allclose(wave, sweep_at(Plan(rate), np.arange(len(wave)) / (rate * stretch)), atol=1e-9)


def test_its_frequency_is_how_fast_its_phase_goes() -> None:
    """Counted by the times that it goes through zero within a tenth of a second."""
    sweep = Sweep(48_000)
    for second in (0.3, 0.7, 1.2):
        begin = round(second * 48_000)
        wave = sweep.samples()[begin:begin + 4800]
        crossings = np.count_nonzero(np.diff(np.signbit(wave)))
        expected = sweep.frequency(second + np.arange(4800) / 48_000).mean()
        assert crossings / 0.2 == pytest.approx(expected, rel=0.03)


def test_a_signal_passed_on_is_an_impulse_with_a_flat_spectrum() -> None:
    sweep = Sweep(16_000)
    heard = np.zeros(60_000)
    heard[20_000:20_000 + sweep.frames] = 0.5 * sweep.samples()
    found = sweep.responses(heard)
    assert int(np.argmax(np.abs(found))) == 20_000
    spectrum = np.abs(np.fft.rfft(found[20_000 - 800:20_000 + 800], 16_000))
    np.testing.assert_allclose(spectrum[150:6500], 0.5, rtol=0.02)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_a_harmonic_stands_that_much_ahead(order: int) -> None:
    """The sweep's phase, times ``order``."""
    sweep = Sweep(48_000)
    t = np.arange(sweep.frames) / sweep.rate
    harmonic = np.cos(order * 2.0 * np.pi * sweep.low * sweep.growth * np.expm1(t / sweep.growth))
    harmonic[sweep.frequency(t) * order > sweep.high] = 0.0
    heard = np.zeros(200_000)
    heard[80_000:80_000 + sweep.frames] = harmonic
    found = np.abs(sweep.responses(heard))
    assert abs(int(np.argmax(found)) - (80_000 - sweep.ahead(order))) <= 2


@pytest.mark.parametrize(("rate", "last"), [(16_000, 6300), (44_100, 16_000), (48_000, 16_000), (8_000, 3150)])
def test_the_bands_lie_within_the_sweep(rate: int, last: int) -> None:
    bands = Sweep(rate).bands()
    assert (bands[0], bands[-1]) == (80, last)
    edges = [sweeps.band_edges(hz) for hz in bands]
    assert all(upper == pytest.approx(lower) for (_, upper), (lower, _) in itertools.pairwise(edges))


@pytest.mark.parametrize("by", [-3.37, 0.0, 0.5, 12.25])
def test_between_moved_peak_and_lag_agree(by: float) -> None:
    """On a pulse without anything above three quarters of half the rate."""
    def pulse(at: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        n = np.arange(512) - at
        return np.sinc(0.7 * n) * np.exp(-((n / 20.0) ** 2))

    moved = sweeps.moved(pulse(200.0), by)
    np.testing.assert_allclose(moved, pulse(200.0 + by), atol=1e-9)
    assert sweeps.peak_near(-moved, round(200.0 + by)) == pytest.approx(200.0 + by, abs=1e-3)
    assert sweeps.lag(pulse(200.0), moved) == pytest.approx(by, abs=1e-3)
    places = np.array([180.3, 200.0, 205.77]) + by
    np.testing.assert_allclose(sweeps.between(moved, places), np.interp(places - by, np.arange(0, 512, 1e-3), pulse_fine()), atol=2e-3)


def pulse_fine() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    n = np.arange(0, 512, 1e-3) - 200.0
    return np.sinc(0.7 * n) * np.exp(-((n / 20.0) ** 2))


def test_a_decay_that_is_a_straight_line() -> None:
    seconds = np.arange(16_000) / 16_000
    curve = sweeps.decay(10.0 ** (-3.0 * seconds / 0.5), 16_000)
    assert sweeps.reverberation_s(curve, 16_000) == pytest.approx(0.5, rel=1e-3)
    assert sweeps.time_to_s(curve, -20.0, 16_000) == pytest.approx(0.5 / 3.0, rel=1e-2)
    assert sweeps.reverberation_s(curve[:3000], 16_000) is None
    assert sweeps.time_to_s(curve[:1000], -20.0, 16_000) is None


def test_silence_has_no_level_below_the_floor() -> None:
    assert sweeps.decibels(0.0) == sweeps.FLOOR_DB
    assert sweeps.decibels(0.1) == pytest.approx(-20.0)
    assert sweeps.rms(np.zeros(0)) == 0.0
