"""An offline recognizer made to stream, under a decoder that reads tones: no word is lost, none changes, nothing costs too much."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.clock import ManualClock
from edgevoice.engines.protocols import Float32
from edgevoice.engines.stt_offline import LONGEST_S, MARGIN_S, OfflineStream, spoken
from edgevoice.errors import EngineError

RATE = 16_000
WORD_S = 0.25
WORDS = 40
GAP = st.sampled_from([0.06, 0.07, 0.1, 0.15, 0.3, 0.8])


def tone(word: int) -> Float32:
    """A word: 250 ms of its own pitch, 200 Hz and up."""
    t = np.arange(int(WORD_S * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 40 * word) * t)).astype(np.float32)


def sentence(gaps: list[float]) -> tuple[list[str], Float32]:
    """As many words as gaps, each after its gap; silence behind."""
    parts = [np.zeros(4000, np.float32)]
    for n, gap in enumerate(gaps):
        parts += [np.zeros(int(gap * RATE), np.float32), tone(n % WORDS)]
    return [f"w{n % WORDS}" for n in range(len(gaps))], np.concatenate([*parts, np.zeros(3200, np.float32)])


def stopped(word: int) -> Float32:
    """A word with a stop inside that is longer than the gaps between words."""
    return np.concatenate([tone(word), np.zeros(int(0.14 * RATE), np.float32), tone(word)])


class Reader:
    """Reads tones; a torn one is read as "torn", two of one pitch as one word.  Each second of audio costs ``cost_s`` on its clock."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.clock = ManualClock()
        self.cost_s = cost_s
        self.lengths: list[float] = []
        self.fail = False

    def __call__(self, audio: Float32) -> str:
        if self.fail:
            raise EngineError("broken")
        self.lengths.append(len(audio) / RATE)
        self.clock.advance(self.cost_s * len(audio) / RATE)
        loud = np.convolve(np.abs(audio) > 1e-3, np.ones(81), "same") > 0.5  # zero crossings filled
        loud[[0, -1]] = False
        edges = np.flatnonzero(np.diff(loud.astype(int)))
        words = []
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            start, end = max(0, start + 40), end - 40
            if end - start < 0.97 * WORD_S * RATE:
                words.append("torn")
                continue
            part = audio[start:end]
            rising = np.count_nonzero((part[:-1] < 0) & (part[1:] >= 0))
            words.append(f"w{round((rising / (len(part) / RATE) - 200) / 40)}")
        return " ".join(word for word, _ in itertools.groupby(words))


def run(reader: Reader, audio: Float32, pieces: list[int], settle_every: int = 0, share: float = 0.25) -> tuple[str, OfflineStream]:
    """Feed in pieces with a partial after each; checks the law of the stable prefix throughout."""
    stream = OfflineStream(reader, share, reader.clock)
    stable, at, n = "", 0, 0
    while at < len(audio):
        size = pieces[n % len(pieces)] if pieces else len(audio)
        stream.accept(audio[at:at + size])
        at, n = at + size, n + 1
        if pieces:
            partial = stream.partial()
            assert partial.text.startswith(stable)
            assert 0 <= partial.stable <= len(partial.text)
            stable = partial.text[:partial.stable]
        if settle_every and n % settle_every == 0:
            assert stream.settle().startswith(stable)
    text = stream.finish()
    assert text.startswith(stable)
    return text, stream


def test_the_reader_reads() -> None:
    words, audio = sentence([0.1] * 12)
    assert Reader()(audio).split() == words
    assert "torn" in Reader()(audio[:5600 + 3000])


@settings(max_examples=40)
@given(st.lists(GAP, min_size=1, max_size=90), st.lists(st.integers(160, 6000), min_size=1, max_size=5), st.sampled_from([0, 0, 3, 20]))
def test_no_word_is_lost_or_torn_however_long_it_is(gaps: list[float], pieces: list[int], settle_every: int) -> None:
    words, audio = sentence(gaps)
    reader = Reader(0.02)
    assert run(reader, audio, pieces, settle_every)[0].split() == words


@settings(max_examples=15)
@given(st.lists(GAP, min_size=1, max_size=120))
def test_a_long_recording_given_at_once_is_cut_and_whole(gaps: list[float]) -> None:
    words, audio = sentence(gaps)
    reader = Reader()
    assert run(reader, audio, [])[0].split() == words
    assert max(reader.lengths) <= LONGEST_S + 2 * MARGIN_S


