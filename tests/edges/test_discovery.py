"""What Home Assistant is told, entity by entity, against what its documentation (and the schemas of its MQTT integration, 2024.3 for the
entities and 2025.4 for the device) allow; and its templates, rendered as it does, against what the device publishes and obeys."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

from edgevoice.adapters import verbs
from edgevoice.adapters.mqtt import discovery, schemas
from edgevoice.adapters.mqtt.topics import Topics
from edgevoice.engines.exchange import ExchangeableWake
from edgevoice.pipeline.session import Engines
from tests.edges.conftest import device, hears, settings_for, until
from tests.fakes.llm import FakeLlm
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad
from tests.fakes.wake import FakeWake

COMMON = {"platform", "name", "unique_id", "icon", "qos", "entity_category", "json_attributes_topic", "json_attributes_template"}
OPTIONS = {
    "switch": {"command_topic", "payload_on", "payload_off", "state_topic", "value_template", "state_on", "state_off", "device_class"},
    "number": {"command_topic", "command_template", "min", "max", "step", "mode", "unit_of_measurement", "state_topic", "value_template"},
    "button": {"command_topic", "payload_press", "device_class"},
    "select": {"command_topic", "command_template", "state_topic", "value_template", "options"},
    "text": {"command_topic", "command_template", "min", "max", "mode", "pattern", "state_topic", "value_template"},
    "event": {"state_topic", "value_template", "event_types", "device_class"},
    "update": {"state_topic", "value_template", "device_class", "title"},
    "binary_sensor": {"state_topic", "value_template", "payload_on", "payload_off", "device_class"},
    "sensor": {"state_topic", "value_template", "device_class", "state_class", "unit_of_measurement", "options",
               "suggested_display_precision"}}
REQUIRED = {"switch": {"command_topic"}, "number": {"command_topic"}, "button": {"command_topic"}, "select": {"command_topic", "options"},
            "text": {"command_topic"}, "event": {"state_topic", "event_types"}, "update": set(), "binary_sensor": {"state_topic"},
            "sensor": {"state_topic"}}
CLASSES = {"button": {"restart", "identify", "update"}, "binary_sensor": {"problem"},
           "sensor": {"enum", "duration", "temperature", "signal_strength", "data_size"}}
UNITS = {"duration": {"ms", "s", "min", "h", "d"}, "temperature": {"°C", "°F", "K"}, "signal_strength": {"dB", "dBm"},
         "data_size": {"B", "MB", "MiB", "GB", "GiB"}}
WANTED = {"mute": "switch", "volume": "number", "sensitivity": "number", "stop": "button", "listen": "button", "restart": "button",
          "profile": "select", "wake_word": "select", "wake": "event", "models": "update", "speak": "text", "state": "sensor",
          "health": "sensor", "answer_time": "sensor"}


def environment() -> jinja2.Environment:
    made = jinja2.Environment(undefined=jinja2.StrictUndefined)
    made.filters["to_json"] = json.dumps
    return made


@pytest.fixture(scope="module")
def told(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The config, state, health and wake event of a device with wake words and profiles."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "day.toml").write_text("", encoding="utf-8")
    settings = settings_for(broker.port, folder, id="told", name="Kitchen")
    settings = dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=True))
    engines = Engines(FakeVad(), FakeStt(), FakeLlm(), FakeTts(16_000), ExchangeableWake(FakeWake([(1_600, "okay_nabu")])))

    async def act() -> dict[str, Any]:
        with Listener(broker.port, "edgevoice/told/#", "homeassistant/#") as house, pytest.MonkeyPatch.context() as patch:
            async with device(settings, patch, engines=engines, config=folder / "day.toml") as made:
                wake = await hears(house, "/event/wake")
                return {"wake": wake, "config": await hears(house, "device/told/config"),
                        "state": await hears(house, f"{made.root}/state"), "health": await hears(house, "/health")}

    return asyncio.run(act())


def test_the_device_is_described(told: dict[str, Any]) -> None:
    config = told["config"]
    assert set(config) == {"device", "origin", "availability_topic", "components"}
    assert set(config["device"]) <= {"identifiers", "name", "manufacturer", "model", "sw_version", "serial_number"}
    assert config["device"]["identifiers"] == ["edgevoice_told"] and config["device"]["name"] == "Kitchen" and config["device"]["model"]
    assert set(config["origin"]) <= {"name", "sw_version", "support_url"} and config["origin"]["name"] == "edgevoice"
    assert config["availability_topic"] == "edgevoice/told/availability"


def test_every_entity_has_what_its_platform_wants_and_nothing_it_does_not_know(told: dict[str, Any]) -> None:
    components = told["config"]["components"]
    assert {key: components[key]["platform"] for key in WANTED} == WANTED
    assert len({entity["unique_id"] for entity in components.values()}) == len(components)
    for key, entity in components.items():
        platform = entity["platform"]
        assert set(entity) <= COMMON | OPTIONS[platform], key
        assert REQUIRED[platform] <= set(entity), key
        assert entity.get("entity_category", "config") in ("config", "diagnostic")
        assert platform not in ("sensor", "binary_sensor", "event") or entity.get("entity_category") != "config", "those are read only"
        if "device_class" in entity:
            assert entity["device_class"] in CLASSES[platform], key
            assert "unit_of_measurement" not in entity or entity["unit_of_measurement"] in UNITS[entity["device_class"]], key
        if platform == "sensor":
            assert entity.get("state_class", "measurement") in ("measurement", "total_increasing", "total")
            assert ("options" in entity) == (entity.get("device_class") == "enum")
            assert not ("options" in entity and ({"state_class", "unit_of_measurement"} & set(entity)))
        if platform == "text":
            assert 0 <= entity["min"] <= entity["max"] <= 255
        if platform == "number":
            assert entity["min"] < entity["max"] and entity["step"] >= 1e-3 and entity["mode"] in ("auto", "box", "slider")


def test_what_an_entity_sends_is_a_command_that_is_obeyed(told: dict[str, Any]) -> None:
    values = {"volume": [0.0, 33.0, 100.0], "sensitivity": [0.0, 0.35, 1.0], "wake_word": ["hey_jarvis"], "profile": ["day"],
              "speak": ['He said "tea" \\ & <b>coffee</b>', "Grüße"]}
    seen = set()
    for key, entity in told["config"]["components"].items():
        if "command_topic" not in entity:
            continue
        verb = Topics("edgevoice", "told").verb_of(entity["command_topic"])
        assert verb is not None
        payloads = [entity[name] for name in ("payload_on", "payload_off", "payload_press") if name in entity]
        payloads += [environment().from_string(entity["command_template"]).render(value=value) for value in values.get(key, ())]
        assert payloads, key
        for payload in payloads:
            assert verbs.wrong(schemas.COMMANDS[verb], json.loads(payload)) is None, (key, payload)
        seen.add(verb)
    assert seen == {"mute", "volume", "stop", "listen", "restart", "say", "wake_word", "profile"}


def test_what_an_entity_shows_is_what_was_published(told: dict[str, Any]) -> None:
    shown = {}
    for key, entity in told["config"]["components"].items():
        if "value_template" not in entity:
            continue
        source = {"state": told["state"], "health": told["health"], "wake": told["wake"]}[entity["state_topic"].split("/")[-1]]
        shown[key] = environment().from_string(entity["value_template"]).render(value_json=source, value=json.dumps(source))
        if "options" in entity:
            assert shown[key] in entity["options"], key
        if entity["platform"] in ("number", "sensor") and entity.get("device_class") != "enum" and key != "health":
            assert shown[key] == "None" or float(shown[key]) >= -200, key
        if "json_attributes_template" in entity:
            assert "alerts" in json.loads(environment().from_string(entity["json_attributes_template"]).render(value_json=source))
    assert [shown[key] for key in ("mute", "volume", "sensitivity", "wake_word", "profile")] == ["OFF", "100", "0.5", "okay_nabu", "day"]
    assert json.loads(shown["wake"])["event_type"] == "wake" and json.loads(shown["wake"])["word"] == "okay_nabu"
    versions = json.loads(shown["models"])
    assert versions["installed_version"] == versions["latest_version"] and len(versions["latest_version"]) == 8
    assert shown["problem"] == "OFF" and 0 < len(shown["health"]) <= 255


def test_a_word_that_home_assistant_cannot_split_apart_stays_one(told: dict[str, Any]) -> None:
    """The first of a list is the one that is selected, also where it is none of the package's own."""
    state = {**told["state"], "wake_words": ["hey_kitchen"]}
    made = discovery.config(Topics("edgevoice", "x"), state, told["health"], name="x", model="x")
    assert "hey_kitchen" in made["components"]["wake_word"]["options"]


