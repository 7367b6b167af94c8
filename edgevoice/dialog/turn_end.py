"""How long to wait in silence before the user's turn is taken to be over: votes of sound, words, language and pace.

Theory: votes are weighed into one score by a logistic regression: the sound of the utterance (``engines.turn_end``: the probability
that nothing follows), the language model's probability that a sentence ends after these words, and the first word.  Sound and language
mislead alone: the sound takes "Set a timer for" for whole as often as not, and language knows nothing of a sentence that could end and
goes on, nor of words that were misheard.  The surer the score, the shorter the wait, piecewise linear.  A vote that is not there, or
late, counts as one in the middle does, and nothing is hurried before the language model has voted.  Letters and digits, of which more
may come, ask for a long wait whatever else is known; so do, until the language model has voted, words that cannot end a sentence, while
a whole question then asks for a middle one at most.  Who paused for long before in this turn is given a little more than that.

The weights were fitted, and the curve was chosen, on utterances of which none is in ``edgevoice bench endpoint``, synthesized twice
(``tests/bench/turn_fit.py``).  Tried and left out, since they gained nothing: the sound asked again as the silence lasts, over the last
2.5 s alone, with silence put after it, with the room's noise taken out; the fall of pitch and level over the last syllable; the
recognizer's marks (it writes a full stop after anything); the likeliest next words, by a regression over four hundred of them; how
unlikely the words are themselves; the language model asked in four other contexts, alone or together; the last word beside the language
model.  The number of words gained on coffee orders what it lost on short commands.

Laws: pure; the wait lies within the limits; it never grows with either probability.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgevoice.dialog.stop import is_stop

SOUND, LANGUAGE, ASKS, BIAS = 0.15, 0.91, 0.74, 1.75
"""weights of the log odds of the sound's and of the language model's probability, and of a whole question"""
FLOOR = 1e-3
"""probabilities nearer to 0 or 1 than this say no more than it does"""
MIDDLE_SOUND, MIDDLE_LANGUAGE = 2.1, -1.2
"""what a vote counts that is not there"""
CURVE = ((-4.0, 1.0), (-2.4, 0.81), (1.1, 0.762), (1.45, 0.143), (2.7, 0.0))
"""(score, share of the way from the shortest to the longest wait): two plateaus, since a middling wait is the worst of both"""
OPEN, DICTATED, WHOLE, UNREAD = 1.0, 1.0, 0.45, 0.3
"""the same for words that want more, for letters and digits (both at least), for a whole question (at most), and for words whose end the
language model has not judged yet (at least)"""
ANSWERED = 0.16
"""the same for an answer of a word or two (at least): "okay" begins as many turns as it is"""
PACE = 1.3
"""times the longest pause so far in this turn"""

_ANSWERS = frozenset(("yes", "yes please", "yeah", "no", "no thanks", "no thank you", "okay", "ok", "sure", "thanks", "thank you", "hello",
                      "goodbye", "bye", "good night", "right", "exactly", "maybe", "again", "please"))
"""whole turns though no sentences"""
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

_NUMBERED = frozenset(("number", "code", "pin", "password", "spelled", "spell", "dial", "plate"))


@dataclass(frozen=True, slots=True)
class WaitRule:
    """Milliseconds.  ``otherwise`` holds where there is no vote."""

    shortest: float = 150.0
    longest: float = 1200.0
    otherwise: float = 600.0
    sound: float = 1.0
    language: float = 1.0
    """how much either counts, times what it did when the weights were chosen; 0 is nothing"""


@dataclass(frozen=True, slots=True)
class Votes:
    """What is known of an utterance that pauses; ``None`` where it is not known (yet)."""

    probability: float | None = None
    """by the sound, that nothing follows"""
    text: str | None = None
    ending: float | None = None
    """by the language model, that a sentence ends after ``text``"""
    pauses_ms: Sequence[float] = ()
    """earlier pauses inside this turn"""


def wait_ms(votes: Votes, rule: WaitRule) -> float:
    """Silence after the last speech that ends the turn."""
    span = rule.longest - rule.shortest
    words = [] if votes.text is None else words_of(votes.text)
    answered = " ".join(words) in _ANSWERS
    ending = 1.0 if answered else votes.ending
    if (votes.probability is None and ending is None) or (votes.text is not None and is_stop(votes.text)):  # nobody waits for an answer
        wait = rule.otherwise
    else:
        share = _share(score(votes.probability, ending, words, rule))
        wait = rule.shortest + span * (max(share, UNREAD) if ending is None and rule.language else share)
    if answered:
        wait = max(wait, rule.shortest + span * ANSWERED)
    if _dictated(words):
        wait = max(wait, rule.shortest + span * DICTATED)
    elif ending is None and _open(words):
        wait = max(wait, rule.shortest + span * OPEN)
    elif ending is None and _whole_question(words):
        wait = min(wait, rule.shortest + span * WHOLE)
    if votes.pauses_ms:
        wait = max(wait, min(PACE * max(votes.pauses_ms), rule.longest))
    return min(max(wait, rule.shortest), rule.longest)


def score(probability: float | None, ending: float | None, words: Sequence[str], rule: WaitRule) -> float:
    """Log odds, by all votes there are, that nothing follows."""
    known = features(0.5 if probability is None else probability, 0.5 if ending is None else ending, words)
    sound = 0.0 if probability is None else known[0] - MIDDLE_SOUND
    language = 0.0 if ending is None else known[1] - MIDDLE_LANGUAGE
    return (BIAS + SOUND * (MIDDLE_SOUND + rule.sound * sound) + LANGUAGE * (MIDDLE_LANGUAGE + rule.language * language)
            + ASKS * known[2])


def features(probability: float, ending: float, words: Sequence[str]) -> tuple[float, float, float]:
    """What is weighed, in the order of the weights."""
    return _log_odds(probability), _log_odds(ending), float(_whole_question(words))


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, FLOOR), 1.0 - FLOOR)
    return math.log(bounded / (1.0 - bounded))


def words_of(text: str) -> list[str]:
    """Lower case, without marks."""
    found = (re.sub(r"[^a-z0-9']", "", word) for word in text.lower().replace("’", "'").replace("-", " ").split())
    return [word for word in found if word]


def _share(score: float) -> float:
    for (low, at_low), (high, at_high) in itertools.pairwise(CURVE):
        if score <= high:
            return at_low + (at_high - at_low) * max(0.0, score - low) / (high - low)
    return CURVE[-1][1]


def _open(words: Sequence[str]) -> bool:
    """Whether the last word wants another."""
    if not words or words[-1] not in _OPEN:
        return False
    return len(words) < 4 or words[-1] in _NEVER_LAST or _CLOSED.fullmatch(" ".join(words)) is None


def _dictated(words: Sequence[str]) -> bool:
    """Whether it ends in two or more letters or digits, as who spells or counts does, or in one where a number is told."""
    if len(words) < 2 or not _SPELLED.fullmatch(words[-1]):
        return False
    return not _NUMBERED.isdisjoint(words) or all(_SPELLED.fullmatch(word) and word not in ("a", "i") for word in words[-2:])


def _whole_question(words: Sequence[str]) -> bool:
    return len(words) >= 4 and _QUESTION.fullmatch(words[0]) is not None
