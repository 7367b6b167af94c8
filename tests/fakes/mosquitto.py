"""A real broker for tests, mosquitto on a free loopback port with a configuration of its own, and a client that remembers what it hears."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S = 10.0
PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """``config``: lines besides the listener's.  ``start`` after ``stop`` is a broker that remembers nothing."""

    def __init__(self, folder: Path, config: str = "allow_anonymous true\n") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        listener = f"user root\npersistence false\nlistener {self.port} 127.0.0.1\nset_tcp_nodelay true\n"
        self._file.write_text(listener + config, encoding="utf-8")
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        ended = None if self._process is None else self._process.poll()
        self.stop()
        assert ended is None, f"mosquitto ended by itself ({ended}): {self.log()[-2000:]}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(self._file), "-v"], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise AssertionError(f"mosquitto does not start: {self.log()}") from None
                time.sleep(0.01)

    def stop(self) -> None:
        """At once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Listener:
    """A client that subscribes to ``topics`` and remembers every message, with the time it came."""

    def __init__(self, port: int, *topics: str, v5: bool = True, username: str = "", password: str = "", tls: Any = None,
                 client_id: str = "") -> None:
        self.messages: list[Any] = []
        self.times: list[float] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._topics = topics
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv5 if v5 else paho.MQTTv311)
        self.client.on_connect, self.client.on_message, self.client.on_subscribe = self._connected, self._message, self._ready
        if username:
            self.client.username_pw_set(username, password)
        if tls is not None:
            self.client.tls_set_context(tls)
        self._port = port
        self.v5 = v5

    def __enter__(self) -> Self:
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("localhost", self._port)
        self.client.loop_start()
        assert not self._topics or self._subscribed.wait(PATIENCE_S), "the broker did not let the test subscribe"
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic: str, payload: Any = b"", *, qos: int = 1, retain: bool = False, wait: bool = True, **facts: Any) -> None:
        """A dict becomes JSON.  ``facts``: ResponseTopic, CorrelationData, MessageExpiryInterval."""
        properties = None
        if facts:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            for name, value in facts.items():
                setattr(properties, name, value)
        raw = json.dumps(payload) if isinstance(payload, dict) else payload
        info = self.client.publish(topic, raw, qos, retain, properties)
        if wait:
            info.wait_for_publish(PATIENCE_S)

    def of(self, topic: str) -> list[Any]:
        """Payloads (parsed where they are JSON) of all messages whose topic ends with ``topic``."""
        with self._changed:
            return [_parsed(message.payload) for message in self.messages if message.topic.endswith(topic)]

    def wait(self, topic: str, fits: Callable[[Any], bool] = lambda value: True, within_s: float = PATIENCE_S, after: int = 0) -> Any:
        """The first message to a topic that ends with ``topic`` whose payload fits, from message number ``after`` on."""
        end = time.monotonic() + within_s
        with self._changed:
            while True:
                for message in self.messages[after:]:
                    if message.topic.endswith(topic) and fits(_parsed(message.payload)):
                        return _parsed(message.payload)
                left = end - time.monotonic()
                seen = [(message.topic, bytes(message.payload)[:80]) for message in self.messages[-6:]]
                assert left > 0, f"no {topic}; the last were {seen}"
                self._changed.wait(left)

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        for topic in self._topics:
            client.subscribe(topic, 1)

    def _ready(self, *_: Any) -> None:
        self._subscribed.set()

    def _message(self, client: Any, userdata: Any, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self.times.append(time.monotonic())
            self._changed.notify_all()


def _parsed(payload: bytes) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(payload)
    return payload.decode(errors="replace")
