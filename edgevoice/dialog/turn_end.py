"""How long to wait in silence before the user's turn is taken to be over: votes of sound, words and pace.

Theory: a wait is asked for by the sound of the utterance (``engines.turn_end``: the probability that nothing follows), by its words,
and by the speaker's own pauses.  The surer the sound, the shorter the wait, piecewise linear.  Words that cannot end a sentence ("set a
timer for") ask for a long one whatever it sounds like, and so do letters and digits, of which more may come; a whole question
("what's the weather like") never asks for more than a middle one, since falling pitch alone misleads the network there.  Who paused for
long before in this turn is given a little more than that.  A vote that is not there, or late, leaves the wait where it is.

Laws: pure; the wait lies within the limits; it never grows with the probability.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

CURVE = ((0.0, 0.9), (0.1, 0.65), (0.5, 0.5), (0.8, 0.35), (0.93, 0.22), (1.0, 0.12))
"""(probability, share of the way from the shortest to the longest wait); chosen on every other utterance of `tests/bench/utterances.py`"""
OPEN, DICTATED, WHOLE = 1.0, 1.0, 0.45
"""the same for words that want more, for letters and digits (both at least), and for a whole question (at most)"""
PACE = 1.3
"""times the longest pause so far in this turn"""

_OPEN = frozenset((
    "a", "an", "the", "and", "or", "but", "nor", "so", "because", "if", "that", "than", "as", "while", "since", "though", "although",
    "unless", "until", "whether", "of", "to", "for", "with", "without", "in", "on", "at", "by", "from", "into", "onto", "about", "between",
    "through", "during", "before", "after", "under", "near", "against", "my", "your", "his", "her", "its", "our", "their", "this", "these",
    "those", "some", "any", "every", "each", "another", "no", "very", "really", "quite", "too", "is", "are", "was", "were", "am", "be",
    "been", "do", "does", "did", "have", "has", "had", "can", "could", "will", "would", "shall", "should", "may", "might", "must", "i",
    "we", "they", "he", "she", "who", "which", "what", "how", "why", "when", "where", "um", "uh", "er", "erm", "hmm", "like", "times",
    "plus", "minus"))
"""words after which a sentence goes on, nearly always"""
_NEVER_LAST = frozenset(("the", "a", "an", "and", "or", "my", "your"))
_CLOSED = re.compile(
    r"(?:what|who|where|when|how|which)\b.*\b(?:is|are|was|were|am|do|does|did|can|could|will|would|should|have|has|had|it|this|that|i|we|they"
    r"|he|she|like|for|from)")
"""questions that do end in such a word: "what time is it", "what is it like", "where are you from" """
_QUESTION = re.compile(
    r"(?:what|who|whose|where|when|how|why|which|is|are|was|were|do|does|did|can|could|will|would|should|may|have|has)(?:'s|'re|s)?")
_SPELLED = re.compile(r"(?:[a-z]|\d+|zero|oh|one|two|three|four|five|six|seven|eight|nine)")


@dataclass(frozen=True, slots=True)
class WaitRule:
    """Milliseconds.  ``otherwise`` holds where there is no vote."""

    shortest: float = 150.0
    longest: float = 1200.0
    otherwise: float = 600.0


@dataclass(frozen=True, slots=True)
class Votes:
    """What is known of an utterance that pauses; ``None`` where it is not known (yet)."""

    probability: float | None = None
    text: str | None = None
    pauses_ms: Sequence[float] = ()
    """earlier pauses inside this turn"""


def wait_ms(votes: Votes, rule: WaitRule) -> float:
    """Silence after the last speech that ends the turn."""
    span = rule.longest - rule.shortest
    wait = rule.otherwise if votes.probability is None else rule.shortest + span * _share(votes.probability)
    if votes.text is not None:
        words = _words(votes.text)
        if _dictated(words):
            wait = max(wait, rule.shortest + span * DICTATED)
        elif _open(words):
            wait = max(wait, rule.shortest + span * OPEN)
        elif _whole_question(words):
            wait = min(wait, rule.shortest + span * WHOLE)
    if votes.pauses_ms:
        wait = max(wait, min(PACE * max(votes.pauses_ms), rule.longest))
    return min(max(wait, rule.shortest), rule.longest)


def _words(text: str) -> list[str]:
    found = (re.sub(r"[^a-z0-9']", "", word) for word in text.lower().replace("’", "'").replace("-", " ").split())
    return [word for word in found if word]


def _share(probability: float) -> float:
    for (low, at_low), (high, at_high) in itertools.pairwise(CURVE):
        if probability <= high:
            return at_low + (at_high - at_low) * (probability - low) / (high - low)
    return CURVE[-1][1]


def _open(words: Sequence[str]) -> bool:
    """Whether the last word wants another."""
    if not words or words[-1] not in _OPEN:
        return False
    return len(words) < 4 or words[-1] in _NEVER_LAST or _CLOSED.fullmatch(" ".join(words)) is None


def _dictated(words: Sequence[str]) -> bool:
    """Whether it ends in two or more letters or digits, as who spells or counts does."""
    return len(words) >= 2 and all(_SPELLED.fullmatch(word) and word not in ("a", "i") for word in words[-2:])


def _whole_question(words: Sequence[str]) -> bool:
    return len(words) >= 4 and _QUESTION.fullmatch(words[0]) is not None
