"""Grammars of JSON Schemas: what they are made of, and what is refused instead of being half obeyed.  That llama.cpp lets just the right
texts through is held by ``tests/contract/test_llm_forms.py``."""

from __future__ import annotations

from typing import Any

import pytest

from edgevoice.tools.json_grammar import grammar_of


def test_a_grammar_is_read_at_a_glance() -> None:
    made = grammar_of({"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 3}}})
    assert made.splitlines()[:4] == [
        "root ::= v0", 'v0 ::= "{" "\\"city\\": " v1 (", " "\\"days\\": " v2)? "}"', 'v1 ::= "\\"" char{0,20} "\\""',
        'v2 ::= "1" | "2" | "3"']


@pytest.mark.parametrize(("schema", "told"), [
    ({"type": "string", "pattern": "^a+$"}, "'pattern' is not understood"),
    ({"$ref": "#/x"}, "is not understood"),
    ({"type": "text"}, 'type = "text" is not understood'),
    ({"type": "integer", "minimum": 5}, "minimum = 0 alone"),
    ({"type": "integer", "minimum": 0, "maximum": 10_000}, "can be held apart"),
    ({"type": "integer", "minimum": True}, "whole numbers"),
    ({"type": "array"}, "what its items are"),
    ({"type": "array", "items": {"type": "null"}, "minItems": 20}, "the most there can be"),
    ({"enum": []}, "with something in it"), ({"enum": list(range(101))}, "101 values"),
    ({"type": "object", "required": ["x"]}, "no property"),
    ({"type": "object", "properties": {"x": 1}}, "no schema"),
    ({"type": "object", "properties": {f"p{k}": {"type": "null"} for k in range(13)}}, "13 properties may be missing"),
    ({"type": "object", "properties": {f"p{k}": {"type": "null"} for k in range(200)}, "required": [f"p{k}" for k in range(200)]},
     "too large"),
])
def test_what_cannot_be_held_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        grammar_of(schema)


def test_it_is_bounded_in_depth() -> None:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(50):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ValueError, match="too large"):
        grammar_of(schema)
