"""Who does what words ask for: ``Deeds``, a table from a deed's kind to its doer.

Theory: everything by which the device acts on the outside, whoever asked for it, goes through ``begin``.  A doer is a coroutine on the
loop's thread that must not block it; what it returns is spoken.  It has until its deadline, and then it is cancelled and no longer waited
for; whether it hangs, raises or is not there, the user hears a sentence and the conversation goes on.

Laws: a deed is begun once and never from speculation: that is the table's (``ACT`` stands in THINKING alone).  Once begun it is done even
if nobody listens any more, unless whoever began it stops it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from edgevoice.errors import EdgeVoiceError
from edgevoice.skills import several
from edgevoice.skills.deeds import Deed
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

Doer = Callable[[Deed], Awaitable[str]]
"""Does it and says in a sentence what was done, or what could not be.
An ``EdgeVoiceError``'s text is published and holds none of the words."""

WITHIN_S = 4.0
"""for a doer that names no other deadline: longer than that nobody waits for a light"""
LONGEST_S = 10.0
"""the same of any: a sentence that asks for several things waits for all of them"""
END_S = 1.0
"""at the end, for what has begun"""

FAILED = "Sorry, that did not work."
TOO_LONG = "Sorry, that takes too long. I don't know whether it was done."
NOT_HERE = "Sorry, I can't do that yet."
DONE = "Done."
"""where a doer has nothing to say"""


class Deeds:
    """On the loop's thread, all of it."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._doers: dict[str, tuple[Doer, float]] = {}
        self._begun: set[asyncio.Task[None]] = set()
        self.register(several.KIND, self._several, within_s=several.MOST_PARTS * LONGEST_S)

    def register(self, kind: str, doer: Doer, *, within_s: float = WITHIN_S) -> None:
        """Let ``doer`` do deeds of ``kind``.  ``ValueError`` if somebody does already."""
        if kind in self._doers:
            raise ValueError(f"deeds of the kind {kind!r} have a doer")
        self._doers[kind] = doer, within_s

    @property
    def idle(self) -> bool:
        """Whether nothing is being done."""
        return not self._begun

    def begin(self, deed: Deed, told: Callable[[str], None], *, turn: int | None = None,
              generation: int | None = None) -> Callable[[], object]:
        """Do it; ``told`` what to say, once, a while later.  What is returned stops it: nothing is told then."""
        task = asyncio.get_running_loop().create_task(self._do(deed, told, turn, generation))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task.cancel

    async def perform(self, deed: Deed) -> str:
        """Do it as a part of another deed, within its own deadline; what to say."""
        return (await self._outcome(deed))[0] or DONE

    async def end(self) -> None:
        """Give what has begun a moment, and leave what has not ended then."""
        if self._begun:
            _, left = await asyncio.wait(self._begun, timeout=END_S)
            for task in left:
                task.cancel()

    async def _do(self, deed: Deed, told: Callable[[str], None], turn: int | None, generation: int | None) -> None:
        started = self._trace.clock.now()
        try:
            said, problem = await self._outcome(deed)
        except asyncio.CancelledError:
            self._trace.emit("deed", turn=turn, generation=generation, kind=deed.kind, done=False, text="")
            raise
        said = said or DONE
        if problem:
            self._trace.emit("error", turn=turn, generation=generation, stage="deed", message=f"{deed.kind}: {problem}")
        self._trace.emit("deed", turn=turn, generation=generation, kind=deed.kind, done=not problem, text=said,
                         seconds=round(self._trace.clock.now() - started, 3))
        told(said)

    async def _several(self, deed: Deed) -> str:
        """One after the other, each within its own deadline; what each of them says."""
        said = [part if isinstance(part, str) else await self.perform(part) for part in deed.arguments["parts"]]
        return " ".join(dict.fromkeys(said))

    async def _outcome(self, deed: Deed) -> tuple[str, str]:
        """What to say, and what went wrong ("" for nothing)."""
        if deed.kind not in self._doers:
            return NOT_HERE, "nobody here does that"
        doer, within_s = self._doers[deed.kind]
        task = asyncio.ensure_future(doer(deed))
        try:
            done, _ = await asyncio.wait((task,), timeout=within_s)
        finally:
            if not task.done():  # not awaited: one that does not listen would keep us
                task.cancel()
        if not done:
            task.add_done_callback(_ignore)
            return TOO_LONG, f"not done within {within_s:g} s"
        try:
            return task.result(), ""
        except asyncio.CancelledError:
            return FAILED, "it was cancelled"
        except Exception as error:
            log.debug("%s failed", deed.kind, exc_info=True)
            return FAILED, str(error) if isinstance(error, EdgeVoiceError) else type(error).__name__


def _ignore(task: asyncio.Future[str]) -> None:
    """What came after the deadline."""
    if not task.cancelled():
        task.exception()
