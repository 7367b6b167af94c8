"""All devices of a broker at once, from what each keeps there (availability, state, health), and a command to many of them.

Theory: the three retained topics are subscribed to one after another, so that a broker whose queue for a subscriber is short (mosquitto's
holds 1,000) never has more than one of each device's in it.  A kind is complete when nothing of it came for ``QUIET_S``; a device is
whatever has an availability.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgevoice.adapters.mqtt.adapter import broker
from edgevoice.adapters.mqtt.link import NOT_YET, Calls, Incoming, Link, Message
from edgevoice.adapters.mqtt.topics import ONLINE
from edgevoice.adapters.verbs import dumps
from edgevoice.errors import BrokerError
from edgevoice.settings import MqttSettings

KINDS = ("availability", "state", "health")
QUIET_S = 0.15
FIRST_S = 0.5
"""for the first message of a kind"""
CONNECT_S = 10.0
MOST_TEXT = 300


@dataclass(slots=True)
class Seen:
    """What is known of a device.  ``health`` and ``state`` are as published, ``{}`` before anything was."""

    id: str
    online: bool = False
    state: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """0 for what is worst: something severe, away, something less, all well."""
        if self.online and self.health.get("ok") is False:
            return 0
        if not self.online:
            return 1
        return 2 if self.health.get("alerts") else 3

    @property
    def status(self) -> str:
        return ("PROBLEM", "offline", "warning", "ok")[self.rank]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one device made of a command; ``result`` is ``None`` where it did not answer."""

    id: str
    result: Mapping[str, Any] | None

    @property
    def said(self) -> str:
        """``ok``, the reason, or ``no answer``."""
        return "no answer" if self.result is None else "ok" if self.result.get("ok") is True else str(self.result.get("reason", "failed"))


