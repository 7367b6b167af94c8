"""Volumes by channel, ducking, alarms over speech, and a microphone that is muted; on both cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.rt import _core, twin
from edgevoice.rt.contract import CHANNELS

RATE, HOP = 16000, 160
FADE = RATE // 200
LOUD = 8000


def level(count: int, value: int = LOUD) -> np.ndarray:
    return np.full(count, value, np.int16)


def play(core: Any, periods: int) -> np.ndarray:
    return np.concatenate([core.process(np.zeros(HOP, np.int16), HOP) for _ in range(periods)])


class TestVolumes:
    def test_the_voice_and_an_announcement_have_volumes_of_their_own(self, core: Any) -> None:
        core.set_volume(0.5, "voice")
        core.set_volume(2.0, "announcement")
        core.set_volume(3.0, "alarm")
        core.announce(2)
        for generation, expected in ((1, LOUD // 2), (2, LOUD * 2), (3, LOUD // 2), (4, LOUD * 3)):
            if generation == 4:
                core.announce(4, "alarm")
            core.live.begin(generation)
            core.write(generation, level(60 * HOP), last=True, timeout_s=0)
            assert play(core, 50)[-1] == expected, generation

    def test_a_change_glides(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, level(80 * HOP), timeout_s=0)
        play(core, 2)
        core.set_volume(0.0, "voice")
        out = play(core, 3).astype(int)
        assert np.abs(np.diff(out)).max() <= LOUD // FADE + 1
        assert out[-1] == 0

    def test_all_channels_are_under_the_master_volume(self, core: Any) -> None:
        core.set_volume(0.5)
        core.earcon(level(4 * HOP))
        assert play(core, 3)[-1] == LOUD // 2
        play(core, 2)
        core.set_volume(0.5, "alarm")
        core.alarm(level(4 * HOP))
        assert play(core, 3)[-1] == LOUD // 4

    def test_loud_things_together_saturate(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, level(8 * HOP, 30000), timeout_s=0)
        core.earcon(level(4 * HOP, 30000))
        core.alarm(level(4 * HOP, 30000))
        assert (play(core, 3) == 32767).all()

    @pytest.mark.parametrize("channel", ["master", "", "VOICE"])
    def test_an_unknown_channel_is_refused_by_name(self, core: Any, channel: str) -> None:
        with pytest.raises(ValueError, match=f"one of voice, announcement, alarm, earcon, not '{channel}'"):
            core.set_volume(1.0, channel)

    @pytest.mark.parametrize("gain", [-0.1, 4.1, float("nan")])
    def test_a_volume_outside_is_refused(self, core: Any, gain: float) -> None:
        for channel in (None, *CHANNELS):
            with pytest.raises(ValueError, match="0 to 4"):
                core.set_volume(gain, channel)
        with pytest.raises(ValueError, match="0 to 1"):
            core.set_ducking(gain)


class TestDucking:
    @pytest.mark.parametrize("over", ["earcon", "alarm"])
    def test_the_voice_is_lowered_while_something_sounds_over_it(self, core: Any, over: str) -> None:
        core.set_ducking(0.25)
        core.live.begin(1)
        core.write(1, level(90 * HOP), timeout_s=0)
        assert play(core, 3)[-1] == LOUD
        getattr(core, over)(np.zeros(5 * HOP, np.int16))
        ducked = play(core, 5).astype(int)
        assert ducked[-1] == LOUD // 4
        assert ducked[FADE] == LOUD // 4, "within 5 ms"
        back = play(core, 25).astype(int)
        assert np.abs(np.diff(back)).max() <= LOUD // FADE // 40 + 2, "up within 200 ms"
        assert back[-1] == LOUD

    def test_without_a_reply_nothing_is_heard_of_it(self, core: Any) -> None:
        core.set_ducking(0.0)
        core.alarm(level(2 * HOP))
        np.testing.assert_array_equal(play(core, 2), level(2 * HOP))


class TestAlarm:
    def test_it_rings_over_speech_until_its_end(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, level(8 * HOP, 100), timeout_s=0)
        assert core.alarm(level(3 * HOP, 50)) == 3 * HOP
        out = play(core, 8)
        assert (out[:3 * HOP] == 150).all()
        assert (out[3 * HOP:] == 100).all()

    def test_stopping_it_fades_it_and_forgets_the_rest(self, core: Any) -> None:
        core.alarm(level(10 * HOP))
        play(core, 2)
        core.stop_alarm()
        out = play(core, 4).astype(int)
        np.testing.assert_array_equal(out[:FADE], np.trunc(LOUD * np.arange(FADE - 1, -1, -1) / FADE).astype(int))
        assert not out[FADE:].any()
        core.alarm(level(HOP))
        assert (play(core, 1) == LOUD).all(), "the next one is a new one"

    def test_stopping_what_does_not_ring_touches_no_later_alarm(self, core: Any) -> None:
        core.stop_alarm()
        play(core, 1)
        core.alarm(level(2 * HOP))
        assert (play(core, 2) == LOUD).all()

    def test_its_ring_is_bounded(self, core: Any) -> None:
        taken = core.alarm(level(10 * RATE))
        assert 2 * RATE <= taken < 10 * RATE


class TestMute:
    def test_it_is_said_and_counted(self, core: Any) -> None:
        assert not core.muted
        core.process(level(HOP), HOP)
        core.mute(True)
        assert core.muted
        core.process(level(HOP), HOP)
        assert core.counters().zeroed == HOP
        assert core.counters().captured == 2 * HOP

    def test_the_far_end_is_still_recorded(self, core: Any) -> None:
        core.mute(True)
        core.live.begin(1)
        core.write(1, level(HOP), timeout_s=0)
        core.process(level(HOP), HOP)
        hops = core.read(0)
        assert not hops.near.any()
        assert (hops.far == LOUD).all()

    @settings(max_examples=100)
    @given(st.lists(st.tuples(st.booleans(), st.integers(1, 500)), min_size=1, max_size=30))
    @pytest.mark.parametrize("module", [_core, twin], ids=["native", "twin"])
    def test_not_one_captured_sample_is_seen_while_it_is_muted(self, module: Any, periods: list[tuple[bool, int]]) -> None:
        core = module.Core(RATE, HOP, capture_ms=2000)
        expected = []
        for muted, frames in periods:
            core.mute(muted)
            near = (np.arange(frames) % 30000 + 1).astype(np.int16)
            core.process(near, frames)
            expected.append(np.zeros(frames, np.int16) if muted else near)
        sent = np.concatenate(expected)
        seen = []
        while (hops := core.read(0)) is not None:
            seen.append(hops.near)
        got = np.concatenate(seen) if seen else np.zeros(0, np.int16)
        np.testing.assert_array_equal(got, sent[:len(sent) // HOP * HOP])
        core.close()
