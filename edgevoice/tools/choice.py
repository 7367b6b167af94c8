"""Which tools a sentence may ask for, and how the language model is asked which it does.

Theory: the default model is small.  Told of ten tools it calls one in every sentence, so three things stand before it.  A tool is thought
of only if one of its words is said (``offered``): a fraction of a millisecond, and talk goes by untouched.  Of what is left the model
does not write a name: it is shown examples, and weighs each tool against "none" (``choosing``), less what it weighs for sentences that say
nothing, since a model likes some names better than others whatever is asked.  Then it writes the arguments, by a grammar that holds
what was said (``filling``).

The sentences that ask for nothing, their order between the examples, and those that say nothing were chosen on 60 sentences that
are not those of ``bench tools``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgevoice.events import Message
from edgevoice.tools.call import Call, read
from edgevoice.tools.declare import Example, Tool
from edgevoice.tools.schema import Slot, grammar, mentions, slot

NONE = "none"
"""the name of talk"""
MARGIN = 0.0
"""nats by which a tool must outweigh it"""
SAYING_NOTHING = ("N/A.", "Hello.", "...")
TALK = ("Who invented it?", "What is the tallest mountain?", "Tell me a story about that.", "Why do people like it?",
        "My neighbour has a new one.", "How does it work?")
_NOT_NOW = re.compile(r"^\s*if\b|\b(?:don['’]?t|do not|never|unless)\b", re.IGNORECASE)
"""nothing is to be done, or not yet: no tool is for that"""
_PART = re.compile(r"[,;.?!]|\b(?:and|then)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that a sentence may ask for, and what its arguments may be."""

    tool: Tool
    slots: tuple[tuple[str, Slot], ...]

    @property
    def grammar(self) -> str:
        """"" where there is nothing to choose."""
        return "" if all(len(each.values) == 1 for _, each in self.slots) else grammar(self.slots)

    @property
    def only(self) -> str:
        """The arguments, where there is nothing to choose."""
        return json.dumps({name: each.values[0] for name, each in self.slots})

    def read(self, text: str) -> Call:
        """The call that ``text`` is; ``ValueError`` unless the tool's schema allows it and the sentence does."""
        call = read(self.tool, text)
        slots, defaults = dict(self.slots), {parameter.name: parameter.default for parameter in self.tool.parameters}
        for name, value in call.arguments.items():
            if not (slots[name].holds(value) if name in slots else value == defaults[name]):
                raise ValueError(f"{self.tool.name}: {name} = {value!r} was not said")
        return call


def offered(tools: Sequence[Tool], sentence: str) -> tuple[Offer, ...]:
    """Those of which a word was said and whose required arguments can be found in the sentence, if it wants something done now."""
    if _NOT_NOW.search(sentence):
        return ()
    found = (_offer(tool, sentence) for tool in tools if any(mentions(sentence, word) for word in tool.words))
    return tuple(offer for offer in found if offer is not None)


def after(tools: Sequence[Tool], sentence: str, done: Sequence[Tool]) -> tuple[str, tuple[Offer, ...]]:
    """What is left of a sentence when ``done`` were called, and the tools that it may ask for still: only parts of it count that name none
    of those, so that the light in the garage does not open the garage."""
    left = " ".join(part for part in _PART.split(sentence)
                    if not any(mentions(part, word) for tool in done for word in tool.words)).strip()
    return left, offered([tool for tool in tools if tool not in done], left)


def _offer(tool: Tool, sentence: str) -> Offer | None:
    slots = []
    for parameter in tool.parameters:
        found = slot(parameter, sentence) if parameter.required or parameter.kind != "text" else None
        if found is not None and (parameter.required or parameter.default is not None or len(found.values) == 1):
            slots.append((parameter.name, found))
        elif parameter.required:
            return None
    return Offer(tool, tuple(slots))


class Described(Protocol):
    """What a model is told of a tool that it may choose."""

    @property
    def name(self) -> str: ...

    @property
    def what(self) -> str: ...

    @property
    def examples(self) -> Sequence[Example]: ...


def choosing(tools: Sequence[Described], sentence: str) -> list[Message]:
    """Asks for the name of a tool, or ``NONE``."""
    listed = [f"{tool.name}: {tool.what}" for tool in tools]
    told = ["You choose the tool for what the user says. Answer with its name.", *listed, f"{NONE}: anything else: questions, small talk"]
    asks = [(example.say, tool.name) for tool in tools for example in tool.examples]
    shown = [pair for pairs in itertools.zip_longest(((say, NONE) for say in TALK), asks) for pair in pairs if pair is not None]
    return [Message("system", "\n".join(told)), *_shots(shown), Message("user", sentence)]


def filling(offer: Offer, sentence: str) -> list[Message]:
    """Asks for the arguments, as JSON."""
    told = f"You write what the user wants as JSON.\n{offer.tool.name}: {offer.tool.what}"
    shown = [(example.say, json.dumps(dict(example.arguments), ensure_ascii=False)) for example in offer.tool.examples]
    return [Message("system", told), *_shots(shown), Message("user", sentence)]


def _shots(pairs: Sequence[tuple[str, str]]) -> list[Message]:
    return [message for say, answer in pairs for message in (Message("user", say), Message("assistant", answer))]
