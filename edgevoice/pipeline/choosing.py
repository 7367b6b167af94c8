"""The language model's part in a call: which tool, if any, and with what arguments.  On the brain's thread; nothing is done here."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from edgevoice.engines.protocols import Cancel, Llm
from edgevoice.tools.call import Call
from edgevoice.tools.choice import MARGIN, NONE, SAYING_NOTHING, Described, Offer, choosing, filling

log = logging.getLogger(__name__)

LONGEST = 200
"""tokens of a call; none that fits a sentence is longer"""
MOST_SETS = 64
"""of tools that are remembered"""


@dataclass(frozen=True, slots=True)
class Choice:
    """``call`` is ``None`` for talk; ``margin``: nats by which the best tool outweighed talk; ``why``: in words."""

    call: Call | None
    margin: float
    why: str


class Chooser:
    """Remembers what a model weighs for sentences that say nothing, for each set of tools."""

    def __init__(self) -> None:
        self._leanings: dict[tuple[str, ...], list[float]] = {}

    def choose(self, llm: Llm, offers: Sequence[Offer], sentence: str, cancel: Cancel) -> Choice:
        """``EngineError`` as the engine raises it."""
        offer, margin = self._weigh(llm, offers, sentence, cancel)
        if offer is None:
            return Choice(None, margin, "the model takes it for talk")
        if not offer.grammar:
            text = offer.only
        else:
            parts: list[str] = []
            done = llm.generate(filling(offer, sentence), parts.append, cancel, max_tokens=LONGEST, grammar=offer.grammar)
            text = "".join(parts)
            if done.finish != "stop":
                return Choice(None, margin, f"the call to {offer.tool.name} was not written to its end")
        try:
            call = offer.read(text)
        except ValueError as error:
            log.info("a call to %s was refused", offer.tool.name)
            return Choice(None, margin, str(error))
        return Choice(call, margin, f"{offer.tool.name} {json.dumps(dict(call.arguments), ensure_ascii=False)}")

    def _weigh(self, llm: Llm, offers: Sequence[Offer], sentence: str, cancel: Cancel) -> tuple[Offer | None, float]:
        weights = self.weigh(llm, [offer.tool for offer in offers], sentence, cancel)
        if weights is None:
            return None, 0.0
        *tools, talk = weights
        best = max(range(len(tools)), key=tools.__getitem__)
        margin = tools[best] - talk
        return (offers[best] if margin > MARGIN else None), margin

    def weigh(self, llm: Llm, tools: Sequence[Described], sentence: str, cancel: Cancel) -> list[float] | None:
        """By how much more (nats) the sentence asks for each of ``tools``, and at the end for none of them, than one that says nothing.
        ``None`` where ``cancel`` came first."""
        names = [*(tool.name for tool in tools), NONE]
        leaning = self._leaning(llm, tools, names, cancel)
        weights = None if leaning is None else llm.weigh(choosing(tools, sentence), names, cancel)
        return None if leaning is None or weights is None else [weight - bias for weight, bias in zip(weights, leaning, strict=True)]

    def _leaning(self, llm: Llm, tools: Sequence[Described], names: list[str], cancel: Cancel) -> list[float] | None:
        key = tuple(f"{tool.name}: {tool.what}" for tool in tools)
        if key not in self._leanings:
            rows = [llm.weigh(choosing(tools, sentence), names, cancel) for sentence in SAYING_NOTHING]
            known = [row for row in rows if row is not None]
            if len(known) < len(rows):
                return None
            while len(self._leanings) >= MOST_SETS:
                del self._leanings[next(iter(self._leanings))]
            self._leanings[key] = [sum(column) / len(rows) for column in zip(*known, strict=True)]
        return self._leanings[key]
