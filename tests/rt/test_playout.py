"""How both cores hide a late synthesizer, and the time-stretch by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgevoice.rt import _core, twin
from edgevoice.rt._core import stretch

RATE, HOP = 16000, 160
FADE = RATE // 200
BELOW_S = 0.2
DEPTH = int(BELOW_S * RATE)


def tone(count: int, hertz: float = 150.0, rate: int = RATE, loud: float = 9000.0, start: int = 0) -> np.ndarray:
    return np.rint(loud * np.sin(np.arange(start, start + count) * 2 * np.pi * hertz / rate)).astype(np.int16)


def voice(seconds: float, rate: int = RATE, seed: int = 1) -> np.ndarray:
    """A gliding buzz in syllables with hiss between them."""
    random = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (110 * t + 8 * np.sin(2.1 * t))
    buzz = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllable = np.clip(1.5 * np.sin(2 * np.pi * 3.3 * t), 0, 1)
    return np.rint(4000 * buzz * syllable + random.normal(0, 300, len(t)) * (1 - syllable)).astype(np.int16)


def run(core: Any, frames: int, period: int = HOP) -> np.ndarray:
    played = [core.process(None, min(period, frames - at)) for at in range(0, frames, period)]
    return np.concatenate(played) if played else np.zeros(0, np.int16)


def steepest(samples: np.ndarray) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


class TestStretch:
    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000, 192000])
    @pytest.mark.parametrize("hertz", [90.0, 220.0, 1234.0])
    @pytest.mark.parametrize("factor", [0.9, 1.1, 1.25])
    def test_a_tone_keeps_its_pitch_and_joins_without_a_click(self, rate: int, hertz: float, factor: float) -> None:
        source = tone(3 * rate, hertz, rate)
        made = stretch(source, rate, factor)
        spectrum = [np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**20)).argmax() for sound in (source, made)]
        assert abs(1200 * np.log2(spectrum[1] / spectrum[0])) < 3
        assert len(made) / len(source) == pytest.approx(factor, abs=0.01)
        assert steepest(made) <= steepest(source) * 1.1 + 2
        assert np.abs(made[FADE:-FADE].astype(int)).max() == pytest.approx(9000, rel=0.02)

    @pytest.mark.parametrize("factor", [0.9, 1.05, 1.25])
    def test_voice_noise_and_silence_get_their_length(self, factor: float) -> None:
        random = np.random.default_rng(3)
        for sound in (voice(6), random.normal(0, 4000, 6 * RATE).astype(np.int16), np.zeros(6 * RATE, np.int16)):
            assert len(stretch(sound, RATE, factor)) / len(sound) == pytest.approx(factor, abs=0.01)

    def test_a_factor_of_one_is_the_identity(self) -> None:
        for sound in (voice(2), np.full(1000, -32768, np.int16), tone(5), tone(0)):
            np.testing.assert_array_equal(stretch(sound, RATE, 1.0), sound)

    def test_full_scale_does_not_wrap(self) -> None:
        square = np.where(np.arange(RATE) % 100 < 50, 32767, -32768).astype(np.int16)
        made = stretch(square, RATE, 1.25)
        jumps = np.abs(np.diff(made.astype(int)))
        assert (jumps > 40000).sum() == pytest.approx(2 * len(made) / 100, rel=0.03)

    def test_bad_arguments_are_refused(self) -> None:
        for rate, factor, wrong in ((RATE, 1.3, "factor"), (RATE, 0.8, "factor"), (RATE, float("nan"), "factor"), (100, 1.0, "rate")):
            with pytest.raises(ValueError, match=f"{wrong} must be"):
                stretch(tone(10), rate, factor)


class TestLate:
    def test_off_until_asked_for(self, core: Any) -> None:
        sound = voice(0.5)
        core.live.begin(1)
        core.write(1, sound)
        np.testing.assert_array_equal(run(core, len(sound)), sound)
        assert core.counters().stretched == 0

    @pytest.mark.parametrize("period", [37, 160, 512])
    def test_what_is_in_time_is_played_bit_by_bit(self, core: Any, period: int) -> None:
        core.set_playout(BELOW_S)
        sound = voice(2)
        core.live.begin(1)
        core.write(1, sound[:DEPTH + 2 * period])
        out, at = [], DEPTH + 2 * period
        while at < len(sound):
            out.append(run(core, period, period))
            core.write(1, sound[at:at + period], last=at + period >= len(sound))
            at += period
        out.append(run(core, DEPTH + 4 * period, period))
        np.testing.assert_array_equal(np.concatenate(out)[:len(sound)], sound)
        assert core.counters().stretched == core.counters().underruns == 0

    def test_the_end_of_a_reply_is_not_late(self, core: Any) -> None:
        core.set_playout(BELOW_S)
        sound = voice(0.1)
        core.live.begin(1)
        core.write(1, sound, last=True)
        np.testing.assert_array_equal(run(core, len(sound)), sound)

    def test_a_late_reply_lasts_longer_and_counts_only_its_own_frames(self, core: Any) -> None:
        core.set_playout(BELOW_S)
        sound = voice(0.6)
        core.live.begin(1)
        core.write(1, sound)
        out = run(core, len(sound))
        counters = core.counters()
        assert counters.stretched > 0.08 * DEPTH
        assert counters.played == core.heard(1) == len(sound) - core.queued(1)
        assert counters.queue == core.queued(1) == counters.stretched  # what it lasts longer by is still to be played
        assert counters.queue_least == counters.queue
        exact = len(sound) - DEPTH
        np.testing.assert_array_equal(out[:exact], sound[:exact])
        core.write(1, np.zeros(0, np.int16), last=True)
        rest = run(core, 2 * DEPTH)
        end = [event for event in core.events() if event.kind == "end"]
        assert [(event.frames, event.sample) for event in end] == [(len(sound), len(sound) + counters.stretched)]
        np.testing.assert_array_equal(rest[:counters.queue][-FADE:], sound[-FADE:])

    def test_more_sound_ends_the_stretching_seamlessly(self, core: Any) -> None:
        core.set_playout(BELOW_S)
        sound = tone(RATE)
        core.live.begin(1)
        core.write(1, sound[:RATE // 2])
        out = [run(core, RATE // 2 - 200)]
        core.write(1, sound[RATE // 2:], last=True)
        out.append(run(core, 2 * RATE))
        stretched = core.counters().stretched
        assert stretched > 0 and core.counters().underruns == 0
        whole = np.concatenate(out)[:len(sound) + stretched]
        assert steepest(whole) <= steepest(sound) + 2
        np.testing.assert_array_equal(whole[-RATE // 3:], sound[-RATE // 3:])

    def test_a_dry_reply_fades_out_and_in(self, core: Any) -> None:
        core.set_playout(0.01)
        sound = tone(6000, loud=30000)
        core.live.begin(1)
        core.write(1, sound[:3003])
        out = [run(core, 4000)]
        assert [(event.kind, event.frames) for event in core.events()] == [("first", 0), ("underrun", 3003)]
        core.write(1, sound[3003:], last=True)
        out.append(run(core, 4000))
        whole = np.concatenate(out)[:4000 + 2997]
        dry = 3003 + core.counters().stretched
        assert steepest(whole) <= steepest(sound) + 30000 // FADE + 30
        assert whole[dry:dry + FADE // 2].any() and not whole[dry + FADE:4000].any()
        np.testing.assert_array_equal(whole[4000 + FADE:4000 + 2997], sound[3003 + FADE:])
        assert core.counters().underruns == 1 and core.heard(1) == len(sound)

    def test_a_drop_of_sound_does_not_end_the_silence(self, core: Any) -> None:
        core.set_playout(0.01)
        core.live.begin(1)
        core.write(1, tone(1000))
        run(core, 2000)
        core.write(1, tone(100))
        assert not run(core, 1000).any()
        core.write(1, tone(4 * FADE))
        assert run(core, 1000).any()
        core.write(1, tone(50), last=True)
        assert run(core, 1000).any() and core.heard(1) == 1150 + 4 * FADE

    @pytest.mark.parametrize("moment", range(2600, 3500, 61))
    def test_cancel_fades_within_five_ms_wherever_it_comes(self, core: Any, moment: int) -> None:
        core.set_playout(BELOW_S)
        core.live.begin(1)
        core.write(1, voice(0.2, seed=5))
        run(core, moment)
        core.live.cancel(1)
        out = run(core, 500)
        assert not out[FADE:].any()
        counters = core.counters()
        assert counters.played + counters.stale == 3200 and counters.played == core.heard(1)
        assert [event.frames for event in core.events() if event.kind == "silent"] == [core.heard(1)]

    @pytest.mark.parametrize("moment", range(1900, 2900, 97))
    def test_a_pause_within_the_stretching_loses_nothing(self, rt: Any, moment: int) -> None:
        sounds = []
        for paused in (False, True):
            core = rt.Core(RATE, HOP)
            core.set_playout(BELOW_S)
            core.live.begin(1)
            core.write(1, tone(3200))
            out = [run(core, moment, 1)]
            if paused:
                core.pause(1)
                fading = run(core, 300, 1)
                assert not fading[FADE:].any()
                core.resume(1)
                out.append(fading[:FADE])
            out.append(run(core, 600, 1))
            sounds.append(np.concatenate(out))
            assert core.counters().played == core.heard(1)
        plain, held = (sound.astype(int) for sound in sounds)
        after = moment + 2 * FADE  # beyond both fades the same frames follow
        np.testing.assert_array_equal(held[:moment], plain[:moment])
        np.testing.assert_array_equal(held[after:len(plain)], plain[after:])

    def test_a_held_start(self, core: Any) -> None:
        core.set_playout(0.05, 0.1)
        core.live.begin(1)
        run(core, 77)
        core.write(1, tone(5000))
        assert not run(core, 1600).any()
        np.testing.assert_array_equal(run(core, 1000), tone(1000))
        core.live.begin(2)
        core.write(2, tone(500), last=True)
        run(core, FADE)
        np.testing.assert_array_equal(run(core, 500), tone(500))
        assert [(event.kind, event.sample) for event in core.events()] == [
            ("first", 1677), ("silent", 2677 + FADE), ("first", 2677 + FADE), ("end", 3177 + FADE)]

    def test_bad_numbers_are_refused(self, core: Any) -> None:
        for wrong in ((-0.1, 0.0), (2.1, 0.0), (0.1, 1.1), (0.1, -1.0), (float("nan"), 0.0)):
            with pytest.raises(ValueError, match="stretch_below_s must be"):
                core.set_playout(*wrong)
        for above in (-0.1, 0.05, 2.1, float("nan")):
            with pytest.raises(ValueError, match="shorten_above_s must be 0, or"):
                core.set_playout(0.1, 0.0, above)


class TestHurry:
    """A live stream whose queue has grown too long."""

    def test_a_reply_far_ahead_is_never_hurried(self, core: Any) -> None:
        core.set_playout(BELOW_S)
        sound = voice(0.9)
        core.live.begin(1)
        core.write(1, sound)
        np.testing.assert_array_equal(run(core, RATE // 2), sound[:RATE // 2])
        assert core.counters().shortened == 0

    @pytest.mark.parametrize("period", [37, 160, 512])
    def test_a_long_queue_gets_shorter_and_every_frame_is_accounted_for(self, rt: Any, period: int) -> None:
        core = rt.Core(RATE, HOP, playback_ms=4000)
        core.set_playout(0.05, 0.0, 0.1)
        sound = tone(2 * RATE)
        core.live.begin(1)
        core.write(1, sound[:RATE // 2])
        out, at = [], RATE // 2
        while at < len(sound):
            out.append(run(core, period, period))
            core.write(1, sound[at:at + period])
            at += period
        counters = core.counters()
        assert counters.shortened > 0.06 * RATE
        assert len(sound) - counters.played <= counters.queue <= RATE // 2 - counters.shortened + period
        assert counters.stretched == counters.underruns == 0
        core.write(1, np.zeros(0, np.int16), last=True)
        out.append(run(core, RATE, period))
        events = core.events()
        assert [event.kind for event in events] == ["first", "end"]
        assert events[1].frames == core.heard(1) == len(sound)
        assert events[1].sample == len(sound) - core.counters().shortened
        whole = np.concatenate(out)[:events[1].sample]
        assert steepest(whole) <= steepest(sound) * 1.1 + 2
        spectrum = [np.abs(np.fft.rfft(part * np.hanning(len(part)), 2**20)).argmax() for part in (sound, whole)]
        assert abs(1200 * np.log2(spectrum[1] / spectrum[0])) < 3

    def test_a_queue_within_bounds_is_played_bit_by_bit(self, core: Any) -> None:
        core.set_playout(0.05, 0.0, 0.2)
        sound = voice(2)
        core.live.begin(1)
        core.write(1, sound[:RATE // 10])
        out = []
        for at in range(RATE // 10, len(sound), HOP):
            out.append(run(core, HOP))
            core.write(1, sound[at:at + HOP])
        made = np.concatenate(out)
        np.testing.assert_array_equal(made, sound[:len(made)])

    def test_the_end_is_never_left_out(self, core: Any) -> None:
        for generation, more in enumerate(range(0, 900, 53), 1):
            core.live.begin(generation)
            core.set_playout(0.0, 0.0, 0.01)
            core.write(generation, tone(3000))
            run(core, 2000)
            core.write(generation, tone(more, start=3000), last=True)
            run(core, 3000)
            assert [(event.kind, event.frames) for event in core.events()] == [("first", 0), ("end", 3000 + more)]
        assert core.counters().shortened > 0

    @pytest.mark.parametrize("moment", range(1000, 1400, 23))
    def test_cancel_and_pause_keep_their_promises_within_it(self, core: Any, moment: int) -> None:
        core.set_playout(0.0, 0.0, 0.05)
        core.live.begin(1)
        core.write(1, tone(8000))
        run(core, moment, 1)
        core.pause(1)
        fading = run(core, 300, 1)
        assert not fading[FADE:].any() and core.events()[-1].frames == core.heard(1)
        core.resume(1)
        run(core, 500, 1)
        core.live.cancel(1)
        assert not run(core, 300)[FADE:].any()
        counters = core.counters()
        assert counters.shortened > 0 and counters.played + counters.stale == 8000
        assert [event.frames for event in core.events() if event.kind == "silent"] == [core.heard(1)]


@pytest.mark.parametrize("hurry", [False, True])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_both_cores_make_up_and_leave_out_the_same_samples(rate: int, hurry: bool) -> None:
    hop = rate // 100
    cores: list[Any] = [module.Core(rate, hop, playback_ms=4000) for module in (_core, twin)]
    random = np.random.default_rng(7)
    sound = voice(3, rate)
    at = 0
    for core in cores:
        core.set_playout(*((0.05, 0.02, 0.1) if hurry else (0.15, 0.02)))
        core.live.begin(1)
    while at < len(sound):
        more = int(random.uniform(0.05, 0.25) * rate)
        wait = int(random.uniform(0.05, 0.2 if hurry else 0.3) * rate)
        period = int(random.uniform(0.1, 3) * hop)
        played = []
        for core in cores:
            core.write(1, sound[at:at + more], last=at + more >= len(sound))
            played.append(run(core, wait, period))
        np.testing.assert_array_equal(*played)
        assert cores[0].counters() == cores[1].counters()
        assert cores[0].events() == cores[1].events()
        at += more
    counters = cores[0].counters()
    assert counters.stretched > rate // (200 if hurry else 20) and counters.underruns > (0 if hurry else 1)
    assert (counters.shortened > rate // 100) is hurry
