"""The trace: what happened when, on one monotonic clock, beside the device's own sample count.

Any thread may emit.  An event is a dict with ``t`` (monotonic seconds), ``event``, and where known ``sample`` (device frame),
``turn``, ``generation`` and facts of its own.  What happened on the device's clock brings its ``sample``; the other events that
programs rely on get the frames captured so far, once ``position`` tells them.  The trace is bounded: past ``limit`` the oldest go and
``lost`` counts them.
"""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edgevoice.clock import Clock

TURN_EVENTS = (
    "wake", "speech_start", "speech_end", "stt_partial", "endpoint", "stt_final", "speculation_started",
    "speculation_confirmed", "speculation_dropped", "llm_first_token", "llm_done",
    "tts_first_chunk", "playback_first_sample", "playback_end", "barge_in_onset", "barge_in_paused", "barge_in_confirmed",
    "barge_in_rejected", "playback_silent", "error")
"""The names that programs may rely on."""
LANE_EVENTS = ("session", "state", "vad", "llm_token", "tts_chunk", "tts_chunk_done", "prefill", "earcon", "user_audio", "underrun",
               "cancel", "wake_ignored", "muted", "volume", "device", "turn_vote", "health", "settings",
               "engine", "ladder", "routed", "asked", "deed", "timer_set", "timer_done", "timer_silenced", "tool", "update")
"""Detail for the timeline; may change.  ``tts_chunk_done`` says with ``frames`` how long the chunk plays, in device frames."""
EVENTS = frozenset(TURN_EVENTS + LANE_EVENTS)


class Trace:
    """Collects events in memory; ``listen`` adds a callable that sees each as it comes (on the emitting thread: be quick)."""

    def __init__(self, clock: Clock, limit: int = 200_000) -> None:
        self.position: Callable[[], int] | None = None
        """the device's frames captured so far; any thread may ask"""
        self.clock = clock
        self._events: collections.deque[dict[str, Any]] = collections.deque(maxlen=limit)
        self._emitted = 0
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    @property
    def lost(self) -> int:
        return self._emitted - len(self._events)

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self._listeners.append(listener)

    def emit(self, event: str, *, t: float | None = None, sample: int | None = None, turn: int | None = None,
             generation: int | None = None, **facts: Any) -> None:
        if event not in EVENTS:
            raise ValueError(f"unknown trace event {event!r}")
        if sample is None and self.position is not None and event in TURN_EVENTS:
            sample = self.position()
        row: dict[str, Any] = {"t": self.clock.now() if t is None else t, "event": event}
        for name, value in (("sample", sample), ("turn", turn), ("generation", generation)):
            if value is not None:
                row[name] = value
        row.update(facts)
        self._emitted += 1
        self._events.append(row)
        for listener in self._listeners:
            listener(row)

    def events(self) -> list[dict[str, Any]]:
        """A copy, in the order of ``t``."""
        return sorted(self._events, key=lambda row: row["t"])


def lines(events: Iterable[dict[str, Any]]) -> str:
    """JSON lines, one event each."""
    return "".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in events)


def load(path: Path) -> list[dict[str, Any]]:
    """Read a trace file; ``ValueError`` names the first bad line, ``OSError`` what cannot be opened."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not _sound(row):
                raise ValueError
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path}:{number}: not a trace event (wants JSON with "t" and "event")') from error
        rows.append(row)
    return rows


def _sound(row: dict[str, Any]) -> bool:
    """Whether an event that another program may have written has what readers rely on."""
    t = row.get("t")
    return (isinstance(t, int | float) and not isinstance(t, bool) and math.isfinite(t) and isinstance(row.get("event"), str)
            and all(isinstance(row.get(name, 0), int) for name in ("sample", "turn", "generation")))
