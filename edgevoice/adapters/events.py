"""Rows of the trace as ``event/<name>`` payloads.

Law: words are private.  A row's facts are published only if they stand in ``EVENTS``; what a person said or was answered stands among
``words`` and becomes a count of characters, unless the settings publish words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_MESSAGE = 300
"""characters of an error's text"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a row is told.  ``kept``: kept on the disk while the broker is away."""

    plain: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    kept: bool = True


_IDS = ("turn", "generation", "sample")
EVENTS: Mapping[str, Facts] = {
    "session": Facts(("version", "rate", "models", "wake")),
    "state": Facts(("state",)),
    "wake": Facts(("model", "score")),
    "speech_start": Facts(),
    "speech_end": Facts(),
    "stt_partial": Facts(("stable",), ("text",), kept=False),
    "endpoint": Facts(("last_speech",)),
    "stt_final": Facts((), ("text",)),
    "asked": Facts((), ("text",)),
    "speculation_started": Facts((), ("text",)),
    "speculation_confirmed": Facts(("queued",)),
    "speculation_dropped": Facts(("tokens", "audio_s")),
    "llm_first_token": Facts(),
    "llm_done": Facts(("finish", "tokens", "prompt_tokens", "cached_tokens")),
    "tts_first_chunk": Facts(("seconds",)),
    "playback_first_sample": Facts(("frames",)),
    "playback_end": Facts(("frames",)),
    "playback_silent": Facts(("frames",)),
    "barge_in_onset": Facts(),
    "barge_in_paused": Facts(("frames",)),
    "barge_in_confirmed": Facts(),
    "barge_in_rejected": Facts(),
    "cancel": Facts(),
    "underrun": Facts(("frames",)),
    "muted": Facts(("muted",)),
    "volume": Facts(("gain", "channel")),
    "settings": Facts(("profile", "wake_words", "sensitivity")),
    "engine": Facts(("name", "loaded_anew")),
    "ladder": Facts(("level", "why")),
    "device": Facts(("open", "problem", "losses", "reopened")),
    "deed": Facts(("kind", "done", "seconds"), ("text",)),
    "timer_set": Facts(("sort", "seconds")),
    "timer_done": Facts(("sort", "missed")),
    "timer_silenced": Facts(),
    "update": Facts(("state", "version", "message")),
    "error": Facts(("stage", "message")),
}


def payload(row: Mapping[str, Any], *, id: str, time_s: float, words: bool) -> dict[str, Any]:
    """JSON-ready.  ``time_s``: when it happened, in Unix seconds."""
    facts = EVENTS[row["event"]]
    made: dict[str, Any] = {"id": id, "event": row["event"], "time": round(time_s, 3)}
    for name in (*_IDS, *facts.plain):
        if row.get(name) is not None:
            value = row[name]
            made[name] = value[:MOST_MESSAGE] if name in ("message", "problem") else value
    for name in facts.words:
        text = str(row.get(name, ""))
        made["chars"] = len(text)
        if words:
            made[name] = text
    return made
