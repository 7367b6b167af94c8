"""The virtual device: a user who speaks from memory, on a clock that follows a script."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from edgevoice.errors import DeviceError
from edgevoice.rt import Late, Short, Underflow, Unplug, Xrun, jitter

RATE, HOP = 16000, 160


def ramp(count: int, start: int = 1) -> np.ndarray:
    return (np.arange(start, start + count) % 30000 + 1).astype(np.int16)


@pytest.fixture
def device(rt: Any, core: Any) -> Any:
    device = rt.ScriptedDevice(core, realtime=False, max_seconds=10)
    device.start()
    yield device
    device.stop()


class TestVoice:
    def test_microphone_and_loudspeaker_share_sample_0(self, core: Any, device: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(1000, 77), last=True)
        assert device.say(ramp(3000), at=500) == 500
        assert device.step(4321) == 4321 == device.position
        mic, speaker = device.recording()
        assert len(mic) == len(speaker) == 4321
        np.testing.assert_array_equal(mic[500:3500], ramp(3000))
        assert not mic[:500].any() and not mic[3500:].any()
        np.testing.assert_array_equal(speaker[:1000], ramp(1000, 77))
        hops = core.read(0)
        np.testing.assert_array_equal(hops.near, mic[:len(hops.near)])
        np.testing.assert_array_equal(hops.far, speaker[:len(hops.far)])

    def test_at_once_is_the_next_period(self, device: Any) -> None:
        assert device.say(ramp(10)) == 0
        device.step(1000)
        assert device.say(ramp(10)) == 1000
        device.step(100)
        assert device.recording()[0][1000:1010].tolist() == ramp(10).tolist()
        with pytest.raises(ValueError, match="frame 1099 is past: the device is at 1100"):
            device.say(ramp(10), at=1099)

    def test_voices_mix_and_saturate(self, device: Any) -> None:
        for at in (0, 100, 100):
            device.say(np.full(300, 15000, np.int16), at=at)
        device.say(np.full(50, -32768, np.int16), at=350)
        device.step(500)
        mic = device.recording()[0]
        assert (mic[:100] == 15000).all() and (mic[100:300] == 32767).all() and (mic[300:350] == 30000).all()
        assert (mic[350:400] == -2768).all() and not mic[400:].any()

    def test_hundreds_of_voices_may_wait(self, device: Any) -> None:
        for number in range(1000):
            device.say(np.full(1, number + 1, np.int16), at=2 * number)
        device.step(2100)
        assert device.recording()[0][:2000:2].tolist() == list(range(1, 1001))
        for _ in range(1024):
            device.say(ramp(1), at=5000)
        with pytest.raises(RuntimeError, match="too many utterances"):
            device.say(ramp(1), at=5000)

    def test_the_voice_is_copied(self, device: Any) -> None:
        voice = ramp(200)
        device.say(voice, at=0)
        voice[:] = 0
        device.step(200)
        np.testing.assert_array_equal(device.recording()[0], ramp(200))

    def test_the_recording_ends_and_the_device_goes_on(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, max_seconds=0.0625)
        device.start()
        device.say(ramp(3000))
        assert device.step(3000) == 3000
        mic, speaker = device.recording()
        assert len(mic) == len(speaker) == 1000
        np.testing.assert_array_equal(mic, ramp(1000))


class TestRoom:
    def test_noise_goes_round(self, rt: Any, core: Any) -> None:
        noise = ramp(333)
        device = rt.ScriptedDevice(core, realtime=False, noise=noise)
        device.start()
        device.say(np.full(100, 7, np.int16), at=50)
        device.step(2000)
        expected = np.resize(noise, 2000).copy()
        expected[50:150] += 7
        np.testing.assert_array_equal(device.recording()[0], expected)

    @pytest.mark.parametrize(("period", "taps", "pieces"), [(160, 1, [4000]), (160, 801, [4000]), (64, 400, [1, 63, 1000, 7, 2929]),
                                                            (160, 50, [3] * 1200)])
    def test_the_echo_is_a_convolution_one_period_late(self, rt: Any, core: Any, period: int, taps: int, pieces: list[int]) -> None:
        chance = np.random.default_rng(3)
        impulse = (chance.normal(size=taps) * 0.1 * np.exp(-np.arange(taps) / (taps / 4))).astype(np.float32)
        device = rt.ScriptedDevice(core, realtime=False, period=period, echo=impulse)
        device.start()
        voice = chance.integers(-12000, 12000, 3000).astype(np.int16)
        user = chance.integers(-3000, 3000, 2000).astype(np.int16)
        core.live.begin(1)
        core.write(1, voice, last=True)
        device.say(user, at=100)
        for piece in pieces:
            device.step(piece)
        mic, speaker = device.recording()
        np.testing.assert_array_equal(speaker[:3000], voice[:len(speaker)])
        expected = np.convolve(np.concatenate([np.zeros(period), speaker]), impulse.astype(np.float64))[:len(mic)]
        expected[100:2100] += user
        np.testing.assert_allclose(mic, np.clip(np.rint(expected), -32768, 32767), atol=1)
        assert np.abs(expected).max() > 3000

    def test_without_sound_there_is_no_echo(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, echo=np.ones(100, np.float32))
        device.start()
        device.step(1000)
        assert not device.recording()[0].any()


class TestScript:
    def test_short_periods_lose_nothing(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, script=(Short(at=333, frames=7, count=50), Short(at=2000, frames=1, count=3)))
        device.start()
        voice = ramp(3000, 4)
        core.live.begin(1)
        core.write(1, voice, last=True)
        device.say(ramp(4000), at=0)
        device.step(4000)
        mic, speaker = device.recording()
        np.testing.assert_array_equal(mic, ramp(4000))
        np.testing.assert_array_equal(speaker[:3000], voice)
        # 333 in 3 periods, 50 short ones, 1317 in 9, 3 short ones, 1997 in 13
        assert core.counters().callbacks == 3 + 50 + 9 + 3 + 13

    def test_an_xrun_is_a_hole_in_the_voice_and_is_reported(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, noise=ramp(5000), script=(Xrun(at=500, lost=77), Underflow(at=900)))
        device.start()
        device.step(3000)
        near = core.read(0).near
        np.testing.assert_array_equal(near[:500], ramp(500))
        np.testing.assert_array_equal(near[500:], ramp(5000)[577:577 + len(near) - 500])
        counters = core.counters()
        assert (counters.xruns_in, counters.xruns_out, counters.dropped, counters.captured) == (1, 1, 0, 3000)

    def test_an_xrun_swallows_the_voice_that_sounds_and_no_later_one(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, script=(Xrun(at=500, lost=100), Xrun(at=1500, lost=10000)))
        device.start()
        device.say(ramp(1000), at=200)
        device.say(ramp(1000, 9), at=1300)
        device.say(ramp(1000, 5), at=2000)
        device.step(4000)
        mic = device.recording()[0]
        np.testing.assert_array_equal(mic[200:1100], np.concatenate([ramp(1000)[:300], ramp(1000)[400:]]))
        assert not mic[1100:1300].any()
        np.testing.assert_array_equal(mic[1300:1500], ramp(1000, 9)[:200])
        assert not mic[1500:2000].any()
        np.testing.assert_array_equal(mic[2000:3000], ramp(1000, 5))

    def test_unplugged_at_an_exact_frame(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, realtime=False, script=(Unplug(at=1001),))
        device.start()
        assert device.running and device.error is None
        assert device.step(5000) == 1001 == device.position
        assert not device.running
        assert device.error == "scripted device: unplugged at frame 1001"
        assert device.step(10) == 0
        device.stop()
        with pytest.raises(DeviceError, match="does not come back"):
            device.start()

    @pytest.mark.parametrize("cue", [Short(at=0, frames=161), Short(at=0, frames=0), Short(at=0, frames=1, count=0), Unplug(at=-1),
                                     Xrun(at=0, lost=-1), Late(at=0, ms=-1.0), Late(at=0, ms=float("nan")), "unplug"])
    def test_cues_without_sense_are_refused(self, rt: Any, core: Any, cue: Any) -> None:
        with pytest.raises(ValueError, match=r"must be|is not a cue"):
            rt.ScriptedDevice(core, script=(cue,))

    @pytest.mark.parametrize("wrong", [{"period": 0}, {"max_seconds": -1.0}, {"drift_ppm": 1e6}, {"noise": np.zeros(3)},
                                       {"echo": np.zeros(3, np.int16)}, {"echo": np.zeros(10 * RATE + 1, np.float32)}])
    def test_bad_parameters_are_refused(self, rt: Any, core: Any, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be"):
            rt.ScriptedDevice(core, **wrong)

    def test_jitter_is_repeatable(self) -> None:
        cues = jitter(until=1600, period=160, worst_ms=5.0, seed=1)
        assert cues == jitter(until=1600, period=160, worst_ms=5.0, seed=1) != jitter(until=1600, period=160, worst_ms=5.0, seed=2)
        assert [cue.at for cue in cues] == list(range(0, 1600, 160)) and all(0 <= cue.ms <= 5 for cue in cues)


class TestRealTime:
    def test_it_runs_by_itself_and_stops(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, script=jitter(until=RATE, period=HOP, worst_ms=8.0))
        start = device.say(ramp(2000), at=800)
        before = threading.active_count()
        device.start()
        device.start()
        core.live.begin(1)
        core.write(1, ramp(1000, 50), last=True)
        heard: list[np.ndarray] = []
        while sum(map(len, heard)) < 4000:
            hops = core.read(5)
            assert hops.index == sum(map(len, heard))
            heard.append(hops.near)
        device.stop()
        device.stop()
        assert not device.running and device.error is None
        assert threading.active_count() == before
        at = device.position
        time.sleep(0.05)
        assert device.position == at
        mic, speaker = device.recording()
        assert len(mic) == at
        np.testing.assert_array_equal(np.concatenate(heard), mic[:sum(map(len, heard))])
        np.testing.assert_array_equal(mic[start:start + 2000], ramp(2000))
        first = next(event for event in core.events() if event.kind == "first")
        np.testing.assert_array_equal(speaker[first.sample:first.sample + 1000], ramp(1000, 50))
        with pytest.raises(RuntimeError, match="realtime=False"):
            device.step(1)

    def test_it_keeps_its_own_time(self, rt: Any, core: Any) -> None:
        """Never ahead of its clock: a frame is handed in only once it was captured."""
        device = rt.ScriptedDevice(core, drift_ppm=50000.0)
        began = time.monotonic()
        device.start()
        while device.position < 3200:
            time.sleep(0.001)
            at, elapsed = device.position, time.monotonic() - began
            assert at <= elapsed * RATE * 1.05 + 1
        device.stop()

    def test_unplugging_ends_it(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core, script=(Unplug(at=400),))
        device.start()
        while device.running:
            time.sleep(0.001)
        assert (device.position, device.error) == (400, "scripted device: unplugged at frame 400")
        device.stop()
        assert device.error is not None

    def test_it_can_be_started_again(self, rt: Any, core: Any) -> None:
        device = rt.ScriptedDevice(core)
        for _ in range(2):
            at = device.position
            device.start()
            while device.position < at + 480:
                time.sleep(0.001)
            device.stop()
        counters = core.counters()
        assert counters.captured == device.position == counters.depth
