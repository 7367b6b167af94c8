"""What is published to others' things: ``Outbox`` carries it from the loop to the connection's thread.

Laws: nothing is published that has waited longer than ``LATE_S``, nor twice (QoS 0): a door must not open long after somebody asked for
it, and whether it opened its state will tell.  Nothing goes to the devices' own tree or to discovery, whatever is allowed, nor to a topic
with wildcards.
"""

from __future__ import annotations

import collections
import logging
import time
from typing import TYPE_CHECKING

from edgevoice.adapters.mqtt.link import Message
from edgevoice.adapters.mqtt.topics import plain

if TYPE_CHECKING:
    from edgevoice.adapters.mqtt.link import Link

log = logging.getLogger(__name__)

LATE_S = 1.0
MOST_WAITING = 200
"""messages that may wait for the connection"""


class Outbox:
    """``never``: first levels of topics that nothing is published to."""

    def __init__(self, never: tuple[str, ...]) -> None:
        self._never = tuple(f"{level}/" for level in never)
        self._link: Link | None = None
        self._waiting: collections.deque[tuple[float, Message]] = collections.deque(maxlen=MOST_WAITING)

    def attach(self, link: Link) -> None:
        self._link = link

    # The loop.

    @property
    def open(self) -> bool:
        return self._link is not None and self._link.connected

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """``ValueError`` for a topic that nothing goes to."""
        if not plain(topic) or topic.startswith(self._never):
            raise ValueError(f"nothing is ever published to {topic[:100]!r}")
        self._waiting.append((time.monotonic(), Message(topic, payload.encode(), retain=retain, json=payload.startswith("{"))))
        if self._link is not None:
            self._link.wake()

    # The connection's thread.

    def turn(self) -> None:
        """While there is a connection: what waits goes out, and what waited too long does not."""
        while self._waiting:
            since, message = self._waiting.popleft()
            if time.monotonic() - since <= LATE_S and self._link is not None:
                self._link.publish(message)

    def lost(self) -> None:
        """The connection broke: what was on its way is not sent again."""
        self._waiting.clear()
