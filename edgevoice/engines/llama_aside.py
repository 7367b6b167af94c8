"""A prompt beside the conversation: the cache is lent to it and given back as it was.

Theory: whether a tool is wanted is asked with a prompt of its own, which begins otherwise than the conversation does.  The conversation's
state is set aside (22 kB a token for a 135M model, copied in a few ms) and not read anew afterwards.  The states of the last such
prompts are kept as well, so that of the next one mostly the user's sentence has to be read.

Law: at the end of a block the context holds what it held before, whatever happened inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edgevoice.engines.llama_chat import common
from edgevoice.engines.llama_native import Context

KEPT = 4
"""states: as many choices between tools as a household makes in an evening; some 6 MB each with the default model"""
SAME = 0.75
"""share of a kept prompt's tokens from which on a new one is taken to be the same with another question"""


class Aside:
    """Of one context, on its thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept: list[tuple[list[int], bytes]] = []
        """the last used at the end"""

    @contextmanager
    def lent(self, tokens: Sequence[int]) -> Iterator[None]:
        """The context holds a beginning of ``tokens``, as long as is known."""
        context = self._context
        live, state = list(context.live), context.save() if context.live else b""
        try:
            self._begin(tokens)
            yield
        finally:
            self._keep()
            if not live:
                context.clear()
            elif context.live != live:
                context.restore(state, live)

    def _begin(self, tokens: Sequence[int]) -> None:
        context = self._context
        best = max(self._kept, key=lambda kept: common(kept[0], tokens), default=None)
        if best is not None and common(best[0], tokens) > common(context.live, tokens):
            context.restore(best[1], best[0])
        context.keep(min(common(context.live, tokens), len(tokens) - 1))

    def _keep(self) -> None:
        live = list(self._context.live)
        if live:
            self._kept = [kept for kept in self._kept if common(kept[0], live) < SAME * len(kept[0])][-(KEPT - 1):]
            self._kept.append((live, self._context.save()))
