"""A house on a real broker, spoken to: real recognizer and voice, states that change, an answer that is heard."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edgevoice import daemon
from edgevoice.dialog.history import Turn
from edgevoice.dialog.table import State
from edgevoice.household import Household
from edgevoice.pipeline.session import Engines
from edgevoice.settings import HomeSettings, MqttSettings, Settings, SkillSettings
from tests.e2e.stage import Stage, clearly, plain
from tests.fakes.house import SimulatedHouse
from tests.fakes.llm import FakeLlm, words
from tests.fakes.mosquitto import Mosquitto

RATE = 16_000
TRIES = 3
Changed = Callable[[dict[str, Any]], bool]


def lit(name: str, state: str = "ON", **facts: Any) -> Changed:
    return lambda states: states[f"z/{name}"]["state"] == state and all(states[f"z/{name}"].get(k) == v for k, v in facts.items())


def at(topic: str, value: Any) -> Changed:
    return lambda states: states[topic] == value


FIRST: list[tuple[str, str, Changed]] = [
    ("Turn on the kitchen light.", "The kitchen light is on.", lit("kitchen")),
    ("Set it to fifty percent.", "The kitchen light is at 50 percent.", lit("kitchen", brightness=127)),
    ("Turn off the kitchen light and close the blinds.", "The kitchen light is off. Closing the kitchen blinds.",
     lambda states: states["z/kitchen"]["state"] == "OFF" and states["blinds/position"] == "0"),
    ("Is the bedroom light on?", "Yes.", lit("bedroom"))]
MORE: list[tuple[str, str, Changed]] = [
    ("Turn on the hall light.", "The hall light is on.", lit("hall")),
    ("Turn off the hall light.", "The hall light is off.", lit("hall", "OFF")),
    ("Switch on the bedroom light.", "The bedroom light is on.", lit("bedroom")),
    ("Turn the bedroom light off.", "The bedroom light is off.", lit("bedroom", "OFF")),
    ("Turn on the desk lamp.", "The desk lamp is on.", at("desk/state", "ON")),
    ("Set the desk lamp to twenty percent.", "The desk lamp is at 20 percent.", at("desk/level", "20")),
    ("Turn off the desk lamp.", "The desk lamp is off.", at("desk/state", "OFF")),
    ("Turn on the floor lamp.", "The floor lamp is on.", at("floor/state", "ON")),
    ("Turn it off.", "The floor lamp is off.", at("floor/state", "OFF")),
    ("Turn on the coffee machine.", "The coffee machine is on.", at("coffee/stat/RESULT", {"POWER": "ON"})),
    ("Turn off the coffee machine.", "The coffee machine is off.", at("coffee/stat/RESULT", {"POWER": "OFF"})),
    ("Open the kitchen blinds.", "Opening the kitchen blinds.", at("blinds/position", "100")),
    ("Close the kitchen blinds.", "Closing the kitchen blinds.", at("blinds/position", "0")),
    ("Open the blinds to thirty percent.", "The kitchen blinds go to 30 percent.", at("blinds/position", "30")),
    ("Turn on the ceiling fan.", "The air ceiling fan is on.", at("fan/state", "ON")),
    ("Set the ceiling fan to forty percent.", "The air ceiling fan is at 40 percent.", at("fan/percent", "40")),
    ("Turn off the ceiling fan.", "The air ceiling fan is off.", at("fan/state", "OFF")),
    ("Set the heating to twenty two degrees.", "The air thermostat is set to 22 degrees.", at("heat/aim", "22")),
    ("Set the temperature in the living room to nineteen degrees.", "The air thermostat is set to 19 degrees.", at("heat/aim", "19")),
    ("Lock the front door.", "The front door is locked.", at("front/state", "LOCKED")),
    ("Could you unlock the front door?", "Shall I unlock the front door?", at("front/state", "LOCKED")),
    ("Yes, do it.", "The front door is unlocked.", at("front/state", "UNLOCKED")),
    ("Is the front door locked?", "No, unlocked.", at("front/state", "UNLOCKED")),
    ("Lock the front door.", "The front door is locked.", at("front/state", "LOCKED")),
    ("Open the garage door.", "Shall I open the garage door?", at("garage/state", "closed")),
    ("No.", "All right, I leave it.", at("garage/state", "closed")),
    ("Is the garage door open?", "No, closed.", at("garage/state", "closed")),
    ("Turn on the kitchen and the hall light.", "The kitchen light and the hall light are on.",
     lambda states: states["z/kitchen"]["state"] == states["z/hall"]["state"] == "ON"),
    ("Turn them off.", "The kitchen light and the hall light are off.",
     lambda states: states["z/kitchen"]["state"] == states["z/hall"]["state"] == "OFF"),
    ("Turn on all the lights.", "All lights are on.", lambda states: all(
        states[f"z/{name}"]["state"] == "ON" for name in ("kitchen", "hall", "bedroom")) and states["desk/state"] == "ON"),
    ("Turn off all the lights except the kitchen light.", "All lights but the kitchen light are off.", lambda states:
        states["z/kitchen"]["state"] == "ON" and states["z/hall"]["state"] == states["desk/state"] == "OFF"),
    ("Which lights are on?", "The kitchen light.", lit("kitchen")),
    ("How many lights are on?", "One.", lit("kitchen")),
    ("Make the kitchen light red.", "The kitchen light is red.", lambda states: "color" in states["z/kitchen"]),
    ("Make it blue.", "The kitchen light is blue.", lambda states: states["z/kitchen"]["color"]["x"] < 0.2),
    ("Set the kitchen light to thirty percent.", "The kitchen light is at 30 percent.", lit("kitchen", brightness=76)),
    ("Set the kitchen light to one hundred percent.", "The kitchen light is at 100 percent.", lit("kitchen", brightness=254)),
    ("Turn off the lights in the kitchen.", "The kitchen light is off.", lit("kitchen", "OFF")),
    ("Are any windows open?", "Yes.", at("window/state", "ON")),
    ("What is the temperature in the living room?", "19.5 degrees.", at("heat/now", "19.5")),
    ("What is the outside temperature?", "The outside temperature is 7.2 degrees Celsius.", at("outside", {"t": 7.25})),
    ("Turn on the oven.", "Shall I turn on the oven?", at("oven/stat/RESULT", {"POWER": "OFF"})),
    ("No.", "All right, I leave it.", at("oven/stat/RESULT", {"POWER": "OFF"})),
    ("Turn on the lamp.", "Which one, the desk lamp or the floor lamp?", at("desk/state", "OFF")),
    ("The desk lamp.", "The desk lamp is on.", at("desk/state", "ON")),
    ("Turn on the disco ball.", "I know no disco ball.", at("desk/state", "ON"))]


@asynccontextmanager
async def spoken_to(settings: Settings, engines: Engines, folder: Path) -> AsyncIterator[tuple[Stage, SimulatedHouse]]:
    """The default recognizer and voice; a model that must not be asked."""
    with Mosquitto(folder / "broker") as broker, SimulatedHouse(broker.port) as house:
        settings = dataclasses.replace(settings, skills=SkillSettings(timezone="UTC"), home=HomeSettings(answer_s=3.0),
                                       mqtt=MqttSettings(host="localhost", port=broker.port, id="voice", folder=str(folder)))
        household = Household.of(settings)
        assert household is not None
        made = dataclasses.replace(engines, llm=FakeLlm([words("I am a model.")]))
        async with (Stage(settings, made, seconds=3600, skills=[household.skill]) as stage,
                    daemon.edges(stage.session, settings, stage.trace, household=household)):
            for _ in range(1000):
                if len(household.house.things) == 14 and all(household.house.state(thing.id).heard for thing in household.house.things):
                    break
                await asyncio.sleep(0.01)
            yield stage, house
        stage.core.close()


async def obeyed(stage: Stage, house: SimulatedHouse, engines: Engines, text: str, said: str, changed: Changed) -> None:
    """Said again where the recognizer wrote down something else and the answer shows it, as a person would."""
    for _ in range(TRIES):
        turn = await _say(stage, engines, text)
        if turn.heard == said or plain(turn.user) == plain(text):
            break
    assert turn.heard == said, f"{text!r} was heard as {turn.user!r}, and answered {turn.heard!r}"
    assert changed(house.states), f"{text!r}, heard as {turn.user!r}: {house.states}"


async def _say(stage: Stage, engines: Engines, text: str) -> Turn:
    """What was heard and answered, once the answer was played to its end."""
    session, before = stage.session, (stage.session.history.turns or [None])[-1]
    heard = len([row for row in stage.trace.events() if row["event"] == "playback_end"])
    stage.device.say(clearly(engines, text, RATE), stage.device.position + RATE // 2)
    assert await stage.until(lambda: (session.history.turns or [None])[-1] is not before
                             and session.machine.state in (State.IDLE, State.FOLLOWUP)), text
    assert len([row for row in stage.trace.events() if row["event"] == "playback_end"]) > heard, "the answer was played to its end"
    return session.history.turns[-1]


def obey(settings: Settings, engines: Engines, folder: Path, commands: list[tuple[str, str, Changed]]) -> None:
    async def act() -> None:
        async with spoken_to(settings, engines, folder) as (stage, house):
            failed = []
            for command in commands:
                try:
                    await obeyed(stage, house, engines, *command)
                except AssertionError as error:
                    failed.append(str(error).splitlines()[0])
            assert not failed, "\n".join(failed)

    asyncio.run(act())


def test_the_house_does_what_is_said_and_says_so(settings: Settings, engines: Engines, tmp_path: Path) -> None:
    obey(settings, engines, tmp_path, FIRST)


@pytest.mark.slow
def test_fifty_commands_by_voice(settings: Settings, engines: Engines, tmp_path: Path) -> None:
    assert len(FIRST) + len(MORE) >= 50
    obey(settings, engines, tmp_path, [*FIRST, *MORE])
