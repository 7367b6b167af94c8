"""The brain's thread: one reply of the language model at a time, written into the reply stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgevoice.dialog.machine import Event
from edgevoice.dialog.table import Kind
from edgevoice.engines.protocols import Cancel, Llm
from edgevoice.events import Message
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.worker import Worker
from edgevoice.trace import Trace

QUEUE = 8
"""replies that may wait; all but the last are cancelled ones that end at once"""


@dataclass(frozen=True, slots=True)
class Think:
    """Answer the last of ``messages`` into ``reply``."""

    generation: int
    turn: int
    messages: tuple[Message, ...]
    cancel: Cancel
    reply: ReplyStream


class Brain(Worker[Think]):
    """Posts FAILED where the engine raised; everything else is told by the reply stream."""

    name = "brain"

    def __init__(self, llm: Llm, post: Callable[[Event], None], trace: Trace) -> None:
        super().__init__(QUEUE)
        self._llm, self._post, self._trace = llm, post, trace

    def work(self, job: Think) -> None:
        if job.cancel.cancelled():
            job.reply.close("cancelled")
            return
        first = True

        def emit(delta: str) -> None:
            nonlocal first
            name = "llm_first_token" if first else "llm_token"
            first = False
            self._trace.emit(name, turn=job.turn, generation=job.generation, text=delta)
            job.reply.delta(delta)

        completion = self._llm.generate(job.messages, emit, job.cancel)
        usage = completion.usage
        self._trace.emit("llm_done", turn=job.turn, generation=job.generation, finish=completion.finish, tokens=usage.completion_tokens,
                         prompt_tokens=usage.prompt_tokens, cached_tokens=usage.cached_tokens)
        job.reply.close(completion.finish, usage)

    def failed(self, job: Think, error: Exception) -> None:
        self._trace.emit("error", turn=job.turn, generation=job.generation, stage="llm", message=str(error))
        job.reply.fail(str(error))
        self._post(Event(Kind.FAILED, turn=job.turn, generation=job.generation, text=f"the language model failed: {error}"))
