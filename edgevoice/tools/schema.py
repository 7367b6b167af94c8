"""A tool's parameters: JSON Schema as far as speech can fill it, and the grammar of the calls that a sentence allows.

Theory: a small model that may write anything writes cities that nobody named.  So what a parameter may be is looked for in the sentence
first (``slot``): of a list those that were said, or all if none was; of numbers those that were said; of free text any run of its words.
The grammar (GBNF) lets through these and nothing else, and one that lets through nothing is a call that is not offered.

Laws
- A call that the grammar lets through fulfils the schema.  ``check`` holds it to that once more, whoever wrote it.
- Free text comes out of the user's mouth: never from a tool's result, a topic, or the model's imagination.
- What the schema says in a word that is not understood here is refused when it is declared, not ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from edgevoice.skills.hearing import hear
from edgevoice.skills.numbers import number

Kind = Literal["choice", "whole", "number", "flag", "text"]
Value = str | int | float | bool
LONGEST = 80
"""characters of free text, where the schema names no other length"""
MOST_WORDS = 40
"""of a sentence that fills free text; a longer one is no order"""
_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_TEXT = re.compile(rf"{_WORD.pattern}(?: {_WORD.pattern})*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_KEYS = frozenset({"type", "enum", "minimum", "maximum", "maxLength", "default", "description", "title"})
_TYPES: dict[str, Kind] = {"string": "text", "integer": "whole", "number": "number", "boolean": "flag"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One property of the schema.  ``choices`` of a choice; bounds of numbers; ``longest`` of text, in characters."""

    name: str
    kind: Kind
    required: bool
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    longest: int = LONGEST
    default: Value | None = None

    def check(self, value: Any) -> bool:
        """Whether the schema allows ``value``."""
        if self.kind == "choice":
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if self.kind == "flag":
            return isinstance(value, bool)
        if self.kind == "text":
            return isinstance(value, str) and bool(_TEXT.fullmatch(value)) and len(value) <= self.longest
        fits = isinstance(value, int if self.kind == "whole" else (int, float)) and not isinstance(value, bool)
        return fits and (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a parameter may be in one sentence: one of ``values``, or a run of ``words``."""

    values: tuple[Value, ...] = ()
    words: tuple[str, ...] = ()

    def holds(self, value: Value) -> bool:
        if not self.words:
            return any(value == each and type(value) is type(each) for each in self.values)
        run = str(value).split(" ")
        return any(list(self.words[i:i + len(run)]) == run for i in range(len(self.words)))


def parameters(schema: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Those of an object's schema; ``ValueError`` says what is wrong with it and what would be right."""
    unknown = set(schema) - {"type", "properties", "required", "additionalProperties", "description", "title"}
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not understood beside type, properties and required")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping) or not isinstance(required, list):
        raise ValueError("a tool's parameters are an object with properties and, where some must be there, a list of those: required")
    if schema.get("additionalProperties", False) is not False:
        raise ValueError("additionalProperties is always false: nothing is passed on that was not declared")
    missing = [name for name in required if name not in properties]
    if missing:
        raise ValueError(f"required names {missing[0]!r}, which is no property")
    return tuple(_parameter(name, described, name in required) for name, described in properties.items())


def _parameter(name: str, said: Any, required: bool) -> Parameter:
    if not _NAME.fullmatch(name):
        raise ValueError(f"property {name!r}: a name is letters, digits and _, 40 at most, a letter first")
    if not isinstance(said, Mapping):
        raise ValueError(f"property {name!r} is no schema but {said!r}; write it as {{ type = \"string\" }}")
    unknown = set(said) - _KEYS
    if unknown:
        raise ValueError(f"property {name!r}: {min(unknown)!r} is not understood; {', '.join(sorted(_KEYS))} are")
    choices = said.get("enum")
    kind = "choice" if choices is not None else _TYPES.get(str(said.get("type")))
    if kind is None:
        raise ValueError(f"property {name!r}: type = {said.get('type')!r}; one of {', '.join(_TYPES)}, or an enum, is wanted")
    if kind == "choice" and (not isinstance(choices, list) or not choices or not all(map(_plain, choices))):
        raise ValueError(f"property {name!r}: enum is a list of texts or whole numbers, without control characters")
    low, high, longest = said.get("minimum"), said.get("maximum"), said.get("maxLength", LONGEST)
    if kind in ("whole", "number") and (low is None or high is None or not _number(low) or not _number(high) or low > high):
        raise ValueError(f"property {name!r}: a number needs its minimum and its maximum")
    if not isinstance(longest, int) or not 1 <= longest <= 1000:
        raise ValueError(f"property {name!r}: maxLength = {longest!r}; 1 to 1000 is possible")
    made = Parameter(name, kind, required, tuple(choices or ()), low, high, longest, said.get("default"))
    if made.default is not None and not made.check(made.default):
        raise ValueError(f"property {name!r}: its default {made.default!r} is not what the rest of it allows")
    return made


def _plain(choice: Any) -> bool:
    return (isinstance(choice, int) and not isinstance(choice, bool)) or (isinstance(choice, str) and choice.isprintable() and bool(choice))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def heard_words(sentence: str) -> tuple[str, ...]:
    """As they were written, without marks."""
    return tuple(_WORD.findall(sentence))


def slot(parameter: Parameter, sentence: str) -> Slot | None:
    """What the sentence allows; ``None`` for nothing."""
    if parameter.kind == "flag":
        return Slot((True, False))
    if parameter.kind == "text":
        words = heard_words(sentence)
        fits = 0 < len(words) <= MOST_WORDS
        return Slot(words=words) if fits else None
    if parameter.kind == "choice":
        said = tuple(choice for choice in parameter.choices if mentions(sentence, str(choice)))
        return Slot(said or (parameter.choices if parameter.default is None else (parameter.default,)))
    said = tuple(value for value in _numbers(sentence, whole=parameter.kind == "whole") if parameter.check(value))
    if not said and parameter.default is not None:
        said = (parameter.default,)
    return Slot(said) if said else None


def mentions(sentence: str, phrase: str) -> bool:
    """Whether the words of ``phrase`` stand in the sentence, one after the other, the last perhaps in the plural."""
    words = [word.casefold() for word in heard_words(sentence)]
    wanted = [word.casefold() for word in heard_words(phrase)]
    ends = {"".join(wanted[-1:]) + s for s in ("", "s", "es")}
    size = len(wanted)
    return size > 0 and any(words[i:i + size - 1] == wanted[:-1] and words[i + size - 1] in ends for i in range(len(words) - size + 1))


def _numbers(sentence: str, *, whole: bool) -> list[Value]:
    words, found, at = hear(sentence), [], 0
    while at < len(words):
        read = number(words, at)
        if read is not None:
            found.append(read.value)
        at = at + 1 if read is None else read.after
    return [_spelled(value) for value in dict.fromkeys(found) if value.denominator == 1 or not whole]


def _spelled(value: Fraction) -> Value:
    return int(value) if value.denominator == 1 else float(value)


def grammar(slots: Sequence[tuple[str, Slot]]) -> str:
    """GBNF of the JSON objects that hold one value for each name, in this order."""
    rules: list[str] = []
    parts = [literal("{")]
    for index, (name, each) in enumerate(slots):
        parts += [literal((", " if index else "") + json.dumps(name) + ": "), _alternatives(each, f"p{index}", rules)]
    return "\n".join([f"root ::= {' '.join([*parts, literal('}')])}", *rules])


def _alternatives(each: Slot, prefix: str, rules: list[str]) -> str:
    if not each.words:
        return "(" + " | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in each.values) + ")"
    last = len(each.words) - 1
    for i, word in enumerate(each.words):
        rules.append(f"{prefix}w{i} ::= {literal(json.dumps(word, ensure_ascii=False)[1:-1])}"
                     + (f' (" " {prefix}w{i + 1})?' if i < last else ""))
    quote = literal('"')
    return f"{quote} (" + " | ".join(f"{prefix}w{i}" for i in range(last + 1)) + f") {quote}"


def literal(text: str) -> str:
    """GBNF that lets ``text`` through and nothing else."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
