"""What needs no model to be understood: that the device shall be silent, that it shall wait, and that it shall say its last words again."""

from __future__ import annotations

import re

_WAIT = r"(?:wait|hold on|hang on)(?: (?:a|one) (?:minute|second|sec|moment))?"
_CORE = (r"stop(?: it| that| talking| now)?|be quiet|quiet|shut up|enough|that's enough|that is enough|never ?mind|cancel(?: that| it)?"
         rf"|{_WAIT}")
_BEFORE = r"(?:(?:okay|ok|oh|no|hey|alright|all right|please|nabu|thanks|thank you)\s+)*"
_AFTER = rf"(?:\s+(?:please|now|thanks|thank you|okay|ok|stop|{_WAIT}))*"
_STOP = re.compile(rf"{_BEFORE}(?:{_CORE}){_AFTER}")
_HOLDS = re.compile(rf"{_BEFORE}{_WAIT}(?:\s+(?:please|now|{_WAIT}))*")


def is_stop(text: str) -> bool:
    """True for "stop", "okay, stop, thank you", "never mind"; False where anything else is said ("stop the music")."""
    return _STOP.fullmatch(_plain(text)) is not None


def is_wait(text: str) -> bool:
    """True for "wait", "hold on a second, please": be silent, for I go on.  Each is a stop as well."""
    return is_stop(text) and _HOLDS.fullmatch(_plain(text)) is not None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'")).split())


_AGAIN = re.compile(
    r"(?:(?:okay|ok|sorry|excuse me|please|hey)\s+)*"
    r"(?:(?:can|could|would|will) you\s+)?(?:please\s+)?"
    r"(?:say (?:that|it) again|repeat (?:that|it|your answer|what you (?:just )?said)|(?:what|how) did you (?:just )?say|come again"
    r"|once more|i (?:did not|didn't) (?:hear|get|catch|understand) (?:that|you)|pardon(?: me)?)"
    r"(?:\s+(?:please|again|once more|one more time))*")


def is_again(text: str) -> bool:
    """True for "say that again, please", "could you repeat that?", "pardon?"; False where anything else is asked."""
    return _AGAIN.fullmatch(_plain(text)) is not None
