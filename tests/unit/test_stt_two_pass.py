"""A streaming recognizer's words, settled by one that sees the whole utterance."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice.engines.stt_two_pass import TwoPassStt
from tests.fakes.stt import FakeStt

WORD = np.full(4000, 0.1, np.float32)
"""a quarter of a second, a word to the fakes"""


def test_words_come_from_the_first_until_the_second_settles_them_and_go_on_from_there() -> None:
    class First(FakeStt):
        """Hears as much as there is, also at a pause."""

        def open(self, *, eager: bool = False):  # type: ignore[no-untyped-def]
            stream = super().open(eager=eager)
            stream.settle = lambda: stream.partial().text
            return stream

    stream = TwoPassStt(First(["wot tyme is it in london"]), FakeStt(["what time is it"], streaming=False)).open()
    for _ in range(4):
        stream.accept(WORD)
    assert stream.partial().text == "wot tyme is it"
    assert stream.settle() == "what time is it"
    settled = stream.partial()
    assert (settled.text, settled.text[:settled.stable]) == ("what time is it", "what time is it")
    stream.accept(WORD)
    later = stream.partial()
    assert (later.text, later.text[:later.stable]) == ("what time is it in", "what time is it")
    assert stream.finish() == "what time is it", "the second's"


@pytest.mark.parametrize("second", [FakeStt([""]), FakeStt(["what time"], fail="broke")])
def test_without_words_of_the_second_those_of_the_first_stand(second: FakeStt) -> None:
    stream = TwoPassStt(FakeStt(["what time"]), second).open()
    stream.accept(WORD)
    stream.accept(WORD)
    assert stream.settle() == "what time" and stream.finish() == "what time"


def test_both_are_closed() -> None:
    first, second = FakeStt(), FakeStt()
    TwoPassStt(first, second).close()
    assert first.closed and second.closed
