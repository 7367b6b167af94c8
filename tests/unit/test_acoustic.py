"""What is measured of a path that is known, and that nothing is claimed of one that is not there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice import room
from edgevoice.acoustic import REPEATS, Measured, Plan, Recording, measure
from tests.fakes.echo_path import Float64, frames_of, record, reverberant

DELAY_MS, DRIFT_PPM, LEVEL_DB = 0.005, 0.2, 0.1
"""how far a measured value may be from the true one"""


def heard(**path: object) -> Measured:
    return measure(*record(**path))  # type: ignore[arg-type]


class TestTiming:
    @pytest.mark.parametrize("delay_ms", [0.0, 20.0, 33.333, 60.31, 127.77, 250.13, 600.0])
    @pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
    def test_the_round_trip_to_a_part_of_a_sample(self, rate: int, delay_ms: float) -> None:
        assert heard(rate=rate, delay_ms=delay_ms).delay_ms == pytest.approx(delay_ms, abs=DELAY_MS)

    @pytest.mark.parametrize("drift_ppm", [-500.0, -200.0, -57.0, -20.0, 0.0, 20.0, 111.0, 200.0, 500.0])
    @pytest.mark.parametrize("rate", [16_000, 48_000])
    def test_the_drift_between_two_clocks(self, rate: int, drift_ppm: float) -> None:
        """And what drifts is measured as if it did not: delay and response are those of the first sweep."""
        measured = heard(rate=rate, delay_ms=83.3, drift_ppm=drift_ppm)
        assert measured.drift_ppm == pytest.approx(drift_ppm, abs=DRIFT_PPM)
        assert measured.delay_ms == pytest.approx(83.3, abs=DELAY_MS)
        assert [band.db for band in measured.response] == pytest.approx([-20.0] * len(measured.response), abs=LEVEL_DB)
        apart = Plan(rate).pitch / rate * drift_ppm * 1e-3
        assert np.diff(measured.delays_ms) == pytest.approx([apart] * (REPEATS - 1), abs=DELAY_MS)

    @settings(max_examples=20)
    @given(delay_ms=st.floats(20.0, 250.0), drift_ppm=st.floats(-200.0, 200.0), gain_db=st.floats(-40.0, 5.0), seed=st.integers(0, 99))
    def test_all_of_it_at_once(self, delay_ms: float, drift_ppm: float, gain_db: float, seed: int) -> None:
        measured = heard(delay_ms=delay_ms, drift_ppm=drift_ppm, gain_db=gain_db, seed=seed)
        assert measured.delay_ms == pytest.approx(delay_ms, abs=DELAY_MS)
        assert measured.drift_ppm == pytest.approx(drift_ppm, abs=DRIFT_PPM)
        assert measured.return_loss_db == pytest.approx(-gain_db, abs=LEVEL_DB)

    def test_an_echo_that_comes_before_its_sound(self) -> None:
        assert heard(delay_ms=-40.25).delay_ms == pytest.approx(-40.25, abs=DELAY_MS)

    def test_an_echo_under_the_noise(self) -> None:
        measured = heard(gain_db=-50.0, noise_db=-52.0, delay_ms=101.3)  # the sweep lies 13 dB below the noise
        assert measured.delay_ms == pytest.approx(101.3, abs=0.05)
        assert measured.drift_ppm == pytest.approx(0.0, abs=10.0)

    @pytest.mark.parametrize("missing", [160, -160])
    def test_sound_that_was_lost_is_no_drift(self, missing: int) -> None:
        plan, recording = record()
        at = plan.quiet_frames + plan.pitch - plan.rate // 4
        near = np.roll(recording.near, -missing)
        near[:at] = recording.near[:at]
        measured = measure(plan, dataclasses.replace(recording, near=near))
        assert measured.drift_ppm is None
        assert measured.delays_ms == pytest.approx([60.0, *[60.0 - missing / 16.0] * 2], abs=0.01)
        assert measured.delay_ms == pytest.approx(60.0 - missing / 16.0, abs=0.01)


class TestLevels:
    @pytest.mark.parametrize("gain_db", [-40.0, -20.0, 0.0, 10.0])
    @pytest.mark.parametrize("level_db", [-30.0, -12.0])
    def test_return_loss_peak_and_response(self, gain_db: float, level_db: float) -> None:
        measured = heard(gain_db=gain_db, level_db=level_db, noise_db=-95.0)
        assert measured.return_loss_db == pytest.approx(-gain_db, abs=LEVEL_DB)
        assert measured.echo_peak_db == pytest.approx(level_db + gain_db, abs=LEVEL_DB)
        assert measured.peak_db == pytest.approx(20.0 * np.log10(10.0 ** ((level_db + gain_db) / 20.0) + 3e-5), abs=0.8)
        assert measured.played_peak_db == pytest.approx(level_db, abs=0.01)
        assert [band.db for band in measured.response] == pytest.approx([gain_db] * len(measured.response), abs=0.5)

    def test_the_volume_is_not_the_echo_path_s(self) -> None:
        measured = heard(volume=0.25)
        assert measured.played_peak_db == pytest.approx(-24.04, abs=0.01)
        assert measured.return_loss_db == pytest.approx(20.0, abs=LEVEL_DB)

    def test_a_filter_shows_in_the_response(self) -> None:
        """One that takes half of two samples' sum: 20 log cos(pi f / rate)."""
        measured = heard(room=np.array([0.5, 0.5]), gain_db=0.0)
        for band in measured.response:
            assert band.db == pytest.approx(20.0 * np.log10(np.cos(np.pi * band.hz / 16_000)), abs=0.25), band
        assert [band.hz for band in measured.response] == [80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000,
                                                           2500, 3150, 4000, 5000, 6300]

    @pytest.mark.parametrize("noise_db", [-80.0, -60.0, -45.0, -30.0])
    def test_the_noise_and_its_bands(self, noise_db: float) -> None:
        measured = heard(noise_db=noise_db, gain_db=0.0)
        assert measured.noise_db == pytest.approx(noise_db, abs=LEVEL_DB)
        bands = {band.hz: band.db for band in measured.noise_bands}
        share = 10.0 * np.log10(1000.0 * (2.0 ** (1.0 / 6.0) - 2.0 ** (-1.0 / 6.0)) / 8000.0)  # of a white noise, in the octave's third
        assert bands[1000] == pytest.approx(noise_db + share, abs=1.0)

    @pytest.mark.parametrize(("hz", "weighted_db"), [(100, -19.1), (1000, 0.0), (4000, 1.0)])
    def test_the_ear_s_weighting(self, hz: int, weighted_db: float) -> None:
        """Of a hum, by the table of IEC 61672."""
        hum = 0.01 * np.sin(2.0 * np.pi * hz * np.arange(frames_of(16_000)) / 16_000)
        measured = heard(noise=hum, gain_db=-10.0)
        assert measured.noise_db == pytest.approx(-43.0, abs=LEVEL_DB)
        assert measured.noise_a_db - measured.noise_db == pytest.approx(weighted_db, abs=0.15)

    def test_a_silence_of_zeros_has_a_floor(self) -> None:
        plan, recording = record(noise_db=-200.0)
        assert measure(plan, recording).noise_db == -120.0


