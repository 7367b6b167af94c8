"""The synthetic room: its response against acoustics, its noise against its spectrum, a voice against its level."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice import room

RATE = 16_000


def decay_time(response: np.ndarray, rate: int) -> float:
    """RT60 from Schroeder's backward integral, between -5 and -25 dB."""
    energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    db = 10 * np.log10(np.maximum(energy / energy[0], 1e-12))
    start, end = np.argmax(db < -5), np.argmax(db < -25)
    return float((end - start) / rate * 3)


@pytest.mark.parametrize("rt60", [0.2, 0.4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_room_dies_away_as_ordered(rt60: float, seed: int) -> None:
    response = room.impulse_response(seed, RATE, rt60_s=rt60)
    assert len(response) == int(rt60 * RATE) + 1
    assert decay_time(response, RATE) == pytest.approx(rt60, rel=0.25)


def test_direct_sound_comes_first_and_loudest() -> None:
    response = room.impulse_response(7, RATE)
    assert response[0] == pytest.approx(1.0, abs=0.05)
    assert np.argmax(np.abs(response)) == 0


def test_a_nearer_mouth_hears_less_room() -> None:
    def direct_to_rest(distance: float) -> float:
        response = room.impulse_response(5, RATE, distance_m=distance)
        return float(response[0] ** 2 / np.sum(response[40:] ** 2))

    assert direct_to_rest(0.5) > 4 * direct_to_rest(2.0)


def test_no_reflection_is_earlier_than_geometry_allows() -> None:
    """Both stand 0.4 m from every wall and 0.5 m apart: the shortest detour is 0.44 m, less the 0.05 m by which images are moved."""
    response = room.impulse_response(11, 48_000, distance_m=0.5)
    detour = int((np.hypot(0.5, 0.8) - 0.5 - 0.05) / room.SPEED_OF_SOUND * 48_000)
    assert np.max(np.abs(response[1:detour - room.SINC_HALF])) < 1e-6


def test_the_same_seed_gives_the_same_room_and_another_seed_another() -> None:
    first = room.impulse_response(3, RATE)
    assert np.array_equal(first, room.impulse_response(3, RATE))
    assert not np.allclose(first, room.impulse_response(4, RATE), atol=1e-3)


@pytest.mark.parametrize("wrong", [{"rt60_s": 0.0}, {"rt60_s": 9.0}, {"distance_m": 9.0}, {"size_m": (1.0, 4.0, 3.0)}])
def test_rooms_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="wants"):
        room.impulse_response(1, RATE, **wrong)


def test_reverberation_is_the_convolution() -> None:
    chance = np.random.default_rng(0)
    voice, response = chance.uniform(-1, 1, 500).astype(np.float32), chance.uniform(-1, 1, 77).astype(np.float32)
    assert np.allclose(room.reverberate(voice, response), np.convolve(voice, response), atol=1e-5)
    assert len(room.reverberate(np.zeros(0, np.float32), response)) == 0


@pytest.mark.parametrize("level", [-60.0, -40.0])
def test_noise_has_its_level_and_falls_by_3_db_an_octave(level: float) -> None:
    sound = room.noise(1, 10 * RATE, RATE, level)
    assert 20 * np.log10(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) == pytest.approx(level, abs=0.1)
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)

    def density(low: float) -> float:
        return float(10 * np.log10(power[(hertz >= low) & (hertz < 1.2 * low)].mean()))

    assert density(400.0) - density(3200.0) == pytest.approx(9.0, abs=1.5)


def test_noise_can_be_repeated_without_a_click() -> None:
    sound = room.noise(2, RATE, RATE, -30.0)
    steps = np.abs(np.diff(np.concatenate([sound, sound])))
    assert steps[RATE - 1] <= steps.max()
    assert steps[RATE - 1] < 6 * steps.mean()


def test_a_voice_is_placed_at_its_level_above_the_noise() -> None:
    t = np.arange(2 * RATE) / RATE
    voice = (np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 2 * t) > 0)).astype(np.float32)
    mixed = room.place(voice, RATE, 5, snr_db=20.0, level_db=-26.0, before_s=1.0, after_s=1.0)
    assert room.speech_level_db(mixed[RATE:3 * RATE], RATE) == pytest.approx(-26.0, abs=1.5)
    before = mixed[:RATE - 100].astype(np.float64)
    assert 10 * np.log10(np.mean(before**2)) == pytest.approx(-46.0, abs=1.5)
    assert len(mixed) >= 4 * RATE


def test_silence_stays_silence() -> None:
    nothing = np.zeros(RATE, np.float32)
    assert room.speech_level_db(nothing, RATE) == float("-inf")
    assert not room.at_level(nothing, RATE, -20.0).any()
