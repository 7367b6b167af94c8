"""Networks and brokers that fail: no event is lost within the bound, nothing is obeyed twice, and the conversation knows nothing of it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from edgevoice.adapters.mqtt import link as links
from edgevoice.dialog.table import State
from tests.edges.conftest import Device, device, hears, settings_for, until
from tests.fakes.llm import words
from tests.fakes.mosquitto import Listener, Mosquitto, free_port
from tests.fakes.tcp_proxy import Proxy

TEXT = "All is well in the house, and the kettle is on."


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A broker that a test may kill."""
    with Mosquitto(tmp_path / "own") as made:
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of waiting, made tenths."""
    monkeypatch.setattr(links, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(links, "MOST_WAIT_S", 0.2)
    monkeypatch.setattr(links, "CONNECT_S", 0.5)


async def ask(made: Device) -> None:
    """One question, answered to its end, without a gap in the sound."""
    before = len(made.find("playback_end"))
    made.session.ask("How is the house?")
    await until(lambda: len(made.find("playback_end")) > before and made.session.machine.state is State.IDLE, 20)
    assert made.find("underrun") == [] and made.find("error") == []


def numbers(listener: Listener) -> list[int]:
    """Of the events that came, in the order in which each came first."""
    found = [int(json.loads(message.payload)["id"].split("-")[1]) for message in listener.messages if "/event/" in message.topic]
    return list(dict.fromkeys(found))


async def all_came(made: Device, *listeners: Listener) -> None:
    """Every event is with one of them, each of whom got its own in order."""
    await until(lambda: made.mqtt.connected and len(made.mqtt._store) == 0 and not made.mqtt._rows)
    await asyncio.sleep(0.1)
    got: list[int] = []
    for listener in listeners:
        own = numbers(listener)
        assert own == sorted(own)
        got += own
    assert set(range(1, made.mqtt._number + 1)) - set(got) == set()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_is_killed_and_forgets_everything(
        own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        settings = settings_for(own.port, tmp_path, id="survivor", protocol=protocol)
        async with device(settings, monkeypatch, script=words(TEXT)) as made:
            with Listener(own.port, "edgevoice/survivor/#") as before:
                await hears(before, "/availability")
                await ask(made)
                # the first events may have gone before the listener came
                began = numbers(before)[0]
                own.stop()
                await until(lambda: not made.mqtt.connected)
                await ask(made)
                kept = len(made.mqtt._store)
                assert kept >= 5 and made.mqtt._store._rows == kept, "on the disk"
                monkeypatch.setattr(links, "FIRST_WAIT_S", 1.0)  # so that the listener is back first: the broker keeps nothing for it
                monkeypatch.setattr(links, "MOST_WAIT_S", 1.0)
                await asyncio.sleep(0.3)
                own.start()
                with Listener(own.port, "edgevoice/survivor/#") as after:
                    await until(lambda: made.mqtt.connected and len(made.mqtt._store) == 0)
                    await ask(made)
                    await asyncio.sleep(0.3)
                    got = set(numbers(before)) | set(numbers(after))
                    assert set(range(began, made.mqtt._number + 1)) <= got
                    assert numbers(after) == sorted(numbers(after))
                    with Listener(own.port, "edgevoice/survivor/+") as late:
                        assert await hears(late, "/availability") == "online"
                        assert (await hears(late, "survivor/state"))["state"] == "idle"
                assert made.mqtt._store.dropped == made.mqtt.overrun == 0
                assert any("broke" in line for line in made.told) and made.told[-1].startswith("MQTT: connected")

    asyncio.run(act())


def test_a_network_that_becomes_a_black_hole_is_noticed_and_left(own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/hole/#") as house:
            settings = settings_for(network.port, tmp_path, id="hole", keepalive_s=1)
            async with device(settings, monkeypatch, script=words(TEXT)) as made:
                await hears(house, "/availability", lambda value: value == "online")
                network.swallow_up = network.swallow_down = True
                began = time.monotonic()
                await ask(made)
                await until(lambda: not made.mqtt.connected, 5)
                assert time.monotonic() - began < 5
                await hears(house, "/availability", lambda value: value == "offline")
                await ask(made)
                after = len(house.messages)
                network.swallow_up = network.swallow_down = False
                network.cut()
                await hears(house, "/availability", lambda value: value == "online", after=after)
                await all_came(made, house)
            assert house.of("/availability")[-1] in ("online", "offline")

    asyncio.run(act())


def test_a_network_300_ms_long_is_only_late(own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        monkeypatch.setattr(links, "CONNECT_S", 5.0)
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/far/#") as house:
            network.delay_s = 0.3
            async with device(settings_for(network.port, tmp_path, id="far"), monkeypatch, script=words(TEXT)) as made:
                await hears(house, "/availability")  # which comes after its subscription
                for k in range(3):
                    began = time.monotonic()
                    house.publish(f"{made.root}/cmd/mute", {"id": f"m{k}"}, wait=False)
                    await hears(house, "/cmd/mute/result", lambda value, k=k: value.get("id") == f"m{k}")
                    assert 0.6 <= time.monotonic() - began < 2
                assert made.session.muted
                await ask(made)
                await all_came(made, house)
                assert [result["ok"] for result in house.of("/cmd/mute/result")] == [True] * 3

    asyncio.run(act())


def test_a_queue_that_is_full_loses_its_oldest_and_says_how_many(own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/full/#") as house:
            network.refuse = True
            async with device(settings_for(network.port, tmp_path, id="full", events=25), monkeypatch, connected=False) as made:
                for k in range(60):
                    made.session.set_volume(k / 100)
                    await asyncio.sleep(0.002)
                await until(lambda: made.mqtt._number >= 60 and len(made.mqtt._store) == 25)
                network.refuse = False
                await hears(house, "/event/volume", lambda value: value["gain"] == 0.59)
                got = [event["gain"] for event in house.of("/event/volume")]
                assert got == [k / 100 for k in range(60 - len(got), 60)] and len(got) == 25
                health = await hears(house, "/health", lambda value: value["mqtt"]["events_dropped"] > 0)
                assert health["mqtt"]["events_dropped"] == made.mqtt._number - 25

    asyncio.run(act())


def test_what_waited_when_the_device_was_switched_off_is_told_by_the_next_process(
        own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/reborn/#") as house:
            network.refuse = True
            settings = settings_for(network.port, tmp_path, id="reborn")
            async with device(settings, monkeypatch, connected=False) as made:
                made.session.set_volume(0.11)
                await until(lambda: len(made.mqtt._store) >= 1)
            network.refuse = False
            async with device(settings, monkeypatch) as made:
                made.session.set_volume(0.22)
                await hears(house, "/event/volume", lambda value: value["gain"] == 0.22)
            assert [event["gain"] for event in house.of("/event/volume")] == [0.11, 0.22]
            assert len({event["id"].split("-")[0] for event in house.of("/event/volume")}) == 2

    asyncio.run(act())


def test_a_command_that_the_broker_sends_twice_is_obeyed_once(own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was obeyed, but the acknowledgement was lost with the connection: the broker cannot know and sends it again."""
    async def act() -> None:
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/twice/cmd/+/result") as house:
            async with device(settings_for(network.port, tmp_path, id="twice"), monkeypatch) as made:
                await asyncio.sleep(0.2)  # the subscription is acknowledged
                network.swallow_up = True
                house.publish(f"{made.root}/cmd/mute", {}, wait=False)
                await until(lambda: made.session.muted)
                network.swallow_up = False
                network.cut()
                result = await hears(house, "/result", lambda value: not value["ok"])
                assert result["reason"] == "duplicate" and made.session.muted
                assert [row["muted"] for row in made.find("muted")] == [True]
                await hears(house, "/result", lambda value: value["ok"])  # the first one's result was not lost with the connection

    asyncio.run(act())


