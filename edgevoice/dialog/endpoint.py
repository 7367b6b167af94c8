"""When the user's turn is over: silence after speech, counted on the sample clock.

Theory: one ``Utterance`` lives from the moment we listen to the moment the turn is closed.  It is fed one voice-activity probability a
frame and says what follows from it: that there is speech, that there is a pause (time to decode what we have, in the hope that no
more comes), that speech goes on, and that the turn has ended.  What sounds after a pause goes on with the turn once it has lasted
for ``resume``: a plate set down after the last word takes neither the pause back nor begins the wait anew.  Until it is known
which it is the turn does not end.

A network that is unsure in noise goes on being so after the last word.  So what counts as speech inside an utterance is judged by the
utterance's own level, the mean probability of its speech so far: somebody heard clearly is missed as soon as the probability falls well
below that, and somebody heard badly is not cut off for it.  Pure: no clock but the samples, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RESUME_MS = 128
"""four frames: what rattles in a kitchen mostly lasts for one to four of them, and the shortest speech after a pause for seven"""

ONSET_SHARE, OFFSET_SHARE = 0.84, 0.74
"""of the utterance's own level, at which its speech goes on and is over; in a kitchen a pause is seen 50 ms earlier so (p95: 100), in
quiet 15 ms, in as many pauses"""


class Mark(StrEnum):
    SPEECH = "speech"
    """first speech of this utterance"""
    PAUSE = "pause"
    """silence long enough to decode what was said"""
    RESUME = "resume"
    """speech after a pause"""
    END = "end"
    """the turn is over"""


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """All lengths in samples at the rate of the fed positions."""

    onset: float
    offset: float
    min_speech: int
    pause: int
    endpoint: int
    longest: int
    lag: int = 0
    """the network's probability lingers this long after the last sample of speech"""
    resume: int = 0
    """speech after a pause that is shorter than this is none"""


class Utterance:
    """``start`` is the sample from which audio counts."""

    def __init__(self, start: int, rule: EndpointRule) -> None:
        self.start = start
        self.last_speech = start
        self.wait = rule.endpoint
        """silence that ends the turn, in samples: more or less where that is known, until speech resumes"""
        self.pauses: list[int] = []
        """lengths of the pauses so far, in samples"""
        self._rule = rule
        self._voiced = 0
        self._level = 0.0
        self._again = 0
        self._speaking = False
        self._paused = False
        self._closed = False
        self.has_speech = False

    def feed(self, probability: float, end: int, frame: int) -> list[Mark]:
        """One frame of ``frame`` samples that ends at ``end``."""
        if end <= self.start or self._closed:
            return []
        rule = self._rule
        marks: list[Mark] = []
        self._speaking = probability >= self._least()
        self._again = self._again + frame if self._speaking and self._paused else 0
        unsure = 0 < self._again < rule.resume
        if self._speaking and not unsure:
            if self._paused:
                self.pauses.append(end - self._again - self.last_speech)
                self.wait = rule.endpoint
            self.last_speech = max(self.start, end - rule.lag)
            self._voiced += frame
            self._level += (probability - self._level) * frame / self._voiced
            if self._paused:
                self._paused = False
                marks.append(Mark.RESUME)
            if not self.has_speech and self._voiced >= rule.min_speech:
                self.has_speech = True
                marks.append(Mark.SPEECH)
        silence = end - self.last_speech
        if self.has_speech and not self._paused and silence >= rule.pause:
            self._paused = True
            marks.append(Mark.PAUSE)
        if self.has_speech and ((silence >= self.wait and not unsure) or end - self.start >= rule.longest):
            self._closed = True
            marks.append(Mark.END)
        return marks

    def _least(self) -> float:
        """The probability that is speech now."""
        level = self._level if self.has_speech else 0.0
        return max(self._rule.offset, OFFSET_SHARE * level) if self._speaking else max(self._rule.onset, ONSET_SHARE * level)