class TestRoom:
    @pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.7])
    def test_how_long_it_rings(self, rt60_s: float) -> None:
        measured = heard(room=reverberant(16_000, rt60_s), gain_db=-10.0)
        assert measured.reverberation_s == pytest.approx(rt60_s, rel=0.1)
        assert measured.length_ms == pytest.approx(rt60_s / 3.0 * 1000.0, rel=0.12)

    def test_a_drift_does_not_smear_it(self) -> None:
        path = room.impulse_response(5, 16_000, rt60_s=0.3, distance_m=0.5).astype(np.float64)
        still, drifting = (heard(room=path, drift_ppm=drift) for drift in (0.0, 200.0))
        assert drifting.delay_ms == pytest.approx(60.0, abs=0.01)
        assert drifting.drift_ppm == pytest.approx(200.0, abs=0.5)
        assert [band.db for band in drifting.response] == pytest.approx([band.db for band in still.response], abs=0.2)
        assert drifting.reverberation_s == pytest.approx(still.reverberation_s, rel=0.02)

    @pytest.mark.parametrize("noise_db", np.arange(-80.0, -20.0, 5.0))
    def test_a_noise_hides_the_decay_and_does_not_change_it(self, noise_db: float) -> None:
        measured = heard(room=reverberant(16_000, 0.5), gain_db=-20.0, noise_db=noise_db)
        assert measured.delay_ms is not None
        if noise_db >= -40.0:
            assert measured.reverberation_s is None
        elif measured.reverberation_s is not None or noise_db <= -60.0:
            assert measured.reverberation_s == pytest.approx(0.5, rel=0.1)