@pytest.mark.parametrize("gap", [0.06, 0.07, 0.09, 0.12])
def test_the_cost_of_a_decode_does_not_grow_with_the_utterance(gap: float) -> None:
    words, audio = sentence([gap] * 200)
    reader = Reader(0.025)
    text, _ = run(reader, audio, [512])
    assert text.split() == words
    assert len(audio) / RATE > 60
    assert max(reader.lengths) < 10.5


def test_an_utterance_with_pauses_is_cut_before_it_must_be() -> None:
    words, audio = sentence([0.25] * 80)
    reader = Reader(0.01)
    assert run(reader, audio, [512])[0].split() == words
    assert max(reader.lengths) < 8.5


def test_a_pause_whose_first_part_reads_otherwise_is_tried_once() -> None:
    """The decoder misreads every first part, as if the cut tore a word; the words of the whole are kept all the same."""
    words, audio = sentence([0.04] * 8 + [0.3] + [0.04] * 6 + [0.2] + [0.04] * 12)
    read = Reader()
    misread: list[float] = []

    def sceptic(part: Float32) -> str:
        if 3.0 < len(part) / RATE < max([*read.lengths, 0.0]) - 0.5:
            misread.append(len(part) / RATE)
            return "something else"
        return read(part)

    stream = OfflineStream(sceptic, 1.0, read.clock)
    for at in range(0, len(audio), 512):
        stream.accept(audio[at:at + 512])
        stream.partial()
    assert stream.finish().split() == words
    assert len(misread) == 2 and max(read.lengths) > 7.5


def test_no_cut_inside_a_word_that_pauses_longer_than_the_words_around_it() -> None:
    parts = [np.zeros(4000, np.float32)]
    for n in range(120):
        parts += [stopped(n % WORDS) if n % 4 == 3 else tone(n % WORDS), np.zeros(int(0.1 * RATE), np.float32)]
    audio = np.concatenate(parts)
    reader = Reader(0.005)
    text, _ = run(reader, audio, [512])
    assert text.split() == [f"w{n % WORDS}" for n in range(120)]
    assert max(reader.lengths) < 10.5


@pytest.mark.parametrize("share", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("cost_s", [0.001, 0.03, 0.2])
def test_partials_keep_to_their_share_of_a_core(share: float, cost_s: float) -> None:
    _, audio = sentence([0.12] * 60)
    reader = Reader(cost_s)
    _, stream = run(reader, audio, [320], share=share)
    longest = cost_s * (max(reader.lengths) * 3)
    assert stream.partial_cost_s <= share * len(audio) / RATE + longest
    assert stream.decodes >= 2


def test_settling_after_the_last_word_makes_the_final_free() -> None:
    words, audio = sentence([0.1] * 8)
    reader = Reader()
    stream = OfflineStream(reader, 0.25, reader.clock)
    stream.accept(audio)
    assert stream.settle().split() == words
    decodes = stream.decodes
    stream.accept(np.zeros(8000, np.float32))
    assert stream.finish().split() == words
    assert stream.decodes == decodes


def test_settling_before_more_words_loses_none() -> None:
    words, audio = sentence([0.3] * 10)
    reader = Reader()
    stream = OfflineStream(reader, 0.25, reader.clock)
    for at in range(0, len(audio), 4000):
        stream.accept(audio[at:at + 4000])
        stream.settle()
    assert stream.finish().split() == words


@pytest.mark.parametrize("silence", [np.zeros(0, np.float32), np.zeros(32_000, np.float32), np.full(32_000, 0.1, np.float32)])
def test_silence_is_not_even_decoded(silence: Float32) -> None:
    reader = Reader()
    text, stream = run(reader, silence, [512])
    assert (text, stream.decodes) == ("", 0)


def test_a_failure_is_told_and_a_finished_stream_is_used_up() -> None:
    _, audio = sentence([0.1] * 8)
    reader = Reader()
    stream = OfflineStream(reader, 0.25, reader.clock)
    stream.accept(audio)
    reader.fail = True
    with pytest.raises(EngineError, match="broken"):
        stream.settle()
    reader.fail = False
    assert stream.finish()
    for act in (lambda: stream.accept(audio), stream.partial, stream.settle, stream.finish):
        with pytest.raises(EngineError, match="open a new stream"):
            act()


@pytest.mark.parametrize(("text", "words"), [
    ("♪♪♪", []), ("...", []), ("Stop.. ", ["Stop."]), ("Well,", ["Well"]), ("Yes, now,", ["Yes,", "now"]), ("Two p.m..", ["Two", "p.m."])])
def test_marks_without_words_are_not_spoken(text: str, words: list[str]) -> None:
    assert spoken(text) == words