class Fleet:
    """``with Fleet(settings) as fleet``; ``BrokerError`` where there is no connection.  Methods from one thread."""

    def __init__(self, settings: MqttSettings) -> None:
        self._prefix = settings.prefix
        self._changed = threading.Condition()
        self._devices: dict[str, Seen] = {}
        self._results: dict[str, Mapping[str, Any]] = {}
        self._came = 0
        self._wanted: list[str] = []
        self._outbox: list[Message] = []
        self.version = 0
        """grows with each message"""
        self._link = Link(broker(settings, f"fleet-{secrets.token_hex(4)}"), Calls(lambda: None, self._received, self._turn))

    def __enter__(self) -> Fleet:
        self._link.start()
        end = time.monotonic() + CONNECT_S
        while not self._link.connected:
            if time.monotonic() > end or self._link.problem not in (None, NOT_YET):
                problem = self._link.problem
                self._link.stop(0.5)
                raise BrokerError(f"{problem}; see mqtt.host and what belongs to it, or --broker")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._link.stop()

    @property
    def trouble(self) -> str | None:
        """Why nothing is heard of the devices at the moment; ``None`` while the broker is there."""
        return None if self._link.connected else self._link.problem or "the broker is not there"

    def look(self) -> list[Seen]:
        """Every device, the worst first."""
        for kind in KINDS:
            self._subscribe(f"{self._prefix}/+/{kind}")
            self._quiet()
        return self.devices()

    def devices(self) -> list[Seen]:
        """As they are known by now."""
        with self._changed:
            known = [Seen(seen.id, seen.online, seen.state, seen.health) for seen in self._devices.values()]
        return sorted(known, key=lambda seen: (seen.rank, seen.id))

    def wait(self, version: int, timeout_s: float) -> None:
        """Until something came after ``version``."""
        with self._changed:
            self._changed.wait_for(lambda: self.version > version, timeout_s)

    def command(self, ids: Iterable[str], verb: str, arguments: Mapping[str, Any], timeout_s: float) -> list[Outcome]:
        """Send it to each, and wait for the results, for ``timeout_s`` at most."""
        run = secrets.token_hex(6)
        names = list(ids)
        self._subscribe(f"{self._prefix}/+/cmd/{verb}/result")
        time.sleep(QUIET_S)  # the broker reads in order, but a cluster may take a moment to know
        with self._changed:
            self._outbox += [Message(f"{self._prefix}/{id}/cmd/{verb}", dumps({**arguments, "id": f"{run}-{k}", "device": id}), qos=1)
                             for k, id in enumerate(names)]
        self._link.wake()
        with self._changed:
            self._changed.wait_for(lambda: all(f"{run}-{k}" in self._results for k in range(len(names))), timeout_s)
            return [Outcome(id, self._results.get(f"{run}-{k}")) for k, id in enumerate(names)]

    def _subscribe(self, filter: str) -> None:
        with self._changed:
            self._wanted.append(filter)
            self._came = 0
        self._link.wake()

    def _quiet(self) -> None:
        """Until nothing came for a while."""
        end = time.monotonic() + FIRST_S
        with self._changed:
            before = self._came
            while (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
                if self._came != before:
                    before, end = self._came, time.monotonic() + QUIET_S

    # The connection's thread.

    def _turn(self, now: float) -> float:
        if self._link.connected:
            with self._changed:
                wanted, self._wanted = self._wanted, []
                outbox, self._outbox = self._outbox, []
            for name in wanted:
                self._link.subscribe(name)
            for message in outbox:
                self._link.publish(message)
        return 1.0

    def _received(self, message: Incoming) -> None:
        levels = message.topic.split("/")
        with self._changed:
            self._came += 1
            self.version += 1
            if len(levels) == 3 and levels[2] in KINDS:
                self._take(levels[1], levels[2], message.payload)
            elif len(levels) == 5 and levels[2] == "cmd":
                result = _document(message.payload)
                if isinstance(result.get("id"), str):
                    self._results[result["id"]] = result
            self._changed.notify_all()

    def _take(self, id: str, kind: str, payload: bytes) -> None:
        if kind == "availability":
            if payload:
                self._devices.setdefault(id, Seen(id)).online = payload == ONLINE.encode()
            else:
                self._devices.pop(id, None)
        elif id in self._devices or payload:
            setattr(self._devices.setdefault(id, Seen(id)), kind, _document(payload))


def _document(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


COLUMNS = ("DEVICE", "STATUS", "STATE", "UP", "ANSWER", "CPU", "TEMP", "WIFI", "WHAT")


def rows(devices: Sequence[Seen]) -> list[tuple[str, ...]]:
    """A line of the table for each, in words; whatever a device published cannot command the terminal."""
    made: list[tuple[str, ...]] = []
    for seen in devices:
        health = seen.health
        host, stages = _dict(health, "host"), _dict(health, "latency_ms")
        made.append((
            _plain(seen.id)[:32], seen.status, _plain(seen.state.get("state", "")) if seen.online else "", _span(health.get("uptime_s")),
            _figure(_dict(stages, "voice_to_voice").get("p50"), " ms"), _figure(host.get("cpu_percent"), "%"),
            _figure(host.get("temperature_c"), "°C"), _figure(host.get("wifi_dbm"), " dBm"),
            "" if seen.rank == 3 else _plain(health.get("summary", ""))))
    return made


def table(devices: Sequence[Seen], width: int) -> str:
    """For a person; the last column is cut at ``width``."""
    lines = [COLUMNS, *rows(devices)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(COLUMNS) - 1)]
    return "".join("  ".join([*(cell.ljust(size) for cell, size in zip(line, widths, strict=False)), line[-1]]).rstrip()[:width] + "\n"
                   for line in lines)


def counted(devices: Sequence[Seen]) -> str:
    """One line: how many are how."""
    names = ("with a problem", "offline", "with a warning", "well")
    counts = [sum(seen.rank == rank for seen in devices) for rank in range(4)]
    return f"{len(devices)} devices: " + ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True) if count)


def _dict(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _plain(text: object) -> str:
    return "".join(c if c.isprintable() else " " for c in str(text))[:MOST_TEXT]


def _figure(value: object, unit: str) -> str:
    return f"{value:.0f}{unit}" if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else ""


def _span(seconds: object) -> str:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < 1e10:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