class TestDistortion:
    @pytest.mark.parametrize(("second", "third"), [(0.3, 0.0), (0.0, 0.8), (0.2, 0.4), (1.5, 0.0)])
    def test_harmonics_of_a_curve_that_is_known(self, second: float, third: float) -> None:
        """x + a x² + b x³ makes of a sine of amplitude A: a A²/2 at twice, b A³/4 at three times its frequency, A + 3/4 b A³ at its own."""
        peak = 10.0 ** (-12.0 / 20.0)
        expected = np.hypot(second * peak**2 / 2.0, third * peak**3 / 4.0) / (peak + 0.75 * third * peak**3)
        measured = heard(shape=lambda x: x + second * x**2 + third * x**3)
        assert measured.distortion == pytest.approx(expected, rel=0.02)

    def test_a_straight_path_has_none_above_the_noise(self) -> None:
        straight = heard()
        assert straight.distortion is None or straight.distortion < 1e-3

    def test_what_was_cut_before_the_converter(self) -> None:
        measured = heard(gain_db=8.0, cut=0.4)
        assert measured.clipped == 0.0
        assert measured.flattened > 0.1

    @pytest.mark.parametrize("over_db", [1.0, 6.0, 12.0])
    def test_what_the_converter_cut(self, over_db: float) -> None:
        """A sine of amplitude a, cut at 1, is above that for 2/pi arccos(1/a) of its time."""
        measured = heard(gain_db=12.0 + over_db)
        expected = 2.0 / np.pi * np.arccos(10.0 ** (-over_db / 20.0))
        assert measured.clipped == pytest.approx(expected, rel=0.05)
        assert measured.peak_db == pytest.approx(0.0, abs=0.01)
        assert measured.delay_ms == pytest.approx(60.0, abs=0.01)

    @pytest.mark.parametrize("rate", [16_000, 48_000])
    @pytest.mark.parametrize("gain_db", [-40.0, -10.0, 10.0])
    def test_a_whole_sine_has_no_flat_top(self, rate: int, gain_db: float) -> None:
        measured = heard(rate=rate, gain_db=gain_db, noise_db=-120.0)
        assert (measured.clipped, measured.flattened) == (0.0, 0.0)


def burst(frames: int) -> Float64:
    """Someone who hammers: noise of 50 ms, twice a second."""
    chance = np.random.default_rng(4)
    return chance.standard_normal(frames) * np.where(np.arange(frames) % 8000 < 800, 0.1, 0.001)


class TestNothingThere:
    @pytest.mark.parametrize("noise", [
        *(room.noise(seed, frames_of(16_000), 16_000, -40.0).astype(np.float64) for seed in range(6)),
        0.05 * np.sin(2.0 * np.pi * 300.0 * np.arange(frames_of(16_000)) / 16_000), burst(frames_of(16_000)),
    ], ids=[*(f"room {seed}" for seed in range(6)), "hum", "hammer"])
    def test_a_noise_is_no_echo(self, noise: Float64) -> None:
        measured = heard(gain_db=-200.0, noise=noise)
        assert measured.delay_ms is None and measured.drift_ppm is None and measured.peak_db is None and measured.response == []
        assert not measured.dead and measured.played_peak_db is not None

    def test_a_dead_microphone(self) -> None:
        measured = heard(gain_db=-200.0, noise_db=-200.0)
        assert measured.dead and measured.delay_ms is None and measured.noise_db == -120.0

    def test_a_volume_of_zero(self) -> None:
        measured = heard(volume=0.0)
        assert measured.played_peak_db is None and measured.delay_ms is None

    def test_a_recording_that_cannot_be_one(self) -> None:
        plan, recording = record()
        with pytest.raises(ValueError, match="wants as many in both"):
            measure(plan, dataclasses.replace(recording, far=recording.far[1:]))
        with pytest.raises(ValueError, match=f"at least {plan.quiet_frames}"):
            measure(plan, Recording(recording.near[:100], recording.far[:100]))
        with pytest.raises(ValueError, match="wants silence before it"):
            measure(plan, Recording(recording.near[8000:], recording.far[8000:]))
