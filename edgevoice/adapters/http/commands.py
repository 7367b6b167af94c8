"""The verbs over HTTP: what each wants, and whom it is allowed."""

from __future__ import annotations

from collections.abc import Mapping

from edgevoice.adapters.verbs import ARGUMENTS, Schema, described

COMMANDS: Mapping[str, Schema] = {verb: described(does, arguments, required) for verb, (does, arguments, required) in ARGUMENTS.items()}
_SCOPES: Mapping[str, str] = {"say": "speak", "ask": "speak", "wake_word": "admin", "profile": "admin", "reload": "admin",
                              "restart": "admin", "models": "listen", "doctor": "listen"}


def scope(verb: str) -> str:
    """That a token must have for it."""
    return _SCOPES.get(verb, "control")