def test_it_is_told_again_when_home_assistant_starts_and_taken_out_when_asked(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        topic = "homeassistant/device/coming/config"
        monkeypatch.setattr("edgevoice.adapters.mqtt.adapter.HOME_S", 0.1)
        with Listener(broker.port, topic, "edgevoice/coming/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="coming"), monkeypatch):
                await hears(house, topic)
                after = len(house.messages)
                house.publish("homeassistant/status", "online")
                await hears(house, topic, after=after)
                after = len(house.messages)
                house.publish("edgevoice/coming/cmd/discovery", {"remove": True})
                await hears(house, topic, lambda value: value == "", after=after)
                house.publish("homeassistant/status", "online")
                await asyncio.sleep(0.4)
                with Listener(broker.port, topic) as late:
                    await asyncio.sleep(0.2)
                    assert late.messages == []
                after = len(house.messages)
                house.publish("edgevoice/coming/cmd/discovery", {})
                await hears(house, topic, lambda value: value != "", after=after)
                with Listener(broker.port, topic) as late:
                    await hears(late, topic)
                    assert late.messages[0].retain

    asyncio.run(act())


def test_without_it_home_assistant_hears_nothing(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "homeassistant/device/shy/config") as house:
            async with device(settings_for(broker.port, tmp_path, id="shy", discovery=False), monkeypatch) as made:
                await until(lambda: made.mqtt._published_health is not None)
                await asyncio.sleep(0.2)
            assert house.messages == []

    asyncio.run(act())
