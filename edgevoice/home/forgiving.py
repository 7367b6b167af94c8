"""What may have been said instead of what was written down: ``Forgiving.corrections``.

Theory: a recognizer slips in two ways.  Some slips are of everybody's ("turn of", "lice"): ``SLIPS`` undoes them.  Others turn a name of
this house into words that sound like it: where a sentence has words that belong to no command and no name, what sounds most like them is
put in their place, a name as a whole or a single word of commands.  Whatever comes out is tried as a sentence like any other.

Law: nothing here decides: who asks must never act on a guarded thing by a sentence that was corrected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from edgevoice.home.slips import SLIPS
from edgevoice.home.sounds import Sound, alike

ENOUGH = 0.74
"""likeness from which on words may have been a name"""
NOUN = 0.7
"""the same for a strange word that may have been what things are called"""
SURE = 0.8
"""the same for words that are known by themselves, and for short names"""
REST = 0.5
"""the same for what is left of a name without the words that were heard as they are"""
LONG = 6
"""sounds of a name that is not short"""
MOST_SPAN = 4
"""words that a name may have become"""
MOST = 6
"""corrections that are tried"""


class Forgiving:
    """``words`` of commands; ``names`` of this house, as they are spoken."""

    def __init__(self, words: Iterable[str], names: Iterable[str]) -> None:
        self._words = {word for word in words if len(word) > 1}
        self._names = {name: Sound.of(name) for name in names if len(name) > 1}
        self._sounds = {word: Sound.of(word) for word in self._words if len(word) > 2}
        self._parts = {part for name in self._names for part in name.split()} - _COMMON
        self._known = self._words | self._parts | _COMMON
        self._phrases = set(self._names)

    def names_something(self, text: str) -> bool:
        """Whether a word of ``text`` belongs to a name of this house, or is what things are called."""
        return any(token in self._parts or token in _NOUNS for token in text.split())

    def begins_strangely(self, text: str) -> bool:
        """Whether the first word may have been "turn"."""
        return bool(self._begun(text))

    def corrections(self, text: str) -> Iterator[str]:
        """Plain lower-case text in, likeliest first; never ``text`` itself."""
        slipped = text
        for pattern, right in SLIPS:
            slipped = pattern.sub(right, slipped)
        seen = {text}
        begun = self._begun(slipped)
        for one in (slipped, *begun, *self._renamed(begun[0] if begun else slipped)):
            if one not in seen:
                seen.add(one)
                yield one
            if len(seen) > MOST:
                return

    def _begun(self, text: str) -> list[str]:
        """"Turn", which is short and comes first, is misheard the most: a strange word at the beginning may have been it."""
        first, _, rest = text.partition(" ")
        if not rest or first in self._known or not _SWITCHES.search(text):
            return []
        run_in = re.fullmatch(r"\w*n(off?|on|a)", first)
        made = [f"turn {'off' if run_in[1].startswith('of') else 'on'} {rest}"] if run_in else []
        return [*made, f"turn {rest}"]

    def _renamed(self, text: str) -> Iterator[str]:
        """With one or two spans made names, best first."""
        tokens = text.split()
        firsts = self._spans(tokens)
        for _, at, size, name in firsts[:4]:
            made = [*tokens[:at], *name.split(), *tokens[at + size:]]
            if any(token not in self._known and not token.isdigit() for token in made):
                end = at + len(name.split())
                for _, at2, size2, name2 in [span for span in self._spans(made) if span[1] >= end or span[1] + span[2] <= at][:2]:
                    yield " ".join([*made[:at2], *name2.split(), *made[at2 + size2:]])
            else:
                yield " ".join(made)

    def _spans(self, tokens: list[str]) -> list[tuple[float, int, int, str]]:
        found = []
        for at in range(len(tokens)):
            for size in range(1, min(MOST_SPAN, len(tokens) - at) + 1):
                span = tokens[at:at + size]
                strange = sum(token not in self._known for token in span)
                if span[0] in _COMMON or span[-1] in _COMMON or " ".join(span) in self._phrases:
                    continue
                sound = Sound.of(" ".join(span))
                if len(sound.code) < 3:
                    continue
                for name, other in self._names.items():
                    score = alike(sound, other)
                    enough = ENOUGH if strange and len(other.code) >= LONG else SURE
                    if score >= enough and _rest_alike(span, name.split()) >= REST:
                        found.append((score + 0.05 * strange - 0.02 * size, at, size, name))
                if size == 1 and strange:
                    for word, other in self._sounds.items():
                        score = alike(sound, other)
                        if score >= (NOUN if word in _NOUNS else SURE):
                            found.append((score + 0.03, at, 1, word))
        return sorted(found, reverse=True)


def _rest_alike(span: list[str], name: list[str]) -> float:
    """Likeness of what is left without the words that both begin or end with: "kitchen dance" is not "kitchen cabinets"."""
    while span and name and span[0] == name[0]:
        span, name = span[1:], name[1:]
    while span and name and span[-1] == name[-1]:
        span, name = span[:-1], name[:-1]
    return alike(Sound.of(" ".join(span)), Sound.of(" ".join(name))) if span and name else 0.0


_SWITCHES = re.compile(r"\b(?:on|off|of|often)\b|\w(?:off|of)\b")
_NOUNS = frozenset(("light", "lights", "lamp", "lamps", "fan", "fans", "blinds", "curtains", "doors", "door", "windows", "window"))
_COMMON = frozenset((
    "the", "a", "an", "my", "our", "in", "on", "off", "of", "to", "at", "and", "all", "is", "are", "it", "there", "any", "turn",
    "switch", "set", "what", "how", "which", "this", "that", "them", "up", "down", "please", "me", "you", "percent", "with", "for", "i",
    "do", "not", "no", "yes", "be", "was", "were", "have", "has", "if", "or", "but", "so", "can", "could", "would", "will"))
