"""The labelled sentences about a house: files, fixtures, and when an understanding agrees with its label.

Theory: a label is an intent and its slots.  Numbers agree by value and text without regard to case; a list in a label names what may stand
there.  A slot that says "all" says no more than none, and domain and class count only where the label has them: they may be said by the
thing that is named.  The same rule is held to every recognizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgevoice.home.grammar import NOWHERE
from edgevoice.home.house import Area, House, Thing

_ALSO = (Thing("light.overhead", "Overhead Light", "light"), Thing("cover.sliding_door", "Sliding Door", "cover", "", "door"),
         Thing("sensor.outside_humidity", "Outside Humidity", "sensor", "", "humidity"))
"""named by the files that have no fixture for them"""


@dataclass(frozen=True, slots=True)
class Labelled:
    """``area``: the room it was said in, or ""."""

    text: str
    intent: str
    slots: Mapping[str, Any]
    area: str


def labelled(folder: Path) -> list[Labelled]:
    """Every sentence of every file, in order."""
    made = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name.startswith("_"):
            continue
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            told = test.get("intent") or {"name": path.stem.split("__")[0], **test}
            area = (told.get("context") or {}).get("area", "")
            made += [Labelled(text, told["name"], told.get("slots") or {}, area) for text in test["sentences"]]
    return made


def house(folder: Path) -> House:
    """The house of the fixtures."""
    told = yaml.safe_load((folder / "_fixtures.yaml").read_text(encoding="utf-8"))
    floors = {floor["id"]: floor["name"] for floor in told["floors"]}
    rooms = {area["id"]: area["name"] for area in told["areas"]}
    areas = [Area(area["name"], floors.get(area.get("floor"), "")) for area in told["areas"]]
    areas += [Area(floor, floor) for floor in floors.values() if floor not in {area.floor for area in areas}]
    things = []
    for entity in told["entities"]:
        facts = entity.get("attributes", {})
        things.append(Thing(entity["id"], entity["name"].replace("[']", "'"), entity["id"].split(".")[0], rooms.get(entity.get("area"), ""),
                            facts.get("device_class", ""), facts.get("unit_of_measurement", "")))
    return House((*things, *_ALSO), areas)


def agrees(label: Labelled, intent: str, slots: Mapping[str, Any], domain: str = "", device_class: str = "") -> bool:
    """``domain`` and ``device_class`` of the thing that is named."""
    if intent != label.intent:
        return False
    wanted = {key: value for key, value in label.slots.items() if not (key == "name" and value == "all")}
    got = {key: value for key, value in slots.items()
           if not (key == "area" and value == NOWHERE) and not (key == "name" and value == "all")}
    for key, value in (("domain", domain), ("device_class", device_class)):
        if value:
            got.setdefault(key, value)
        if key not in wanted:
            got.pop(key, None)
    return wanted.keys() == got.keys() and all(_same(wanted[key], got[key]) for key in wanted)


def _same(label: Any, got: Any) -> bool:
    if isinstance(label, list):
        return any(_same(one, got) for one in label)
    try:
        return float(label) == float(got)
    except (TypeError, ValueError):
        return str(label).strip().lower() == str(got).strip().lower()
