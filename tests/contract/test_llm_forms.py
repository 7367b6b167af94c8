"""llama.cpp and the grammars of JSON Schemas: each is read, and whatever the model writes by it fulfils the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgevoice.engines import llm
from edgevoice.errors import ModelError
from edgevoice.events import Message
from edgevoice.models import find
from edgevoice.settings import LlmSettings, PathSettings
from edgevoice.tools.json_grammar import ANY_OBJECT, grammar_of
from tests.fakes.llm import FlagCancel

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "required": ["city", "days"], "properties": {"city": {"type": "string", "maxLength": 12},
                                                                    "days": {"type": "integer", "minimum": 1, "maximum": 5}}},
    {"type": "object", "properties": {"on": {"type": "boolean"}, "level": {"type": "number", "minimum": 0},
                                      "why": {"type": ["string", "null"], "maxLength": 8}}},
    {"type": "object", "required": ["list"], "properties": {"list": {"type": "array", "minItems": 2, "maxItems": 3, "items": {
        "anyOf": [{"enum": ["größe", "a \"b\"", 3, None]}, {"type": "object", "properties": {}}]}}}},
]


@pytest.fixture(scope="module")
def engine() -> Any:
    settings = LlmSettings(prompt_cache=False)
    try:
        folder: Path = find(PathSettings(), settings.model)
    except ModelError as error:
        pytest.skip(str(error))
    made = llm.load(settings, folder)
    yield made
    made.close()


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("said", ["Rain in Rome for three days.", "zzz { \" } [ 999999999"])
def test_what_is_written_fulfils_the_schema(engine: Any, schema: dict[str, Any], said: str) -> None:
    parts: list[str] = []
    done = engine.generate([Message("system", "Write JSON."), Message("user", said)], parts.append, FlagCancel(), max_tokens=120,
                           grammar=grammar_of(schema))
    assert done.finish == "stop", "".join(parts)
    jsonschema.Draft202012Validator(schema).validate(json.loads("".join(parts)))


def test_any_object_is_one(engine: Any) -> None:
    parts: list[str] = []
    done = engine.generate([Message("user", 'Say {"a": [1, true]} again.')], parts.append, FlagCancel(), max_tokens=60, grammar=ANY_OBJECT)
    text = "".join(parts)
    assert text.startswith("{") and (done.finish == "length" or isinstance(json.loads(text), dict))
