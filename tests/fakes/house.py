"""A house on a broker: devices that tell of themselves as real ones do, obey their command topics and publish their states."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from edgevoice.home import discovery
from edgevoice.home.house import House
from tests.fakes.mosquitto import Listener

PREFIX = "homeassistant"


def _light(name: str, area: str, root: str) -> dict[str, Any]:
    """As zigbee2mqtt tells of one: JSON schema, whole names."""
    return {"name": None, "schema": "json", "command_topic": f"{root}/set", "state_topic": root, "brightness": True,
            "brightness_scale": 254, "supported_color_modes": ["xy", "color_temp"], "unique_id": root,
            "device": {"identifiers": [root], "name": name, "suggested_area": area},
            "availability": [{"topic": f"{root}/availability"}]}


def _plug(name: str, area: str, root: str) -> dict[str, Any]:
    """As Tasmota tells of one: abbreviated, with ``~``."""
    return {"~": f"{root}/", "name": name, "cmd_t": "~cmnd/POWER", "stat_t": "~stat/RESULT", "val_tpl": "{{ value_json.POWER }}",
            "pl_on": "ON", "pl_off": "OFF", "uniq_id": root, "dev": {"ids": [root], "name": name, "sa": area},
            "avty_t": "~tele/LWT", "pl_avail": "Online", "pl_not_avail": "Offline"}


CONFIGS: Mapping[str, dict[str, Any]] = {
    "light/kitchen/config": _light("Kitchen light", "Kitchen", "z/kitchen"),
    "light/hall/config": _light("Hall light", "Hall", "z/hall"),
    "light/bedroom/config": _light("Bedroom light", "Bedroom", "z/bedroom"),
    "light/desk/config": {"name": "Desk lamp", "command_topic": "desk/set", "state_topic": "desk/state",
                          "brightness_command_topic": "desk/dim", "brightness_state_topic": "desk/level", "brightness_scale": 100,
                          "device": {"identifiers": ["desk"], "suggested_area": "Office"}},
    "light/floor/config": {"name": "Floor lamp", "command_topic": "floor/set", "state_topic": "floor/state",
                           "device": {"identifiers": ["floor"], "suggested_area": "Living room"}},
    "switch/oven/config": _plug("Oven", "Kitchen", "oven"),
    "switch/coffee/config": _plug("Coffee machine", "Kitchen", "coffee"),
    "cover/blinds/config": {"name": "Kitchen blinds", "dev_cla": "blind", "cmd_t": "blinds/set", "pos_t": "blinds/position",
                            "set_pos_t": "blinds/goto", "dev": {"ids": "b", "sa": "Kitchen"}},
    "cover/garage/config": {"name": "Garage door", "device_class": "garage", "command_topic": "garage/set", "state_topic": "garage/state",
                            "device": {"identifiers": ["g"], "suggested_area": "Garage"}},
    "lock/front/config": {"name": "Front door", "command_topic": "front/set", "state_topic": "front/state",
                          "device": {"identifiers": ["f"], "suggested_area": "Hall"}},
    "device/climate/config": {
        "dev": {"ids": "fan-and-heat", "name": "Air", "sa": "Living room"}, "o": {"name": "esphome"},
        "cmps": {
            "fan": {"p": "fan", "name": "Ceiling fan", "cmd_t": "fan/set", "stat_t": "fan/state", "pct_cmd_t": "fan/speed",
                    "pct_stat_t": "fan/percent", "uniq_id": "fan"},
            "heat": {"p": "climate", "name": "Thermostat", "temp_cmd_t": "heat/set", "temp_stat_t": "heat/aim", "curr_temp_t": "heat/now",
                     "mode_cmd_t": "heat/mode/set", "mode_stat_t": "heat/mode", "min_temp": 7, "max_temp": 30, "uniq_id": "heat"}}},
    "binary_sensor/window/config": {"name": "Bathroom window", "device_class": "window", "state_topic": "window/state",
                                    "device": {"identifiers": ["w"], "suggested_area": "Bathroom"}},
    "sensor/outside/config": {"name": "Outside temperature", "dev_cla": "temperature", "stat_t": "outside", "unit_of_meas": "°C",
                              "val_tpl": "{{ value_json.t | float | round(1) }}"},
}
STATES: Mapping[str, Any] = {
    "z/kitchen": {"state": "OFF", "brightness": 254}, "z/hall": {"state": "OFF", "brightness": 254},
    "z/bedroom": {"state": "ON", "brightness": 127},
    "z/kitchen/availability": "online", "z/hall/availability": "online", "z/bedroom/availability": "online",
    "desk/state": "OFF", "desk/level": "100", "floor/state": "OFF",
    "oven/stat/RESULT": {"POWER": "OFF"}, "coffee/stat/RESULT": {"POWER": "OFF"},
    "blinds/position": "100", "garage/state": "closed", "front/state": "LOCKED",
    "fan/state": "OFF", "fan/percent": "0", "heat/aim": "20", "heat/now": "19.5", "heat/mode": "heat",
    "window/state": "ON", "outside": {"t": 7.25}}


def told_house(configs: Mapping[str, dict[str, Any]] = CONFIGS, states: Mapping[str, Any] = STATES) -> House:
    """The same without a broker: what was told of it, and how it is."""
    house = House()
    for topic, config in configs.items():
        found = discovery.things_of(PREFIX, f"{PREFIX}/{topic}", json.dumps(config).encode())
        assert found is not None, topic
        for thing in found[1]:
            house.put(thing)
    for topic, state in states.items():
        house.heard(topic, _raw(state))
    return house


class SimulatedHouse:
    """``with SimulatedHouse(port) as house``: ``states`` is how everything is; topics in ``deaf`` are not obeyed."""

    def __init__(self, port: int) -> None:
        self.states: dict[str, Any] = {topic: dict(state) if isinstance(state, dict) else state for topic, state in STATES.items()}
        self.deaf: set[str] = set()
        self.commands: list[tuple[str, str]] = []
        self._client = Listener(port, "z/+/set", "desk/#", "floor/#", "+/cmnd/POWER", "blinds/#", "garage/#", "front/#", "fan/#", "heat/#")
        self._client.client.on_message = self._obey

    def __enter__(self) -> Self:
        self._client.__enter__()
        for topic, config in CONFIGS.items():
            self._client.publish(f"{PREFIX}/{topic}", config, retain=True)
        for topic, state in self.states.items():
            self._client.publish(topic, _raw(state), retain=True)
        return self

    def __exit__(self, *_: object) -> None:
        for topic in CONFIGS:
            self._client.publish(f"{PREFIX}/{topic}", b"", retain=True)
        for topic in self.states:
            self._client.publish(topic, b"", retain=True)
        self._client.__exit__()

    @property
    def connected(self) -> bool:
        return self._client.client.is_connected()

    def _tell(self, topic: str, state: Any) -> None:
        self.states[topic] = state
        self._client.publish(topic, _raw(state), retain=True, wait=False)

    def _obey(self, client: Any, userdata: Any, message: Any) -> None:
        topic, payload = message.topic, message.payload.decode()
        if topic in self.states:
            return
        self.commands.append((topic, payload))
        if topic in self.deaf:
            return
        match topic.split("/"):
            case ["z", name, "set"]:
                asked = json.loads(payload)
                self._tell(f"z/{name}", {**self.states[f"z/{name}"], **asked})
            case [name, "cmnd", "POWER"]:
                self._tell(f"{name}/stat/RESULT", {"POWER": payload})
            case [("desk" | "floor" | "fan") as name, "set"]:
                self._tell(f"{name}/state", payload)
            case ["desk", "dim"]:
                self._tell("desk/level", payload)
                self._tell("desk/state", "ON")
            case ["blinds", "goto"]:
                self._tell("blinds/position", payload)
            case ["blinds", "set"]:
                self._tell("blinds/position", "100" if payload == "OPEN" else "0")
            case ["garage", "set"]:
                self._tell("garage/state", "open" if payload == "OPEN" else "closed")
            case ["front", "set"]:
                self._tell("front/state", f"{payload}ED")
            case ["fan", "speed"]:
                self._tell("fan/percent", payload)
                self._tell("fan/state", "ON")
            case ["heat", "set"]:
                self._tell("heat/aim", payload)
            case ["heat", "mode", "set"]:
                self._tell("heat/mode", payload)


def _raw(state: Any) -> bytes:
    return (json.dumps(state) if isinstance(state, dict) else str(state)).encode()
