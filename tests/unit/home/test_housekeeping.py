"""What is done in the house and said of it: by what the things answer, and by nothing else."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from edgevoice.home.house import House
from edgevoice.home.talk import Talk
from edgevoice.pipeline.housekeeping import KIND, Housekeeper
from edgevoice.skills.deeds import Deed
from tests.fakes.house import told_house

NOW = datetime(2026, 11, 7, 20, 0, tzinfo=UTC)


class Way:
    """What is published is answered with ``answers``: topic to (topic, state)."""

    def __init__(self, house: House, answers: dict[str, tuple[str, str]] | None = None) -> None:
        self.open, self.sent, self._house, self._answers = True, list[tuple[str, str]](), house, answers or {}

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        self.sent.append((topic, payload))
        if topic in self._answers:
            asyncio.get_running_loop().call_soon(self._house.heard, self._answers[topic][0], self._answers[topic][1].encode())
        return True


@pytest.fixture
def house() -> House:
    return told_house()


def done(house: House, way: Way, *texts: str) -> str:
    """What is said to the last of ``texts``."""
    talk = Talk(house)
    keeper = Housekeeper(house, talk, way, lambda: NOW, answer_s=0.05)

    async def act() -> str:
        said = ""
        for text in texts:
            plan = talk.hear(text, NOW)
            assert plan is not None, text
            said = await keeper.do(Deed(KIND, {"plan": plan}))
        return said

    return asyncio.run(act())


def test_done_is_said_once_the_new_state_was_heard(house: House) -> None:
    way = Way(house, {"z/kitchen/set": ("z/kitchen", '{"state": "ON"}')})
    assert done(house, way, "turn on the kitchen light") == "The kitchen light is on."
    assert [(topic, json.loads(payload)) for topic, payload in way.sent] == [("z/kitchen/set", {"state": "ON"})]


def test_what_does_not_answer_is_not_called_done(house: House) -> None:
    way = Way(house)
    assert done(house, way, "turn on the kitchen light") == "I told the kitchen light, but it did not answer."
    assert len(way.sent) == 1, "told once"


def test_a_state_that_is_not_the_wanted_one_is_no_answer(house: House) -> None:
    way = Way(house, {"z/kitchen/set": ("z/kitchen", '{"state": "OFF"}')})
    assert done(house, way, "turn on the kitchen light") == "I told the kitchen light, but it did not answer."


def test_what_was_so_and_says_nothing_is_already_so(house: House) -> None:
    assert done(house, Way(house), "turn on the bedroom light") == "The bedroom light is already on."


def test_several_are_told_together_and_each_is_answered_for(house: House) -> None:
    way = Way(house, {"z/kitchen/set": ("z/kitchen", '{"state": "ON"}')})
    assert done(house, way, "turn on the kitchen light and the hall light") == (
        "The kitchen light is on. I told the hall light, but it did not answer.")
    assert [topic for topic, _ in way.sent] == ["z/kitchen/set", "z/hall/set"]


def test_a_way_that_is_closed_is_said(house: House) -> None:
    way = Way(house)
    way.open = False
    assert done(house, way, "turn on the kitchen light") == "I cannot reach the house." and not way.sent
    assert done(house, way, "is the kitchen light on") == "I cannot reach the house."


def test_what_is_offline_is_not_told(house: House) -> None:
    house.heard("z/kitchen/availability", b"offline")
    way = Way(house)
    assert done(house, way, "turn on the kitchen light") == "The kitchen light is offline." and not way.sent


def test_nothing_guarded_moves_before_a_yes(house: House) -> None:
    way = Way(house, {"front/set": ("front/state", "UNLOCKED")})
    assert done(house, way, "unlock the front door") == "Shall I unlock the front door?" and not way.sent
    assert done(house, way, "unlock the front door", "yes") == "The front door is unlocked." and way.sent == [("front/set", "UNLOCK")]


@pytest.mark.parametrize(("text", "sent", "answer", "said"), [
    ("set the kitchen light to 50 percent", ("z/kitchen/set", '{"state": "ON", "brightness": 127}'),
     ("z/kitchen", '{"state": "ON", "brightness": 127}'), "The kitchen light is at 50 percent."),
    ("set the desk lamp to 40 percent", ("desk/dim", "40"), ("desk/level", "40"), "The desk lamp is at 40 percent."),
    ("turn off the oven", ("oven/cmnd/POWER", "OFF"), ("oven/stat/RESULT", '{"POWER": "OFF"}'), "The oven is off."),
    ("close the blinds", ("blinds/set", "CLOSE"), ("blinds/position", "0"), "Closing the kitchen blinds."),
    ("open the blinds to 30 percent", ("blinds/goto", "30"), ("blinds/position", "30"), "The kitchen blinds go to 30 percent."),
    ("set the fan to 50 percent", ("fan/speed", "50"), ("fan/percent", "50"), "The air ceiling fan is at 50 percent."),
    ("set the thermostat to 21.5 degrees", ("heat/set", "21.5"), ("heat/aim", "21.5"), "The air thermostat is set to 21.5 degrees."),
    ("lock the front door", ("front/set", "LOCK"), ("front/state", "LOCKED"), "The front door is locked.")])
def test_every_kind_is_told_in_its_own_words(house: House, text: str, sent: tuple[str, str], answer: tuple[str, str], said: str) -> None:
    way = Way(house, {sent[0]: answer})
    assert done(house, way, text) == said and sent in way.sent


@pytest.mark.parametrize(("text", "said"), [
    ("dim the floor lamp", "The floor lamp can't be dimmed."), ("make the desk lamp red", "The desk lamp has no colours."),
    ("set the thermostat to 90 degrees", "The air thermostat goes from 7 to 30 degrees.")])
def test_what_a_thing_cannot_is_said(house: House, text: str, said: str) -> None:
    way = Way(house)
    assert done(house, way, text) == said and not way.sent


@pytest.mark.parametrize(("text", "said"), [
    ("is the bedroom light on", "Yes."), ("is the kitchen light on", "No, off."), ("what is the state of the bedroom light",
                                                                                    "The bedroom light is on, at 50 percent."),
    ("are any windows open", "Yes."), ("is the bathroom window closed", "No, open."), ("which lights are on", "The bedroom light."),
    ("how many lights are on", "One."), ("are all the lights off", "No, not the bedroom light."), ("is the front door locked", "Yes."),
    ("what's the outside temperature", "The outside temperature is 7.2 degrees Celsius."),
    ("what is the temperature in the living room", "19.5 degrees."), ("is the garage door open", "No, closed.")])
def test_questions_are_answered_by_what_was_heard(house: House, text: str, said: str) -> None:
    assert done(house, Way(house), text) == said


def test_what_told_nothing_is_not_known(house: House) -> None:
    assert done(told_house(states={}), Way(house), "is the kitchen light on") == "I don't know. The kitchen light has not told me."
