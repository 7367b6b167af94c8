"""What discovery messages tell: abbreviated or not, one by one or a device at once; what they must not make us learn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.adapters.mqtt import discovery as ours
from edgevoice.adapters.mqtt.topics import Topics
from edgevoice.home import discovery, templates
from edgevoice.home.house import House, Thing
from edgevoice.home.orders import Act, order
from tests.fakes.house import CONFIGS, PREFIX, told_house


def learn(topic: str, told: Any) -> list[Thing]:
    found = discovery.things_of(PREFIX, f"{PREFIX}/{topic}", told if isinstance(told, bytes) else json.dumps(told).encode())
    return [] if found is None else found[1]


def test_abbreviations_and_tildes_are_told_in_full() -> None:
    (thing,) = learn("switch/oven/config", CONFIGS["switch/oven/config"])
    assert (thing.name, thing.domain, thing.area) == ("Oven", "switch", "Kitchen")
    assert thing.wiring["command_topic"] == "oven/cmnd/POWER" and thing.wiring["availability_topic"] == "oven/tele/LWT"
    assert thing.wiring["value_template"] == "{{ value_json.POWER }}" and thing.wiring["payload_not_available"] == "Offline"


def test_a_device_tells_of_all_its_parts_at_once() -> None:
    things = learn("device/climate/config", CONFIGS["device/climate/config"])
    assert [(thing.name, thing.domain, thing.area) for thing in things] == [
        ("Air Ceiling fan", "fan", "Living room"), ("Air Thermostat", "climate", "Living room")]
    assert things[0].aliases == ("Ceiling fan",) and things[1].wiring["temperature_command_topic"] == "heat/set"
    assert things[1].wiring["min_temp"] == 7


def test_what_is_gone_is_forgotten_and_nothing_else() -> None:
    house = told_house()
    before = len(house.things)
    root, left = discovery.things_of(PREFIX, f"{PREFIX}/device/climate/config", b"") or ("", [])
    gone = discovery.gone(root, (thing.id for thing in house.things), left)
    assert len(gone) == 2 and left == []
    for id in gone:
        house.remove(id)
    assert len(house.things) == before - 2 and not house.heard("fan/state", b"ON")


@pytest.mark.parametrize(("topic", "told"), [
    ("light/x/config", b"not json"), ("light/x/config", b"[1]"), ("light/config", b"{}"), ("light/x/y/z/config", {"name": "A"}),
    ("camera/x/config", {"name": "Camera"}), ("sensor/x/config", {"name": "RSSI", "ent_cat": "diagnostic", "stat_t": "a"}),
    ("sensor/x/config", {"name": "Hidden", "en": False, "stat_t": "a"}), ("light/x/config", {"cmd_t": "a"}),
    ("device/x/config", {"cmps": {"a": {"p": "light"}}, "dev": 3}), ("device/x/config", {"cmps": ["a"]})])
def test_what_is_no_use_is_nothing(topic: str, told: Any) -> None:
    assert learn(topic, told) == []


def test_this_device_and_its_like_are_no_part_of_the_house() -> None:
    state = {"wake_words": ["okay_nabu"], "profiles": [], "version": "1"}
    assert learn("device/kitchen/config", ours.config(Topics("edgevoice", "kitchen"), state, {}, name="Kitchen", model="Pi")) == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["name", "dev", "cmps", "p", "~", "cmd_t", "stat_t", "avty", "o", "sa", "schema", "bri_scl", "x"]),
                        inner, max_size=6), max_leaves=12))
def test_nothing_that_is_told_breaks_the_learning(told: Any) -> None:
    house = House()
    for topic in ("light/x/config", "device/x/config", "cover/x/config"):
        for thing in learn(topic, told):
            house.put(thing)
            for state_topic in house.topics:
                house.heard(state_topic, json.dumps(told).encode())


@pytest.mark.parametrize("template", [
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", "{{ 9**9**9 }}", "{{ 'a' * 999999999 }}",
    "{{ ''.__class__.__mro__ }}", "{% include 'x' %}", "{{ value_json.a.b.c }}", "{{", "{{ [1] | batch(3) | list }}"])
def test_a_template_that_is_costly_or_broken_tells_nothing(template: str) -> None:
    assert templates.rendered(template, "{}") in (None, "")


@pytest.mark.parametrize(("template", "value", "expected"), [
    ("", "ON", "ON"), ("{{ value_json.state }}", '{"state": "ON"}', "ON"), ("{{ value | int / 2 }}", "5", "2.5"),
    ("{{ 'ON' if value_json.power > 3 else 'OFF' }}", '{"power": 4}', "ON"),
    ("{{ value_json['t'] | float | round(1) }}", '{"t": 7.25}', "7.2"),
    ("{% if value == '1' %}open{% else %}closed{% endif %}", "1", "open"), ("{{ value_json.state }}", "no json", None)])
def test_templates_read_as_home_assistant_does(template: str, value: str, expected: str | None) -> None:
    assert templates.rendered(template, value) == expected


@pytest.mark.parametrize(("wiring", "act", "sent"), [
    ({"schema": "json", "supported_color_modes": ["rgb"], "command_topic": "l"}, Act("colour", "red"),
     [("l", '{"state": "ON", "color": {"r": 255, "g": 0, "b": 0}}')]),
    ({"schema": "json", "supported_color_modes": ["color_temp"], "command_topic": "l"}, Act("kelvin", 2700.0),
     [("l", '{"state": "ON", "color_temp": 370}')]),
    ({"command_topic": "l", "rgb_command_topic": "c"}, Act("colour", "red"), [("c", "255,0,0"), ("l", "ON")]),
    ({"command_topic": "l", "hs_command_topic": "c", "on_command_type": "first"}, Act("colour", "blue"), [("l", "ON"), ("c", "240,100")]),
    ({"command_topic": "l", "brightness_command_topic": "b", "on_command_type": "brightness"}, Act("brightness", 100.0), [("b", "255")]),
    ({"schema": "template", "command_topic": "l", "command_on_template": "on,{{ brightness }}", "command_off_template": "off"},
     Act("brightness", 50.0), [("l", "on,128")])])
def test_lights_are_told_by_their_schema(wiring: dict[str, Any], act: Act, sent: list[tuple[str, str]]) -> None:
    assert list(order(Thing("x", "Lamp", "light", wiring=wiring), act).messages) == sent
