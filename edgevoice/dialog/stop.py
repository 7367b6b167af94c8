"""When the user's whole turn means no more than "be silent": that wants no answer."""

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
