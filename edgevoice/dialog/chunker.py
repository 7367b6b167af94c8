"""The reply, cut into pieces for the voice while the model still writes.

Theory.  The first piece decides how long the user waits, so it is short; each later one may be longer, because the one before it plays
while it is written and synthesized: ``first_words``, then ``GROWTH`` times more each, up to ``max_words``.  A piece ends at the best
place that its size allows: a sentence's end, a clause's, before a word that opens a phrase, between any two words; never inside what
is read as one (``Dr. Smith``, ``5 km``, ``May 5, 2024``); and it never is a lone word, unless that is the rest or the whole reply.

Laws.
- What comes out depends on the text and not on how it was cut into deltas.  A place between two words is judged when the next word's
  first character is known, which is also when abbreviations, decimals and dots in a row have shown what they are.  The one exception
  is ``idle``.
- The pieces' ``shown`` texts together are the text: nothing left out, nothing twice.  ``spoken`` is the same piece as words.
- No clock, no thread: the time is handed in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from edgevoice.dialog.abbreviations import BEFORE_NUMBERS, ENDING, INSIDE, MONTH_NAMES, MONTHS, TITLES
from edgevoice.dialog.markdown import Plain, Stripper
from edgevoice.dialog.spoken import words

GROWTH = 1.6
"""Each piece may be so much longer than the last.  A word plays for a third of a second, which pays for the next piece as long as
writing and synthesizing one word takes less than 0.2 s."""
STRETCH = 1.5
"""A later piece may grow so far beyond its size to reach the end of a clause."""
IDLE_S = 0.3
"""A model that has not written for so long gets what there is spoken."""
LONGEST_WORD = 200
"""Characters without a space after which a word counts as ended (a bare URL, another script)."""


class Rank(IntEnum):
    """How good a place between two words is to cut at."""

    NEVER = 0
    ARTICLE = 1
    LINK = 2
    ANYWHERE = 3
    PHRASE = 4
    CLAUSE = 5
    SENTENCE = 6


_ARTICLES = frozenset((
    "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these", "those", "no", "very", "every", "each",
    "some", "any"))
"""A cut after one of these is heard as a stumble."""
_LINKS = frozenset((
    "of", "to", "in", "on", "at", "for", "with", "from", "by", "as", "into", "onto", "over", "under", "about", "and", "or", "but", "nor",
    "so", "if", "because", "that", "which", "who", "whose", "when", "while", "than", "is", "are", "was", "were", "be", "been", "am", "has",
    "have", "had", "do", "does", "did", "will", "would", "can", "could", "should", "may", "might", "must", "not", "i", "you", "he", "she",
    "it", "we", "they", "there"))
"""These lean on the word after them."""
_OPENING = frozenset((
    "and", "or", "but", "because", "so", "that", "which", "who", "when", "while", "where", "if", "although", "though", "since", "unless",
    "until", "before", "after", "with", "without", "for", "from", "in", "into", "on", "onto", "at", "by", "during", "through", "between",
    "as", "than", "then"))
"""These begin a phrase."""
_OBJECTS = frozenset(("it", "you", "her"))
"""These lean on the word after them, unless that begins a phrase: ``put it | in a pot``."""
_SHORT = frozenset(TITLES) | (frozenset(INSIDE) - BEFORE_NUMBERS)
_MONTHS = frozenset(MONTHS) | frozenset(name.lower() for name in MONTH_NAMES)
_CLOSERS = "\"'”’)]}»"
_OPENERS = "\"'“‘„«([{$€£¥₹₩#~<>"
"""What a word may begin with beside letters and digits; any other sign stays with the word before it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """``shown`` is the reply's text from ``start`` to ``end``; ``spoken`` is what the voice is to say, empty where that is nothing."""

    spoken: str
    shown: str
    start: int
    end: int
    first: bool
    last: bool


@dataclass(slots=True)
class _Place:
    """Between two words: the plain characters, words, and words as they are spoken (``size``) that the piece would have there."""

    at: int
    words: int
    size: int
    rank: Rank


