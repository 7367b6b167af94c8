"""One connection beside the device's own, to see what the broker allows: for whoever looks for what is wrong.

What is published is harmless and not retained: an event called ``doctor``, an empty reply of turn 0, a result of a command
``trial`` that nobody gave.  Nothing is published to ``availability``, ``state`` or ``health``, which others believe.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from edgevoice.adapters.mqtt import client as library
from edgevoice.adapters.mqtt.adapter import broker
from edgevoice.adapters.mqtt.topics import Topics, own_id
from edgevoice.adapters.verbs import dumps
from edgevoice.settings import MqttSettings

CONNECT_S = 5.0
ANSWER_S = 3.0
"""for acknowledgements"""
QUIET_S = 0.5
"""after them, for what the broker keeps"""


@dataclass(slots=True)
class Trial:
    """What came of it.  ``problem``: why there was no connection; ``refused``: topics; ``told``: whether the broker tells those."""

    topics: Topics
    seconds: float = 0.0
    problem: str = ""
    refused: list[str] = field(default_factory=list)
    told: bool = True
    availability: str | None = None
    """as the broker keeps it; ``None`` if it may not be read, or was never published"""


def attempt(settings: MqttSettings) -> Trial:
    """Connect as the device of ``settings`` does, under a name of its own; takes some seconds at most.  Never raises."""
    made = Trial(Topics(settings.prefix, settings.id or own_id()), told=settings.protocol == "5")
    began = time.monotonic()
    where = broker(settings, f"{made.topics.id}-doctor")
    try:
        client = library.make(where, None, bridge=False)
    except (OSError, ssl.SSLError, ValueError) as error:
        name = getattr(error, "filename", "") or ""
        made.problem = f"{name}: {error.strerror}" if name and isinstance(error, OSError) else str(error)
        return made
    watch = _Watch(made)
    client.on_connect, client.on_message = watch.connected, watch.message
    client.on_publish, client.on_subscribe = watch.published, watch.subscribed
    try:
        client.connect_timeout = CONNECT_S
        library.connect(client, where)
        client.loop_start()
        if not watch.answered.wait(CONNECT_S):
            made.problem = "it takes the connection and does not answer"
        if not made.problem:
            made.seconds = time.monotonic() - began
            _ask(client, settings, watch)
    except (OSError, ValueError) as error:
        made.problem = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    finally:
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
        client.loop_stop()
    return made


def _ask(client: Any, settings: MqttSettings, watch: _Watch) -> None:
    topics, now = watch.trial.topics, round(time.time(), 3)
    library.subscribe(client, (topics.availability,), v5=watch.trial.told)
    home = (f"{settings.discovery_prefix}/status",) if settings.discovery else ()
    watch.subscribe(client, (topics.commands, *home))
    watch.publish(client, topics.event("doctor"), {"id": "00000000-0", "event": "doctor", "time": now})
    watch.publish(client, topics.reply(0), {"generation": 0, "turn": 0, "first": 0, "last": 0, "chars": 0, "provisional": False})
    watch.publish(client, topics.result("trial"), {"verb": "trial", "ok": True, "took_ms": 0.0, "time": now})
    watch.wait(ANSWER_S)
    time.sleep(QUIET_S)


class _Watch:
    """The library's thread writes, the caller's waits."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.answered = threading.Event()
        self._changed = threading.Condition()
        self._waiting: dict[int, tuple[str, ...]] = {}

    def subscribe(self, client: Any, names: tuple[str, ...]) -> None:
        for name in names:
            with self._changed:
                mid = client.subscribe(name, 1)[1]
                self._waiting[mid] = (name,)

    def publish(self, client: Any, topic: str, payload: dict[str, Any]) -> None:
        with self._changed:
            message = library.Message(topic, dumps(payload), qos=1, expiry_s=1)
            info = client.publish(topic, message.payload, 1, False, library.properties(message) if self.trial.told else None)
            self._waiting[info.mid] = (topic,)

    def wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)
            self.trial.refused += [f"{name} (no answer)" for names in self._waiting.values() for name in names]

    def connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.trial.problem = f"the broker refuses: {str(reason).lower()}"
        self.answered.set()

    def message(self, client: Any, userdata: Any, message: Any) -> None:
        if message.topic == self.trial.topics.availability:
            self.trial.availability = bytes(message.payload).decode("utf-8", "replace")

    def published(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._done(mid, bool(reason is not None and reason.is_failure))

    def subscribed(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        self._done(mid, any(reason.is_failure for reason in reasons))

    def _done(self, mid: int, failed: bool) -> None:
        with self._changed:
            names = self._waiting.pop(mid, ())
            if failed:
                self.trial.refused += names
            self._changed.notify_all()
