"""The verbs over HTTP: what each wants, and whom it is allowed."""

from __future__ import annotations

from collections.abc import Mapping

from edgevoice.adapters.verbs import ARGUMENTS, Schema, described

COMMANDS: Mapping[str, Schema] = {verb: described(does, arguments, required) for verb, (does, arguments, required) in ARGUMENTS.items()}
_ID: Schema = {"type": "string", "minLength": 8, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"}
ASK = described("ask", {**ARGUMENTS["ask"][1], "id": _ID, "keep": {"type": "boolean"}}, ("text",))
"""of ``/v1/ask``, which is answered with the reply itself"""
_SCOPES: Mapping[str, str] = {"say": "speak", "ask": "speak", "wake_word": "admin", "profile": "admin", "reload": "admin",
                              "restart": "admin", "models": "listen", "doctor": "listen"}


def scope(verb: str) -> str:
    """That a token must have for it."""
    return _SCOPES.get(verb, "control")
