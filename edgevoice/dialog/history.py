"""What was said so far: the user's words, and of the assistant's what was *heard*.

Laws
- The messages handed out are: the system prompt if there is one, then user and assistant strictly in turn, the last from the user.
- Old turns leave whole, oldest first, when there are more than ``max_turns`` or more than ``max_tokens`` tokens; the system prompt
  never leaves.  What stays keeps its words, so the tokens of one prompt are a prefix of the next one's.
- A reply that was interrupted stands as far as it was heard; inside a sentence it ends in ``CUT``, so that the model sees it was cut.
- The answer to a deed that was begun stands whole, heard or not: it says what is so now.
- A question whose answer was never heard (interrupted at once, empty, failed) is not lost: it is put before the next one.

Sans-I/O: no thread, no clock.  Used from the loop only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgevoice.events import Message

CUT = "…"
"""How written speech marks a sentence that someone broke off."""
OVERHEAD_TOKENS = 8
"""What a chat template adds around a message, at most (ChatML: 5)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange.  ``heard`` is "" where nothing of the reply was heard."""

    user: str
    heard: str
    interrupted: bool = False


class History:
    """A conversation so far.  ``count`` gives the tokens of a text; it is needed only with ``max_tokens``."""

    def __init__(self, system_prompt: str, *, max_turns: int, max_tokens: int | None = None,
                 count: Callable[[str], int] | None = None) -> None:
        if max_turns < 0:
            raise ValueError(f"max_turns must be at least 0, not {max_turns}")
        if max_tokens is not None and (max_tokens < 1 or count is None):
            raise ValueError("a token budget must be at least 1 and needs a counter")
        self._system = system_prompt.strip()
        self._max_turns, self._max_tokens, self._count = max_turns, max_tokens, count
        self._turns: list[Turn] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        return tuple(self._turns)

    @property
    def last_answer(self) -> str:
        """As far as it was heard; "" where nothing was."""
        return next((turn.heard for turn in reversed(self._turns) if turn.heard), "")

    def messages(self, user_text: str) -> tuple[Message, ...]:
        """The conversation with ``user_text`` as its last message; changes nothing.

        Turns are left out until all fits the budget; a ``user_text`` that is too long by itself is still handed out.
        """
        turns = list(self._turns)
        while turns and self._over(turns, user_text):
            del turns[0]
        return self._written(turns, user_text)

    def context(self) -> tuple[Message, ...]:
        """The conversation up to the user's next words: what a model can be made ready with meanwhile."""
        return self.messages("")[:-1]

    def commit(self, user_text: str, assistant_heard: str, *, interrupted: bool = False) -> None:
        """Add a turn that is over.  ``assistant_heard`` may be empty."""
        self._turns.append(Turn(user_text.strip(), assistant_heard.strip(), interrupted))
        while self._turns and (len(self._turns) > self._max_turns or self._over(self._turns, "")):
            del self._turns[0]

    def clear(self) -> None:
        """Forget all turns."""
        self._turns.clear()

    def _over(self, turns: list[Turn], user_text: str) -> bool:
        if self._max_tokens is None or self._count is None:
            return False
        return sum(self._count(m.content) + OVERHEAD_TOKENS for m in self._written(turns, user_text)) > self._max_tokens

    def _written(self, turns: list[Turn], user_text: str) -> tuple[Message, ...]:
        found = [Message("system", self._system)] if self._system else []
        unanswered: list[str] = []
        for turn in turns:
            unanswered.append(turn.user)
            if turn.heard:
                found.append(Message("user", _joined(unanswered)))
                found.append(Message("assistant", _marked(turn.heard) if turn.interrupted else turn.heard))
                unanswered = []
        found.append(Message("user", _joined([*unanswered, user_text.strip()])))
        return tuple(found)


def _joined(texts: list[str]) -> str:
    return "\n".join(text for text in texts if text)


def _marked(heard: str) -> str:
    """A reply that happened to be cut where a sentence ends needs no mark."""
    return heard if heard.endswith((CUT, ".", "!", "?")) else heard.rstrip(" ,;:-–—") + CUT
