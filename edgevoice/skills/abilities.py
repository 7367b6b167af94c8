"""What the device says when it is asked what it can do."""

from __future__ import annotations

_ASKED = frozenset((
    "what can you do", "what do you do", "what are you able to do", "what can i ask you", "what can i ask", "what can i say",
    "what are your skills",
    "what are you capable of", "what can you do for me", "what can you help me with", "what can you help with", "what all can you do",
    "how can you help me", "what things can you do", "what are your abilities", "what else can you do"))
_ANSWER = ("I tell the time and the date, do sums, and turn one unit into another; those answers are exact. "
           "I change my volume, mute myself, and tell how I am and why I was slow. "
           "You can also just talk with me, but I may be wrong about facts. Say stop, and I am quiet.")


def answer(words: list[str]) -> str | None:
    return _ANSWER if " ".join(words) in _ASKED else None
