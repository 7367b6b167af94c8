"""An offline recognizer made to stream.

Theory.  The growing utterance is decoded again and again; words that two successive decodes agree on are committed (``agreement``).
Each decode is paid for: after one that took ``c`` seconds the next partial waits until ``c / partial_cpu`` seconds of new audio
have come, so partials use at most that share of a core however slow the machine.  The cost of a decode grows with its window, so
past ``CUT_AFTER_S`` the window is cut at a pause: accepted if its first part, heard alone, reads as the committed words do (a cut
inside a word would not); past ``LONGEST_S`` the best pause that was not refused is taken unasked.  A final text therefore costs one
decode of a short window, or nothing at all if ``settle`` was asked after the last word.

Laws: no audio is ever left out: windows touch; committed text never changes; silence and steady noise have no text; digital silence
of ``MARGIN`` stands around what is decoded, without which the model clips or repeats short words.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from edgevoice.clock import Clock, MonotonicClock
from edgevoice.engines.agreement import Transcript, common_prefix, keys, without_loops
from edgevoice.engines.levels import FRAME, Levels, check_audio
from edgevoice.engines.protocols import SPEECH_RATE, Float32
from edgevoice.errors import EngineError
from edgevoice.events import Partial

_DOUBLED = re.compile(r"([.,;:!?])[.,;:]+$")

Decode = Callable[[Float32], str]
"""One utterance (float32, 16 kHz) to text."""

FIRST_S = 0.5
"""speech before the first partial: less is guesswork"""
STEP_S = 0.2
"""new audio before the next partial, however cheap a decode is: about a syllable"""
EAGER_FIRST_S, EAGER_STEP_S = 0.25, 0.1
"""the same where the first words are waited for"""
EAGER_SHARE = 0.6
"""share of one core that is then worth it"""
MARGIN_S = 0.35
"""sound kept on either side of speech, and digital silence added"""
CUT_AFTER_S = 6.0
"""window from which a cut is sought"""
LONGEST_S = 9.0
"""longest window; about 200 ms of decoding on a desktop core with Moonshine tiny"""
LEFT_S = 2.5
"""shortest first part of a cut: less has too little context to be read well"""
RIGHT_S = 0.8
"""shortest second part of a cut: its words are still in the making"""
PAUSE_FRAMES = 3
"""level frames without speech (60 ms) that count as a pause; stops inside a word are shorter"""
MIN_SPEECH_FRAMES = 4
"""level frames of speech (80 ms) below which there is nothing to read"""


class OfflineStream:
    """A ``SttStream`` over ``decode``.  ``clock`` measures what a decode costs; how much time has passed is told by the audio."""

    def __init__(self, decode: Decode, partial_cpu: float, clock: Clock | None = None, *, eager: bool = False) -> None:
        self._first_s, self._step_s = (EAGER_FIRST_S, EAGER_STEP_S) if eager else (FIRST_S, STEP_S)
        self._decode_audio = decode
        self._share = max(partial_cpu, EAGER_SHARE) if eager else partial_cpu
        self._clock = clock or MonotonicClock()
        self._audio: Float32 = np.empty(SPEECH_RATE * 4, np.float32)
        self._count = 0
        self._levels = Levels()
        self._levelled = 0
        self._window = 0
        self._settled: list[str] = []
        self._transcript = Transcript()
        self._heard: tuple[int, int] | None = None
        self._refused: set[int] = set()
        self._due = 0
        self._used_up = False
        self.partial_cost_s = 0.0
        """seconds spent on partials so far"""
        self.decodes = 0
        """decodes so far, of any kind"""

    def accept(self, samples: Float32) -> None:
        self._check()
        check_audio(samples)
        end = self._count + len(samples)
        if end > len(self._audio):
            grown = np.empty(max(end, 2 * len(self._audio)), np.float32)
            grown[:self._count] = self._audio[:self._count]
            self._audio = grown
        self._audio[self._count:end] = samples
        self._count = end

    def partial(self) -> Partial:
        self._check()
        if self._count >= self._due:
            start = self._clock.now()
            decoded = self.decodes
            self._hear()
            if self.decodes > decoded:
                cost = self._clock.now() - start
                self.partial_cost_s += cost
                self._due = self._count + int(SPEECH_RATE * max(self._step_s, cost / self._share))
        stable = len(" ".join(self._settled + self._transcript.committed))
        text = self._text()
        return Partial(text[:stable] + text[stable:].rstrip(".,;:-"), stable)  # a decoder ends every text like a sentence

    def settle(self) -> str:
        self._check()
        self._shorten()
        self._read_window()
        return self._text()

    def finish(self) -> str:
        text = self.settle()
        self._used_up = True
        return text

    def _check(self) -> None:
        if self._used_up:
            raise EngineError("this utterance is finished; open a new stream")

    def _text(self) -> str:
        return " ".join(self._settled + self._transcript.words)

    def _measure(self) -> None:
        """Bring the levels up to what was accepted."""
        self._levels.append(self._audio[self._levelled:self._count])
        self._levelled = self._count

    def _hear(self) -> None:
        """One partial's work: read the window anew, and cut it if it has become long."""
        self._shorten()
        span = self._span(self._window, self._count)
        if span is None or (span[1] - span[0]) * FRAME < self._first_s * SPEECH_RATE:
            return
        self._read_window()
        if self._count - self._window > CUT_AFTER_S * SPEECH_RATE:
            self._cut_if_agreed()

    def _span(self, begin: int, end: int) -> tuple[int, int] | None:
        """Level frames of the speech in samples [begin, end)."""
        self._measure()
        span = self._levels.span(begin // FRAME, -(-end // FRAME))
        if span is None or int(np.count_nonzero(self._levels.speech(*span))) < MIN_SPEECH_FRAMES:
            return None
        return span

    def _read_window(self) -> None:
        """Decode the window, unless all its speech was heard when it was decoded last."""
        span = self._span(self._window, self._count)
        if span is None:
            return
        if self._heard and self._heard[0] <= span[0] * FRAME and span[1] * FRAME <= self._heard[1]:
            return
        self._transcript.update(self._words(self._window, self._count))
        self._heard = self._around(self._window, self._count, span)

    def _around(self, begin: int, end: int, span: tuple[int, int]) -> tuple[int, int]:
        """The samples of a span of speech with its margins, within [begin, end)."""
        margin = int(MARGIN_S * SPEECH_RATE)
        return max(begin, span[0] * FRAME - margin), min(end, span[1] * FRAME + margin)

    def _words(self, begin: int, end: int) -> list[str]:
        """What samples [begin, end) say, read on their own."""
        span = self._span(begin, end)
        if span is None:
            return []
        first, last = self._around(begin, end, span)
        margin = int(MARGIN_S * SPEECH_RATE)
        padded = np.zeros(last - first + 2 * margin, np.float32)
        padded[margin:-margin] = self._audio[first:last]
        self.decodes += 1
        return without_loops(spoken(self._decode_audio(padded)), (span[1] - span[0]) * FRAME / SPEECH_RATE)

    def _cut_if_agreed(self) -> None:
        """Cut at the longest pause whose left side reads as the committed words; one try a partial, each pause once."""
        committed = keys(self._transcript.committed)
        for begin, end in self._pauses()[:1]:
            at = (begin + end) // 2 * FRAME
            if at in self._refused:
                return
            left = keys(self._words(self._window, at))
            if left and len(left) < len(committed) and common_prefix(left, committed) == len(left):
                words, self._transcript = self._transcript.cut_agreed(len(left))
                self._move(at, words)
            elif len(left) < len(committed):
                self._refused.add(at)

    def _shorten(self) -> None:
        """Cut, unasked, what is longer than a window may be."""
        while self._count - self._window > LONGEST_S * SPEECH_RATE:
            self._measure()
            pauses = self._pauses()
            low, high = self._cut_range()
            at = (sum(pauses[0]) // 2 if pauses else self._levels.dip(low, high)) * FRAME
            words, self._transcript = self._transcript.cut_forced(self._words(self._window, at))
            self._move(at, words)

    def _cut_range(self) -> tuple[int, int]:
        """Level frames between which a cut may lie."""
        last = min(self._count - int(RIGHT_S * SPEECH_RATE), self._window + int(LONGEST_S * SPEECH_RATE))
        return (self._window + int(LEFT_S * SPEECH_RATE)) // FRAME, last // FRAME

    def _pauses(self) -> list[tuple[int, int]]:
        """Where a cut may lie, the best first: the longest of those not yet refused, then the refused ones."""
        pauses = [(begin, end) for begin, end in self._levels.pauses(*self._cut_range()) if end - begin >= PAUSE_FRAMES]
        return sorted(pauses, key=lambda pause: (pause[0] + pause[1]) // 2 * FRAME in self._refused)

    def _move(self, at: int, words: list[str]) -> None:
        self._settled += words
        self._window = at
        self._heard = None
        self._refused.clear()


def spoken(text: str) -> list[str]:
    """The words of a decoder's text, without what nobody said: notes and lone dots, doubled marks, a comma at the end."""
    words = [_DOUBLED.sub(r"\1", word) for word in text.split() if any(c.isalnum() for c in word)]
    return [*words[:-1], words[-1].rstrip(",;:-")] if words else []
