"""The tree of topics, and a device's name in it.

``<prefix>/<id>/availability``, ``state`` and ``health`` are retained; ``event/<name>``, ``reply/<turn>``, ``cmd/<verb>`` and
``cmd/<verb>/result`` are not.  docs/mqtt.md describes each, ``schemas.py`` its payload.
"""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass
from pathlib import Path

ONLINE, OFFLINE = "online", "offline"
"""payloads of ``availability``, plain text"""
VERB = re.compile(r"[a-z][a-z_]{0,31}")
MACHINE_ID = Path("/etc/machine-id")
ID_DIGITS = 6
"""of the machine id's hash: 200 devices that were all flashed as "raspberrypi" are told apart"""
MOST_TOPIC = 256
"""characters of a response topic"""


@dataclass(frozen=True, slots=True)
class Topics:
    """Those of one device."""

    prefix: str
    id: str

    @property
    def root(self) -> str:
        return f"{self.prefix}/{self.id}"

    @property
    def availability(self) -> str:
        return f"{self.root}/availability"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def health(self) -> str:
        return f"{self.root}/health"

    def event(self, name: str) -> str:
        return f"{self.root}/event/{name}"

    def reply(self, turn: int) -> str:
        return f"{self.root}/reply/{turn}"

    def command(self, verb: str) -> str:
        return f"{self.root}/cmd/{verb}"

    @property
    def commands(self) -> str:
        """The filter that all of them match, and no result."""
        return f"{self.root}/cmd/+"

    def result(self, verb: str) -> str:
        return f"{self.root}/cmd/{verb}/result"

    def verb_of(self, topic: str) -> str | None:
        """Which command a topic is; ``None`` for one of another device, or of none."""
        start = f"{self.root}/cmd/"
        rest = topic[len(start):]
        return rest if topic.startswith(start) and VERB.fullmatch(rest) else None

    def answerable(self, topic: str) -> bool:
        """Whether a response topic is one to publish to: no wildcard, and no device's tree but for results, since a result must never
        arrive as a command or pass for somebody's state."""
        if not plain(topic) or len(topic) > MOST_TOPIC:
            return False
        return not topic.startswith(f"{self.prefix}/") or topic.endswith("/result")


def plain(topic: str) -> bool:
    """Whether a topic is one that messages go to: no filter, and not the broker's own."""
    return bool(topic) and not topic.startswith("$") and set("+#\0").isdisjoint(topic)


def own_id(host: str | None = None, machine_id: Path = MACHINE_ID) -> str:
    """A name that stays: the host's, and some digits of a hash of its machine id (which itself shall not be told)."""
    host = re.sub(r"[^a-z0-9]+", "-", (socket.gethostname() if host is None else host).split(".")[0].lower()).strip("-")[:40]
    try:
        secret = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    digits = hashlib.sha256(f"edgevoice {secret}".encode()).hexdigest()[:ID_DIGITS] if secret else ""
    return "-".join(part for part in (host, digits) if part) or "edgevoice"
