"""What systemd is told of a service: that it is ready, how it does in words, that it lives, that it ends (sd_notify(3)).

Laws: where nobody listens (no ``NOTIFY_SOCKET``) nothing happens; nobody is waited for, and nothing is raised.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Self

log = logging.getLogger(__name__)


class Notifier:
    """Of one process.  ``watchdog_s``: systemd ends it when ``alive`` was not told for so long; ``None``: it does not."""

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        self._status = ""
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ, pid: int | None = None) -> Self:
        """As systemd has set the environment; a watchdog that is meant for another process is not ours."""
        microseconds, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        ours = microseconds.isdecimal() and meant in ("", str(pid or os.getpid()))
        return cls(environment.get("NOTIFY_SOCKET", ""), int(microseconds) / 1e6 if ours else None)

    def ready(self) -> None:
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """One line, for ``systemctl status``; told when it changes."""
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, line: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(line.encode(), self._address)
        except OSError as error:  # also where its queue is full: it will be told again
            log.debug("systemd was not told %s: %s", line, error)
