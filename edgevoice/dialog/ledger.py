"""What the user has heard of a reply, from frames that were played.

Theory: each chunk of text handed to the synthesizer becomes a run of frames.  The ledger keeps the runs of one reply; frames played
then tell which chunks were heard whole, and how far into the next one the loudspeaker came.  Inside a chunk words are taken to be
as long as their letters, which is right to about a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(slots=True)
class _Run:
    text: str
    frames: int = 0
    closed: bool = False


class Ledger:
    """One reply.  Written by the mouth's thread (``begin``, ``add``, ``end``), read by the loop's after the reply is silent."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def begin(self, text: str) -> None:
        """The next chunk, as it is shown (not as it is spelled for the voice), with its trailing space."""
        self._runs.append(_Run(text))

    def add(self, frames: int) -> None:
        """Frames of the present chunk that went into the playback ring."""
        self._runs[-1].frames += frames

    def end(self) -> None:
        self._runs[-1].closed = True

    def heard(self, frames: int) -> str:
        """The text that ``frames`` played frames amount to, cut at a word's end."""
        parts = []
        for run in self._runs:
            if frames >= run.frames and run.closed:
                parts.append(run.text)
                frames -= run.frames
                continue
            # a chunk cut off while it was synthesized: what there is of it is taken for all of it
            parts.append(_cut(run.text, min(1.0, frames / run.frames) if run.frames else 0.0))
            break
        return "".join(parts).rstrip()


def _cut(text: str, share: float) -> str:
    letters = share * len(text)
    end = 0
    for word in re.finditer(r"\S+", text):
        middle = (word.start() + word.end()) / 2
        if middle > letters:
            break
        end = word.end()
    return text[:end]
