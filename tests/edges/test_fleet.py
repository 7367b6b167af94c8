"""Many devices on one broker: the table with problems first, and a command to several with its results counted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgevoice.adapters.mqtt import fleet
from edgevoice.cli.dispatch import dispatch
from edgevoice.settings import MqttSettings
from tests.fakes.mosquitto import Listener, Mosquitto, free_port

HEALTH: dict[str, Any] = {
    "ok": True, "summary": "all is well", "alerts": [], "uptime_s": 7300,
    "host": {"cpu_percent": 12.4, "temperature_c": 51.0, "wifi_dbm": -60}, "latency_ms": {"voice_to_voice": {"p50": 941.5}}}
ILL = {**HEALTH, "ok": False, "summary": "no sound: \033[2Jthe card was unplugged", "alerts": [{"name": "no_sound"}]}
WARM = {**HEALTH, "summary": "the processor is hot", "alerts": [{"name": "hot"}]}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Four devices: one well, one warm, one ill, one away; the well one and the warm one obey, the ill one refuses."""
    with Mosquitto(tmp_path_factory.mktemp("fleet")) as broker, Listener(broker.port, "edgevoice/+/cmd/+") as devices:
        for name, health, online in (("attic", HEALTH, True), ("bath", WARM, True), ("cellar", ILL, True), ("dorm", HEALTH, False)):
            devices.publish(f"edgevoice/{name}/availability", "online" if online else "offline", retain=True)
            devices.publish(f"edgevoice/{name}/state", {"state": "idle", "muted": False}, retain=True)
            devices.publish(f"edgevoice/{name}/health", health, retain=True)
        devices.publish("edgevoice/odd/state", b"\xff not JSON", retain=True)
        stop = threading.Event()

        def obey() -> None:
            answered = 0
            while not stop.is_set():
                for message in devices.messages[answered:]:
                    answered += 1
                    _, name, _, verb = message.topic.split("/")
                    asked = json.loads(message.payload)
                    result = {"verb": verb, "id": asked["id"], "ok": name != "cellar", "took_ms": 1.5, "time": 0.0}
                    if name == "cellar":
                        result |= {"reason": "busy", "message": "later"}
                    if name != "mute":
                        devices.publish(f"{message.topic}/result", result, wait=False)
                time.sleep(0.005)

        worker = threading.Thread(target=obey)
        worker.start()
        yield broker.port
        stop.set()
        worker.join()


def run(port: int, *words: str) -> int:
    return dispatch(["fleet", *words, "--broker", f"localhost:{port}"])


def test_the_worst_come_first_and_all_are_counted(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(port, "ls") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["DEVICE", "cellar", "dorm", "odd", "bath", "attic", "5"]
    assert lines[1].split()[1:3] == ["PROBLEM", "idle"] and "\033" not in lines[1] and "the card was unplugged" in lines[1]
    assert all(word in lines[5] for word in ("ok", "2 h", "942 ms", "12%", "51°C", "-60 dBm"))
    assert lines[6] == "5 devices: 1 with a problem, 2 offline, 1 with a warning, 1 well"


def test_programs_get_all_of_it(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(port, "ls", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(device["id"], device["status"]) for device in told][:2] == [("cellar", "PROBLEM"), ("dorm", "offline")]
    assert told[0]["health"] == ILL


def test_a_command_to_several_is_counted(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(port, "cmd", "mute", "[ab]*", "muted=true") == 0
    assert capsys.readouterr().out.splitlines() == ["attic  ok  1.5 ms", "bath  ok  1.5 ms", "2 ok"]
    assert run(port, "cmd", "say", "*", "text=It is 5") == 10
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "cellar  busy  1.5 ms  later" and captured.out.splitlines()[-1] == "2 ok, 1 busy"
    assert captured.err == "edgevoice: say: 1 of 3 devices did not do it\n"
    assert run(port, "cmd", "say", "attic", "text=5", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "ok" and told["id"] == "attic"
    assert [run(port, "cmd", "say", "attic", f"text={text}") for text in ("null", "true", '"quoted"')] == [0] * 3, "words as they are"
    assert run(port, "cmd", "wake_word", "attic", 'words=["alexa"]', "sensitivity=0.5") == 0


def test_who_does_not_answer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mosquitto(tmp_path / "b") as broker, Listener(broker.port) as house:
        house.publish("edgevoice/deaf/availability", "online", retain=True)
        assert run(broker.port, "cmd", "stop", "deaf", "--timeout", "0.3") == 10
        assert capsys.readouterr().out.splitlines() == ["deaf  no answer", "1 no answer"]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["cmd", "explode", "attic"], 2, "'explode' is no command"), (["cmd", "volume", "attic", "volume=9"], 2, "wants 0 to 4"),
    (["cmd", "stop"], 2, "to whom?"),
    (["cmd", "stop", "moon"], 2, "moon: no such device")])
def test_what_is_asked_wrongly_is_told_before_anything_is_sent(
        port: int, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str) -> None:
    assert run(port, *words) == code
    assert said in capsys.readouterr().err


def test_without_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["fleet", "ls"]) == 2 and "which broker?" in capsys.readouterr().err
    assert run(free_port(), "ls") == 10 and "refused" in capsys.readouterr().err.lower()
    assert dispatch(["fleet", "ls", "--broker", "x:y"]) == 2 and "HOST:PORT" in capsys.readouterr().err


def test_a_live_picture_follows_a_device_and_forgets_one_that_is_taken_away(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "b") as broker, Listener(broker.port) as house, \
            fleet.Fleet(MqttSettings(host="localhost", port=broker.port)) as live:
        assert live.look() == []
        house.publish("edgevoice/attic/availability", "online", retain=True)
        house.publish("edgevoice/attic/health", ILL, retain=True)
        for wanted in (["PROBLEM"], ["ok"], ["offline"], []):
            if wanted == ["ok"]:
                house.publish("edgevoice/attic/health", HEALTH, retain=True)
            elif wanted == ["offline"]:
                house.publish("edgevoice/attic/availability", "offline", retain=True)
            elif not wanted:
                house.publish("edgevoice/attic/health", b"", retain=True)
                house.publish("edgevoice/attic/availability", b"", retain=True)
            for _ in range(200):
                if [seen.status for seen in live.devices()] == wanted:
                    break
                live.wait(live.version, 0.05)
            assert [seen.status for seen in live.devices()] == wanted
