"""What all of these routes share: the names of the models, how a refusal is told, and how a lent engine's failures become one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgevoice.adapters.house import Failed
from edgevoice.adapters.verbs import Refused, Schema, wrong
from edgevoice.errors import EdgeVoiceError
from edgevoice.pipeline.lending import Busy, Unfit

_TYPES: Mapping[str, str] = {"token": "authentication_error", "scope": "permission_error", "too_many": "rate_limit_error",
                             "busy": "rate_limit_error", "failed": "server_error", "late": "server_error"}
_PARAM = re.compile(r"'?([A-Za-z_][\w.\[\]]*)'?: ")


@dataclass(frozen=True, slots=True)
class Names:
    """By which the models are asked for."""

    chat: str
    transcription: str
    speech: str

    def check(self, model: str, wanted: str) -> None:
        """``Refused`` unless ``model`` is the ``wanted`` one."""
        if model != wanted:
            raise Refused("unknown", f"there is no model {model[:60]!r} here for this; there is {wanted}",
                          {"param": "model", "code": "model_not_found"})


def refusal(reason: str, message: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """As the clients of these routes read it."""
    return {"error": {"message": message, "type": _TYPES.get(reason, "invalid_request_error"), "param": facts.get("param"),
                      "code": facts.get("code", reason)}}


def check(schema: Schema, value: Any) -> None:
    """``Refused``, with the parameter's name, unless ``value`` is one of ``schema``."""
    if (told := wrong(schema, value)) is not None:
        found = _PARAM.match(told)
        raise Refused("malformed", told, {"param": found[1] if found else None})


@contextlib.contextmanager
def lent(param: str) -> Iterator[None]:
    """What a lent engine raises, as an edge tells it; ``param`` is what would not fit."""
    try:
        yield
    except Busy as error:
        raise Refused("busy", str(error), {"retry_s": 1}) from error
    except Unfit as error:
        raise Refused("malformed", str(error), {"param": param, "code": "context_length_exceeded"}) from error
    except EdgeVoiceError as error:
        raise Failed("failed", str(error)) from error
