"""The brain's thread: one job of the language model at a time, a reply written into its stream or the user's words read ahead.

Theory: while the user speaks, what is sure of the words is brought into the model's cache (``Read``), so that little is left to read when
the reply is asked for.  Reading ahead yields: it is skipped when anything waits behind it, since that begins with the same words.
At a pause the model tells, before it answers, how likely the words end there: it has just read them, so this costs one step of a few
tokens, and the answer is not awaited yet.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgevoice.dialog.commands import Event
from edgevoice.dialog.safety import Safety
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import Cancel, Llm
from edgevoice.errors import EngineError
from edgevoice.events import FinishReason, Message, Usage
from edgevoice.pipeline.choosing import Chooser
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.speculation import Effort
from edgevoice.pipeline.worker import Worker
from edgevoice.settings import FaultSettings
from edgevoice.tools.call import Call
from edgevoice.tools.choice import Offer
from edgevoice.tools.declare import Tool
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

READ = 4.0
"""times the limit of a first token, in which a whole conversation has to be read"""
HURRY = 1 / 3
"""of that limit, in which a reading has to end that an answer waits for"""
QUEUE = 8
"""jobs that may wait; all but the last are cancelled ones that end at once"""

_SENTENCE_ENDS = (".", "!", "?")


@dataclass(frozen=True, slots=True)
class Asks:
    """``sentence`` may ask for one of ``offers``; ``words``: all that the user said, for which ``before`` were called already."""

    offers: tuple[Offer, ...]
    sentence: str
    words: str
    before: tuple[Tool, ...] = ()
    talks: Callable[[], None] = lambda: None
    """called before the model answers, where it wants no tool"""


Talk = Literal["unless_called", "first", "never"]


@dataclass(frozen=True, slots=True)
class Think:
    """Answer the last of ``messages`` into ``reply``; what it costs is added to ``effort``.

    In this order: what there is to ``say`` is said; with ``talk`` "first" the model answers; where the words ask for a tool, that is
    found out, and if the model wants it the reply stays open (``Brain.wanted``); with "unless_called" it answers now.
    """

    generation: int
    turn: int
    messages: tuple[Message, ...]
    cancel: Cancel
    reply: ReplyStream
    words: str = ""
    """the user's of this turn"""
    effort: Effort | None = None
    asks: Asks | None = None
    talk: Talk = "unless_called"
    say: str = ""


class ReadAhead:
    """The right to read a turn's words ahead (a ``Cancel``), which ends with the turn."""

    def __init__(self) -> None:
        self._over = False

    def cancel(self) -> None:
        self._over = True

    def cancelled(self) -> bool:
        return self._over

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


@dataclass(frozen=True, slots=True)
class Read:
    """Bring the cache to ``messages``, the last of which may still grow; ``paused``: tell whether it ends there."""

    turn: int
    messages: tuple[Message, ...]
    cancel: ReadAhead
    words: str = ""
    """the user's of this turn"""
    paused: bool = False


