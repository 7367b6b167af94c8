"""The doctor at a broker: whether it is there, what its ACL allows, and what it believes of the device."""

from __future__ import annotations

import asyncio
from pathlib import Path

import jsonschema
import pytest

from edgevoice.adapters.mqtt import schemas
from edgevoice.checks import Found, Place
from edgevoice.checks.broker import reachable
from tests.edges.conftest import device, hears, settings_for, with_mqtt
from tests.edges.test_mqtt_security import SECRET, guarded
from tests.fakes.mosquitto import Listener, Mosquitto, free_port


def looked(port: int, folder: Path, **facts: object) -> Found:
    return reachable(Place(settings_for(port, folder, id="cellar", **facts)))


def test_an_open_broker_and_none(broker: Mosquitto, tmp_path: Path) -> None:
    with Listener(broker.port, "edgevoice/doctored/#", "homeassistant/device/doctored/#") as house:
        found = reachable(Place(settings_for(broker.port, tmp_path, id="doctored")))
        assert found.status == "ok" and found.facts["availability"] is None and found.facts["refused"] == []
        house.wait("/cmd/trial/result")
        jsonschema.Draft202012Validator(schemas.EVENT).validate(house.wait("/event/doctor"))
        jsonschema.Draft202012Validator(schemas.REPLY).validate(house.wait("/reply/0"))
        jsonschema.Draft202012Validator(schemas.RESULT).validate(house.wait("/cmd/trial/result"))
        assert len(house.messages) == 3 and not any(message.retain for message in house.messages)
    away = looked(free_port(), tmp_path)
    assert away.status == "problem" and "refused" in away.text.lower() and away.remedy
    assert reachable(Place(with_mqtt(settings_for(1, tmp_path), host=""))).status == "skipped"


def test_what_the_broker_believes_of_it(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> tuple[Found, Found]:
        with Listener(broker.port, "edgevoice/believed/#") as house:
            settings = settings_for(broker.port, tmp_path, id="believed")
            async with device(settings, monkeypatch):
                await hears(house, "/availability")
                online = await asyncio.to_thread(reachable, Place(settings))
            return online, await asyncio.to_thread(reachable, Place(settings))

    online, offline = asyncio.run(act())
    assert online.status == offline.status == "ok"
    assert (online.facts["availability"], offline.facts["availability"]) == ("online", "offline")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_acl_and_a_password(tmp_path: Path, protocol: str) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    facts = {"username": "cellar", "password_file": str(file), "protocol": protocol}
    broker = guarded(tmp_path / "b", None)
    with broker:
        with Listener(broker.port, username="cellar", password=SECRET) as own:
            own.publish("edgevoice/cellar/availability", "offline", retain=True)
        found = looked(broker.port, tmp_path, **facts)
        assert found.status == "ok" and found.facts["availability"] == "offline", found
        file.write_text("wrong\n")
        found = looked(broker.port, tmp_path, **facts)
        assert found.status == "problem" and "not authori" in found.text and SECRET not in str(found)
        file.write_text(f"{SECRET}\n")
    acl = tmp_path / "b" / "acl"
    acl.write_text(acl.read_text().replace("/event/#", "/evnt/#"))
    with broker:
        found = looked(broker.port, tmp_path, **facts)
        if protocol == "5":
            assert found.status == "problem" and found.facts["refused"] == ["edgevoice/cellar/event/doctor"] and "acl" in found.remedy
        else:
            assert found.status == "ok" and "3.1.1 refuses it does not tell" in found.text
