"""Several things asked for in one sentence, each of another skill: "turn off the kitchen light and set a timer for ten minutes".

Theory: a skill understands a sentence to its last word or not at all, so that two skills in one sentence are understood by neither.  Where
"and", "then" or a comma stands, the sentence may end; the longest beginning that a skill understands is the first thing asked for, and the
rest is looked at in the same way.  If any rest is nobody's, the whole sentence is not for the skills.

Laws: nothing is done here.  What is asked for is done in the order in which it was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

KIND = "several"
"""of deeds that are made of others; ``parts`` are answers and deeds, in order"""
MOST_PARTS = 4
"""places where a sentence may end, and one more: nobody asks for more things at once, and each pair of them costs a look"""
_CUT = re.compile(r"\s*[,;]\s*(?:and\s+)?(?:(?:then|also)\s+)?|\s+and\s+(?:(?:then|also|please)\s+)?|\s+then\s+", re.IGNORECASE)


def several(text: str, understood: Callable[[str], _T | None]) -> list[_T] | None:
    """What each part means, in order; ``None`` if there is but one, or some part means nothing."""
    cuts = [(0, 0), *((match.start(), match.end()) for match in _CUT.finditer(text)), (len(text), len(text))]
    if not 2 < len(cuts) <= MOST_PARTS + 1:
        return None
    made: list[_T] = []
    at, last = 0, len(cuts) - 1
    while at < last:
        for end in range(last if at else last - 1, at, -1):
            found = understood(text[cuts[at][1]:cuts[end][0]])
            if found is not None:
                made.append(found)
                at = end
                break
        else:
            return None
    return made
