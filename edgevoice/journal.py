"""What a service says in systemd's journal: priorities, and entries with fields, for whoever asks the journal on a bad day.

Theory: lines that go through stderr get the prefix of sd-daemon(3) that tells their priority.  What happens in the conversation is written
to the journal's own socket, an entry for what a person would want to know: a turn with its times, an error, a sound card, an engine.
``journalctl -u edgevoice -o json`` shows the fields, and ``journalctl EDGEVOICE_EVENT=turn`` only those entries.

Laws: no word that was said or answered is written; nothing is written while nothing happens; a journal that is away or slow is not
waited for, and what it did not take is counted.
"""

from __future__ import annotations

import collections
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any, Self, TextIO

from edgevoice import waterfall

ERROR, WARNING, NOTICE, INFO = 3, 4, 5, 6
"""of syslog(3)"""
SOCKET = "/run/systemd/journal/socket"
KEPT_S = 90.0
"""rows of the last seconds, from which the times of a turn are read: longer than a turn"""

_BULK = frozenset({"vad", "llm_token", "stt_partial", "health"})
"""rows that come all the time and say nothing about a turn's times"""

Row = Mapping[str, Any]


def listens_to(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the stream ends in the journal, as systemd tells by ``JOURNAL_STREAM`` (systemd.exec(5))."""
    try:
        state = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM", "") == f"{state.st_dev}:{state.st_ino}"


def line(text: str, priority: int, stream: TextIO) -> str:
    """One line for a person: with its priority where the journal reads it, with our name elsewhere."""
    text = " ".join(text.split())
    return f"<{priority}>{text}\n" if listens_to(stream) else f"edgevoice: {text}\n"


class JournalView:
    """Entries for what happens; ``address`` is the journal's socket.  ``on_event`` from any thread."""

    def __init__(self, address: str = SOCKET) -> None:
        self.failure: Exception | None = None
        """never any: who cannot be told goes on without"""
        self.lost = 0
        """entries that the journal did not take"""
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._session: Row | None = None
        self._rows: collections.deque[Row] = collections.deque()
        self._told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def on_event(self, row: Row) -> None:
        name = row["event"]
        if name in _BULK:
            return
        with self._lock:
            if name == "session":
                self._session = row
            else:
                self._rows.append(row)
                while self._rows[0]["t"] < row["t"] - KEPT_S:
                    self._rows.popleft()
            match name:
                case "session":
                    self._tell(row, f"version {row.get('version')} listens at {row.get('rate')} Hz", INFO)
                case "wake":
                    self._tell(row, "heard the wake word", INFO)
                case "error":
                    self._tell(row, f"{row.get('stage')}: {row.get('message')}", ERROR)
                case "engine":
                    self._tell(row, f"the engine {row.get('name')} was loaded anew", WARNING)
                case "update":
                    self._tell(row, f"update {row.get('version')}: {row.get('state')}", NOTICE)
                case "ladder":
                    self._tell(row, f"answers: {row.get('level')}{f' ({why})' if (why := row.get('why')) else ''}", WARNING)
                case "barge_in_confirmed":
                    self._tell(row, "the reply was interrupted", INFO)
                case "muted":
                    self._tell(row, "the microphone is muted" if row.get("muted") else "the microphone is open", NOTICE)
                case "playback_first_sample":
                    self._turn(row)

    def _turn(self, row: Row) -> None:
        """The times of a turn whose reply begins to sound, once for each generation."""
        generation = row.get("generation")
        if generation is None or generation <= self._told:  # generations only grow
            return
        self._told = generation
        rows = [*([self._session] if self._session else []), *self._rows]
        timing = next((one for one in waterfall.stages(rows) if one.generation == generation), None)
        if timing is None or timing.v2v_s is None:
            self._tell({**row, "event": "reply"}, "speaks", INFO)
            return
        skill = next((one.get("skill") for one in reversed(rows) if one["event"] == "routed" and one.get("generation") == generation), None)
        facts: dict[str, Any] = {"event": "turn", "turn": timing.turn, "generation": generation, "v2v_ms": round(timing.v2v_s * 1000),
                                 "by": skill or "model"}
        facts |= {f"{name}_ms": round(value * 1000) for name in waterfall.STAGES if (value := getattr(timing, name)) is not None}
        self._tell(facts, f"answered by {facts['by']} {facts['v2v_ms']} ms after the last word", INFO)

    def _tell(self, row: Row, message: str, priority: int) -> None:
        fields = {"MESSAGE": message, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "edgevoice"}
        fields |= {f"EDGEVOICE_{name.upper()}": str(value) for name, value in row.items()
                   if name not in ("t", "message") and isinstance(value, str | int | float) and name.isidentifier()}
        try:
            self._socket.sendto(entry(fields), self._address)
        except OSError:  # it is restarted, or its queue is full
            self.lost += 1


def entry(fields: Mapping[str, str]) -> bytes:
    """A datagram of the journal's native protocol: values with line breaks by their length, others after an equals sign."""
    parts = []
    for name, value in fields.items():
        raw = value.encode("utf-8", "replace")
        parts.append(name.encode() + (b"\n" + len(raw).to_bytes(8, "little") + raw if b"\n" in raw else b"=" + raw) + b"\n")
    return b"".join(parts)
