"""The tools of a device: which a sentence may ask for, and what becomes of a call.

Theory: the brain finds out whether the model wants a tool and with what arguments (``choosing.py``); that is a ``Wish``, which has done
nothing.  The reply that it belongs to makes a deed of it, ordered by the conversation's table as every deed is, and ``do`` carries it out
here.  A tool that is to be confirmed is asked about instead; the yes is a skill's (``skill``), as long as the question stands: until the
next thing that is said, or the end of the conversation.

Laws
- Everything on the loop's thread, but for ``offered`` and ``rest``, which look at nothing that changes.
- The words of the user alone decide what is offered: no result, topic or reply ever does.
- A wish is carried out once at most.  A program ends with the reply that it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edgevoice.dialog.facts import date_told, time_told
from edgevoice.pipeline import programs
from edgevoice.pipeline.deeds import DONE
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import Asked, Found, Skill
from edgevoice.skills.yes import NO, YES
from edgevoice.tools.call import Call
from edgevoice.tools.choice import Offer, after, offered
from edgevoice.tools.declare import Builtin, Publish, Run, Tool

log = logging.getLogger(__name__)

KIND = "tool"
"""of deeds that are wishes"""
SPARE_S = 2.0
"""after a tool's own deadline, in which it has to have ended"""

TOO_LONG = "Sorry, that takes too long. I have stopped it."
NOT_UNDERSTOOD = "Sorry, I did not understand that."
LEFT = "All right, I leave it."


class Way(Protocol):
    """How messages get out."""

    @property
    def open(self) -> bool:
        """Whether it is there now."""

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Send; never waits."""


@dataclass(slots=True)
class Wish:
    """A call that the model has chosen for ``words``.  ``result``: what the tool said, where the model is to make an answer of it;
    ``ends``: nothing else is done for these words."""

    call: Call | None
    words: str
    before: tuple[Tool, ...] = ()
    """called for the same words already"""
    confirmed: bool = False
    result: str | None = None
    ends: bool = False


class Toolbox:
    """``topics``: patterns that may be published to; ``rounds``: most calls of one reply."""

    def __init__(self, tools: Sequence[Tool], topics: Sequence[str], rounds: int, now: Callable[[], datetime]) -> None:
        self.tools, self.rounds = tuple(tools), rounds
        self.way: Way | None = None
        """to the broker, where there is one"""
        self.by_words: Callable[[str], Awaitable[str | None]] | None = None
        """does what a skill makes of a sentence, and says what came of it; ``None`` if no skill understands it"""
        self._topics, self._now = tuple(topics), now
        self._asked: Wish | None = None

    @property
    def within_s(self) -> float:
        """In which any of them is done or given up."""
        return max((tool.timeout_s for tool in self.tools), default=0.0) + SPARE_S

    def offered(self, words: str) -> tuple[Offer, ...]:
        return offered(self.tools, words)

    def rest(self, wish: Wish) -> tuple[str, tuple[Offer, ...]]:
        """What is left of the words, and which tools it may ask for."""
        done = (*wish.before, *((wish.call.tool,) if wish.call else ()))
        return ("", ()) if wish.ends or len(done) >= self.rounds else after(self.tools, wish.words, done)

    @property
    def skill(self) -> Skill:
        """Hears a yes or a no to a question that stands."""
        return Skill("confirmation", "yes or no to what was asked", self._answered)

    def _answered(self, asked: Asked) -> Found | None:
        wish, said = self._asked, " ".join(asked.words)
        if wish is None or wish.call is None or said not in YES | NO:
            return None
        if said in NO:
            return Found(answer=LEFT, why="no to what was asked")
        return Found(deed=Deed(KIND, {"wish": Wish(wish.call, wish.words, wish.before, confirmed=True, ends=True)}),
                     why=f"yes to {wish.call.tool.name}")

    def forget(self) -> None:
        """Something else was said, or the conversation is over: no yes counts any more."""
        self._asked = None

    async def do(self, deed: Deed) -> str:
        """What is to be said, unless the wish then has a ``result`` for the model."""
        wish = deed.arguments["wish"]
        assert isinstance(wish, Wish) and wish.call is not None
        call = wish.call
        if call.tool.confirm and not wish.confirmed:
            self._asked, wish.ends = wish, True
            return call.question
        try:
            async with asyncio.timeout(call.tool.timeout_s + SPARE_S / 2):
                said = await self._outcome(call)
        except TimeoutError:
            wish.ends = True
            log.warning("the tool %s was not done within %g s", call.tool.name, call.tool.timeout_s)
            return TOO_LONG
        except (programs.ToolFailed, ValueError) as error:
            wish.ends = True
            raise programs.ToolFailed(f"{call.tool.name}: {error}") from error
        if call.tool.done:
            return call.done(said)
        if isinstance(call.tool.does, Builtin):
            return said  # it is exact, and a small model would not leave it so
        if said:
            wish.result = said
        return DONE

    async def _outcome(self, call: Call) -> str:
        match call.tool.does:
            case Run():
                return await programs.run(call.argv(), call.tool.timeout_s)
            case Builtin("time"):
                now = self._now()
                return f"It is {time_told(now)} on {date_told(now)}."
            case Builtin(name):
                sentence = "how are you" if name == "status" else f"set a timer for {call.arguments['time']}"
                return (None if self.by_words is None else await self.by_words(sentence)) or NOT_UNDERSTOOD
            case Publish():
                topic, payload, retain = call.message(self._topics)
                if self.way is None or not self.way.open:
                    raise programs.ToolFailed("there is no connection to the broker")
                self.way.publish(topic, payload, retain=retain)
                return ""
