"""A house on a real broker, learned by its discovery messages, spoken to, and answering: words in, states changed, an answer heard."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgevoice.dialog.table import State
from edgevoice.household import Household
from edgevoice.pipeline.session import Engines
from edgevoice.settings import HomeSettings
from tests.e2e.stage import Stage
from tests.edges.conftest import Device, hears, settings_for, until
from tests.fakes.house import PREFIX, SimulatedHouse
from tests.fakes.llm import FakeLlm, words
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

THINGS = 14
"""of ``CONFIGS``"""


class Talker:
    """Typed words to a device in the house, and what it said to them."""

    def __init__(self, device: Device, household: Household, tts: FakeTts, llm: FakeLlm) -> None:
        self.device, self.household, self.tts, self.llm = device, household, tts, llm

    async def says(self, text: str) -> str:
        session, before = self.device.session, len(self.device.session.history.turns)
        session.ask(text)
        await until(lambda: len(session.history.turns) > before and session.machine.state in (State.IDLE, State.FOLLOWUP))
        return session.history.turns[-1].heard


@contextlib.asynccontextmanager
async def talker(broker: Mosquitto, folder: Path, monkeypatch: pytest.MonkeyPatch, id: str, *, things: int = THINGS,
                 home: HomeSettings | None = None, **mqtt: object) -> AsyncIterator[Talker]:
    settings = settings_for(broker.port, folder, id=id, **mqtt)
    settings = dataclasses.replace(settings, home=home or HomeSettings(answer_s=1.0))
    from edgevoice import daemon

    told: list[str] = []
    monkeypatch.setattr(daemon, "tell", lambda text, *_, **__: told.append(text))
    tts, llm = FakeTts(16_000, word_s=0.02), FakeLlm([words("I am a model.")])
    household = Household.of(settings)
    assert household is not None
    async with (Stage(settings, Engines(FakeVad(), FakeStt(), llm, tts), realtime=True, skills=[household.skill]) as stage,
                daemon.edges(stage.session, settings, stage.trace, household=household) as outside):
        await until(lambda: outside.mqtt.connected)
        await until(lambda: len(household.house.things) == things)
        await until(lambda: all(household.house.state(thing.id).heard for thing in household.house.things if "device" in thing.wiring))
        yield Talker(Device(stage, outside.mqtt, told), household, tts, llm)
    stage.core.close()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_house_is_learned_told_and_heard(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        with SimulatedHouse(broker.port) as house:
            async with talker(broker, tmp_path, monkeypatch, "told", protocol=protocol) as made:
                assert await made.says("Turn on the kitchen light.") == "The kitchen light is on."
                assert house.states["z/kitchen"]["state"] == "ON"
                assert await made.says("set it to 50 percent and close the blinds") == (
                    "The kitchen light is at 50 percent. Closing the kitchen blinds.")
                assert house.states["z/kitchen"]["brightness"] == 127 and house.states["blinds/position"] == "0"
                assert await made.says("is the bedroom light on") == "Yes."
                assert await made.says("unlock the front door") == "Shall I unlock the front door?"
                assert house.states["front/state"] == "LOCKED"
                assert await made.says("yes") == "The front door is unlocked." and house.states["front/state"] == "UNLOCKED"
                house.deaf.add("z/hall/set")
                assert await made.says("turn of the hall light") == "The hall light is already off."
                assert await made.says("turn on the hall light") == "I told the hall light, but it did not answer."
                assert await made.says("turn off the kitchen light and what is seven times eight") == (
                    "The kitchen light is off. 7 times 8 is 56.")
                assert house.states["z/kitchen"]["state"] == "OFF"
                assert await made.says("who wrote hamlet") == "I am a model."
                assert len([topic for topic, _ in house.commands if topic == "z/hall/set"]) == 2, "nothing is told twice"
                rows = made.device.find("routed")
                assert [row["skill"] for row in rows] == ["house"] * 7 + ["several", "model"] and all(row["why"] for row in rows)
                assert not any("kitchen" in str(row["why"]) for row in rows), "the reasons hold no words"

    asyncio.run(act())


def test_a_yes_answers_what_was_asked_last_and_nothing_before(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with SimulatedHouse(broker.port) as house:
            async with talker(broker, tmp_path, monkeypatch, "asked") as made:
                for between in ("what is two plus two", "who wrote hamlet", "turn on the kitchen light"):
                    assert await made.says("unlock the front door") == "Shall I unlock the front door?"
                    await made.says(between)
                    assert await made.says("yes") == "I am a model.", between
                assert await made.says("unlock the front door") == "Shall I unlock the front door?"
                made.device.session.stop_speaking()
                await asyncio.sleep(0.05)
                assert await made.says("yes") == "I am a model.", "the conversation was stopped"
                assert house.states["front/state"] == "LOCKED"

    asyncio.run(act())


def test_what_comes_and_goes_is_noticed(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with SimulatedHouse(broker.port), Listener(broker.port) as other:
            async with talker(broker, tmp_path, monkeypatch, "comes") as made:
                assert await made.says("turn on the moon lamp") == "I know no moon lamp."
                other.publish(f"{PREFIX}/light/moon/config", {"name": "Moon lamp", "cmd_t": "moon/set"}, retain=True)
                await until(lambda: len(made.household.house.things) == THINGS + 1)
                assert await made.says("turn on the moon lamp") == "I told the moon lamp."
                other.publish(f"{PREFIX}/light/moon/config", b"", retain=True)
                await until(lambda: len(made.household.house.things) == THINGS)
                assert await made.says("turn on the moon lamp") == "I know no moon lamp."

    asyncio.run(act())


def test_nothing_is_published_where_none_must_whatever_is_told(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = {"mute": "edgevoice/x/cmd/restart", "find": f"{PREFIX}/light/a/config", "wild": "a/#", "system": "$SYS/x"}

    async def act() -> list[str]:
        with SimulatedHouse(broker.port), Listener(broker.port, "#") as house:
            for name, topic in hostile.items():
                house.publish(f"{PREFIX}/switch/{name}/config", {"name": f"{name} switch", "cmd_t": topic}, retain=True)
            async with talker(broker, tmp_path, monkeypatch, "hostile", things=THINGS + len(hostile)) as made:
                before = len(house.messages)
                for name in hostile:
                    assert await made.says(f"turn on the {name} switch") == f"The {name} switch can't be told anything."
                house.publish("end", b"")
                await hears(house, "end")
            for name in hostile:
                house.publish(f"{PREFIX}/switch/{name}/config", b"", retain=True)
            return [message.topic for message in house.messages[before:]]

    topics = asyncio.run(act())
    assert not set(topics) & set(hostile.values()) and not any(topic == "edgevoice/x/cmd/restart" for topic in topics)


def test_without_a_broker_the_house_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Mosquitto(tmp_path / "own") as broker, SimulatedHouse(broker.port) as house:
            async with talker(broker, tmp_path, monkeypatch, "reach") as made:
                broker.stop()
                await until(lambda: not made.device.mqtt.connected)
                assert await made.says("turn on the kitchen light") == "I cannot reach the house."
                broker.start()
                await until(lambda: made.device.mqtt.connected, within_s=20)
                await asyncio.sleep(0.3)
                assert not house.commands, "nothing is made up for later"
            await until(lambda: house.connected, within_s=20)

    asyncio.run(act())


def test_words_stay_on_the_device(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> bytes:
        with SimulatedHouse(broker.port), Listener(broker.port, "edgevoice/quiet/#") as house:
            async with talker(broker, tmp_path, monkeypatch, "quiet") as made:
                await made.says("Turn on the kitchen light.")
                await hears(house, "/event/playback_end")
            return b" ".join(message.topic.encode() + message.payload for message in house.messages)

    assert b"itchen" not in asyncio.run(act())
