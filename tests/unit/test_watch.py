"""How long an engine takes, and whether it may be asked."""

from __future__ import annotations

import pytest

from edgevoice.clock import ManualClock
from edgevoice.errors import EngineError
from edgevoice.pipeline.watch import Breaker, Watch


def fail(watch: Watch) -> None:
    with pytest.raises(ValueError, match="broke"), watch.call("no answer", 1.0):
        raise ValueError("broke")


class TestBreaker:
    def test_it_opens_after_some_failures_in_a_row_and_says_when_it_is_tried_again(self) -> None:
        clock = ManualClock()
        breaker = Breaker("the model", clock, failures=3, first_s=2.0)
        for _ in range(2):
            breaker.failed()
            breaker.check()
        breaker.failed()
        assert (breaker.state, breaker.opened, breaker.due) == ("open", 1, False)
        with pytest.raises(EngineError, match="the model failed 3 times in a row; it is tried again in 2 s"):
            breaker.check()

    def test_a_success_between_them_begins_the_count_anew(self) -> None:
        breaker = Breaker("the model", ManualClock(), failures=2)
        for _ in range(5):
            breaker.failed()
            breaker.succeeded()
        assert breaker.state == "closed"

    def test_pauses_double_up_to_the_longest_and_a_success_ends_that(self) -> None:
        clock = ManualClock()
        breaker = Breaker("the model", clock, failures=1, first_s=1.0, most_s=4.0)
        pauses = []
        for _ in range(5):
            breaker.failed()
            paused = 0.0
            while not breaker.due:
                clock.advance(0.5)
                paused += 0.5
            pauses.append(paused)
            breaker.trial()
            breaker.check()
        assert pauses == [1.0, 2.0, 4.0, 4.0, 4.0]
        breaker.succeeded()
        breaker.failed()
        clock.advance(1.0)
        assert breaker.due

    def test_the_trial_that_fails_opens_it_again_at_once(self) -> None:
        clock = ManualClock()
        breaker = Breaker("the model", clock, failures=3)
        for _ in range(3):
            breaker.failed()
        clock.advance(1.0)
        breaker.trial()
        breaker.failed()
        assert breaker.state == "open" and breaker.opened == 2


class TestWatch:
    def test_a_call_is_overdue_from_its_limit_on_and_not_after_its_end(self) -> None:
        clock = ManualClock()
        watch = Watch(clock)
        with watch.call("no first token", 3.0):
            clock.advance(2.9)
            assert watch.overdue_s() is None
            clock.advance(0.6)
            assert watch.overdue_s() == pytest.approx(0.5) and watch.told == "no first token within 3.0 s"
        assert watch.overdue_s() is None

    def test_time_elsewhere_is_not_the_engines_and_sets_the_next_limit(self) -> None:
        clock = ManualClock()
        watch = Watch(clock)
        with watch.call("no first token", 1.0):
            with watch.elsewhere("no further token", 2.0):
                clock.advance(100.0)
                assert watch.overdue_s() is None
            clock.advance(1.5)
            assert watch.overdue_s() is None
            clock.advance(1.0)
            assert watch.overdue_s() == pytest.approx(0.5) and watch.told == "no further token within 2.0 s"

    def test_without_a_clock_nothing_is_watched(self) -> None:
        watch = Watch()
        with watch.call("no answer", 0.0):
            assert watch.overdue_s() is None

    def test_failures_and_successes_reach_the_breaker_which_then_refuses(self) -> None:
        breaker = Breaker("the model", ManualClock(), failures=2)
        watch = Watch(ManualClock(), breaker)
        fail(watch)
        with watch.call("no answer", 1.0):
            pass
        fail(watch)
        fail(watch)
        entered = False
        with pytest.raises(EngineError, match="2 times in a row"), watch.call("no answer", 1.0):
            entered = True
        assert not entered

    def test_one_that_was_left_counts_no_more(self) -> None:
        breaker = Breaker("the model", ManualClock(), failures=1)
        watch = Watch(ManualClock(), breaker)
        with pytest.raises(ValueError, match="late"), watch.call("no answer", 1.0):
            new = watch.leave(None)
            raise ValueError("late")
        assert breaker.state == "closed" and new.breaker is breaker and not new.left

    def test_a_call_can_be_hurried_but_not_given_more_time(self) -> None:
        clock = ManualClock()
        watch = Watch(clock)
        with watch.call("not read", 12.0):
            watch.hurry(20.0)
            watch.hurry(1.0)
            clock.advance(1.5)
            assert watch.overdue_s() == pytest.approx(0.5)
        watch.hurry(1.0)
        assert watch.overdue_s() is None
