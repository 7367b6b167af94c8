"""How alike two words sound: ``alike`` of ``Sound``.

Theory: a recognizer that mishears writes other letters for nearly the same sounds.  A word is reduced to letters that stand for sounds
(English spelling, roughly), and two of them are compared by an edit distance in which vowels, and consonants that are made in the same
place, stand close.  Most pairs are told apart by their consonants alone, before any distance is worked out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPELLING = tuple((re.compile(pattern), sound) for pattern, sound in (
    (r"^(kn|gn)", "n"), (r"^wr", "r"), (r"^wh", "w"), (r"tch", "C"), (r"sch", "sk"), (r"[sc]h(?=[aeiouy]|$|[^aeiouy])", "S"),
    (r"(?<=[aeiou])ght", "t"), (r"gh(?=[aeiou])", "g"), (r"gh", ""), (r"ph", "f"), (r"th", "T"), (r"dge", "j"), (r"ck", "k"), (r"qu", "kw"),
    (r"x", "ks"), (r"c(?=[eiy])", "s"), (r"c", "k"), (r"q", "k"), (r"z", "s"), (r"tion", "Sn"), (r"ng", "N"), (r"mb$", "m"),
    (r"(?<=[^aeiouy])e$", ""), (r"(?<=[^aeiou])y", "i"), (r"[^a-zSCTN]", ""), (r"(.)\1", r"\1")))
_VOWELS = frozenset("aeiouyw")
_CLOSE = frozenset(frozenset(pair) for pair in (
    "bp", "dt", "gk", "vf", "sS", "SC", "Ct", "jC", "jd", "Tt", "Td", "Tf", "Ts", "mn", "nN", "lr", "vb", "fp", "sC", "gj", "mN"))
_CLASS = {letter: n for n, letters in enumerate(("bpvf", "dtT", "gk", "sSCj", "mnN", "l", "r")) for letter in letters}
MOST_APART = 2
"""classes of consonants that only one of two words has, past which they are not compared"""


@dataclass(frozen=True, slots=True)
class Sound:
    """``of`` a word or several, without the gaps between them: a recognizer sets them as it likes."""

    code: str
    mask: int

    @classmethod
    def of(cls, text: str) -> Sound:
        code = "".join(_code(word) for word in text.lower().split())
        mask = 0
        for letter in code:
            if letter in _CLASS:
                mask |= 1 << _CLASS[letter]
        return cls(code, mask)


def alike(a: Sound, b: Sound) -> float:
    """0 to 1."""
    longest = max(len(a.code), len(b.code))
    if not longest or min(len(a.code), len(b.code)) * 5 < longest * 3 or (a.mask ^ b.mask).bit_count() > MOST_APART:
        return 0.0
    return max(0.0, 1 - _distance(a.code, b.code) / longest)


def _code(word: str) -> str:
    for pattern, sound in _SPELLING:
        word = pattern.sub(sound, word)
    return word


def _distance(a: str, b: str) -> float:
    before = [0.0]
    for letter in b:
        before.append(before[-1] + _lost(letter))
    for one in a:
        row = [before[0] + _lost(one)]
        for j, other in enumerate(b):
            row.append(min(before[j] + _swapped(one, other), before[j + 1] + _lost(one), row[j] + _lost(other)))
        before = row
    return before[-1]


def _lost(letter: str) -> float:
    return 0.4 if letter in _VOWELS or letter == "h" else 0.6 if letter in "tdnl" else 0.9


def _swapped(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        return 0.3
    return 0.4 if frozenset((one, other)) in _CLOSE else 1.0
