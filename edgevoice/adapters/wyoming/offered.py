"""What the device says that it is: the ``info`` event, from what is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgevoice import __name__ as PROGRAM


@dataclass(frozen=True, slots=True)
class Model:
    """One model.  ``source``: who made it and where it is from, as far as that is known; ``phrase``: of a wake word."""

    name: str
    summary: str
    version: str
    languages: tuple[str, ...]
    maker: str
    url: str = ""
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """``stt`` and ``tts`` are ``None`` where the engines are not lent."""

    version: str
    """the device's software's"""
    stt: Model | None
    tts: Model | None
    wakes: Sequence[Model]
    satellite: bool
    name: str
    """the device's"""
    area: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.wakes)

    def info(self) -> dict[str, Any]:
        """The event's data."""
        made: dict[str, Any] = {kind: [] for kind in ("asr", "tts", "handle", "intent", "wake", "mic", "snd")}
        if self.stt is not None:
            # What was recognized first may be recognized otherwise once all was heard, and the protocol cannot take words back.
            made["asr"] = [{**self._program("speech to text"), "models": [_artifact(self.stt)], "supports_transcript_streaming": False}]
        if self.tts is not None:
            made["tts"] = [{**self._program("text to speech"), "voices": [{**_artifact(self.tts), "speakers": None}],
                            "supports_synthesize_streaming": True}]
        if self.wakes:
            made["wake"] = [{**self._program("wake words"),
                             "models": [{**_artifact(model), "phrase": model.phrase} for model in self.wakes]}]
        if self.satellite:
            made["satellite"] = {**self._program("the device's microphone and loudspeaker"), "name": self.name, "area": self.area or None,
                                 "has_vad": False, "active_wake_words": list(self.words), "max_active_wake_words": len(self.words),
                                 "supports_trigger": False}
        return made

    def _program(self, what: str) -> dict[str, Any]:
        return {"name": PROGRAM, "description": f"{PROGRAM}: {what}", "version": self.version, "installed": True,
                "attribution": {"name": PROGRAM, "url": ""}}


def _artifact(model: Model) -> dict[str, Any]:
    return {"name": model.name, "description": model.summary, "version": model.version, "installed": True,
            "languages": list(model.languages), "attribution": {"name": model.maker, "url": model.url}}
