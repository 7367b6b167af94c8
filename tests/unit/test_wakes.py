"""The wake word at both ends: what the loudspeaker said does not wake, what a user says does; nothing runs at a silent far end."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice.engines.protocols import Int16
from edgevoice.pipeline import wakes
from edgevoice.pipeline.wakes import Wakes
from tests.fakes.wake import FakeWake

RATE, HOP = 16_000, 160
PRIME = wakes.PRIME


def run(made: Wakes, far: Int16, seconds: float, rate: int = RATE) -> list[tuple[int, bool]]:
    """Both ends hop by hop; the microphone's hits as (sample, own)."""
    found = []
    hop = rate // 100
    far = np.concatenate([far, np.zeros(int(seconds * rate) - len(far), np.int16)])
    for at in range(0, len(far), hop):
        made.loudspeaker(far[at:at + hop], at)
        found += [(hit.sample, own) for hit, own in made.microphone(np.zeros(HOP, np.int16))]
    return found


def sound(start_s: float, end_s: float, rate: int = RATE) -> Int16:
    return np.concatenate([np.zeros(int(start_s * rate), np.int16), np.full(int((end_s - start_s) * rate), 100, np.int16)])


class TestMask:
    @pytest.mark.parametrize("rate", [16_000, 48_000, 44_100])
    def test_what_follows_the_loudspeakers_word_is_its_own_voice(self, rate: int) -> None:
        """The far end sounds from 2 s on; its detector hears the word 1 s later, the microphone's 0.3 s after that."""
        far = FakeWake([(PRIME + RATE, "okay_nabu")])
        made = Wakes(FakeWake([(int(3.3 * RATE), "okay_nabu"), (int(4.5 * RATE), "okay_nabu")]), far, rate)
        assert run(made, sound(2.0, 5.0, rate), 6.0, rate) == [(int(3.3 * RATE), True), (int(4.5 * RATE), False)]
        assert (made.counts.heard, made.counts.own) == (1, 1)

    def test_the_window_ends_where_it_says(self) -> None:
        last = int((3.0 + wakes.FOLLOWS_S) * RATE)
        made = Wakes(FakeWake([(last, "a"), (last + HOP, "a")]), FakeWake([(PRIME + RATE, "a")]), RATE)
        assert run(made, sound(2.0, 5.0), 6.0) == [(last, True), (last + HOP, False)]

    def test_a_word_that_nobody_but_the_user_said_counts(self) -> None:
        made = Wakes(FakeWake([(3 * RATE, "a")]), FakeWake(), RATE)
        assert run(made, sound(2.0, 5.0), 6.0) == [(3 * RATE, False)]

    def test_without_a_detector_at_the_far_end_everything_counts_and_nothing_is_eased(self) -> None:
        near = FakeWake([(3 * RATE, "a")])
        made = Wakes(near, None, RATE)
        assert run(made, sound(2.0, 5.0), 5.0) == [(3 * RATE, False)] and not near.eased

    def test_hops_that_were_lost_do_not_move_the_window(self) -> None:
        """Half a second is missing at both ends: the far end's detector has heard less than the index says."""
        far = FakeWake([(PRIME + RATE, "a")])
        made = Wakes(FakeWake([(int(3.6 * RATE), "a")]), far, RATE)
        far_end = sound(2.0, 5.0)
        found = []
        for at in range(0, len(far_end), HOP):
            if 2.2 * RATE <= at < 2.7 * RATE:
                made.microphone(np.zeros(HOP, np.int16))
                continue
            made.loudspeaker(far_end[at:at + HOP], at)
            found += made.microphone(np.zeros(HOP, np.int16))
        assert [own for _, own in found] == [True]
        assert made.counts.own == 1


class TestSleep:
    def test_the_far_end_is_listened_to_while_it_sounds_and_shortly_after(self) -> None:
        far, near = FakeWake(), FakeWake()
        made = Wakes(near, far, RATE)
        run(made, np.zeros(0, np.int16), 5.0)
        assert far.heard == 0 and made.counts.listened_s == 0.0 and not near.eased
        run(made, sound(0.0, 2.0), 2.0)
        assert near.eased and far.attended and far.heard == PRIME + 2 * RATE
        made.loudspeaker(np.zeros(int(wakes.LINGER_S * RATE), np.int16), 2 * RATE)
        assert near.eased
        made.loudspeaker(np.zeros(HOP, np.int16), 3 * RATE)
        assert not near.eased and not far.attended
        heard = far.heard
        made.loudspeaker(np.zeros(RATE, np.int16), 3 * RATE + HOP)
        assert far.heard == heard and made.counts.listened_s == pytest.approx(3.0, abs=0.05)

    def test_a_second_reply_is_heard_from_its_beginning(self) -> None:
        far = FakeWake([(PRIME + RATE // 2, "a")])
        near = FakeWake([(int(0.7 * RATE), "a"), (int(10.7 * RATE), "a"), (int(12.0 * RATE), "a")])
        made = Wakes(near, far, RATE)
        replies = sound(0.0, 2.0)
        replies = np.concatenate([replies, sound(8.0, 12.0)])
        assert [own for _, own in run(made, replies, 15.0)] == [True, True, False] and far.resets == 2