class _Enough:
    """A ``Cancel`` of the model alone: what it wrote stands."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self.over = False

    def cancelled(self) -> bool:
        return self.over or self._cancel.cancelled()

    def abort_pointers(self) -> tuple[int, int] | None:
        return self._cancel.abort_pointers()


class Brain(Worker[Think | Read]):
    """Posts FAILED where the engine raised over a reply; everything else is told by the reply stream."""

    name = "brain"

    def __init__(self, slot: Slot[Llm], post: Callable[[Event], None], trace: Trace, limits: FaultSettings, *, threads: int = 1,
                 safety: Safety | None = None) -> None:
        super().__init__(QUEUE)
        self._threads, self._limits, self._safety = threads, limits, safety or Safety()
        self._slot, self._post, self._trace = slot, post, trace
        self.ending: Callable[[int, str, float], None] | None = None
        """told (turn, the user's words, probability that they end there) of a turn that pauses; on this thread"""
        self.wanted: Callable[[Think, Call], None] | None = None
        """told of a call that the model wants, on this thread; its reply is somebody else's from then on"""
        self.short = False
        """answers end with their sentence after ``faults.short_tokens``, and anyway after twice as many"""
        self._chooser = Chooser()

    def submit(self, job: Think | Read, timeout_s: float | None = None) -> None:
        """A reading that somebody waits for has little time left; then it is ended, and what it read stays read."""
        super().submit(job, timeout_s)
        if isinstance(job, Think) and isinstance(self._job, Read):
            self.watch.hurry(HURRY * self._limits.first_token_s)

    def timed_out(self, job: Think | Read, error: Exception) -> bool:
        if isinstance(job, Read):
            job.cancel.cancel()
            return False
        self.failed(job, error)
        return True

    def work(self, job: Think | Read) -> None:
        if isinstance(job, Read):
            self._read(job)
        elif job.cancel.cancelled():
            job.reply.close("cancelled")
        else:
            self._think(job)

    def _read(self, job: Read) -> None:
        if job.cancel.cancelled() or not self._jobs.empty():
            return
        if job.paused:
            self._vote(job)
            return
        llm = self._slot.get()
        with self.watch.call("the conversation was not read", READ * self._limits.first_token_s):
            tokens = llm.prefill(job.messages, job.cancel, growing=True)
        if tokens:
            self._trace.emit("prefill", turn=job.turn, tokens=tokens, text=job.messages[-1].content)

    def _vote(self, job: Think | Read) -> None:
        """A vote that fails is one that is missing; the reply may come for all that."""
        if self.ending is None:
            return
        llm = self._slot.get()
        try:
            with self.watch.call("no vote on the words", self._limits.first_token_s):
                probability = llm.ending(job.messages, job.cancel)
        except EngineError as error:
            self._trace.emit("error", turn=job.turn, stage="llm", message=str(error))
            return
        if probability is not None:
            self.ending(job.turn, job.words, probability)

    def _think(self, job: Think) -> None:
        llm, started = self._slot.get(), time.thread_time()
        finish: FinishReason = "stop"
        usage: Usage | None = None
        try:
            if job.effort is not None:
                self._vote(job)
            job.reply.delta(job.say)
            if job.talk == "first":
                finish, usage = self._answer(job, llm)
            call = self._choose(job, llm) if finish == "stop" else None
            if call is not None and self.wanted is not None:
                self.wanted(job, call)
                return
            if job.talk == "unless_called":
                if job.asks is not None:
                    job.asks.talks()
                finish, usage = self._answer(job, llm)
        finally:
            if job.effort is not None:
                job.effort.add(cpu_s=(time.thread_time() - started) * self._threads)
        job.reply.close("cancelled" if job.cancel.cancelled() else finish, usage)

    def _choose(self, job: Think, llm: Llm) -> Call | None:
        """The call that the model wants.  A choice that fails is one for talk."""
        asks = job.asks
        if asks is None or self.wanted is None or job.cancel.cancelled():
            return None
        try:
            with self.watch.call("no choice of a tool", READ * self._limits.first_token_s):
                choice = self._chooser.choose(llm, asks.offers, asks.sentence, job.cancel)
        except EngineError as error:
            self._trace.emit("error", turn=job.turn, generation=job.generation, stage="llm", message=str(error))
            return None
        self._trace.emit("tool", turn=job.turn, generation=job.generation, offered=[offer.tool.name for offer in asks.offers],
                         chosen=choice.call.tool.name if choice.call else "", margin=round(choice.margin, 2), why=choice.why)
        return choice.call

    def _answer(self, job: Think, llm: Llm) -> tuple[FinishReason, Usage]:
        first = True
        watch = self.watch
        passed, cancel = self._safety.begin(), _Enough(job.cancel)
        short, written, cut = self._limits.short_tokens if self.short else 0, 0, False

        def emit(delta: str) -> None:
            with watch.elsewhere("no further token", self._limits.next_token_s):
                take(delta)

        def take(delta: str) -> None:
            nonlocal first, written, cut
            if cut:  # a token that was on its way
                return
            name = "llm_first_token" if first else "llm_token"
            if first and job.reply.text[-1:].strip():
                delta = f" {delta}"
            first = False
            delta = passed.feed(delta)
            self._trace.emit(name, turn=job.turn, generation=job.generation, text=delta)
            if job.effort is not None:
                job.effort.add(tokens=1)
            job.reply.delta(delta)
            if passed.hit is not None:
                cancel.over = True
            written += 1
            if short and (written >= 2 * short or (written >= short and delta.rstrip().endswith(_SENTENCE_ENDS))):
                cut = cancel.over = True

        with watch.call("no first token", self._limits.first_token_s):
            completion = llm.generate(job.messages, emit, cancel)
        usage, finish = completion.usage, completion.finish
        if not job.cancel.cancelled():
            job.reply.delta(passed.end())
        if passed.hit is not None and not job.cancel.cancelled():
            finish, cut = "filtered", False
            log.info("an answer was ended by the safety rule %r", passed.hit)
            apart = "" if not job.reply.text or job.reply.text[-1].isspace() else " "
            job.reply.delta(apart + self._safety.substitute)
        if cut:
            finish = "length"
        self._trace.emit("llm_done", turn=job.turn, generation=job.generation, finish=finish, tokens=usage.completion_tokens,
                         prompt_tokens=usage.prompt_tokens, cached_tokens=usage.cached_tokens)
        return finish, usage

    def failed(self, job: Think | Read, error: Exception) -> None:
        generation = job.generation if isinstance(job, Think) else None
        self._trace.emit("error", turn=job.turn, generation=generation, stage="llm", message=str(error))
        if isinstance(job, Think):  # what could not be read ahead will be read, or fail, with the reply
            job.reply.fail(str(error))
            self._post(Event(Kind.FAILED, turn=job.turn, generation=job.generation, text=f"the language model failed: {error}"))
