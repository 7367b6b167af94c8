"""Settings and texts without what nobody else should see.

Theory: of settings, what is known to be harmless is kept and everything else is told by its size alone, so that a setting of tomorrow is
covered today.  Of texts (error messages, log lines), whatever stands in such a setting is taken out wherever it occurs, with the password,
the host's name and the home folder.

Law: nothing secret, nothing private, nothing said leaves through here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from pathlib import Path
from typing import Any

from edgevoice.adapters.mqtt.secret import password
from edgevoice.host import user
from edgevoice.settings import Settings

KEPT = frozenset({
    "audio.backend", "audio.input", "audio.output", "audio.clocks", "vad.model", "wake.words", "wake.keyword_model", "stt.model",
    "stt.final_model", "llm.model", "tts.model", "dialog.endpointing", "dialog.turn_model", "dialog.barge_in", "mqtt.protocol",
    "mqtt.prefix", "mqtt.discovery_prefix"})
"""settings of words that are names of ours, or of hardware, or choices"""
SHORTEST = 3
"""characters of a text that is taken out; shorter ones are in everything"""
GONE = "(redacted)"


def settings_document(settings: Settings) -> dict[str, Any]:
    """JSON-ready; numbers and switches as they are."""
    return {section.name: {field.name: _shown(f"{section.name}.{field.name}", getattr(getattr(settings, section.name), field.name))
                           for field in dataclasses.fields(getattr(settings, section.name))}
            for section in dataclasses.fields(settings)}


class Scrubber:
    """Takes the private out of texts."""

    def __init__(self, settings: Settings) -> None:
        found = {socket.gethostname(), str(Path.home()), user(), *_secrets(settings)}
        with contextlib.suppress(OSError, ValueError):
            found.add(password(settings.mqtt.password_file) or "")
        plain = {"root", "localhost", "edgevoice"}
        self._found = sorted((text for text in found if len(text) >= SHORTEST and text not in plain), key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._found:
            text = text.replace(secret, GONE)
        return text

    def document(self, value: Any) -> Any:
        """The same of every text in a JSON document."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.document(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(item) for item in value]
        return value


def _secrets(settings: Settings) -> set[str]:
    """What somebody wrote into settings that are not kept."""
    found: set[str] = set()
    plain = Settings()
    for section in dataclasses.fields(settings):
        values, defaults = getattr(settings, section.name), getattr(plain, section.name)
        for field in dataclasses.fields(values):
            value = getattr(values, field.name)
            if f"{section.name}.{field.name}" not in KEPT and value != getattr(defaults, field.name):
                found |= set(_texts(value))
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return []


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, str):
        if name in KEPT:
            return f"…/{Path(value).name}" if "/" in value else value
        return f"(set, {len(value)} characters)" if value else ""
    if isinstance(value, list | tuple):
        return [_shown(name, item) for item in value] if name in KEPT else f"({len(value)} entries)"
    return f"({len(value)} entries)" if isinstance(value, dict) else "(set)"
