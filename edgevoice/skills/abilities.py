"""What the device says when it is asked what it can do."""

from __future__ import annotations

from collections.abc import Sequence

_ASKED = frozenset((
    "what can you do", "what do you do", "what are you able to do", "what can i ask you", "what can i ask", "what can i say",
    "what are your skills",
    "what are you capable of", "what can you do for me", "what can you help me with", "what can you help with", "what all can you do",
    "how can you help me", "what things can you do", "what are your abilities", "what else can you do"))
_BESIDE = "You can also just talk with me, but I may be wrong about facts. Say stop, and I am quiet."


def answer(words: list[str], can: Sequence[str]) -> str | None:
    """``can``: what the device's skills are for, each after "I"."""
    return " ".join([*(f"I {what}." for what in can), _BESIDE]) if " ".join(words) in _ASKED else None
