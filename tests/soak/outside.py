"""What stands around the device in a soak: a broker that can be cut off, a house on it, and clients of HTTP that come and go."""

from __future__ import annotations

import http.client
import json
import threading
from pathlib import Path
from typing import Any, Self

from tests.fakes.house import SimulatedHouse
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.tcp_proxy import Proxy

ANSWER_S = 30.0
"""real time for which a client waits for the next word of an answer"""


class Outside:
    """``do`` from the parent's thread; returns once it is done, clients' reading but for its beginning aside."""

    def __init__(self, folder: Path) -> None:
        self.port = 0
        """of the device's HTTP"""
        self.failed: list[str] = []
        self._broker = Mosquitto(folder / "broker")
        self._proxy = Proxy(self._broker.port)
        self._clients: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._broker.start()
        self._proxy.__enter__()
        self._house = SimulatedHouse(self._broker.port)
        self._house.__enter__()
        self._messages = Listener(self._broker.port)
        self._messages.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.join(ANSWER_S)
        self._messages.__exit__()
        self._house.__exit__()
        self._proxy.__exit__()
        self._broker.stop()

    @property
    def broker_port(self) -> int:
        """The proxy's, for the device."""
        return self._proxy.port

    def do(self, what: str, facts: dict[str, Any]) -> None:
        match what:
            case "ask":
                self._ask(str(facts["text"]), leave=bool(facts["leave"]))
            case "say":
                self._messages.publish("edgevoice/soak/cmd/say", {"text": facts["text"]})
            case "broker cut":
                self._proxy.cut()
            case "broker gone":
                self._proxy.refuse = True
                self._proxy.cut()
            case "broker swallows":
                self._proxy.swallow_up = self._proxy.swallow_down = True
            case "broker back":
                if self._proxy.swallow_up:
                    self._proxy.swallow_up = self._proxy.swallow_down = False
                    self._proxy.cut()  # what was swallowed is missing in the middle of a stream
                self._proxy.refuse = False
            case _:
                raise ValueError(f"nobody knows how to do {what!r}")

    def _ask(self, text: str, *, leave: bool) -> None:
        """Until the answer begins; then somebody reads it to its end, or is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            connection.request("POST", "/v1/ask", json.dumps({"text": text}), {"Content-Type": "application/json"})
            response = connection.getresponse()
        except OSError as error:
            self.failed.append(f"HTTP: {error!r}")
            return
        if response.status != 200:
            self.failed.append(f"HTTP: {response.status} {response.read(300)!r}")
        if leave or response.status != 200:
            connection.close()
            response.close()
            return
        self._clients = [client for client in self._clients if client.is_alive()]
        client = threading.Thread(target=self._read, args=(connection, response))
        client.start()
        self._clients.append(client)

    def _read(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        try:
            while response.read1(4096):
                pass
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(f"HTTP, in an answer: {error!r}")
        finally:
            connection.close()
