"""The routes by which programs use the device's engines.

Theory: these are the raw engines on loan (``pipeline.lending``).  No skill answers here, the device says nothing and does nothing, and
the conversation with it is another one: whoever wants the device itself asks ``/v1/ask``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import web

from edgevoice.adapters.http.answers import json_answer
from edgevoice.adapters.http.openai.chat import Chat
from edgevoice.adapters.http.openai.common import Names, refusal
from edgevoice.adapters.http.openai.speech import Speech
from edgevoice.adapters.http.openai.transcription import Transcription
from edgevoice.adapters.http.routes import Route
from edgevoice.adapters.verbs import Refused
from edgevoice.pipeline.lending import Lender
from edgevoice.settings import Settings


class OpenAi:
    """A ``Group``."""

    def __init__(self, lender: Lender, settings: Settings) -> None:
        self._names = names = Names(_name(settings.llm.model), _name(settings.stt.model), _name(settings.tts.model))
        self._since = int(time.time())
        self._chat = Chat(lender, names, settings)
        self._speech = Speech(lender, names)
        self._transcription = Transcription(lender, names, settings.lend)

    def routes(self) -> Iterable[Route]:
        return (Route("GET", "/v1/models", "listen", self._models, refusal),
                Route("GET", "/v1/models/{id}", "listen", self._model, refusal),
                Route("POST", "/v1/chat/completions", "speak", self._chat.answer, refusal),
                Route("POST", "/v1/audio/speech", "speak", self._speech.answer, refusal),
                Route("POST", "/v1/audio/transcriptions", "speak", self._transcription.answer, refusal))

    async def _models(self, _: web.Request) -> web.StreamResponse:
        names = self._names
        return json_answer({"object": "list", "data": [self._told(name) for name in (names.chat, names.transcription, names.speech)]})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        names, id = self._names, request.match_info["id"]
        if id not in (names.chat, names.transcription, names.speech):
            raise Refused("unknown", f"there is no model {id[:60]!r} here", {"param": "model", "code": "model_not_found"})
        return json_answer(self._told(id))

    def _told(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._since, "owned_by": "edgevoice"}


def _name(model: str) -> str:
    """A path says more than it should."""
    return Path(model).name
