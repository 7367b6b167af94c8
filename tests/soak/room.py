"""Where the device of a soak stands: a sound card with a plug, what it hears, and who counts what happens."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np

LAST = 80
OFTEN = ("vad", "llm_token", "stt_partial", "health", "prefill", "tts_chunk", "tts_chunk_done")
"""rows that say little beside the others"""


class Card:
    """A sound card with a plug.  While it is out, nothing opens it."""

    clocks = None

    def __init__(self, room: Room, core: Any) -> None:
        from edgevoice.rt import ScriptedDevice

        self.inner = ScriptedDevice(core, realtime=not room.compressed, noise=room.noise, max_seconds=0.0)
        self._room = room
        self.error: str | None = None

    @property
    def running(self) -> bool:
        return self.error is None and self.inner.running

    def start(self) -> None:
        from edgevoice.errors import DeviceError

        if not self._room.plugged:
            raise DeviceError("scripted device: it is unplugged")
        self.inner.start()
        self._room.card = self

    def stop(self) -> None:
        self.inner.stop()
        if self._room.card is self:
            self._room.card = None

    def unplug(self) -> None:
        self.inner.stop()
        self.error = "scripted device: it was unplugged"


class Room:
    """Where the device stands: its card, what it hears, and how fast time goes."""

    def __init__(self, folder: Path, compressed: bool) -> None:
        heard = np.load(folder / "lines.npz")
        self.lines = {name: heard[name] for name in heard.files if name != "noise"}
        self.noise = heard["noise"]
        self.compressed = compressed
        self.plugged = True
        self.card: Card | None = None
        self.core: Any = None

    def say(self, name: str) -> float:
        """Seconds that it takes; nothing where nobody is there to hear it."""
        samples, card = self.lines[name], self.card
        if card is not None:
            card.inner.say(samples)
        return float(len(samples) / self.core.rate)

    def unplug(self) -> None:
        self.plugged = False
        if self.card is not None:
            self.card.unplug()


class View:
    """Of the daemon: counts what happens."""

    failure: Exception | None = None

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.last: collections.deque[dict[str, Any]] = collections.deque(maxlen=LAST)
        """what happened, for whoever looks into a finding"""

    def on_event(self, row: dict[str, Any]) -> None:
        if row["event"] not in OFTEN:
            self.last.append(row)
        self.counts[row["event"]] += 1
        if row["event"] == "error":
            self.errors[row["stage"]] += 1
