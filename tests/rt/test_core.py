"""What both cores promise, driven period by period through the callback itself."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.rt.frames import FADE, HOP, RATE, balanced, kinds, ramp, run


class TestCapture:
    @pytest.mark.parametrize("periods", [[HOP] * 20, [1] * 700, [7, 1000, 3, 159, 161, 480], [5000]])
    def test_every_frame_arrives_once_with_its_far_end(self, core: Any, periods: list[int]) -> None:
        core.live.begin(1)
        voice = ramp(4000, 9)
        core.write(1, voice)
        near, played, at = ramp(sum(periods)), [], 0
        for frames in periods:
            played.append(core.process(near[at:at + frames], frames))
            at += frames
            assert balanced(core).captured == at
        hops = core.read(0)
        whole = at // HOP * HOP
        assert hops.index == 0
        np.testing.assert_array_equal(hops.near, near[:whole])
        np.testing.assert_array_equal(hops.far, np.concatenate(played)[:whole])
        assert balanced(core).depth == at - whole
        assert core.read(0) is None

    def test_a_full_ring_drops_the_newest_whole_hops_and_says_so_by_the_index(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, capture_ms=40)  # 4 hops
        near = ramp(12 * HOP)
        for at in range(0, 7 * HOP + 50, 90):
            core.process(near[at:at + 90], 90)
            balanced(core)
        done = balanced(core).captured
        assert balanced(core).dropped == done - 4 * HOP
        first = core.read(0)
        assert first.index == 0
        np.testing.assert_array_equal(first.near, near[:4 * HOP])
        core.process(near[done:done + 3 * HOP], 3 * HOP)  # the hop that began when it was full stays dropped
        second = core.read(0)
        assert second.index == (done // HOP + 1) * HOP
        np.testing.assert_array_equal(second.near, near[second.index:second.index + len(second.near)])
        counters = balanced(core)
        assert counters.consumed == len(first.near) + len(second.near)
        assert counters.dropped == second.index - 4 * HOP

    def test_a_read_never_spans_a_gap(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, capture_ms=40)
        run(core, 6 * HOP)
        assert len(core.read(0).near) == 4 * HOP
        run(core, 2 * HOP)
        later = core.read(0)
        assert (later.index, len(later.near)) == (6 * HOP, 2 * HOP)
        run(core, 3 * HOP)
        run(core, HOP // 2)
        assert len(core.read(0).near) == 3 * HOP

    def test_a_gap_inside_the_ring_ends_the_run(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, capture_ms=40)
        run(core, 4 * HOP)  # full
        run(core, HOP)  # dropped
        halves = core.read(0)
        run(core, 2 * HOP)
        assert (halves.index, len(halves.near)) == (0, 4 * HOP)
        assert core.read(0).index == 5 * HOP
        run(core, 4 * HOP)
        run(core, HOP // 2)
        assert core.read(0).index == 7 * HOP

    def test_no_input_is_silence_and_xruns_are_counted_apart(self, core: Any) -> None:
        core.process(None, HOP)
        core.process(ramp(HOP), HOP, overflow=True)
        core.process(ramp(HOP), HOP, overflow=True, underflow=True)
        assert not core.read(0).near[:HOP].any()
        counters = balanced(core)
        assert (counters.xruns_in, counters.xruns_out, counters.dropped, counters.callbacks) == (2, 1, 0, 3)

    def test_late_callbacks_are_counted_by_how_late_they_are(self, core: Any) -> None:
        period = HOP / RATE
        times = [1000.0 + k * period for k in range(800)]
        for k, late_s in ((100, 0.0015), (200, 0.03), (201, 0.021), (300, 0.7)):
            times[k] += late_s
        for now in times:
            core.process(None, HOP, now_s=now)
        counts = core.lateness().counts
        assert sum(counts) == 800 and counts[1] == 1 and counts[5] == 2 and counts[9] == 1 and counts[0] == 796
        assert core.lateness().worst_s == pytest.approx(0.7, abs=1e-4)
        assert core.lateness().beyond(0.99) == 1 and core.lateness().beyond(1.0) == float("inf")

    def test_lateness_follows_a_clock_that_drifts_and_begins_anew_after_an_xrun(self, core: Any) -> None:
        period = HOP / RATE * (1 + 300e-6)
        for k in range(4000):
            core.process(None, HOP, now_s=1000.0 + k * period)
        assert core.lateness().counts[0] + core.lateness().counts[1] == 4000 and core.lateness().worst_s < 0.0015
        began = 1000.0 + 4000 * period + 0.3
        core.process(None, HOP, now_s=began, overflow=True)
        for k in range(1, 500):
            core.process(None, HOP, now_s=began + k * period)
        assert core.lateness().counts[8] == 1, "the one that reported it was 300 ms late, and none after it"
        assert sum(core.lateness().counts) == 4500
        core.process(None, HOP)
        assert sum(core.lateness().counts) == 4500, "a callback without a time is not counted"

    def test_a_time_that_is_none_is_refused(self, core: Any) -> None:
        with pytest.raises(ValueError, match="now_s must be 0 or more seconds, not -1"):
            core.process(None, HOP, now_s=-1.0)

    def test_ring_indices_overflow_unnoticed(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, capture_ms=40, playback_ms=40, ring_start=2**64 - 7)
        token = core.live.begin(1)
        near, voice = ramp(20 * HOP), ramp(20 * HOP, 5)
        for at in range(0, 20 * HOP, HOP):
            assert core.write(1, voice[at:at + HOP], timeout_s=0) == HOP
            out = core.process(near[at:at + HOP], HOP)
            np.testing.assert_array_equal(out, voice[at:at + HOP])
            hops = core.read(0)
            assert hops.index == at
            np.testing.assert_array_equal(hops.near, near[at:at + HOP])
            balanced(core)
        assert not token.cancelled()
        assert core.heard(1) == 20 * HOP


class TestPlayback:
    @pytest.mark.parametrize("period", [1, 37, 159, 160, 161, 640])
    def test_a_reply_is_gapless_and_bit_exact(self, core: Any, period: int) -> None:
        voice = ramp(3000)
        core.live.begin(1)
        assert core.write(1, voice[:1000]) == 1000
        assert core.write(1, voice[1000:1001]) == 1
        assert core.write(1, voice[1001:], last=True) == 1999
        assert core.queued(1) == 3000
        lead = core.process(np.zeros(11, np.int16), 11)
        out = np.concatenate([lead, run(core, 3200, period)])
        np.testing.assert_array_equal(out[:3000], voice)
        assert not out[3000:].any()
        assert kinds(core) == [("first", 1, 0, 0), ("end", 1, 3000, 3000)]
        assert (core.heard(1), core.queued(1), balanced(core).played, balanced(core).underruns) == (3000, 0, 3000, 0)

    def test_a_ring_full_of_a_dead_reply_has_room_after_the_next_period(self, core: Any) -> None:
        core.live.begin(1)
        assert not core.full
        core.write(1, ramp(core.playback_frames), timeout_s=0)
        assert core.full
        core.live.cancel(1)
        core.live.begin(2)
        assert core.full and core.write(2, ramp(10), timeout_s=0) == 0
        run(core, HOP, HOP)
        assert not core.full and core.write(2, ramp(10), timeout_s=0) == 10

    def test_an_empty_last_ends_the_reply(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(100))
        core.write(1, ramp(0), last=True)
        run(core, HOP)
        core.live.begin(2)
        assert core.write(2, ramp(0), last=True) == 0
        run(core, HOP)
        assert kinds(core) == [("first", 1, 0, 0), ("end", 1, 100, 100), ("end", 2, HOP, 0)]

    def test_nothing_comes_after_the_end(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(100), last=True)
        with pytest.raises(ValueError, match="already ended"):
            core.write(1, ramp(1))
        with pytest.raises(ValueError, match="already ended"):
            core.write(1, ramp(0), last=True)

    def test_an_underrun_is_told_once_and_the_reply_goes_on(self, core: Any) -> None:
        core.live.begin(1)
        voice = ramp(400)
        core.write(1, voice[:200])
        out = run(core, 4 * HOP)
        core.write(1, voice[200:], last=True)
        out = np.concatenate([out, run(core, 2 * HOP)])
        np.testing.assert_array_equal(out[:200], voice[:200])
        assert not out[200:4 * HOP].any()
        np.testing.assert_array_equal(out[4 * HOP:4 * HOP + 200], voice[200:])
        assert kinds(core) == [("first", 1, 0, 0), ("underrun", 1, 200, 200), ("end", 1, 4 * HOP + 200, 400)]
        assert balanced(core).underruns == 1

    def test_a_full_ring_takes_what_fits(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, playback_ms=40)
        core.live.begin(1)
        assert core.playback_frames == 4 * HOP
        assert core.write(1, ramp(5 * HOP), timeout_s=0) == 4 * HOP
        with pytest.raises(TimeoutError, match="no room for the end of generation 1"):
            core.write(1, ramp(0), last=True, timeout_s=0)
        run(core, 2 * HOP)
        assert core.write(1, ramp(HOP), last=True, timeout_s=0) == HOP

    def test_only_a_live_generation_is_taken(self, core: Any) -> None:
        assert core.write(1, ramp(10)) == 0
        core.live.begin(1)
        core.live.begin(2)
        assert core.write(1, ramp(10)) == 0
        assert core.write(2, ramp(10)) == 10
        assert (core.queued(1), core.queued(2), core.heard(1), core.heard(2)) == (0, 10, 0, 0)

    def test_heard_is_kept_for_many_generations(self, core: Any) -> None:
        for generation in range(3, 3 * 140, 3):
            core.live.begin(generation)
            core.write(generation, ramp(generation % 100 + 1), last=True)
            run(core, HOP)
            core.events()
        kept = range(3 * 139, 3 * 75, -3)
        assert [core.heard(generation) for generation in kept] == [generation % 100 + 1 for generation in kept]
        assert core.heard(4) == core.heard(10**12) == 0

    def test_volume_glides_and_saturates(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, np.full(10 * HOP, 10000, np.int16))
        core.set_volume(0.5)
        out = run(core, 2 * HOP)
        assert out[0] > 9800
        assert (np.abs(np.diff(out.astype(int))) <= 10000 // FADE + 2).all()
        assert (out[FADE + 5:] == 5000).all()
        core.set_volume(4.0)
        out = run(core, 5 * HOP)
        assert (out[-HOP:] == 32767).all()
        core.set_volume(1.0)
        run(core, 4 * HOP)
        core.live.begin(2)
        core.write(2, ramp(HOP))
        np.testing.assert_array_equal(run(core, HOP), ramp(HOP))

    def test_an_earcon_is_mixed_over_and_saturates(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, np.full(1000, 30000, np.int16), last=True)
        assert core.earcon(np.full(300, 5000, np.int16)) == 300
        assert core.earcon(np.full(100, -30000, np.int16)) == 100
        out = run(core, 1200, 70)
        assert (out[:300] == 32767).all() and (out[300:400] == 0).all() and (out[400:1000] == 30000).all()
        assert not out[1000:].any()

    def test_earcons_are_bounded(self, core: Any) -> None:
        taken = core.earcon(ramp(60 * RATE % 30000 + 10 * RATE))
        assert 2 * RATE <= taken < 4 * RATE + HOP
        assert core.earcon(ramp(10)) == 0


class TestEnds:
    def test_waits_end_by_time_or_by_close(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, playback_ms=20)
        assert core.read(0.01) is None
        core.live.begin(1)
        results: list[Any] = []
        reader = threading.Thread(target=lambda: results.append(core.read(60)))
        writer = threading.Thread(target=lambda: results.append(core.write(1, ramp(10 * HOP))))
        reader.start()
        writer.start()
        while not core.queued(1):
            pass
        core.close()
        reader.join(10)
        writer.join(10)
        assert sorted(results, key=str) == [2 * HOP, None]
        with pytest.raises(ValueError, match="closed"):
            core.read(0)
        with pytest.raises(ValueError, match="closed"):
            core.write(1, ramp(1))

    def test_a_cancel_frees_a_writer_that_waits(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP, playback_ms=20)
        core.live.begin(1)
        results: list[int] = []
        writer = threading.Thread(target=lambda: results.append(core.write(1, ramp(10 * HOP))))
        writer.start()
        while not core.queued(1):
            pass
        core.live.cancel(1)
        writer.join(10)
        assert results == [2 * HOP]

    def test_two_threads_at_one_end_are_refused(self, rt: Any) -> None:
        core = rt.Core(RATE, HOP)

        def ears() -> None:
            while True:
                try:
                    core.read(30)
                    return
                except RuntimeError:  # it was the other that came first
                    continue

        reader = threading.Thread(target=ears)
        reader.start()
        with pytest.raises(RuntimeError, match="belongs to one"):
            while True:
                core.read(0)
        while reader.is_alive():
            core.process(None, HOP)

    def test_events_are_bounded_and_their_loss_is_counted(self, core: Any) -> None:
        for generation in range(1, 200):
            core.live.begin(generation)
            core.write(generation, ramp(10), last=True)
            run(core, 20)
        assert len(core.events()) == 256
        assert core.counters().events_lost == 2 * 199 - 256

    @pytest.mark.parametrize("wrong", [[1, 2], np.zeros(3, np.float32), np.zeros((2, 2), np.int16), None])
    def test_only_int16_arrays_are_taken(self, core: Any, wrong: Any) -> None:
        core.live.begin(1)
        for take in (lambda: core.write(1, wrong), lambda: core.earcon(wrong)):
            with pytest.raises(ValueError, match="one-dimensional array of int16"):
                take()

    def test_strided_and_read_only_samples_are_taken(self, core: Any) -> None:
        core.live.begin(1)
        voice = ramp(200)
        frozen = voice[::2].copy()
        frozen.flags.writeable = False
        core.write(1, voice[::2])
        core.write(1, frozen)
        np.testing.assert_array_equal(run(core, 200), np.concatenate([voice[::2]] * 2))

    @pytest.mark.parametrize(("rate", "hop", "more"), [(7999, 160, {}), (16000, 3201, {}), (16000, 8, {}), (16000, 160, {"capture_ms": 0}),
                                                       (16000, 160, {"playback_ms": -1})])
    def test_bad_shapes_are_refused(self, rt: Any, rate: int, hop: int, more: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="must be"):
            rt.Core(rate, hop, **more)

    def test_bad_numbers_are_refused(self, core: Any) -> None:
        for wrong in (-0.1, 4.1, float("nan")):
            with pytest.raises(ValueError, match="volume"):
                core.set_volume(wrong)
        with pytest.raises(ValueError, match="timeout"):
            core.read(-1)
        with pytest.raises(ValueError, match="timeout"):
            core.read(float("nan"))
        with pytest.raises(ValueError, match="at least one frame"):
            core.process(None, 0)
        with pytest.raises(ValueError, match="announced"):
            core.process(ramp(3), 4)
        with pytest.raises(ValueError, match="generation"):
            core.heard(0)
