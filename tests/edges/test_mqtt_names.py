"""Two devices of one name on a broker, and what MQTT 3.1.1 does not say by itself: that a command is retained."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edgevoice.adapters.mqtt import link as links
from tests.edges.conftest import device, hears, settings_for, until
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.tcp_proxy import Proxy

BRIDGE = 0x84
"""the protocol's number of a 3.1.1 client that says it is a bridge"""


def client(port: int, told: list[str | None], **facts: Any) -> links.Link:
    """A connection as a device of the name ``twin`` has it."""
    broker = links.Broker("127.0.0.1", port, "edgevoice-twin", **facts)
    return links.Link(broker, links.Calls(lambda: None, lambda message: None, lambda now: 0.1, told=told.append))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between attempts, which are made shorter but kept."""
    waits: list[float] = []
    wait = links.Link._pass_time

    def shorter(self: links.Link, seconds: float) -> None:
        waits.append(seconds)
        wait(self, min(seconds, 0.05))

    monkeypatch.setattr(links.Link, "_pass_time", shorter)
    return waits


@pytest.mark.parametrize("v5", [True, False])
def test_two_of_one_name_are_noticed_and_give_way(broker: Mosquitto, impatient: list[float], v5: bool) -> None:
    told: list[str | None] = []
    first, second = client(broker.port, told, v5=v5), client(broker.port, told, v5=v5)
    first.start()
    second.start()
    try:
        asyncio.run(until(lambda: first.rivals + second.rivals >= 4))
        assert any(line is not None and "device is called twin there, too" in line and "mqtt.id" in line for line in told)
        backed_off = [wait for wait in impatient if wait >= links.RIVAL_WAIT_S / 2]
        assert len(backed_off) >= 3 and max(backed_off) > links.RIVAL_WAIT_S / 2 and max(impatient) <= links.MOST_RIVAL_WAIT_S
    finally:
        first.stop()
        second.stop()


class Spoken(Proxy):
    """A broker that says why, as MQTT 5 has it and mosquitto has not."""

    def oust(self) -> None:
        self._loop.call_soon_threadsafe(self._writers[0].write, bytes.fromhex("e0 02 8e 00"))


def test_a_broker_that_says_so_is_believed_at_once(broker: Mosquitto, impatient: list[float]) -> None:
    told: list[str | None] = []
    with Spoken(broker.port) as spoken:
        link = client(spoken.port, told)
        link.start()
        asyncio.run(until(lambda: link.connected))
        spoken.oust()
        asyncio.run(until(lambda: link.rivals == 1))
        link.stop()
    assert "another device is called twin there, too" in str(told[1]) and "perhaps" not in str(told[1])
    assert impatient[0] >= links.RIVAL_WAIT_S / 2


def test_the_device_says_so_in_its_health(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        monkeypatch.setattr(links, "RIVAL_WAIT_S", 0.1)
        monkeypatch.setattr(links, "RIVAL_GONE_S", 2.0)
        with Listener(broker.port, "edgevoice/double/health") as house:
            async with device(settings_for(broker.port, tmp_path, id="double"), monkeypatch) as made:
                for _ in range(links.SHORT_LIVED):
                    await until(lambda: made.mqtt.connected)
                    connects = made.mqtt._link.connects
                    with Listener(broker.port, client_id="edgevoice-double"):
                        await until(lambda connects=connects: made.mqtt._link.connects > connects)
                health = await hears(house, "/health", lambda value: value["alerts"])
                assert health["alerts"][0]["name"] == "mqtt_same_name" and "mqtt.id" in health["summary"]
                assert any("device is called double" in line for line in made.told)
                await hears(house, "/health", lambda value: not value["alerts"], after=len(house.messages))  # the other one is gone

    asyncio.run(act())


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_retained_command_is_not_obeyed_while_it_is_connected_either(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        id = f"live-{protocol[0]}"
        with Listener(broker.port, f"edgevoice/{id}/#") as house:
            async with device(settings_for(broker.port, tmp_path, id=id, protocol=protocol), monkeypatch) as made:
                await hears(house, "/availability")
                house.publish(f"{made.root}/cmd/mute", {"muted": True}, retain=True)
                assert (await hears(house, "/cmd/mute/result"))["reason"] == "retained" and not made.session.muted
                house.publish(f"{made.root}/cmd/mute", {"muted": True})
                assert await hears(house, "/cmd/mute/result", lambda value: value["ok"]) and made.session.muted
                house.publish(f"{made.root}/cmd/mute", b"", retain=True)

    asyncio.run(act())


class Strict(Proxy):
    """In front of a broker that knows the protocol's own numbers alone: ``answer`` is what it says to others before it hangs up."""

    def __init__(self, port: int, answer: bytes) -> None:
        super().__init__(port)
        self.answer, self.numbers = answer, []  # type: ignore[var-annotated]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(65536)
        self.numbers.append(head[head.index(b"MQTT") + 4])
        if self.numbers[-1] & 0x80:
            writer.write(self.answer)
            await writer.drain()
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        far_writer.write(head)
        await asyncio.gather(self._pump(reader, far_writer, up=True), self._pump(far_reader, writer, up=False))


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""])
def test_a_broker_that_wants_no_bridge_is_asked_without(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    async def act() -> None:
        monkeypatch.setattr(links, "FIRST_WAIT_S", 0.05)
        with Strict(broker.port, answer) as strict:
            async with device(settings_for(strict.port, tmp_path, id="plain", protocol="3.1.1"), monkeypatch) as made:
                assert strict.numbers == [BRIDGE, 4]
                assert made.told[-1].startswith("MQTT: connected")

    asyncio.run(act())
