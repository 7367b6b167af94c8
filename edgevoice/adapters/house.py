"""What the edges need of the device behind it; ``edgevoice.controls`` is that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevoice.pipeline.reply import ReplyStream

Verb = Callable[[dict[str, Any]], "dict[str, Any] | Awaitable[dict[str, Any]]"]
"""Takes the payload's arguments, on the loop's thread; returns facts for the result.  A plain function has acted when it returns; a
coroutine takes its time.  Raises ``Failed``."""


class Failed(Exception):
    """A command that was understood and could not be carried out.  ``reason`` is for programs, the text for people; ``problems``: the same
    one by one, where it is several."""

    def __init__(self, reason: str, text: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.reason, self.problems = reason, problems


class Conversation(Protocol):
    """A client's own, over his own microphone.  Any thread."""

    @property
    def rate(self) -> int:
        """Frames in a second of what it says, and of what its events count."""

    def listen(self, on: bool, rate: int) -> None:
        """A microphone of that rate begins to send, or sends no more."""

    def hear(self, sample: int, samples: NDArray[np.int16]) -> None:
        """What it sent; the first is its sample number ``sample``."""

    async def do(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """One of ``VERBS``; ``Failed`` as of a house."""

    async def state(self) -> dict[str, Any]: ...

    def timing(self, turn: int) -> dict[str, Any] | None:
        """As of a house."""

    def health(self) -> dict[str, Any]: ...

    def close(self) -> None:
        """It is over; ends in the background."""


VERBS = ("ask", "barge_in", "cancel", "listen", "resume", "stop")
"""of a conversation"""


class Conversations(Protocol):
    """Private ones, a bounded number."""

    @property
    def most(self) -> int: ...

    async def open(self, *, echo: bool, told: Callable[[dict[str, Any]], None], replied: Callable[[ReplyStream], None],
                   sounded: Callable[[int, NDArray[np.int16]], None]) -> Conversation:
        """One more, once its engines are there: some seconds where they have to be loaded.  ``Failed`` where there are as many as may
        be, or its engines cannot be had.  ``echo``: what it says may be heard by its microphone.  What happens (rows of its trace), its
        replies and what is played are told on threads of its own."""

    async def close(self) -> None: ...


class House(Protocol):
    """Everything on the loop's thread, but for ``listen_to``'s listener, which is called on any."""

    @property
    def verbs(self) -> Mapping[str, Verb]: ...

    def state(self) -> dict[str, Any]:
        """What ``state`` publishes."""

    def health(self) -> dict[str, Any]:
        """The newest snapshot."""

    def listen_to(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Every row of the trace from now on."""

    def listen_replies(self, listener: Callable[[ReplyStream], None]) -> None: ...

    @property
    def rate(self) -> int:
        """Device frames in a second."""

    def listen_sound(self, listener: Callable[[int, NDArray[np.int16]], None]) -> None:
        """What the loudspeaker plays from now on, and the device frame of its first sample, on a thread that must not be held."""

    def before(self, origin: str) -> int | None:
        """How many questions go before the one of ``origin``; ``None`` if it does not wait."""

    def withdraw(self, origin: str) -> None:
        """Let it wait no longer."""

    def timing(self, turn: int) -> dict[str, Any] | None:
        """Where the turn's time went (``waterfall.brief``).  Any thread; takes some ms."""
