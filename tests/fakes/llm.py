"""A language model that does as it is told: each reply is a script of deltas, pauses, failures and hangs.

It keeps the contract of ``Llm`` (the same test class runs on it), so what works with it is held up by real engines too.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edgevoice.engines.protocols import Cancel, Completion
from edgevoice.errors import EngineError
from edgevoice.events import FinishReason, Message, Sampling, Usage
from edgevoice.rt import Live


@dataclass(frozen=True)
class Pause:
    """The model thinks for so long (shorter if cancelled)."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """The model says nothing more until it is cancelled."""


@dataclass(frozen=True)
class Fail:
    """The engine breaks."""

    error: Exception


Step = str | Pause | Hang | Fail
Script = Sequence[Step]


def words(text: str, pause_s: float = 0.0) -> list[Step]:
    """A script that says ``text`` word by word, as a model does, with ``pause_s`` before each word."""
    parts = text.split(" ")
    steps: list[Step] = []
    for index, part in enumerate(parts):
        if pause_s:
            steps.append(Pause(pause_s))
        steps.append(part if index == 0 else " " + part)
    return steps


class FakeLlm:
    """Says the scripts one after the other, the last one for ever.  ``asked`` holds the conversations it was given."""

    def __init__(self, scripts: Iterable[Script] = (), *, context: int | None = None) -> None:
        self._scripts: list[Script] = list(scripts) or [words("That is what I think.")]
        self._context = context
        self._seen: list[Message] = []
        self.asked: list[tuple[Message, ...]] = []
        self.prefilled: list[tuple[Message, ...]] = []
        self.ends: float | None = None
        """what it says of every ending; ``None`` as if it could not tell"""
        self.weighed: list[str] = []
        """the words whose ending was asked for"""
        self.chooses: Callable[[str], str] = lambda sentence: ""
        """which of the replies that are weighed it would give to a sentence; a name that is none of them for no preference"""
        self.fills: Callable[[str], str] = lambda sentence: "{}"
        """what it writes by a grammar"""
        self.sampled: list[Sampling | None] = []
        self.closed = False
        self.threads: set[int] = set()
        """idents of the threads that called ``generate``"""

    def generate(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, *,
                 max_tokens: int | None = None, grammar: str = "", sampling: Sampling | None = None) -> Completion:
        if self.closed:
            raise EngineError("the language model is closed")
        if not messages or messages[-1].role != "user":
            raise ValueError("a reply answers a message of the user; the last message is none")
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, not {max_tokens}")
        self.threads.add(threading.get_ident())
        if grammar:
            emit(self.fills(messages[-1].content))
            return Completion("cancelled" if cancel.cancelled() else "stop", Usage())
        self.asked.append(tuple(messages))
        self.sampled.append(sampling)
        script = self._scripts[min(len(self.asked), len(self._scripts)) - 1]
        start = time.monotonic()
        prompt, cached = self._take(messages)
        stamps: list[float] = []

        def done(finish: FinishReason) -> Completion:
            gaps = sorted(after - before for before, after in itertools.pairwise(stamps))
            return Completion(finish, Usage(prompt, cached, len(stamps), stamps[0] - start if stamps else None,
                                            gaps[len(gaps) // 2] if gaps else None, gaps[-1] if gaps else None, time.monotonic() - start))

        for step in script:
            if cancel.cancelled():
                return done("cancelled")
            if isinstance(step, Fail):
                raise step.error
            if isinstance(step, Pause):
                self._wait(cancel, step.seconds)
            elif isinstance(step, Hang):
                self._wait(cancel, None)
            else:
                stamps.append(time.monotonic())
                emit(step)
                if max_tokens is not None and len(stamps) >= max_tokens:
                    return done("length")
        return done("cancelled" if cancel.cancelled() else "stop")

    def prefill(self, messages: Sequence[Message], cancel: Cancel, *, growing: bool = False) -> int:
        self.prefilled.append(tuple(messages))
        if cancel.cancelled():
            return 0
        total, cached = self._take(messages)
        return total - cached

    def ending(self, messages: Sequence[Message], cancel: Cancel) -> float | None:
        self.weighed.append(messages[-1].content)
        return None if cancel.cancelled() or not messages[-1].content.strip(" .") else self.ends

    def weigh(self, messages: Sequence[Message], replies: Sequence[str], cancel: Cancel) -> list[float] | None:
        chosen = self.chooses(messages[-1].content)
        return None if cancel.cancelled() else [-1.0 if reply == chosen else -9.0 for reply in replies]

    @property
    def size(self) -> int:
        return 1024 if self._context is None else self._context

    def length(self, messages: Sequence[Message]) -> int:
        return self._size(messages)

    def tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        self.closed = True

    def _take(self, messages: Sequence[Message]) -> tuple[int, int]:
        """(tokens, of which known already), a word a token and one a message; what is too long is cut as the contract says."""
        kept = list(messages)
        head = 1 if kept and kept[0].role == "system" else 0
        while self._context is not None and self._size(kept) > self._context:
            later = [i for i in range(head + 1, len(kept)) if kept[i].role == "user"]
            if not later:
                raise EngineError(f"the question is longer than the context of {self._context} tokens")
            del kept[head:later[0]]
        same = 0
        for one, other in zip(kept, self._seen, strict=False):
            if one != other:
                break
            same += 1
        self._seen = kept
        return self._size(kept), self._size(kept[:same])

    def _size(self, messages: Sequence[Message]) -> int:
        return sum(self.tokens(message.content) + 1 for message in messages)

    @staticmethod
    def _wait(cancel: Cancel, seconds: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        while not cancel.cancelled() and (end is None or time.monotonic() < end):
            time.sleep(0.001)


class FlagCancel:
    """A ``Cancel`` without a C core: engines must look at ``cancelled()`` themselves."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    def cancelled(self) -> bool:
        return self._event.is_set()

    def abort_pointers(self) -> tuple[int, int] | None:
        return None


class LiveCancel:
    """The C core's token, as the pipeline hands it over."""

    def __init__(self) -> None:
        self._live = Live()
        self._token = self._live.begin(1)

    def cancel(self) -> None:
        self._live.cancel(1)

    def cancelled(self) -> bool:
        return self._token.cancelled()

    def abort_pointers(self) -> tuple[int, int] | None:
        return self._token.abort_pointers()


class PointerCancel:
    """A ``Cancel`` with C pointers and without the C core: libc's ``strlen`` over a string that is "" until it is cancelled."""

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)
        self._strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value

    def cancel(self) -> None:
        self._flag[0] = b"\x01"

    def cancelled(self) -> bool:
        return bool(self._flag.raw[0])

    def abort_pointers(self) -> tuple[int, int] | None:
        assert self._strlen is not None
        return self._strlen, ctypes.addressof(self._flag)
