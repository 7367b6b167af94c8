"""Each thing that can be wrong is told when, and only when, it is; and the gain that is suggested is the one that helps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgevoice.acoustic import Measured, measure
from edgevoice.acoustic_advice import ECHO_PEAK_DB, findings, gain
from tests.fakes.echo_path import record


def heard(**path: object) -> Measured:
    return measure(*record(**path))  # type: ignore[arg-type]


def names(measured: Measured) -> list[str]:
    return [finding.name for finding in findings(measured)]


@pytest.mark.parametrize(("path", "wrong"), [
    ({}, []),
    ({"rate": 48_000, "delay_ms": 150.5, "drift_ppm": -30.0}, []),
    ({"delay_ms": 0.5}, []),
    ({"delay_ms": 249.0}, []),
    ({"delay_ms": 251.0}, ["late"]),
    ({"delay_ms": -3.0}, ["noncausal"]),
    ({"drift_ppm": 198.0}, []),
    ({"drift_ppm": 202.0}, ["drift"]),
    ({"drift_ppm": -202.0}, ["drift"]),
    ({"noise_db": -46.0}, []),
    ({"noise_db": -44.0}, ["noise"]),
    ({"gain_db": 11.0}, []),
    ({"gain_db": 13.0}, ["clipped"]),
    ({"gain_db": 8.0, "cut": 0.5}, ["flattened"]),
    ({"gain_db": 8.0, "cut": 0.7}, []),
    ({"shape": lambda x: x + 0.7 * x**2}, []),  # 9 % of harmonics
    ({"shape": lambda x: x + 0.9 * x**2}, ["distorted"]),  # 11 %
    ({"gain_db": -200.0}, ["no_echo"]),
    ({"gain_db": -200.0, "noise_db": -40.0}, ["no_echo", "noise"]),
    ({"gain_db": -200.0, "noise_db": -200.0}, ["dead_microphone"]),
    ({"volume": 0.0}, ["unplayed"]),
    ({"delay_ms": 300.0, "drift_ppm": 250.0, "noise_db": -40.0, "gain_db": 14.0}, ["late", "drift", "clipped", "noise"]),
], ids=str)
def test_what_is_wrong(path: dict[str, object], wrong: list[str]) -> None:
    assert names(heard(**path)) == wrong


def test_lost_sound_is_told_and_no_clock_is_blamed() -> None:
    plan, recording = record()
    near = np.roll(recording.near, 480)
    near[:plan.quiet_frames + plan.pitch] = recording.near[:plan.quiet_frames + plan.pitch]
    measured = measure(plan, dataclasses.replace(recording, near=near))
    assert names(measured) == ["unsteady"]
    assert names(dataclasses.replace(measured, xruns=1)) == ["lost", "unsteady"]
    assert names(dataclasses.replace(heard(), lost=160)) == ["lost"]


def test_a_finding_says_what_was_measured_and_what_would_be_right() -> None:
    (late,) = findings(heard(delay_ms=300.0))
    assert (late.measured, late.right) == ("the echo comes after 300 ms", "at most 250 ms")
    assert "audio.latency_ms" in late.remedy
    (drift,) = findings(heard(drift_ppm=-300.0))
    assert drift.measured == "the clocks differ by -300 ppm"


class TestGain:
    @pytest.mark.parametrize("gain_db", [-14.0, -12.0, -10.0])
    def test_an_echo_that_is_right_is_left(self, gain_db: float) -> None:
        advice = gain(heard(gain_db=gain_db))
        assert (advice.microphone_db, advice.loudspeaker_db) == (0.0, 0.0)
        assert advice.echo_peak_db == pytest.approx(gain_db, abs=0.3)

    @pytest.mark.parametrize("level_db", [-30.0, -12.0])
    def test_one_that_is_too_loud_is_lowered_at_the_loudspeaker(self, level_db: float) -> None:
        """By as much however loud the sweep was sent: what counts is a reply at full scale."""
        advice = gain(heard(gain_db=4.0, level_db=level_db))
        assert advice.loudspeaker_db == pytest.approx(ECHO_PEAK_DB - 4.0, abs=0.3) and advice.microphone_db == 0.0
        assert advice.words.startswith("lower the loudspeaker's volume by 16 dB (audio.volume times 0.16)")

    def test_where_the_noise_is_too_loud_as_well_it_is_the_microphone(self) -> None:
        advice = gain(heard(gain_db=4.0, noise_db=-40.0))
        assert advice.microphone_db == pytest.approx(ECHO_PEAK_DB - 4.0, abs=0.5) and advice.loudspeaker_db == 0.0

    def test_of_what_was_clipped_only_the_least_is_known(self) -> None:
        advice = gain(heard(gain_db=20.0))
        assert advice.loudspeaker_db is not None and -32.0 < advice.loudspeaker_db < -24.0
        assert f"at least {-advice.loudspeaker_db:.0f} dB" in advice.words

    @pytest.mark.parametrize(("noise_db", "raised"), [(-90.0, 18.0), (-60.0, 10.0), (-50.5, 0.0)])
    def test_one_that_is_weak_is_raised_as_far_as_the_noise_allows(self, noise_db: float, raised: float) -> None:
        advice = gain(heard(gain_db=-30.0, noise_db=noise_db))
        assert advice.microphone_db == pytest.approx(raised, abs=0.5) and advice.loudspeaker_db == 0.0

    @pytest.mark.parametrize("gain_db", [-8.0, 0.0, 6.0])
    def test_who_follows_the_advice_is_told_to_leave_it(self, gain_db: float) -> None:
        lowered = gain(heard(gain_db=gain_db)).loudspeaker_db
        assert lowered is not None and lowered < 0.0
        again = gain(heard(gain_db=gain_db, volume=10.0 ** (lowered / 20.0)))
        assert again.words == "leave microphone and loudspeaker as they are"

    def test_without_an_echo_it_is_not_known(self) -> None:
        advice = gain(heard(gain_db=-200.0))
        assert (advice.echo_peak_db, advice.microphone_db, advice.loudspeaker_db) == (None, None, None)
