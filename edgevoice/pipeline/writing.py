"""Writing on loan: a reply, a reply by a grammar, or a call of one of the caller's tools.

Theory: a small model that is told of tools calls one in every sentence.  So whether one is meant is weighed first, as for the device's
own tools (``choosing``), and only then its arguments are written, by the grammar of its schema.  Where a tool must be called, only which
one is weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edgevoice.engines.protocols import Cancel, Llm
from edgevoice.errors import EngineError
from edgevoice.events import FinishReason, Message, Sampling, Usage
from edgevoice.pipeline.choosing import Chooser
from edgevoice.pipeline.desk import Gone, Job, Unfit
from edgevoice.tools.declare import Example


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool of the caller's: ``grammar`` lets its arguments through, ``told`` describes them."""

    name: str
    what: str
    grammar: str
    told: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """What is to be written.  ``grammar``: what lets the reply through, "" for anything; ``must``: a tool is called in any case."""

    messages: Sequence[Message]
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling | None = None
    grammar: str = ""
    tools: tuple[Offered, ...] = ()
    must: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """A part of a reply: text, or, once ``call`` named the tool, of the call's arguments."""

    text: str = ""
    call: str = ""
    arguments: str = ""
    finish: Literal["stop", "length", "tool_calls"] | None = None
    usage: Usage = field(default_factory=Usage)


class Writer:
    """On the desk's thread."""

    def __init__(self) -> None:
        self._chooser = Chooser()

    def write(self, llm: Llm, writing: Writing, job: Job) -> None:
        """``Unfit`` where the conversation leaves no room for a reply in the context; a reply is never longer than what is left."""
        room = llm.size - llm.length(writing.messages)
        if room < 1:
            raise Unfit(f"messages: they are {llm.size - room} tokens, of {llm.size} that the context has (llm.context)")
        writing = replace(writing, max_tokens=min(writing.max_tokens, room))
        tool = self._tool(llm, writing, job) if writing.tools else None
        if tool is None:
            self._reply(llm, writing, job)
        else:
            self._call(llm, writing, tool, job)

    def _reply(self, llm: Llm, writing: Writing, job: Job) -> None:
        stops = Stops(writing.stop)

        def emit(text: str) -> None:
            if text := stops.feed(text):
                job.put(Delta(text))
            job.rest()

        done = llm.generate(writing.messages, emit, _Until(job, stops), max_tokens=writing.max_tokens, grammar=writing.grammar,
                            sampling=writing.sampling)
        if job.cancelled():
            raise Gone
        if rest := stops.rest():
            job.put(Delta(rest))
        job.put(Delta(finish=_finish(done.finish), usage=done.usage))

    def _tool(self, llm: Llm, writing: Writing, job: Job) -> Offered | None:
        if writing.must and len(writing.tools) == 1:
            return writing.tools[0]
        job.rest()
        sentence = writing.messages[-1].content
        weights = self._chooser.weigh(llm, writing.tools, sentence, job)
        if job.cancelled() or weights is None:
            raise Gone
        *tools, talk = weights
        best = max(range(len(tools)), key=tools.__getitem__)
        return writing.tools[best] if writing.must or tools[best] > talk else None

    def _call(self, llm: Llm, writing: Writing, tool: Offered, job: Job) -> None:
        job.put(Delta(call=tool.name))

        def emit(text: str) -> None:
            job.put(Delta(arguments=text))
            job.rest()

        told = "\n".join(filter(None, ("You write what the user wants as JSON.", f"{tool.name}: {tool.what}", tool.told)))
        messages = [Message("system", told), Message("user", writing.messages[-1].content)]
        done = llm.generate(messages, emit, job, max_tokens=writing.max_tokens, grammar=tool.grammar)
        if job.cancelled():
            raise Gone
        finish = _finish(done.finish)
        job.put(Delta(finish="tool_calls" if finish == "stop" else finish, usage=done.usage))


class Stops:
    """Texts at which a reply ends, and which are no part of it.  What may become one is held back until it is clear."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """What may be said of it."""
        if self.hit:
            return ""
        held = self._held + text
        found = [at for each in self._texts if (at := held.find(each)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return held[:min(found)]
        open_ = max((size for each in self._texts for size in range(1, len(each)) if held.endswith(each[:size])), default=0)
        self._held = held[len(held) - open_:]
        return held[:len(held) - open_]

    def rest(self) -> str:
        """What was held back and became none."""
        held, self._held = self._held, ""
        return held


class _Until:
    """The right to go on until a stop text was written."""

    def __init__(self, job: Cancel, stops: Stops) -> None:
        self._job, self._stops = job, stops

    def cancelled(self) -> bool:
        return self._stops.hit or self._job.cancelled()

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


def _finish(reason: FinishReason) -> Literal["stop", "length"]:
    """``cancelled`` by a stop text is a stop."""
    if reason not in ("stop", "length", "cancelled"):
        raise EngineError(f"the model ended with {reason!r}")
    return "length" if reason == "length" else "stop"
