"""How llama.cpp draws the next token: as the settings say for talk (``Sampler``), by the letter of a grammar for calls (``Strict``)."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, Protocol

from edgevoice.engines.llama_native import Context, Model, complaint, forget_complaints, library
from edgevoice.errors import EngineError


class Draws(Protocol):
    """What draws."""

    def sample(self, context: Context) -> int: ...


class Sampler:
    """Penalties → top-k → top-p → min-p → temperature → draw; greedy at temperature 0.

    Reset before each reply, so that the same context, settings and seed write the same reply.  The repeat penalty sees this reply
    only.  DRY (p-e-w's sampler: a token is penalized the more, the longer the run of earlier words it would go on repeating) sees
    the earlier replies too, which a small model otherwise says over and over, word for word, whatever it is asked.
    """

    PENALTY_WINDOW = 64
    """tokens"""
    DRY_BASE, DRY_RUN = 1.75, 3
    """growth a token of the run, and the longest run that is free: "The capital of" may begin two replies"""

    def __init__(self, model: Model, *, temperature: float, top_k: int, top_p: float, min_p: float, repeat_penalty: float,
                 dry_multiplier: float, memory: int, seed: int) -> None:
        self._c = c = library()
        self._separator = model.eos
        self._memory = memory
        self._dry: Any = None
        params = c.llama_sampler_chain_default_params()
        params.no_perf = True
        self._chain: Any = c.llama_sampler_chain_init(params)
        links = []
        if repeat_penalty != 1.0:
            links.append(c.llama_sampler_init_penalties(model.vocabulary, self.PENALTY_WINDOW, repeat_penalty, 0.0, 0.0))
        if dry_multiplier > 0.0:
            self._dry = c.llama_sampler_init_dry(model.vocab, dry_multiplier, self.DRY_BASE, self.DRY_RUN, memory, None, 0)
            links.append(self._dry)
        if temperature <= 0.0:
            links.append(c.llama_sampler_init_greedy())
        else:
            if top_k > 0:
                links.append(c.llama_sampler_init_top_k(top_k))
            if 0.0 < top_p < 1.0:
                links.append(c.llama_sampler_init_top_p(top_p, 1))
            if min_p > 0.0:
                links.append(c.llama_sampler_init_min_p(min_p, 1))
            links += [c.llama_sampler_init_temp(temperature), c.llama_sampler_init_dist(seed)]
        for link in links:
            c.llama_sampler_chain_add(self._chain, link)

    def reset(self, said: Sequence[Sequence[int]] = ()) -> None:
        """Begin a reply; ``said`` are the tokens of the earlier ones, oldest first."""
        self._c.llama_sampler_reset(self._chain)
        if self._dry is not None:
            for token in [token for reply in said for token in (*reply, self._separator)][-self._memory:]:
                self._c.llama_sampler_accept(self._dry, token)

    def sample(self, context: Context) -> int:
        """Draw from the logits of the last token decoded, and remember the draw for the penalties."""
        return int(self._c.llama_sampler_sample(self._chain, context.pointer, -1))

    def close(self) -> None:
        if self._chain:
            self._c.llama_sampler_free(self._chain)
            self._chain = self._dry = None


class Strict:
    """Draws the likeliest token that a GBNF grammar lets through; once the grammar is fulfilled, only the end.

    To ask a grammar about every token of the vocabulary takes longer than the model takes for one; the answer is mostly among the first
    few, and those are asked about first.  ``EngineError`` for a grammar that llama.cpp cannot read.
    """

    FEW = 16
    """tokens"""

    def __init__(self, model: Model, grammar: str) -> None:
        self._c = c = library()
        forget_complaints()
        link = c.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
        if not link:
            raise EngineError(f"llama.cpp cannot read a grammar: {complaint('no reason given')}")
        params = c.llama_sampler_chain_default_params()
        params.no_perf = True
        self._grammar = link
        self._chain: Any = c.llama_sampler_chain_init(params)
        for each in (link, c.llama_sampler_init_greedy()):
            c.llama_sampler_chain_add(self._chain, each)

    def sample(self, context: Context) -> int:
        c, few = self._c, context.likeliest(self.FEW)
        rows = (c.llama_token_data * len(few))(*(c.llama_token_data(token, logit, 0.0) for token, logit in few))
        c.llama_sampler_apply(self._grammar, ctypes.byref(c.llama_token_data_array(rows, len(few), -1, True)))
        for row in rows:
            if row.logit > -math.inf:
                c.llama_sampler_accept(self._chain, row.id)
                return int(row.id)
        return int(c.llama_sampler_sample(self._chain, context.pointer, -1))

    def close(self) -> None:
        if self._chain:
            self._c.llama_sampler_free(self._chain)
            self._chain = self._grammar = None