class Chunker:
    """One reply.  ``feed`` deltas, ``idle`` when none comes, ``flush`` at the end; all return the pieces that are ready, in order."""

    def __init__(self, first_words: int, max_words: int, *, idle_s: float = IDLE_S) -> None:
        if not 2 <= first_words <= max_words:
            raise ValueError(f"wants 2 <= first_words <= max_words, not {first_words} and {max_words}")
        self._first_words, self._max_words, self._idle_s = first_words, max_words, idle_s
        self._stripper = Stripper()
        self._source = ""
        self._cut = 0  # source characters handed out
        self._count = 0  # pieces handed out
        self._fed_at: float | None = None
        self._flushed = False
        # the piece being gathered
        self._plain: Plain = []
        self._places: list[_Place] = []
        self._words = 0
        self._size = 0
        # the word being written
        self._word = ""
        self._before = ""
        self._ended = True
        self._counted = False
        self._digits = 0

    def feed(self, delta: str, now: float) -> list[Chunk]:
        """More text, at ``now`` seconds."""
        if self._flushed:
            raise ValueError("the reply was flushed already")
        self._fed_at = now
        self._source += delta
        return self._take(self._stripper.feed(delta))

    def idle(self, now: float) -> list[Chunk]:
        """No text came: after ``idle_s`` without any, all whole words are handed out, if they are two and can be cut off there."""
        if self._flushed or self._fed_at is None or now - self._fed_at < self._idle_s:
            return []
        places = [*self._places]
        if self._ended or re.search(r"[^\W\d_]{2}[.!?]+[\"'”’)]*$", self._word):
            places.append(_Place(len(self._plain), self._words, self._size, self._rank("")))
        place = next((place for place in reversed(places) if place.rank > Rank.NEVER and place.words >= 2), None)
        return [self._emit(place)] if place is not None else []

    def flush(self) -> list[Chunk]:
        """The reply is complete: the rest.  The last piece of a reply with any text is marked so, even if it has nothing to say."""
        if self._flushed:
            return []
        self._flushed = True
        chunks = self._take(self._stripper.flush())
        if self._source:
            chunks.append(self._chunk(self._plain, len(self._source), last=True))
        return chunks

    def _take(self, plain: Plain) -> list[Chunk]:
        chunks: list[Chunk] = []
        for c, index in plain:
            if c == " ":
                self._ended = True
            elif self._ended and not (c.isalnum() or c in _OPENERS):
                self._ended = False
                self._word += f" {c}"
            elif self._ended or len(self._word) >= LONGEST_WORD:
                chunks += self._begin_word(c)
            else:
                self._word += c
            self._weigh(c)
            self._plain.append((c, index))
        return chunks

    def _begin_word(self, c: str) -> list[Chunk]:
        """Judge the place before ``c``, and cut where the size demands it."""
        if self._places and _bare(self._word) in _OPENING and (self._places[-1].rank == Rank.ANYWHERE or _bare(self._before) in _OBJECTS):
            self._places[-1].rank = max(self._places[-1].rank, Rank.PHRASE)
        if self._words:
            self._places.append(_Place(len(self._plain), self._words, self._size, self._rank(c)))
        chunks = []
        while (place := self._choice()) is not None:
            chunks.append(self._emit(place))
        self._before, self._word, self._ended, self._counted, self._digits = self._word, c, False, False, 0
        return chunks

    def _weigh(self, c: str) -> None:
        """Count words as they will be spoken: one, and one more for each digit after the second."""
        if not c.isalnum():
            return
        if not self._counted:
            self._counted = True
            self._words += 1
            self._size += 1
        if c.isdigit():
            self._digits += 1
            self._size += self._digits > 2

    def _choice(self) -> _Place | None:
        """The place to cut at, the last of ``_places`` being the newest; ``None`` to read on."""
        if not self._places:
            return None
        here = self._places[-1]
        target = min(self._max_words, round(self._first_words * GROWTH ** min(self._count, 20)))
        first = self._count == 0
        limit = target if first else min(self._max_words, round(target * STRETCH))
        if here.words >= 2 and here.size <= limit and (
                (here.rank == Rank.SENTENCE and (first or here.size >= target / 3))
                or (here.rank == Rank.CLAUSE and (first or here.size >= target / 2))):
            return here
        if here.size < limit:
            return None
        fitting = [place for place in self._places if place.words >= 2 and place.rank > Rank.NEVER]
        inside = [place for place in fitting if place.size <= limit]
        if inside:
            large = [place for place in inside if place.size >= target / 2]
            # the first piece takes what it may: the longer it plays, the more time the second has
            enough = Rank.ANYWHERE if first else Rank.PHRASE
            return max(large or inside, key=lambda place: (min(place.rank, enough), place.at))
        if fitting:
            return fitting[0]
        return here if here.size >= 2 * self._max_words else None

    def _rank(self, following: str) -> Rank:
        """How good it is to cut after the present word, when the next begins with ``following`` ("" for not known)."""
        word, bare = self._word.rstrip(_CLOSERS), _bare(self._word)
        last = word[-1:]
        if not bare:
            return Rank.NEVER
        if last in "!?":
            return Rank.CLAUSE if following.islower() else Rank.SENTENCE
        if last == "." and not word.endswith(".."):
            return self._rank_dot(bare[:-1], following)
        if last == "," and following.isdigit() and (bare[:-1] in _MONTHS or self._before.rstrip(".").lower() in _MONTHS):
            return Rank.NEVER
        if last in ",;:…—" or word.endswith(("..", " –")) or (word.endswith(" -") and following and not following.isdigit()):
            return Rank.CLAUSE
        if last.isdigit() or last in "$€£¥₹₩#~+-–=×÷/&<>@^°½" or (bare in _MONTHS and word[0].isupper()):
            return Rank.NEVER
        if following in ("(", "[") or self._word[-1:] in ")]":
            return Rank.PHRASE
        return Rank.ARTICLE if bare in _ARTICLES else Rank.LINK if bare in _LINKS else Rank.ANYWHERE

    @staticmethod
    def _rank_dot(stem: str, following: str) -> Rank:
        """After a word that ends in one full stop: ``stem`` is what stands before it."""
        if stem in _SHORT or (re.fullmatch(r"[^\W\d_]", stem) and stem != "i"):
            return Rank.NEVER
        if stem in _MONTHS or stem in BEFORE_NUMBERS:
            return Rank.NEVER if following.isdigit() else Rank.SENTENCE
        if stem in ENDING or stem in ("a.m", "p.m"):
            return Rank.NEVER if following.islower() else Rank.SENTENCE
        if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", stem):  # U.S. may end a sentence or not
            return Rank.NEVER if following.islower() else Rank.ANYWHERE
        return Rank.SENTENCE

    def _emit(self, place: _Place) -> Chunk:
        plain, self._plain = self._plain[:place.at], self._plain[place.at:]
        chunk = self._chunk(plain, self._edge(plain), last=False)
        self._places = [later for later in self._places if later.at > place.at]
        for later in self._places:
            later.at -= place.at
            later.words -= place.words
            later.size -= place.size
        self._words -= place.words
        self._size -= place.size
        return chunk

    def _edge(self, plain: Plain) -> int:
        """Where the source is cut: behind the space after the last word, so that marks before the next word stay with that."""
        last = max(i for i, (c, _) in enumerate(plain) if c != " ")
        edge = plain[last][1] + 1
        if last + 1 < len(plain):
            edge = max(edge, plain[last + 1][1])
        while edge < len(self._source) and self._source[edge].isspace():
            edge += 1
        return max(edge, self._cut)

    def _chunk(self, plain: Plain, end: int, *, last: bool) -> Chunk:
        spoken = words("".join(c for c, _ in plain))
        chunk = Chunk(spoken, self._source[self._cut:end], self._cut, end, first=self._count == 0, last=last)
        self._cut = end
        self._count += 1
        return chunk


def _bare(word: str) -> str:
    return word.rstrip(_CLOSERS).lstrip(_OPENERS).lower()
