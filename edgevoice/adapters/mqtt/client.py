"""The library's side of a connection: paho-mqtt's client made ready, and its messages and ours translated into each other.

A retained command must be known as such also while the connection stands.  MQTT 5 says so where it is asked to (retain as published); 3.1.1
has the broker take the mark off (MQTT-3.3.1-9), but for a peer that says it is a bridge: mosquitto, RSMB and EMQX then leave it on, by
a bit in the protocol's number that paho-mqtt knows.  Others refuse that number, and are asked again without.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.properties import Properties

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
    foreign: bool = False
    """its topic was chosen by somebody else: that the broker does not take it is none of our problems"""
    expiry_s: int | None = None
    """after which the broker need not deliver it any more (MQTT 5)"""


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


def make(broker: Broker, will: Message | None, *, bridge: bool) -> Client:
    """Not connected.  ``OSError``, ``ssl.SSLError`` or ``ValueError`` for files that cannot be used.  ``bridge``: see the module."""
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    client = paho.Client(CallbackAPIVersion.VERSION2, broker.client_id, None if broker.v5 else True,
                         protocol=paho.MQTTv5 if broker.v5 else paho.MQTTv311, reconnect_on_failure=False)
    client.on_socket_open = _at_once
    if bridge:
        client.enable_bridge_mode()
    if broker.username:
        client.username_pw_set(broker.username, broker.password())
    if broker.tls:
        for file in filter(None, (broker.ca_file, broker.cert_file, broker.key_file)):
            Path(file).open("rb").close()  # whose errors name the file, unlike OpenSSL's
        context = ssl.create_default_context(cafile=broker.ca_file or None)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file)
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client


def connect(client: Client, broker: Broker) -> None:
    """The TCP connection and TLS, and the question to be let in."""
    facts: dict[str, Any] = {}
    if broker.v5:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = broker.session_s
        properties.MaximumPacketSize = MOST_PACKET
        facts = {"clean_start": False, "properties": properties}
    client.connect(broker.host, broker.port, broker.keepalive_s, **facts)


def subscribe(client: Client, names: tuple[str, ...], *, v5: bool) -> int | None:
    """The number under which the broker will answer; ``None`` if nothing was asked."""
    if not names:
        return None
    if not v5:
        return client.subscribe([(name, 1) for name in names])[1]
    from paho.mqtt.subscribeoptions import SubscribeOptions

    return client.subscribe([(name, SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)) for name in names])[1]


def properties(message: Message) -> Properties | None:
    """What MQTT 5 tells beside a payload."""
    if not message.payload:
        return None
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.PayloadFormatIndicator = 1
    made.ContentType = "application/json" if message.json else "text/plain"
    if message.correlation is not None:
        made.CorrelationData = message.correlation
    if message.expiry_s is not None:
        made.MessageExpiryInterval = message.expiry_s
    return made


def incoming(message: MQTTMessage) -> Incoming | None:
    """``None`` for a topic that is not UTF-8."""
    try:
        topic = message.topic
    except UnicodeDecodeError:
        return None
    facts = getattr(message, "properties", None)
    return Incoming(
        topic, bytes(message.payload), message.qos, message.retain, message.dup, message.mid,
        getattr(facts, "ResponseTopic", "") if facts is not None else "",
        getattr(facts, "CorrelationData", None) if facts is not None else None,
        getattr(facts, "MessageExpiryInterval", None) if facts is not None else None)


def _at_once(client: Client, userdata: Any, sock: Any) -> None:
    """No waiting for more to send: a command's result is a small packet and somebody waits for it."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
