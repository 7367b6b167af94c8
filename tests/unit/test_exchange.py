"""A wake word detector changed while it listens: hits keep their place, and nothing is left open."""

from __future__ import annotations

import numpy as np

from edgevoice.engines.exchange import ExchangeableWake
from edgevoice.engines.protocols import WakeWord
from tests.fakes.wake import FakeWake

SECOND = np.zeros(16_000, np.int16)


def test_the_next_samples_go_to_the_new_one_and_hits_keep_counting() -> None:
    old, new = FakeWake([(8_000, "old")]), FakeWake([(4_000, "new")])
    wake: WakeWord = ExchangeableWake(old)
    assert [(hit.model, hit.sample) for hit in wake.process(SECOND)] == [("old", 8_000)]
    wake.exchange(new)  # type: ignore[attr-defined]
    assert not old.closed, "it may be in the middle of samples: its own thread closes it"
    assert [(hit.model, hit.sample) for hit in wake.process(SECOND)] == [("new", 20_000)]
    assert old.closed and not new.closed
    wake.reset()
    assert [(hit.model, hit.sample) for hit in wake.process(SECOND)] == [("new", 4_000)] or new.resets == 1
    wake.close()
    assert new.closed


def test_one_that_never_came_to_listen_is_closed() -> None:
    first, second, third = FakeWake(), FakeWake(), FakeWake()
    wake = ExchangeableWake(first)
    wake.exchange(second)
    wake.exchange(third)
    assert second.closed and not third.closed
    wake.close()
    assert first.closed and third.closed


def test_the_new_one_is_as_easily_woken_and_as_attentive_as_the_old_one_was() -> None:
    first, second = FakeWake(), FakeWake()
    wake = ExchangeableWake(first)
    wake.ease(True)
    wake.attend(True)
    wake.exchange(second)
    wake.process(SECOND)
    assert second.eased and second.attended
    wake.ease(False)
    assert not second.eased
