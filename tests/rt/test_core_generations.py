"""A reply in both cores, driven period by period: cancelled, paused, held behind its gate."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.rt.frames import DOWN, FADE, UP, balanced, faded, kinds, ramp, run


class TestCancel:
    @pytest.mark.parametrize("period", [1, 64, 160, 1000])
    @pytest.mark.parametrize("moment", [1, 40, 159, 160, 500, 1999])
    def test_silence_within_five_ms(self, core: Any, period: int, moment: int) -> None:
        voice = ramp(2000, 5000)
        token = core.live.begin(1)
        core.write(1, voice)
        before = run(core, moment, period)
        assert core.live.cancel(1) and token.cancelled()
        after = run(core, 1500, period)
        np.testing.assert_array_equal(before, voice[:moment])
        tail = min(FADE, 2000 - moment)
        np.testing.assert_array_equal(after[:tail], faded(voice[moment:moment + tail], DOWN[:tail]))
        assert not after[tail:].any()
        assert kinds(core) == [("first", 1, 0, 0), ("silent", 1, moment + tail, moment + tail)]
        counters = balanced(core)
        assert (counters.stale, counters.played, core.heard(1), core.queued(1)) == (2000 - moment - tail, moment + tail, moment + tail, 0)

    def test_what_was_never_heard_is_dropped_without_a_word(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(1000))
        core.live.cancel(1)
        assert not run(core, 500).any()
        assert kinds(core) == []
        assert balanced(core).stale == 1000

    def test_the_next_generation_begins_after_the_fade(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(1000, 100))
        run(core, 200)
        core.live.begin(2)
        core.write(2, ramp(300, 7000), last=True)
        out = run(core, 600)
        np.testing.assert_array_equal(out[:FADE], faded(ramp(1000, 100)[200:200 + FADE], DOWN))
        np.testing.assert_array_equal(out[FADE:FADE + 300], ramp(300, 7000))
        end = 200 + FADE
        assert kinds(core) == [("first", 1, 0, 0), ("silent", 1, end, end), ("first", 2, end, 0), ("end", 2, end + 300, 300)]

    def test_cancel_while_starved_or_paused_is_silent_at_once(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(100))
        run(core, 200)
        core.live.cancel(1)
        run(core, 10)
        core.live.begin(2)
        core.write(2, ramp(1000))
        run(core, 90)
        assert core.pause(2)
        run(core, 200)
        core.live.cancel(2)
        run(core, 10)
        assert kinds(core) == [("first", 1, 0, 0), ("underrun", 1, 100, 100), ("silent", 1, 200, 100), ("first", 2, 210, 0),
                               ("paused", 2, 300 + FADE, 90 + FADE), ("silent", 2, 500, 90 + FADE)]

    def test_cancel_is_idempotent_and_generations_only_grow(self, rt: Any) -> None:
        live = rt.Live()
        assert live.current() == 0
        first = live.begin(5)
        assert (live.current(), first.generation, first.cancelled()) == (5, 5, False)
        assert [live.cancel(5), live.cancel(5), live.cancel(4), live.current()] == [True, False, False, 0]
        for old in (5, 4):
            with pytest.raises(ValueError, match="not greater"):
                live.begin(old)
        second = live.begin(2**63 - 1)
        assert first.cancelled() and not second.cancelled()
        for wrong in (0, -1, 2**63):
            with pytest.raises(ValueError, match="a generation is a number"):
                live.begin(wrong)

    def test_one_of_many_cancels_wins(self, rt: Any) -> None:
        for generation in range(1, 40):
            live = rt.Live()
            live.begin(generation)
            gate, won = threading.Barrier(4), []

            def race(live: Any = live, generation: int = generation, gate: threading.Barrier = gate, won: list[bool] = won) -> None:
                gate.wait()
                won.append(live.cancel(generation))

            threads = [threading.Thread(target=race) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(won) == [False, False, False, True]


class TestPause:
    @pytest.mark.parametrize("period", [1, 50, 160, 333])
    def test_the_reply_goes_on_from_the_kept_position(self, core: Any, period: int) -> None:
        voice = ramp(2000, 3000)
        core.live.begin(1)
        core.write(1, voice, last=True)
        out = [run(core, 500, period)]
        assert core.pause(1)
        out.append(run(core, 700, period))
        assert core.queued(1) == 2000 - 500 - FADE
        assert core.resume(1)
        out.append(run(core, 2000, period))
        gains = np.concatenate([np.full(500, FADE), DOWN, UP, np.full(1500 - 2 * FADE, FADE)])
        expected = faded(voice, gains)
        heard = np.concatenate(out)
        np.testing.assert_array_equal(heard[:500 + FADE], expected[:500 + FADE])
        assert not heard[500 + FADE:1200].any()
        np.testing.assert_array_equal(heard[1200:1200 + 1500 - FADE], expected[500 + FADE:])
        end = 1200 + 1500 - FADE
        assert kinds(core) == [("first", 1, 0, 0), ("paused", 1, 500 + FADE, 500 + FADE), ("resumed", 1, 1200, 500 + FADE),
                               ("end", 1, end, 2000)]

    def test_a_change_of_mind_turns_the_fade_round(self, core: Any) -> None:
        voice = np.full(1000, 8000, np.int16)
        core.live.begin(1)
        core.write(1, voice)
        run(core, 100)
        core.pause(1)
        down = run(core, 30)
        core.resume(1)
        up = run(core, 100)
        np.testing.assert_array_equal(down, faded(voice[:30], DOWN[:30]))
        np.testing.assert_array_equal(up, faded(voice[:100], np.minimum(np.arange(FADE - 29, FADE + 71), FADE)))
        assert kinds(core) == [("first", 1, 0, 0)]

    def test_a_pause_before_the_first_frame_holds_it(self, core: Any) -> None:
        core.live.begin(1)
        core.pause(1)
        core.write(1, ramp(100), last=True)
        assert not run(core, 300).any()
        core.resume(1)
        np.testing.assert_array_equal(run(core, 100), ramp(100))
        assert kinds(core) == [("paused", 1, 0, 0), ("resumed", 1, 300, 0), ("first", 1, 300, 0), ("end", 1, 400, 100)]

    def test_a_pause_is_of_one_generation(self, core: Any) -> None:
        assert not core.pause(1) and not core.resume(1)
        core.live.begin(1)
        core.pause(1)
        run(core, 10)
        core.live.begin(2)
        assert not core.pause(1) and not core.resume(1)
        core.write(2, ramp(100), last=True)
        np.testing.assert_array_equal(run(core, 100), ramp(100))
        assert core.resume(2)
        assert kinds(core) == [("paused", 1, 0, 0), ("first", 2, 10, 0), ("end", 2, 110, 100)]

    def test_a_reply_that_ends_in_the_fade_has_ended(self, core: Any) -> None:
        core.live.begin(1)
        core.write(1, ramp(150), last=True)
        run(core, 100)
        core.pause(1)
        run(core, 300)
        assert kinds(core) == [("first", 1, 0, 0), ("end", 1, 150, 150)]


class TestGate:
    @pytest.mark.parametrize("period", [1, 50, 160, 333])
    def test_nothing_sounds_before_it_is_opened_and_all_of_it_after(self, core: Any, period: int) -> None:
        core.gate(1)
        core.live.begin(1)
        core.write(1, ramp(500), last=True)
        assert not run(core, 700, period).any()
        assert kinds(core) == [] and core.queued(1) == 500 and core.heard(1) == 0
        assert core.open(1)
        np.testing.assert_array_equal(run(core, 500, period), ramp(500))
        assert kinds(core) == [("first", 1, 700, 0), ("end", 1, 1200, 500)]

    def test_of_what_dies_behind_it_nothing_is_heard_or_told(self, core: Any) -> None:
        core.gate(1)
        core.live.begin(1)
        core.write(1, ramp(500))
        run(core, 100)
        core.live.cancel(1)
        assert not core.open(1)
        assert not run(core, 300).any()
        assert kinds(core) == [] and core.heard(1) == 0 and balanced(core).stale == 500 and core.counters().played == 0

    def test_it_shuts_one_generation_only(self, core: Any) -> None:
        core.gate(2)
        core.live.begin(1)
        core.write(1, ramp(100))
        np.testing.assert_array_equal(run(core, 100), ramp(100))
        core.live.begin(2)
        core.write(2, ramp(100), last=True)
        assert not run(core, 300).any()
        core.gate(3)
        np.testing.assert_array_equal(run(core, 100), ramp(100))  # the last gate counts
        assert [kind for kind, *_ in kinds(core)] == ["first", "silent", "first", "end"]

    def test_an_empty_end_waits_too(self, core: Any) -> None:
        core.gate(1)
        core.live.begin(1)
        core.write(1, ramp(0), last=True)
        run(core, 100)
        assert kinds(core) == []
        core.open(1)
        run(core, 100)
        assert kinds(core) == [("end", 1, 100, 0)]

    def test_a_pause_from_before_it_is_opened_still_holds(self, core: Any) -> None:
        core.gate(1)
        core.live.begin(1)
        core.write(1, ramp(100), last=True)
        core.pause(1)
        core.open(1)
        assert not run(core, 200).any()
        core.resume(1)
        np.testing.assert_array_equal(run(core, 100), ramp(100))

    @pytest.mark.parametrize("generation", [0, -1])
    def test_a_number_that_is_no_generation_is_refused(self, core: Any, generation: int) -> None:
        for order in (core.gate, core.open):
            with pytest.raises(ValueError, match="generation"):
                order(generation)
