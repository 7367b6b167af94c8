"""The reply stream's frames as ``reply/<turn>`` messages, and the last turns of them for whoever asks again.

Theory: each stream is read by a cursor of our own that holds nobody; at most ten times a second what waits in it becomes one message
that covers the frames ``first`` to ``last``.  A closing frame goes at once.  Kept are the frames themselves, so that an answer to
``replay`` may begin at any of them.  Everything here happens on the connection's thread.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from edgevoice.events import ReplyFrame
from edgevoice.pipeline.reply import Reader, ReplyStream

GROUP_S = 0.1
"""between two messages of one reply"""
KEPT = 32
"""replies that can be asked for again"""
MOST_FRAMES = 400
"""in one message of a replay: under 10 kB of text"""


class Replies:
    """``words``: deltas are published, otherwise their lengths."""

    def __init__(self, *, words: bool) -> None:
        self._words = words
        self._open: list[tuple[Reader, list[ReplyFrame]]] = []
        self._kept: collections.OrderedDict[int, list[ReplyFrame]] = collections.OrderedDict()
        self._due = 0.0

    def begin(self, stream: ReplyStream) -> None:
        frames: list[ReplyFrame] = []
        self._open.append((stream.read(), frames))
        self._kept[stream.generation] = frames
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    @property
    def active(self) -> bool:
        return bool(self._open)

    def due_in(self, now: float) -> float:
        return max(0.0, self._due - now)

    def take(self, now: float) -> list[dict[str, Any]]:
        """Messages to publish now."""
        if now < self._due:
            return []
        made = []
        for reader, frames in self._open:
            new = reader.poll()
            if new:
                frames += new
                made.append(self.message(new))
        self._open = [(reader, frames) for reader, frames in self._open if not reader.over]
        if made:
            self._due = now + GROUP_S
        return made

    def replay(self, turn: int, first: int, last: int | None) -> list[dict[str, Any]] | None:
        """The frames ``first`` to ``last`` of every kept reply of ``turn``; ``None`` where none is kept."""
        found = [frames for frames in self._kept.values() if frames and frames[0].turn == turn]
        if not found:
            return None
        made = []
        for frames in found:
            wanted = [frame for frame in frames if frame.seq >= first and (last is None or frame.seq <= last)]
            made += [self.message(wanted[at:at + MOST_FRAMES]) for at in range(0, len(wanted), MOST_FRAMES)]
        return made

    def message(self, frames: Sequence[ReplyFrame]) -> dict[str, Any]:
        """One message for a gapless run of frames."""
        end = frames[-1]
        text = "".join(frame.delta for frame in frames)
        made: dict[str, Any] = {"generation": end.generation, "turn": end.turn, "first": frames[0].seq, "last": end.seq, "chars": len(text),
                                "provisional": end.provisional}
        if self._words:
            made["delta"] = text
        for frame in frames:
            if frame.error is not None:
                made["error"] = frame.error[:300]
        if end.finish is not None:
            made["finish"] = end.finish
        if end.usage is not None:
            usage = end.usage
            made["usage"] = {"prompt_tokens": usage.prompt_tokens, "cached_tokens": usage.cached_tokens,
                             "completion_tokens": usage.completion_tokens, "total_s": round(usage.total_s, 3)}
            if usage.ttft_s is not None:
                made["usage"]["ttft_s"] = round(usage.ttft_s, 3)
        return made
