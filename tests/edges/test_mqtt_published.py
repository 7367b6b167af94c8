"""What a device publishes: availability, state, health, events and replies, as their schemas say, and no word of what was said."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgevoice.adapters.mqtt import schemas
from edgevoice.dialog.table import State
from tests.edges.conftest import device, hears, settings_for, until
from tests.fakes.llm import Fail, words
from tests.fakes.mosquitto import Listener, Mosquitto

DOCS = Path(__file__).resolve().parents[2] / "docs" / "mqtt"
SECRET = "The heron keeps its umbrella in the attic."
versions = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def fits(schema: Any, value: Any) -> None:
    jsonschema.Draft202012Validator(schema).validate(value)


@versions
def test_a_device_comes_lives_and_goes(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    settings = settings_for(broker.port, tmp_path, id=f"coming-{protocol[0]}", protocol=protocol)

    async def act() -> tuple[str, list[Any]]:
        with Listener(broker.port, f"edgevoice/coming-{protocol[0]}/#") as house:
            async with device(settings, monkeypatch) as made:
                await hears(house, "/availability", lambda value: value == "online")
                state = await hears(house, f"{made.root}/state", lambda value: value["state"] == "idle")
                fits(schemas.STATE, state)
                fits(schemas.documents()["health.schema.json"], await hears(house, "/health"))
                with Listener(broker.port, f"{made.root}/#") as late:
                    assert await hears(late, "/availability") == "online"
                    assert (await hears(late, f"{made.root}/state"))["state"] == "idle"
                    assert (await hears(late, "/health"))["summary"]
                assert made.told == [f"MQTT: connected to localhost as {made.root}"]
            await hears(house, "/availability", lambda value: value == "offline")
            return made.root, list(house.messages)

    root, messages = asyncio.run(act())
    if protocol == "5":
        plain, others = [message for message in messages if message.topic == f"{root}/availability"], [
            message for message in messages if message.topic != f"{root}/availability"]
        assert {message.properties.ContentType for message in plain} == {"text/plain"}
        assert {message.properties.ContentType for message in others} == {"application/json"}


def test_the_broker_says_who_went_without_a_word(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/gone/availability") as house:
            async with device(settings_for(broker.port, tmp_path, id="gone"), monkeypatch) as made:
                await hears(house, "/availability", lambda value: value == "online")
                client = made.mqtt._link._client
                assert client is not None
                client.socket().shutdown(2)  # type: ignore[union-attr]
                await hears(house, "/availability", lambda value: value == "offline")
                await hears(house, "/availability", lambda value: value == "online", after=2)

    asyncio.run(act())


@versions
@pytest.mark.parametrize("published", [False, True])
def test_a_turn_is_told_with_its_words_only_where_that_is_wanted(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: bool, protocol: str) -> None:
    async def act() -> list[Any]:
        with Listener(broker.port, "edgevoice/talker/#") as house:
            settings = settings_for(broker.port, tmp_path, id="talker", words=published, protocol=protocol)
            async with device(settings, monkeypatch, script=words(SECRET, 0.01)) as made:
                made.session.ask("What does the heron keep?")
                await hears(house, "/event/playback_end", within_s=20)
                await until(lambda: made.session.machine.state is State.IDLE)
                await hears(house, f"{made.root}/state", lambda value: value["state"] == "idle" and value["turn"] == 1)
            return list(house.messages)

    messages = asyncio.run(act())
    told = b" ".join(message.topic.encode() + message.payload for message in messages)
    assert (b"umbrella" in told) is published
    events = [json.loads(message.payload) for message in messages if "/event/" in message.topic]
    for event in events:
        fits(schemas.EVENT, event)
    numbers = [int(event["id"].split("-")[1]) for event in events]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    assert {"state", "llm_first_token", "llm_done", "tts_first_chunk", "playback_first_sample", "playback_end"} <= {
        event["event"] for event in events}
    assert all(abs(event["time"] - time.time()) < 60 for event in events)
    frames = [json.loads(message.payload) for message in messages if message.topic.endswith("/reply/1")]
    for frame in frames:
        fits(schemas.REPLY, frame)
    assert [frame["first"] for frame in frames] == [0, *(frame["last"] + 1 for frame in frames[:-1])]
    assert sum(frame["chars"] for frame in frames) == len(SECRET) and frames[-1]["finish"] == "stop"
    if published:
        assert "".join(frame["delta"] for frame in frames) == SECRET


def test_deltas_are_grouped_to_ten_messages_a_second(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> list[float]:
        with Listener(broker.port, "edgevoice/quick/reply/#") as house:
            async with device(settings_for(broker.port, tmp_path, id="quick"), monkeypatch, script=words("word " * 60, 0.01)) as made:
                made.session.ask("Go on?")
                await hears(house, "/reply/1", lambda value: value.get("finish") == "stop", within_s=20)
            return list(house.times)

    times = asyncio.run(act())
    assert 4 <= len(times) <= 10 * (times[-1] - times[0]) + 2


def test_frames_that_were_missed_are_given_again(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with device(settings_for(broker.port, tmp_path, id="again", words=True), monkeypatch, script=words(SECRET)) as made:
            made.session.ask("Once more?")
            await until(lambda: made.find("playback_end"), 20)
            with Listener(broker.port, f"{made.root}/reply/#", f"{made.root}/cmd/+/result") as late:
                late.publish(f"{made.root}/cmd/replay", {"turn": 1, "first": 3, "id": "r1"})
                result = await hears(late, "/result")
                fits(schemas.RESULT, result)
                assert result["ok"] and result["id"] == "r1" and result["data"] == {"messages": 1}
                frame = await hears(late, "/reply/1")
                assert frame["first"] == 3 and frame["finish"] == "stop"
                assert frame["delta"] == SECRET[len(" ".join(SECRET.split()[:3])):]
                late.publish(f"{made.root}/cmd/replay", {"turn": 77})
                assert (await hears(late, "/result", lambda value: not value["ok"]))["reason"] == "unavailable"

    asyncio.run(act())


def test_an_engine_that_fails_is_told_at_once_with_what_to_do(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/ill/#") as house:
            settings = settings_for(broker.port, tmp_path, id="ill", health_s=3600)
            async with device(settings, monkeypatch, script=[Fail(RuntimeError("out of memory"))]) as made:
                assert (await hears(house, "/health"))["ok"]
                made.session.ask("Is all well at home?")
                error = await hears(house, "/event/error")
                assert (error["stage"], error["message"]) == ("llm", "out of memory")
                health = await hears(house, "/health", lambda value: not value["ok"])
                assert health["last_error"]["message"] == "out of memory" and "language model" in health["summary"]
                assert health["alerts"][0]["name"] == "llm_failing" and health["engines"]["llm"] == {"state": "failing", "errors": 1}
                assert health["mqtt"]["connected"]

    asyncio.run(act())


def test_the_published_schemas_are_those_of_the_sources() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.schema.json")} == {
        name: schemas.text(schema) for name, schema in schemas.documents().items()}, "run: python -c 'from pathlib import Path; " \
        "from edgevoice.adapters.mqtt import schemas; schemas.write(Path(\"docs/mqtt\"))'"


@pytest.mark.parametrize("name", schemas.documents())
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.documents()[name])
