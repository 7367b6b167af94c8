"""One connection to a broker that comes back by itself, in a thread of its own.

Theory: paho-mqtt speaks the protocol; its own loops are left alone, since their reconnects have no jitter and since what waits for an
acknowledgement would be sent again *after* newer retained messages.  Here one thread does everything: it waits for the socket and for
``wake``, reads before it writes, and calls back.  What was not acknowledged when a connection broke is handed to ``lost``, oldest first,
and whoever published it decides.

Threads: ``start``, ``stop`` and ``wake`` from any; every callback, and ``publish``, on the connection's thread.
Laws: nobody else ever waits for the network; neither name nor password is ever written to a log.
"""

from __future__ import annotations

import contextlib
import logging
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties

log = logging.getLogger(__name__)

CONNECT_S = 5.0
"""for the TCP connection and TLS, and again for the broker's answer"""
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
"""between two attempts: doubled after each, and of that a random half to whole, so that 200 devices do not come at once"""
STEADY_S = 10.0
"""a connection that lasted so long was none of the failures that are backed off from"""
LAST_S = 1.5
"""for the last words"""
NOT_YET = "not connected yet"
MOST_PACKET = 1 << 18
"""bytes that a broker may send at once (MQTT 5); far above what is obeyed, so that the too large is refused with a word"""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and how to connect.  ``password`` is read anew at each attempt."""

    host: str
    port: int
    client_id: str
    v5: bool = True
    username: str = ""
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 15
    session_s: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One to publish.  ``key`` is given back with its acknowledgement (QoS 1)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    correlation: bytes | None = None
    json: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One that came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    response_topic: str = ""
    correlation: bytes | None = None
    expiry_s: int | None = None
    """what was left of its expiry interval"""


@dataclass(slots=True)
class Calls:
    """What the owner does; ``turn`` is called whenever something may have changed, connected or not, and returns the seconds after which
    it wants to be called again."""

    connected: Callable[[], None]
    received: Callable[[Incoming], None]
    turn: Callable[[float], float]
    acked: Callable[[str], None] = lambda key: None
    lost: Callable[[list[Message]], None] = lambda messages: None
    told: Callable[[str | None], None] = lambda problem: None
    """why there is no connection, or what the broker refuses; ``None`` once there is one"""


class Link:
    """See the module."""

    def __init__(self, broker: Broker, calls: Calls, *, subscriptions: tuple[str, ...] = (), will: Message | None = None,
                 chance: random.Random | None = None) -> None:
        self._broker, self._calls, self._subscriptions, self._will = broker, calls, subscriptions, will
        self._chance = chance or random.Random()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._woken = False
        self._ear, self._bell = socket.socketpair()
        for end in (self._ear, self._bell):
            end.setblocking(False)
        self._client: Client | None = None
        self._unacked: dict[int, Message] = {}
        self._answer: str | None = None
        self.connected = False
        """any thread may look"""
        self.problem: str | None = NOT_YET
        self.connects = 0
        """times that a connection was made"""

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="edgevoice-mqtt", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Say the will and leave; False if the thread hangs in the network (it dies with the process)."""
        self._stopping.set()
        self.wake()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """Let ``turn`` be called soon.  Never waits."""
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):
                self._bell.send(b"!")

    def publish(self, message: Message) -> bool:
        """False if it could not even be queued, as without a connection."""
        client = self._client
        if client is None or not self.connected:
            return False
        info = client.publish(message.topic, message.payload, message.qos, message.retain, self._properties(message))
        if info.rc != 0:
            return False
        if message.qos:
            self._unacked[info.mid] = message
        return True

    def subscribe(self, name: str) -> None:
        """One more, from now on and at every connect."""
        if name not in self._subscriptions:
            self._subscriptions = (*self._subscriptions, name)
            if self._client is not None and self.connected:
                self._ask(self._client, (name,))

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._unacked)

    # The thread.

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if self._open():
                    self._serve()
            except Exception as error:  # a library or a broker that does what nobody thought of must not end MQTT for ever
                log.exception("MQTT: unexpected")
                self._tell(f"{type(error).__name__}: {error}")
            self._close()
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            wait = min(MOST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures - 1, 10)) if failures else FIRST_WAIT_S
            self._pass_time(wait * self._chance.uniform(0.5, 1.0))
        self._calls.turn(time.monotonic())
        self._ear.close()
        self._bell.close()

    def _pass_time(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping.is_set() and (left := end - time.monotonic()) > 0:
            self._listen(None, min(left, self._calls.turn(time.monotonic())))

    def _open(self) -> bool:
        """Connected, and let in."""
        broker = self._broker
        try:
            client = self._client = self._make()
            client.connect_timeout = CONNECT_S
            facts: dict[str, Any] = {"clean_start": False, "properties": self._connect_properties()} if broker.v5 else {}
            client.connect(broker.host, broker.port, broker.keepalive_s, **facts)
        except ssl.SSLError as error:
            self._tell(f"{broker.host}:{broker.port}: no TLS connection ({error.reason or error}); see mqtt.ca_file, and that the name in "
                       "the broker's certificate is mqtt.host")
            return False
        except (OSError, ValueError) as error:
            name = f"{error.filename}: " if isinstance(error, OSError) and error.filename else f"{broker.host}:{broker.port}: "
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            self._tell(f"{name}{reason}")
            return False
        end = time.monotonic() + CONNECT_S
        while not self.connected:
            if self._stopping.is_set() or client.socket() is None or self._answer is not None:
                break
            if time.monotonic() > end:
                self._answer = "does not answer"
                break
            self._io(0.05)
        if not self.connected:
            if not self._stopping.is_set():
                self._tell(f"{broker.host}:{broker.port}: {self._answer or 'closed the connection before an answer'}")
            return False
        return True

    def _serve(self) -> None:
        client = self._client
        assert client is not None
        while client.socket() is not None and not self._stopping.is_set():
            timeout = self._calls.turn(time.monotonic())
            self._io(min(timeout, 1.0))
        if not self._stopping.is_set():
            self._tell(f"{self._broker.host}:{self._broker.port}: the connection broke{f' ({self._answer})' if self._answer else ''}")
            return
        self._calls.turn(time.monotonic())
        if self._will is not None:
            self.publish(self._will)
        end = time.monotonic() + LAST_S
        while client.socket() is not None and (self._unacked or client.want_write()) and time.monotonic() < end:
            self._io(0.05)
        client.disconnect()
        while client.socket() is not None and client.want_write() and time.monotonic() < end:
            self._io(0.05)

    def _close(self) -> None:
        client, self._client = self._client, None
        self.connected, self._answer = False, None
        unacked, self._unacked = list(self._unacked.values()), {}
        if client is not None:
            client.on_disconnect = None
            with contextlib.suppress(OSError, ValueError):
                client._sock_close()  # disconnect() would say goodbye, and the broker would keep the will to itself
        if unacked:
            self._calls.lost(unacked)

    def _io(self, timeout_s: float) -> None:
        """Wait for the socket or a wake; read, write, keep alive."""
        client = self._client
        assert client is not None
        sock = client.socket()
        if sock is None:
            return
        if self._listen(sock, timeout_s):
            client.loop_read()
            while (sock := client.socket()) is not None and isinstance(sock, ssl.SSLSocket) and sock.pending():
                client.loop_read()  # decrypted already: poll does not see it
        if client.socket() is not None and client.want_write():
            client.loop_write()
        client.loop_misc()

    def _listen(self, sock: Any, timeout_s: float) -> bool:
        """Whether ``sock`` has something to read."""
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        number = -1
        if sock is not None and sock.fileno() >= 0:
            number = sock.fileno()
            writes = self._client is not None and self._client.want_write()
            poll.register(number, select.POLLIN | (select.POLLOUT if writes else 0))
        found = dict(poll.poll(max(0, round(timeout_s * 1000))))
        if self._ear.fileno() in found:
            with contextlib.suppress(OSError):
                while self._ear.recv(64):
                    pass
            self._woken = False  # after that: who rings from here on rings anew, and who rang before is served by the turn that follows
        return bool(found.get(number, 0) & ~select.POLLOUT)

    # The library.

    def _make(self) -> Client:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        broker = self._broker
        client = paho.Client(CallbackAPIVersion.VERSION2, broker.client_id, None if broker.v5 else True,
                             protocol=paho.MQTTv5 if broker.v5 else paho.MQTTv311, reconnect_on_failure=False)
        client.on_connect, client.on_message, client.on_publish = self._on_connect, self._on_message, self._on_publish
        client.on_subscribe, client.on_disconnect, client.on_socket_open = self._on_subscribe, self._on_disconnect, _at_once
        if broker.username:
            client.username_pw_set(broker.username, broker.password())
        if broker.tls:
            for file in filter(None, (broker.ca_file, broker.cert_file, broker.key_file)):
                Path(file).open("rb").close()  # whose errors name the file, unlike OpenSSL's
            context = ssl.create_default_context(cafile=broker.ca_file or None)
            if broker.cert_file:
                context.load_cert_chain(broker.cert_file, broker.key_file)
            client.tls_set_context(context)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, self._will.qos, self._will.retain)
        return client

    def _connect_properties(self) -> Properties:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._broker.session_s
        properties.MaximumPacketSize = MOST_PACKET
        return properties

    def _properties(self, message: Message) -> Properties | None:
        if not self._broker.v5 or not message.payload:
            return None
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1
        properties.ContentType = "application/json" if message.json else "text/plain"
        if message.correlation is not None:
            properties.CorrelationData = message.correlation
        return properties

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._answer = f"the broker refuses: {str(reason).lower()}"
            return
        self.connected = True
        self.connects += 1
        self._ask(client, self._subscriptions)
        self._tell(None)
        self._calls.connected()

    def _ask(self, client: Client, names: tuple[str, ...]) -> None:
        if names:
            client.subscribe([(name, self._options()) for name in names] if self._broker.v5 else [(name, 1) for name in names])

    def _options(self) -> Any:
        from paho.mqtt.subscribeoptions import SubscribeOptions

        return SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[Any], properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._tell(f"{self._broker.host}: the broker does not let this device subscribe to {', '.join(self._subscriptions)} (its ACL)")

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        facts = getattr(message, "properties", None)
        self._calls.received(Incoming(
            topic, bytes(message.payload), message.qos, message.retain, message.dup, message.mid,
            getattr(facts, "ResponseTopic", "") if facts is not None else "",
            getattr(facts, "CorrelationData", None) if facts is not None else None,
            getattr(facts, "MessageExpiryInterval", None) if facts is not None else None))

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        message = self._unacked.pop(mid, None)
        if message is None:
            return
        if reason is not None and reason.is_failure:
            self._tell(f"{self._broker.host}: the broker does not take {message.topic} ({str(reason).lower()})")
        if message.key:
            self._calls.acked(message.key)

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._answer is None and reason is not None and flags.is_disconnect_packet_from_server:
            self._answer = str(reason).lower()

    def _tell(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            self._calls.told(problem)


def _at_once(client: Client, userdata: Any, sock: Any) -> None:
    """No waiting for more to send: a command's result is a small packet and somebody waits for it."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
