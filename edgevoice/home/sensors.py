"""What people say of sensors, by the sensor's class: ``SAID`` for those that are on or off, ``MEASURES`` for those that measure.

Theory: "is the floor wet" and "are any batteries low" differ in words alone, so the sentences are written once with lists of all nouns and
words, and whether a noun and a word belong to one class is looked up here afterwards.  The classes are Home Assistant's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """Of a class of binary sensors: ``nouns``, the words for ``on`` and ``off`` (the first is how it is answered), and ``bare``: nouns
    that say it by themselves ("is there smoke")."""

    nouns: tuple[str, ...]
    on: tuple[str, ...]
    off: tuple[str, ...]
    bare: tuple[str, ...] = ()


_THINGS = ("things", "devices", "anything", "sensors")
_HEARD = ("detected", "triggered", "on", "active")
_QUIET = ("clear", "not detected", "off")

SAID: Mapping[str, Said] = {
    "battery": Said(("battery", "batteries"), ("low", "empty", "flat"), ("fine", "charged", "full", "normal")),
    "battery_charging": Said(("battery", "batteries"), ("charging",), ("not charging",)),
    "carbon_monoxide": Said(("carbon monoxide sensor", "carbon monoxide sensors", "carbon monoxide detectors", "carbon monoxide"), _HEARD,
                            _QUIET, ("carbon monoxide",)),
    "cold": Said(_THINGS, ("cold", "freezing"), ("not cold", "warm", "normal")),
    "connectivity": Said(_THINGS, ("connected", "online"), ("disconnected", "offline")),
    "door": Said(("door", "doors"), ("open",), ("closed", "shut")),
    "garage_door": Said(("garage door", "garage doors"), ("open",), ("closed", "shut")),
    "gas": Said(("gas sensor", "gas sensors", "gas detectors", "gas"), _HEARD, _QUIET, ("gas",)),
    "heat": Said(_THINGS, ("hot",), ("not hot", "cool", "normal")),
    "light": Said(("light", "lights"), ("detected",), ("not detected",)),
    "lock": Said(("lock", "locks", "door", "doors"), ("unlocked",), ("locked",)),
    "moisture": Said(("water sensor", "water sensors", "leak sensors", "floor", "floors", "leak", "leaks", "water"), ("wet", "leaking",
                     "detected"), ("dry",), ("leak", "leaks", "water")),
    "motion": Said(("motion sensor", "motion sensors", "motion", "movement"), _HEARD, _QUIET, ("motion", "movement")),
    "moving": Said(_THINGS, ("moving",), ("still", "not moving")),
    "occupancy": Said(("occupancy sensor", "occupancy sensors", "room", "rooms", "occupancy"), ("occupied", *_HEARD),
                      ("empty", "unoccupied", *_QUIET), ("occupancy",)),
    "opening": Said(("opening", "openings"), ("open",), ("closed", "shut")),
    "plug": Said(_THINGS, ("plugged in",), ("unplugged", "not plugged in")),
    "power": Said((*_THINGS, "power"), ("powered", "powered on", "detected", "on"), ("not powered", "off")),
    "presence": Said((*_THINGS, "people", "phones"), ("home", "at home"), ("away", "gone", "not home")),
    "problem": Said(("problem", "problems"), ("having problems", "broken"), ("fine", "okay", "ok"), ("problem", "problems")),
    "running": Said(_THINGS, ("running",), ("not running", "stopped", "done", "finished")),
    "safety": Said(_THINGS, ("unsafe",), ("safe",)),
    "smoke": Said(("smoke sensor", "smoke sensors", "smoke detectors", "smoke"), _HEARD, _QUIET, ("smoke",)),
    "sound": Said(("sound sensor", "sound sensors", "sound", "noise"), _HEARD, _QUIET, ("sound", "noise")),
    "tamper": Said(_THINGS, ("tampered with", "tampered"), ("fine", "clear", "not tampered with")),
    "update": Said(("update", "updates"), ("available",), ("up to date",), ("update", "updates")),
    "vibration": Said(_THINGS, ("vibrating",), ("still", "not vibrating")),
    "window": Said(("window", "windows"), ("open",), ("closed", "shut")),
    "": Said(_THINGS, ("on",), ("off",)),
}

MEASURES: Mapping[str, tuple[str, ...]] = {
    "apparent power": ("apparent_power",), "air quality": ("aqi",), "air pressure": ("atmospheric_pressure", "pressure"),
    "pressure": ("pressure", "atmospheric_pressure"), "battery": ("battery",), "battery level": ("battery",), "charge": ("battery",),
    "co2 level": ("carbon_dioxide",), "co2": ("carbon_dioxide",), "co2 concentration": ("carbon_dioxide",),
    "carbon dioxide level": ("carbon_dioxide",), "carbon dioxide concentration": ("carbon_dioxide",),
    "carbon dioxide": ("carbon_dioxide",), "carbon monoxide concentration": ("carbon_monoxide",),
    "carbon monoxide level": ("carbon_monoxide",), "current": ("current",), "amount of current": ("current",),
    "data rate": ("data_rate",), "size": ("data_size",), "distance": ("distance",), "duration": ("duration",), "energy": ("energy",
    "energy_storage"), "amount of energy": ("energy", "energy_storage"), "frequency": ("frequency",), "gas consumption": ("gas",),
    "humidity": ("humidity",), "relative humidity": ("humidity",), "illuminance": ("illuminance",), "brightness": ("illuminance",),
    "light level": ("illuminance",), "irradiance": ("irradiance",), "moisture": ("moisture",), "cost": ("monetary",),
    "price": ("monetary",), "nitrogen dioxide concentration": ("nitrogen_dioxide",),
    "nitrogen monoxide concentration": ("nitrogen_monoxide",), "n2o concentration": ("nitrous_oxide",),
    "nitrous oxide concentration": ("nitrous_oxide",), "o3 level": ("ozone",), "ozone level": ("ozone",),
    "ozone concentration": ("ozone",), "pm1 level": ("pm1",), "pm2.5 level": ("pm25",), "pm10 level": ("pm10",),
    "power factor": ("power_factor",), "power": ("power",), "power consumption": ("power",), "accumulated rainfall": ("precipitation",),
    "rainfall": ("precipitation",), "rain": ("precipitation",), "rain intensity": ("precipitation_intensity",),
    "reactive power": ("reactive_power",), "signal strength": ("signal_strength",), "acoustic pressure": ("sound_pressure",),
    "sound pressure": ("sound_pressure",), "noise level": ("sound_pressure",), "speed": ("speed", "wind_speed"),
    "wind speed": ("wind_speed",), "sulphur dioxide concentration": ("sulphur_dioxide",), "temperature": ("temperature",),
    "temp": ("temperature",), "concentration of organic compounds": ("volatile_organic_compounds", "volatile_organic_compounds_parts"),
    "voltage": ("voltage",), "voltage drop": ("voltage",), "volume": ("volume", "volume_storage"),
    "stored volume": ("volume_storage",), "total stored volume": ("volume_storage",), "water consumption": ("water",),
    "amount of consumed water": ("water",), "total amount of consumed water": ("water",), "weight": ("weight",), "level": (), "value": (),
}
"""what is measured, and by which classes; none: by any"""


def lists() -> dict[str, dict[str, list[str]]]:
    """For hassil: every noun, every noun that says it all, every word, every measure."""
    return {"sensor_noun": _values(noun for said in SAID.values() for noun in said.nouns),
            "sensor_bare": _values(noun for said in SAID.values() for noun in said.bare),
            "sensor_word": _values(word for said in SAID.values() for word in (*said.on, *said.off)),
            "measure": _values(MEASURES)}


def _values(words: Iterable[str]) -> dict[str, list[str]]:
    return {"values": sorted(set(words))}


def classes(noun: str, word: str) -> list[tuple[str, str]]:
    """Classes of which ``noun`` and ``word`` may be said ("" for not said), with the state that is meant; the likeliest first."""
    found = []
    for name, said in SAID.items():
        if noun and noun not in said.nouns and noun not in said.bare:
            continue
        if word in said.on or (not word and noun in said.bare):
            found.append((name, "on"))
        elif word in said.off:
            found.append((name, "off"))
    return found


def spoken(device_class: str, state: str) -> str:
    """How a binary sensor's state is told: "open", "dry"."""
    said = SAID.get(device_class, SAID[""])
    return said.on[0] if state == "on" else said.off[0] if state == "off" else state


def measured_by(measure: str, device_class: str) -> bool:
    found = MEASURES.get(measure, ())
    return not found or device_class in found
