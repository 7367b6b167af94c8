"""What the tests of language models ask, and by which tokens they take it back."""

from __future__ import annotations

from collections.abc import Callable

from edgevoice.engines.protocols import Cancel, Completion, Llm
from edgevoice.events import Message
from edgevoice.settings import LlmSettings
from tests.fakes.llm import FlagCancel, LiveCancel, PointerCancel

SYSTEM = Message("system", "You are a friendly voice assistant. You answer every question in one short sentence.")
SETTINGS = LlmSettings(system_prompt=SYSTEM.content, context=2048)
"""The context is given here, since the tests' long texts are measured by it."""
QUESTIONS = ["What is the capital of France?", "How do I boil an egg?", "Why is the sky blue?", "Tell me a joke."]
LONG_TEXT = "The quick brown fox jumps over the lazy dog by the river while rain falls on the old town. " * 60
"""About 1,200 tokens: seconds of prefill."""


def user(text: str) -> Message:
    return Message("user", text)


def conversation(*texts: str) -> list[Message]:
    """System prompt, then user and assistant in turn."""
    return [SYSTEM] + [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts)]


def ask(engine: Llm, messages: list[Message], *, max_tokens: int | None = None, cancel: Cancel | None = None) -> tuple[str, Completion]:
    parts: list[str] = []
    completion = engine.generate(messages, parts.append, cancel or FlagCancel(), max_tokens=max_tokens)
    assert all(parts), "an empty delta"
    return "".join(parts), completion


Switch = FlagCancel | PointerCancel | LiveCancel
CANCELS: list[Callable[[], Switch]] = [FlagCancel, PointerCancel, LiveCancel]


class Scripted:
    """Stands in for the sampler: the model "chooses" these tokens."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens
        self._next = 0

    def reset(self, said: object = ()) -> None:
        self._next = 0

    def sample(self, context: object) -> int:
        self._next += 1
        return self._tokens[self._next - 1]
