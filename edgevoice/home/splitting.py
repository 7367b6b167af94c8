"""Several commands in one sentence: ``split(text, understood)``.

Theory: "and", "then" and commas part commands, but each part may leave out what another has: its beginning ("turn off the kitchen light
*and the hall light*") or its end ("turn off *the kitchen* and the hall light").  A part is tried as it stands, then with an end of the
part after it, then with a beginning of the part before it.  A sentence is split only if every part is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

MOST_PARTS = 6
MOST_TRIES = 40
"""that a sentence is worth: each takes some milliseconds"""
MOST_WORDS = 7
"""that a part may lend another"""
_CUT = re.compile(r"\s*[,;]\s*(?:and\s+)?(?:then\s+|also\s+)?|\s+and\s+(?:then\s+|also\s+|please\s+)?|"
                  r"\s+(?:then|as well as|plus)\s+")


def cut(text: str) -> list[str]:
    """Where there may be several."""
    return [part for part in _CUT.split(text.strip(" .!?")) if part]


def split(text: str, understood: Callable[[str], _T | None]) -> list[_T] | None:
    """What each part means, in order; ``None`` if some part means nothing, or there is but one."""
    parts = cut(text)
    if not 2 <= len(parts) <= MOST_PARTS:
        return None
    tries = 0

    def tried(words: list[str]) -> _T | None:
        nonlocal tries
        tries += 1
        return understood(" ".join(words)) if tries <= MOST_TRIES else None

    made: list[_T] = []
    whole: list[str] = []
    for n, part in enumerate(parts):
        words = part.split()
        ends = parts[n + 1].split() if n + 1 < len(parts) else []
        last = parts[-1].split()
        found = None
        for candidate in _candidates(words, whole, ends, last):
            found = tried(candidate)
            if found is not None:
                whole = candidate
                break
        if found is None:
            return None
        made.append(found)
    return made


def _candidates(words: list[str], before: list[str], after: list[str], last: list[str]) -> list[list[str]]:
    made = [words]
    begins = [before[:n] for n in (2, 1, *range(3, MOST_WORDS + 1)) if n < len(before)]  # "turn off" before "turn"
    ends = [end[-n:] for end in ([after] if after == last else [after, last]) for n in range(1, min(MOST_WORDS, len(end) - 1) + 1)]
    if before:
        made += [[*begin, *words] for begin in begins]
        made += [[*before[:n], *words, *end] for n in (2, 1, 3) if n < len(before) for end in ends[:3]]
        made += [[*begin, *words, *before[-n:]] for begin in begins[:3] for n in (1, 2) if n < len(before)]
    else:
        made += [[*words, *end] for end in ends]
    return made
