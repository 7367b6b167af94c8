"""How long each stage of an answer took lately, and how often what happened, read off the trace as it is written.

Theory: a turn's moments come as rows; each stage is the time between two of them, beginning when both had happened: an answer made ahead
of the turn's end took no time after it.  Values of the last ``WINDOW_S`` count, and of those the newest ``MOST``.
"""

from __future__ import annotations

import collections
import math
import threading
from collections.abc import Mapping
from typing import Any

WINDOW_S = 900.0
MOST = 1024
TURNS = 16
"""whose moments are remembered; a turn is over long before that"""
STAGES = ("wait", "text", "first_token", "first_sound", "loudspeaker", "voice_to_voice", "inter_token")
"""ms: silence until the turn was over; words after that; the model's first token after those; the synthesizer's first sound after that; the
loudspeaker's after that; from the user's last sample to the first of the answer, at the device; between two tokens"""

_COUNTED = {"wake": "wakes", "endpoint": "turns", "asked": "turns", "playback_first_sample": "replies", "barge_in_confirmed": "barge_ins",
            "barge_in_rejected": "false_starts", "cancel": "cancelled", "error": "errors", "underrun": "underruns"}


class Latencies:
    """``on_event`` from any thread."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._values: dict[str, collections.deque[tuple[float, float]]] = {stage: collections.deque(maxlen=MOST) for stage in STAGES}
        self._turns: collections.OrderedDict[int, dict[str, float]] = collections.OrderedDict()
        self._token: tuple[int, float] = (0, 0.0)
        self._counts = dict.fromkeys(_COUNTED.values(), 0)
        self._errors: collections.Counter[str] = collections.Counter()
        self._last_error: dict[str, Any] | None = None
        self._failing: set[str] = set()
        self._stages: dict[str, float] = {}
        self._last: dict[str, float] | None = None

    def on_event(self, row: Mapping[str, Any]) -> None:
        event = row["event"]
        if event == "vad":
            return
        with self._lock:
            if event in _COUNTED:
                self._counts[_COUNTED[event]] += 1
            match event:
                case "endpoint":
                    moments = self._of(row)
                    moments["over"], moments["last_speech"] = row["t"], row["last_speech"]
                    self._stages = {}
                    self._add("wait", row["t"], (row["sample"] - row["last_speech"]) / self._rate)
                case "stt_final":
                    self._stage(row, "text", "over", "text")
                    self._failing.discard("stt")
                case "llm_first_token":
                    self._stage(row, "first_token", "text", "token")
                    self._token = row.get("generation", 0), row["t"]
                case "llm_token":
                    generation, t = self._token
                    if generation == row.get("generation", 0):
                        self._add("inter_token", row["t"], row["t"] - t)
                    self._token = row.get("generation", 0), row["t"]
                case "llm_done":
                    self._failing.discard("llm")
                case "tts_first_chunk":
                    self._stage(row, "first_sound", "token", "sound")
                    self._failing.discard("tts")
                case "deed" if row.get("done"):
                    self._failing.discard("deed")
                case "playback_first_sample":
                    moments = self._of(row)
                    if "sound" in moments:
                        self._stage(row, "loudspeaker", "sound", "played")
                    if (last := moments.pop("last_speech", None)) is not None and "sample" in row:
                        self._add("voice_to_voice", row["t"], (row["sample"] - last) / self._rate)
                        self._last, self._stages = self._stages, {}
                case "error":
                    stage = str(row.get("stage", ""))
                    self._errors[stage] += 1
                    self._failing.add(stage)
                    self._last_error = {"t": row["t"], "stage": stage, "message": str(row.get("message", ""))[:300]}

    @property
    def counts(self) -> dict[str, int]:
        """Since the start."""
        with self._lock:
            return dict(self._counts)

    @property
    def errors(self) -> dict[str, int]:
        """Since the start, by stage."""
        with self._lock:
            return dict(self._errors)

    @property
    def failing(self) -> set[str]:
        """Stages whose last work failed."""
        with self._lock:
            return set(self._failing)

    @property
    def last_error(self) -> dict[str, Any] | None:
        """With ``t`` of the trace's clock."""
        with self._lock:
            return self._last_error

    @property
    def last(self) -> dict[str, float] | None:
        """Seconds of each stage of the last answer that was heard to spoken words."""
        with self._lock:
            return self._last

    def document(self, now: float) -> dict[str, dict[str, float]]:
        """Of each stage that was seen lately: p50, p90 and p99 in ms, and of how many."""
        made = {}
        with self._lock:
            lately = {stage: [value for t, value in values if t > now - WINDOW_S] for stage, values in self._values.items()}
        for stage, values in lately.items():
            if values:
                values.sort()
                made[stage] = {f"p{percent}": round(1000 * values[math.ceil(percent / 100 * len(values)) - 1], 1)
                               for percent in (50, 90, 99)} | {"count": len(values)}
        return made

    def _of(self, row: Mapping[str, Any]) -> dict[str, float]:
        turn = row.get("turn", 0)
        if turn not in self._turns:
            self._turns[turn] = {}
            while len(self._turns) > TURNS:
                self._turns.popitem(last=False)
        return self._turns[turn]

    def _stage(self, row: Mapping[str, Any], stage: str, after: str, name: str) -> None:
        """The time since ``after``, or since the turn was over if that came later; from now on ``name`` has happened."""
        moments = self._of(row)
        moments[name] = row["t"]
        if after in moments:
            self._add(stage, row["t"], max(0.0, row["t"] - max(moments[after], moments.get("over", 0.0))))

    def _add(self, stage: str, t: float, seconds: float) -> None:
        self._values[stage].append((t, seconds))
        self._stages[stage] = seconds
