"""The house on the broker: ``HomeLink`` learns what there is, hears how it is, and carries what is published to it.

Theory: discovery messages and states arrive on the connection's thread, are parsed there, and are handed to the loop, which alone touches
the ``House``.  What the loop publishes and wants to hear goes the other way through queues that the connection's thread empties.

Law: what is published goes through an ``Outbox`` and keeps its laws, whatever a discovery message names.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgevoice.adapters.mqtt.link import Incoming
from edgevoice.adapters.mqtt.outbox import Outbox
from edgevoice.adapters.mqtt.topics import plain
from edgevoice.home import discovery
from edgevoice.home.house import House, Thing

if TYPE_CHECKING:
    from edgevoice.adapters.mqtt.link import Link

log = logging.getLogger(__name__)

SETTLED_S = 0.5
"""without news of what there is, after which ``settled`` is called"""


class HomeLink:
    """``prefix`` of discovery, ``own`` of devices like this one; ``learn``: from discovery; ``confirm``: names of things to be asked about.
    ``settled`` is called on the loop when what there is has changed and no more news came for a while."""

    def __init__(self, house: House, *, prefix: str, own: str, learn: bool = True, confirm: tuple[str, ...] = (),
                 settled: Callable[[], None] = lambda: None) -> None:
        self._house, self._prefix, self._learn, self._confirm, self._settled = house, prefix, learn, confirm, settled
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._outbox = Outbox((own, prefix))
        self._wanted: collections.deque[str] = collections.deque()
        self._topics: frozenset[str] = frozenset()
        self._settling: asyncio.TimerHandle | None = None
        self.refused = 0
        """messages that were to go where none must"""
        self._listen()

    def attach(self, link: Link) -> None:
        self._link = link
        self._outbox.attach(link)

    # The loop: a ``Way``.

    @property
    def open(self) -> bool:
        return self._outbox.open

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        try:
            self._outbox.publish(topic, payload, retain=retain)
        except ValueError as error:
            self.refused += 1
            log.warning("MQTT: %s, whatever a device's description says", error)
            return False
        return True

    def _put(self, root: str, things: list[Thing]) -> None:
        version = self._house.version
        for id in discovery.gone(root, (thing.id for thing in self._house.things), things):
            self._house.remove(id)
        for thing in things:
            self._house.put(thing)
        if self._house.version != version:
            self._listen()
            if self._settling is not None:
                self._settling.cancel()
            self._settling = self._loop.call_later(SETTLED_S, self._settled)

    def _listen(self) -> None:
        topics = frozenset(filter(plain, self._house.topics))
        self._wanted += sorted(topics - self._topics)
        self._topics = topics
        if self._link is not None:
            self._link.wake()

    def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()

    # The connection's thread.

    def subscriptions(self) -> tuple[str, ...]:
        return discovery.subscriptions(self._prefix) if self._learn else ()

    def take(self, message: Incoming) -> bool:
        """Whether it was for us."""
        if message.topic in self._topics:
            self._hand(self._house.heard, message.topic, message.payload)
            return True
        if not (self._learn and message.topic.startswith(f"{self._prefix}/") and message.topic.endswith("/config")):
            return False
        found = discovery.things_of(self._prefix, message.topic, message.payload)
        if found is not None:
            root, things = found
            things = [thing.asked_about(self._confirm) for thing in things]
            self._hand(self._put, root, things)
        return True

    def turn(self) -> None:
        """While there is a connection: what waits goes out."""
        link = self._link
        assert link is not None
        while self._wanted:
            link.subscribe(self._wanted.popleft())
        self._outbox.turn()

    def lost(self) -> None:
        """The connection broke: what was on its way to the house is not sent again."""
        self._outbox.lost()

    def _hand(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)
