"""One connection to a broker that comes back by itself, in a thread of its own.

Theory: paho-mqtt speaks the protocol; its own loops are left alone, since their reconnects have no jitter and since what waits for an
acknowledgement would be sent again *after* newer retained messages.  Here one thread does everything: it waits for the socket and for
``wake``, reads before it writes, and calls back.  What was not acknowledged when a connection broke is handed to ``lost``, oldest first,
and whoever published it decides.  Two clients of one name throw each other out at every connect: that is noticed, told and backed off
from.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgevoice.adapters.mqtt import client as library
from edgevoice.adapters.mqtt.client import Broker as Broker
from edgevoice.adapters.mqtt.client import Incoming as Incoming
from edgevoice.adapters.mqtt.client import Message as Message

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

log = logging.getLogger(__name__)

CONNECT_S = 5.0
"""for the TCP connection and TLS, and again for the broker's answer"""
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
"""between two attempts: doubled after each, and of that a random half to whole, so that 200 devices do not come at once"""
STEADY_S = 10.0
"""a connection that lasted so long was none of the failures that are backed off from"""
MOST_TOLD = 3
"""subscriptions that are named where a broker refuses many"""
LAST_S = 1.5
"""for the last words"""
NOT_YET = "not connected yet"
RIVAL_WAIT_S, MOST_RIVAL_WAIT_S = 15.0, 300.0
"""the same after somebody else with our name took the place: each comes back at that price, until one is called otherwise"""
RIVAL_GONE_S = 900.0
"""a connection that lasted so long has no rival any more"""
SHORT_LIVED = 3
"""connections in a row that the broker closed within ``STEADY_S``: MQTT 3.1.1 (and mosquitto in any version) does not tell why, and that
is the likeliest reason"""
TAKEN_OVER, WRONG_VERSION = "Session taken over", "Unsupported protocol version"
SILENT = "Keep alive timeout"
"""as paho-mqtt calls reasons"""


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
        self._asked: dict[int, tuple[str, ...]] = {}
        """subscriptions that the broker has not answered yet"""
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
        self._bridge = not broker.v5
        self._ended = ""
        """the reason that the last connection ended for, as the library calls it"""
        self._short = 0
        self.rivals = 0
        """times lately that somebody else took our place at the broker; any thread may look"""
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
        info = client.publish(message.topic, message.payload, message.qos, message.retain,
                              library.properties(message) if self._broker.v5 else None)
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

    def _ask(self, client: Client, names: tuple[str, ...]) -> None:
        number = library.subscribe(client, names, v5=self._broker.v5)
        if number is not None:
            self._asked[number] = names

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._unacked)

    # The thread.

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began, rivals = time.monotonic(), self.rivals
            try:
                if self._open():
                    self._serve()
                    self._judge_end(time.monotonic() - began)
            except Exception as error:  # a library or a broker that does what nobody thought of must not end MQTT for ever
                log.exception("MQTT: unexpected")
                self._tell(f"{type(error).__name__}: {error}")
            self._close()
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            wait = min(MOST_WAIT_S, FIRST_WAIT_S * 2 ** min(failures - 1, 10)) if failures else FIRST_WAIT_S
            if self.rivals > rivals:
                wait = max(wait, min(MOST_RIVAL_WAIT_S, RIVAL_WAIT_S * 2 ** min(self.rivals - 1, 10)))
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
            client = self._client = library.make(broker, self._will, bridge=self._bridge)
            client.on_connect, client.on_message, client.on_publish = self._on_connect, self._on_message, self._on_publish
            client.on_subscribe, client.on_disconnect = self._on_subscribe, self._on_disconnect
            client.connect_timeout = CONNECT_S
            library.connect(client, broker)
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
            if not broker.v5 and (self._answer is None or WRONG_VERSION.lower() in self._answer):
                self._bridge = not self._bridge  # the next attempt is the other way
            if not self._stopping.is_set():
                self._tell(f"{broker.host}:{broker.port}: {self._answer or 'closed the connection before an answer'}")
            return False
        return True

    def _serve(self) -> None:
        client = self._client
        assert client is not None
        began = time.monotonic()
        while client.socket() is not None and not self._stopping.is_set():
            timeout = self._calls.turn(time.monotonic())
            if self.rivals and time.monotonic() - began > RIVAL_GONE_S:
                self.rivals = 0
            self._io(min(timeout, 1.0))
        if not self._stopping.is_set():
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

    def _judge_end(self, lasted_s: float) -> None:
        """Tell why a connection ended that nobody here wanted to end."""
        if self._stopping.is_set():
            return
        broker = self._broker
        closed = self._ended != SILENT
        self._short = self._short + 1 if closed and lasted_s < STEADY_S else 0
        sure = self._ended == TAKEN_OVER
        if sure or (closed and (self._short >= SHORT_LIVED or self.rivals)):
            self.rivals += 1
            name = broker.client_id.removeprefix("edgevoice-")
            self._tell(f"{broker.host}:{broker.port}: {'another' if sure else 'perhaps another'} device is called {name} there, too, and "
                       "each throws the other out: give each its own mqtt.id, or stop the other one")
        else:
            self._tell(f"{broker.host}:{broker.port}: the connection broke{f' ({self._answer})' if self._answer else ''}")

    def _close(self) -> None:
        client, self._client = self._client, None
        self.connected, self._answer, self._ended = False, None, ""
        unacked, self._unacked = list(self._unacked.values()), {}
        self._asked.clear()
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

    # What the library calls.

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._answer = f"the broker refuses: {str(reason).lower()}"
            return
        self.connected = True
        self.connects += 1
        self._ask(client, self._subscriptions)
        self._tell(None)
        self._calls.connected()

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[Any], properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            refused = [name for name, reason in zip(self._asked.get(mid, ()), reasons, strict=False) if reason.is_failure]
            more = f" and {len(refused) - MOST_TOLD} more" if len(refused) > MOST_TOLD else ""
            self._tell(f"{self._broker.host}: the broker does not let this device subscribe to {', '.join(refused[:MOST_TOLD])}{more} "
                       "(its ACL)")
        self._asked.pop(mid, None)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        made = library.incoming(message)
        if made is not None:
            self._calls.received(made)

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        message = self._unacked.pop(mid, None)
        if message is None:
            return
        if reason is not None and reason.is_failure and not message.foreign:
            self._tell(f"{self._broker.host}: the broker does not take {message.topic} ({str(reason).lower()})")
        if message.key:
            self._calls.acked(message.key)

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._ended = str(reason)
        if self._answer is None and reason is not None and flags.is_disconnect_packet_from_server:
            self._answer = str(reason).lower()

    def _tell(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            self._calls.told(problem)
