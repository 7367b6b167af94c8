"""JSON Schema to GBNF: what a language model may write where a program wants its answer in a form.

Theory: a grammar is fulfilled token by token, so what it cannot express it would not hold.  A schema that says more than this understands
is therefore refused and not half obeyed; annotations (description, title, default, examples, format) say nothing that must be held.

Laws
- What the grammar lets through is JSON and fulfils the schema.
- It ends: texts, lists and numbers are bounded where the schema does not bound them, for a small model that repeats itself.
- Nothing here is larger than its bounds, whoever wrote the schema (``DEEPEST``, ``MOST_RULES``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgevoice.tools.schema import literal

DEEPEST = 5
"""objects within objects"""
MOST_RULES = 100
"""values described in one schema"""
MOST_CHOICES = 100
"""of an enum, and whole numbers between a minimum and a maximum"""
MOST_OPTIONAL = 12
"""properties of an object that may be missing"""
LONGEST, MOST_ITEMS = 200, 16
"""characters of a text and items of a list, where the schema does not say less"""
_NOTES = frozenset({"$schema", "$comment", "title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly",
                    "strict"})
_KEYS = {"object": {"properties", "required", "additionalProperties"}, "array": {"items", "minItems", "maxItems"},
         "string": {"minLength", "maxLength"}, "integer": {"minimum", "maximum"}, "number": {"minimum"}, "boolean": set(), "null": set()}
_BASE = ('char ::= [^"\\\\\\x00-\\x1f] | "\\\\" ["\\\\/bfnrt]', 'whole ::= "0" | [1-9] [0-9]{0,8}',
         'real ::= whole ("." [0-9]{1,6})?')


def grammar_of(schema: Mapping[str, Any]) -> str:
    """GBNF of the JSON texts of ``schema``; ``ValueError`` says what of it is not understood."""
    made = _Grammar()
    root = made.value(schema, 0)
    return "\n".join([f"root ::= {root}", *made.rules, *_BASE])


ANY_OBJECT = "\n".join((
    "root ::= object", 'value ::= object | array | text | "-"? real | "true" | "false" | "null"',
    'object ::= "{" (pair (", " pair)*)? "}"', 'pair ::= text ": " value', 'array ::= "[" (value (", " value)*)? "]"',
    f'text ::= "\\"" char{{0,{LONGEST}}} "\\""', *_BASE))
"""GBNF of any JSON object"""


class _Grammar:
    def __init__(self) -> None:
        self.rules: list[str] = []

    def value(self, schema: Any, depth: int) -> str:
        """The name of a rule."""
        if not isinstance(schema, Mapping):
            raise ValueError(f"{json.dumps(schema)[:40]} is no schema; an object is wanted")
        if depth > DEEPEST or len(self.rules) >= MOST_RULES:
            raise ValueError(f"it is too large: {DEEPEST} levels and {MOST_RULES} values at most")
        at = len(self.rules)
        name = f"v{at}"
        self.rules.append("")
        self.rules[at] = f"{name} ::= {self._body(schema, depth)}"
        return name

    def _body(self, schema: Mapping[str, Any], depth: int) -> str:
        said = set(schema) - _NOTES
        if "enum" in said or "const" in said:
            _only(said, {"enum", "const", "type"})
            return _choices(schema["enum"] if "enum" in said else [schema["const"]])
        for key in ("anyOf", "oneOf"):
            if key in said:
                _only(said, {key})
                return " | ".join(self.value(each, depth + 1) for each in _list(schema[key], key))
        kind = schema.get("type", "object" if "properties" in said else None)
        if isinstance(kind, list):
            return " | ".join(self.value({**schema, "type": each} if each != "null" else {"type": "null"}, depth + 1)
                              for each in _list(kind, "type"))
        if not isinstance(kind, str) or kind not in _KEYS:
            raise ValueError(f"type = {json.dumps(kind)[:40]} is not understood; {', '.join(_KEYS)} are")
        _only(said, _KEYS[kind] | {"type"})
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            least, most = _bounds(schema, "minLength", "maxLength", LONGEST)
            return f'"\\"" char{{{least},{most}}} "\\""'
        return _number(schema, kind) if kind in ("integer", "number") else _KEYWORDS[kind]

    def _object(self, schema: Mapping[str, Any], depth: int) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise ValueError("properties is an object, and required a list of some of their names")
        if missing := [name for name in required if name not in properties]:
            raise ValueError(f"required names {json.dumps(missing[0])[:40]}, which is no property")
        pairs = {name: f"{literal(json.dumps(name, ensure_ascii=False) + ': ')} {self.value(each, depth + 1)}"
                 for name, each in properties.items()}
        must, may = ([pair for name, pair in pairs.items() if (name in required) == wanted] for wanted in (True, False))
        if len(may) > MOST_OPTIONAL:
            raise ValueError(f"{len(may)} properties may be missing; {MOST_OPTIONAL} at most")
        if must:
            inner = ' ", " '.join(must) + "".join(f' (", " {pair})?' for pair in may)
        else:  # the first that is there has no comma before it
            inner = " | ".join("".join([pair, *(f' (", " {later})?' for later in may[i + 1:])]) for i, pair in enumerate(may))
            inner = f"({inner})?" if inner else ""
        return f'"{{" {inner} "}}"'

    def _array(self, schema: Mapping[str, Any], depth: int) -> str:
        if "items" not in schema:
            raise ValueError("an array says what its items are")
        item = self.value(schema["items"], depth + 1)
        least, most = _bounds(schema, "minItems", "maxItems", MOST_ITEMS)
        if most == 0:
            return '"[]"'
        inner = f'{item} (", " {item}){{{max(least - 1, 0)},{most - 1}}}'
        return f'"[" {inner} "]"' if least else f'"[" ({inner})? "]"'


_KEYWORDS = {"boolean": '"true" | "false"', "null": '"null"'}


def _number(schema: Mapping[str, Any], kind: str) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    for bound in (low, high):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float)) or bound != int(bound)):
            raise ValueError("minimum and maximum are whole numbers")
    if low is not None and high is not None:
        if not 0 <= high - low < MOST_CHOICES:
            raise ValueError(f"from minimum = {low} to maximum = {high}: up to {MOST_CHOICES} numbers can be held apart")
        return _choices(list(range(int(low), int(high) + 1)))
    if high is not None or low not in (None, 0):
        raise ValueError("minimum = 0 alone, or minimum and maximum together, are understood")
    body = "whole" if kind == "integer" else "real"
    return body if low == 0 else f'"-"? {body}'


def _choices(values: Any) -> str:
    found = _list(values, "enum")
    if len(found) > MOST_CHOICES:
        raise ValueError(f"enum has {len(found)} values; {MOST_CHOICES} at most")
    return " | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in found)


def _list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} is a list with something in it")
    return value


def _only(said: set[str], known: set[str]) -> None:
    if unknown := said - known:
        raise ValueError(f"{min(unknown)[:40]!r} is not understood here")


def _bounds(schema: Mapping[str, Any], low: str, high: str, longest: int) -> tuple[int, int]:
    least, most = schema.get(low, 0), schema.get(high)
    if any(value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0) for value in (least, most)):
        raise ValueError(f"{low} and {high} are whole numbers, 0 at least")
    most = min(longest, longest if most is None else most)
    if least > most:
        raise ValueError(f"{low} = {least} is more than {most}, the most there can be")
    return least, most
