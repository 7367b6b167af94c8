"""The OpenAPI 3.1 document of all routes, made of the schemas that their handlers check with.

``python -m edgevoice.adapters.http.openapi FILE`` writes it; ``GET /openapi.json`` serves it.  A test keeps both, and the routes that there
are, the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from aiohttp import web

from edgevoice.adapters.http import commands
from edgevoice.adapters.http.answers import json_answer
from edgevoice.adapters.http.openai.schemas import ANSWERS, CHAT, FORMATS, SPEECH, TRANSCRIPTION
from edgevoice.adapters.http.routes import Route
from edgevoice.adapters.verbs import Schema

_SSE, _JSON, _TEXT = "text/event-stream", "application/json", "text/plain"
_STRING: Schema = {"type": "string"}
_ANY: Schema = {"type": "object"}
_REFUSED: Schema = {"type": "object", "required": ["ok", "reason", "message"], "properties": {
    "ok": {"const": False}, "reason": _STRING, "message": _STRING}}
_ERROR: Schema = {"type": "object", "required": ["error"], "properties": {"error": {
    "type": "object", "required": ["message", "type", "param", "code"], "properties": {
        "message": _STRING, "type": _STRING, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}}
_RESULT: Schema = {"type": "object", "required": ["verb", "ok", "took_ms", "time"], "properties": {
    "verb": _STRING, "ok": {"const": True}, "took_ms": {"type": "number"}, "time": {"type": "number"}, "data": _ANY}}
_MODEL: Schema = {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {
    "id": _STRING, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _STRING}}
_MODELS: Schema = {"type": "object", "required": ["object", "data"], "properties": {
    "object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}}}
_COMPLETION: Schema = {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
    "object": {"const": "chat.completion"}, "choices": {"type": "array", "minItems": 1, "maxItems": 1}, "usage": _ANY}}
_HEARD: Schema = {"type": "object", "required": ["text"], "properties": {"text": _STRING}}
_LAST_ID = {"name": "Last-Event-ID", "in": "header", "schema": _STRING, "description": "of the last event that was seen"}
_FORM: Schema = {"type": "object", "required": ["file", *TRANSCRIPTION["required"]], "additionalProperties": False,
                 "properties": {"file": {"type": "string", "format": "binary"}, **TRANSCRIPTION["properties"]}}


class OpenApi:
    """A ``Group``."""

    def __init__(self) -> None:
        self._made: dict[str, Any] | None = None

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/openapi.json", None, self._answer),)

    async def _answer(self, _: web.Request) -> web.StreamResponse:
        self._made = self._made or document()
        return json_answer(self._made)


def document() -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/health": {"get": _operation("the health snapshot", "listen", {_JSON: _ANY})},
        "/metrics": {"get": _operation("the same for Prometheus", "listen", {_TEXT: _STRING})},
        "/openapi.json": {"get": _operation("this document", None, {_JSON: _ANY})},
        "/v1/state": {"get": _operation("what the device does", "listen", {_JSON: _ANY})},
        "/v1/events": {"get": _operation("what happens, as it happens; it does not end", "listen", {_SSE: {}}, parameters=[_LAST_ID])},
        "/v1/ask": {"post": _operation("a question, answered aloud by the device; its reply's frames", "speak", {_SSE: {}},
                                       body={_JSON: _plain(commands.ASK)}, parameters=[_LAST_ID])},
        "/v1/replies/{id}": {"get": _operation("the reply to a question that was asked with this id", "speak", {_SSE: {}},
                                               parameters=[_path("id"), _LAST_ID])},
        "/v1/stream": {"get": _operation("a WebSocket, by docs/stream.md", "listen", {_JSON: _ANY})},
        "/v1/models": {"get": _operation("the models that are lent", "listen", {_JSON: _MODELS}, error=_ERROR)},
        "/v1/models/{id}": {"get": _operation("one of them", "listen", {_JSON: _MODEL}, parameters=[_path("id")], error=_ERROR)},
        "/v1/chat/completions": {"post": _operation(
            "the next message of a conversation, by the language model alone", "speak", {_JSON: _COMPLETION, _SSE: {}},
            body={_JSON: _plain(CHAT)}, error=_ERROR)},
        "/v1/audio/speech": {"post": _operation(
            f"a text as sound ({', '.join(FORMATS)})", "speak", {"audio/*": {"type": "string", "format": "binary"}},
            body={_JSON: _plain(SPEECH)}, error=_ERROR)},
        "/v1/audio/transcriptions": {"post": _operation(
            f"the words of a recording ({', '.join(ANSWERS)})", "speak", {_JSON: _HEARD, _TEXT: _STRING, _SSE: {}},
            body={"multipart/form-data": _FORM}, error=_ERROR)},
    }
    for verb, schema in commands.COMMANDS.items():
        paths[f"/v1/cmd/{verb}"] = {"post": _operation(schema["title"], commands.scope(verb), {_JSON: _RESULT},
                                                       body={_JSON: _plain(schema)}, needed=bool(schema.get("required")))}
    return {"openapi": "3.1.0", "info": {"title": "edgevoice", "version": metadata.version("edgevoice"), "license": {
        "name": "Apache-2.0", "identifier": "Apache-2.0"}}, "paths": paths, "components": {"securitySchemes": {"token": {
            "type": "http", "scheme": "bearer", "description": "a token of http.token_file; none where there is no such file"}}}}


def write(path: Path) -> None:
    path.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _operation(summary: str, scope: str | None, answers: Mapping[str, Schema], *, body: Mapping[str, Schema] | None = None,
               parameters: list[Mapping[str, Any]] | None = None, error: Schema = _REFUSED, needed: bool = True) -> dict[str, Any]:
    made: dict[str, Any] = {"summary": summary, "security": [{"token": [scope]}] if scope else [], "responses": {
        "200": {"description": "done", "content": {kind: {"schema": schema} for kind, schema in answers.items()}},
        "default": {"description": "refused", "content": {_JSON: {"schema": error}}}}}
    if body is not None:
        made["requestBody"] = {"required": needed, "content": {kind: {"schema": schema} for kind, schema in body.items()}}
    if parameters:
        made["parameters"] = parameters
    return made


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _plain(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "$schema"}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