def test_commands_reach_a_device_that_was_away_for_a_moment(own: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Proxy(own.port) as network, Listener(own.port, "edgevoice/away/#") as house:
            async with device(settings_for(network.port, tmp_path, id="away"), monkeypatch) as made:
                await asyncio.sleep(0.2)
                network.refuse = True
                network.cut()
                await until(lambda: not made.mqtt.connected)
                house.publish(f"{made.root}/cmd/mute", {"muted": True, "id": "kept"})
                house.publish(f"{made.root}/cmd/volume", {"volume": 0.1, "id": "over"}, MessageExpiryInterval=1)
                await asyncio.sleep(2.2)  # it counts in whole seconds
                network.refuse = False
                assert (await hears(house, "/cmd/mute/result"))["id"] == "kept" and made.session.muted
                await asyncio.sleep(0.2)
                assert not house.of("/cmd/volume/result") and not made.find("volume")

    asyncio.run(act())


def test_a_broker_that_accepts_and_says_nothing_is_given_up_and_the_house_talks_on(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            settings = settings_for(mute.getsockname()[1], tmp_path, id="waiting")
            async with device(settings, monkeypatch, script=words(TEXT), connected=False) as made:
                await ask(made)
                await until(lambda: any("does not answer" in line for line in made.told))
                assert made.mqtt._store._rows >= 5

    asyncio.run(act())


def test_attempts_are_spread_and_backed_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(links.Link, "_pass_time", lambda self, seconds: waits.append(seconds) or (len(waits) > 7 and self._stopping.set()))
    monkeypatch.setattr(links, "FIRST_WAIT_S", 0.5)
    monkeypatch.setattr(links, "MOST_WAIT_S", 16.0)
    told: list[str | None] = []
    calls = links.Calls(lambda: None, lambda message: None, lambda now: 1.0, told=told.append)
    link = links.Link(links.Broker("127.0.0.1", free_port(), "x"), calls)
    link.start()
    link._thread.join(10)  # type: ignore[union-attr]
    for k, wait in enumerate(waits):
        most = min(0.5 * 2 ** k, 16.0)
        assert most / 2 <= wait <= most
    assert len(set(waits)) == len(waits) == 8 and "refused" in str(told[0])
