"""Levels: where speech stands out of a room, and where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.engines.levels import FRAME, Levels, check_audio
from edgevoice.engines.protocols import Float32

RATE = 16_000


def noise(seconds: float, level: float, seed: int = 1) -> Float32:
    return (np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * level).astype(np.float32)


def levels_of(audio: Float32) -> Levels:
    levels = Levels()
    levels.append(audio)
    return levels


def spoken(*, room: float = 0.001, voice: float = 0.1) -> Float32:
    """Half a second of room, a second of voice, a pause of 200 ms, half a second of voice, a second of room."""
    return np.concatenate([noise(0.5, room), noise(1.0, voice), noise(0.2, room), noise(0.5, voice), noise(1.0, room)])


@pytest.mark.parametrize("room", [0.0, 1e-5, 1e-3, 0.02])
def test_speech_is_found_with_its_pause(room: float) -> None:
    levels = levels_of(spoken(room=room))
    assert levels.span(0, len(levels)) == (25, 110)
    assert [(a, b) for a, b in levels.pauses(0, len(levels)) if 25 < a < 110] == [(75, 85)]


@pytest.mark.parametrize("audio", [
    noise(2, 0.0), noise(2, 1e-4), noise(2, 0.01), noise(5, 0.3), (0.2 * np.sin(np.arange(32_000) * 0.05)).astype(np.float32),
    np.zeros(0, np.float32), np.zeros(100, np.float32)],
    ids=["digital silence", "hiss", "noise", "loud noise", "hum", "nothing", "a click's time"])
def test_steady_sound_is_no_speech(audio: Float32) -> None:
    levels = levels_of(audio)
    assert levels.threshold is None
    assert levels.span(0, len(levels)) is None


def test_one_word_in_a_long_silence_counts() -> None:
    levels = levels_of(np.concatenate([noise(15, 0.0005), noise(0.35, 0.1), noise(15, 0.0005)]))
    span = levels.span(0, len(levels))
    assert span is not None and abs(span[0] - 750) <= 1 and abs(span[1] - 768) <= 1


def test_the_quietest_place_is_found_where_nothing_is_silent() -> None:
    audio = noise(2.0, 0.1)
    audio[RATE:RATE + 1600] *= 0.4
    assert 50 <= levels_of(audio).dip(10, 90) <= 55


def test_audio_not_heard_yet_is_no_speech() -> None:
    levels = levels_of(spoken()[:32_100])
    assert len(levels) == 100
    assert levels.span(0, 10_000) == levels.span(0, 100) == (25, 100)
    assert max(end for _, end in levels.pauses(0, 10_000)) <= 100
    assert 60 < levels.dip(60, 10_000) < 100


def test_the_longest_pause_comes_first_and_of_two_alike_the_later() -> None:
    gap = noise(0.1, 0.0005)
    levels = levels_of(np.concatenate([noise(0.4, 0.1), gap, noise(0.4, 0.1), gap, gap, noise(0.4, 0.1), gap, noise(0.4, 0.1)]))
    runs = levels.pauses(0, len(levels))
    assert [end - begin for begin, end in runs] == [10, 5, 5]
    assert runs[1][0] > runs[2][0]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), max_size=40))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    audio = spoken()
    levels, at = Levels(), 0
    for size in [*cuts, len(audio)]:
        levels.append(audio[at:at + size])
        at = min(len(audio), at + size)
    whole = levels_of(audio)
    assert len(levels) == len(whole) == len(audio) // FRAME
    assert levels.threshold == whole.threshold
    assert levels.pauses(0, len(levels)) == whole.pauses(0, len(whole))


def test_integers_and_stereo_are_refused() -> None:
    with pytest.raises(ValueError, match="int16"):
        check_audio(np.zeros(10, np.int16))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        check_audio(np.zeros((5, 2), np.float32))
