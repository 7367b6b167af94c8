"""What needs no model to be understood: that the device shall be silent, and that it shall say its last words again."""

from __future__ import annotations

import re

_CORE = (r"stop(?: it| that| talking| now)?|be quiet|quiet|shut up|enough|that's enough|that is enough|never ?mind|cancel(?: that| it)?"
         r"|wait(?: a minute| a second| a moment)?|hold on|hang on")
_BEFORE = r"(?:(?:okay|ok|oh|no|hey|alright|all right|please|nabu|thanks|thank you)\s+)*"
_AFTER = r"(?:\s+(?:please|now|thanks|thank you|okay|ok|stop))*"
_STOP = re.compile(rf"{_BEFORE}(?:{_CORE}){_AFTER}")


def is_stop(text: str) -> bool:
    """True for "stop", "okay, stop, thank you", "never mind"; False where anything else is said ("stop the music")."""
    words = re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'"))
    return _STOP.fullmatch(" ".join(words.split())) is not None


_AGAIN = re.compile(
    r"(?:(?:okay|ok|sorry|excuse me|please|hey)\s+)*"
    r"(?:(?:can|could|would|will) you\s+)?(?:please\s+)?"
    r"(?:say (?:that|it) again|repeat (?:that|it|your answer|what you (?:just )?said)|(?:what|how) did you (?:just )?say|come again"
    r"|once more|i (?:did not|didn't) (?:hear|get|catch|understand) (?:that|you)|pardon(?: me)?)"
    r"(?:\s+(?:please|again|once more|one more time))*")


def is_again(text: str) -> bool:
    """True for "say that again, please", "could you repeat that?", "pardon?"; False where anything else is asked."""
    words = re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'"))
    return _AGAIN.fullmatch(" ".join(words.split())) is not None
