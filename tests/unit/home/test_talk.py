"""What is understood of a house, and what never is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edgevoice.home.house import House
from edgevoice.home.resolve import Do, Look, Open, Say
from edgevoice.home.talk import Plan, Talk
from tests.fakes.house import told_house

NOW = datetime(2026, 11, 7, 20, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def house() -> House:
    return told_house()


@pytest.fixture(scope="module")
def made(house: House) -> Talk:
    talk = Talk(house)
    talk.warm()
    return talk


@pytest.fixture
def talk(made: Talk) -> Talk:
    """Nothing was spoken of yet."""
    made.__dict__["_spoken"] = type(made._spoken)()
    return made


def brief(talk: Talk, plan: Plan | None) -> list[Any] | None:
    """(verb, value, names) of what is done; ("?", how, names) of what is asked; what is said."""
    if plan is None:
        return None
    made: list[Any] = []
    for part in plan.parts:
        match part:
            case Do(ids, act):
                made.append((act.verb, act.value, _names(talk, ids)))
            case Look(ids, how):
                made.append(("?", how, _names(talk, ids)))
            case Say(text) | Open(text=text):
                made.append(text)
    return made


def _names(talk: Talk, ids: tuple[str, ...]) -> list[str]:
    return sorted(thing.name for thing in map(talk.house.thing, ids) if thing is not None)


def say(talk: Talk, text: str, after_s: float = 0.0) -> list[Any] | None:
    now = NOW + timedelta(seconds=after_s)
    plan = talk.hear(text, now)
    if plan is not None:
        talk.began(plan, now)
    return brief(talk, plan)


LIGHTS = ["Bedroom light", "Desk lamp", "Floor lamp", "Hall light", "Kitchen light"]


@pytest.mark.parametrize(("text", "expected"), [
    ("Turn off the kitchen light.", [("off", None, ["Kitchen light"])]),
    ("could you please turn the hall light on", [("on", None, ["Hall light"])]),
    ("turn on the kitchen lights", [("on", None, ["Kitchen light"])]),
    ("set the bedroom light to 40%", [("brightness", 40.0, ["Bedroom light"])]),
    ("set the bedroom light to forty percent", [("brightness", 40.0, ["Bedroom light"])]),
    ("make the hall light blue", [("colour", "blue", ["Hall light"])]),
    ("set the hall light to warm white", [("kelvin", 2700.0, ["Hall light"])]),
    ("dim the desk lamp", [("brightness", 30.0, ["Desk lamp"])]),
    ("turn off all the lights", [("off", None, LIGHTS)]),
    ("turn on all the lights in the house", [("on", None, LIGHTS)]),
    ("turn off all lights except the kitchen light", [("off", None, ["Bedroom light", "Desk lamp", "Floor lamp", "Hall light"])]),
    ("turn off all the lights but the hall and the bedroom", [("off", None, ["Desk lamp", "Floor lamp", "Kitchen light"])]),
    ("turn off all lights except the moon", ["I know no moon."]),
    ("close the blinds", [("close", None, ["Kitchen blinds"])]),
    ("open the kitchen blinds to 30 percent", [("position", 30.0, ["Kitchen blinds"])]),
    ("set the fan to 50 percent", [("percentage", 50.0, ["Air Ceiling fan"])]),
    ("turn on the ceiling fan", [("on", None, ["Air Ceiling fan"])]),
    ("set the thermostat to 21 and a half degrees", [("temperature", 21.5, ["Air Thermostat"])]),
    ("set the thermostat to twenty one and a half degrees", [("temperature", 21.5, ["Air Thermostat"])]),
    ("set the thermostat to 21.5 degrees", [("temperature", 21.5, ["Air Thermostat"])]),
    ("set the temperature in the living room to 21 degrees", [("temperature", 21.0, ["Air Thermostat"])]),
    ("is the kitchen light on?", [("?", "one_yesno", ["Kitchen light"])]),
    ("are any windows open", [("?", "any", ["Bathroom window"])]),
    ("is the front door locked", [("?", "one_yesno", ["Front door"])]),
    ("which lights are on", [("?", "which", LIGHTS)]),
    ("how many lights are on", [("?", "how_many", LIGHTS)]),
    ("what's the outside temperature", [("?", "one", ["Outside temperature"])]),
    ("what is the temperature in the living room", [("?", "one", ["Air Thermostat"])]),
    ("turn off the kitchen light and close the blinds", [("off", None, ["Kitchen light"]), ("close", None, ["Kitchen blinds"])]),
    ("turn off the kitchen and the hall light", [("off", None, ["Hall light", "Kitchen light"])]),
    ("turn on the kitchen, hall and bedroom lights", [("on", None, ["Bedroom light", "Hall light", "Kitchen light"])]),
    ("turn the kitchen light on and the hall light off", [("on", None, ["Kitchen light"]), ("off", None, ["Hall light"])]),
    ("turn on the kitchen light and is the hall light on", [("on", None, ["Kitchen light"]), ("?", "one_yesno", ["Hall light"])]),
    ("set the kitchen and the hall light to 20 percent", [("brightness", 20.0, ["Hall light", "Kitchen light"])]),
    ("lock the front door", [("lock", None, ["Front door"])]),
    ("close the garage door", [("close", None, ["Garage door"])]),
    ("turn off the oven", [("off", None, ["Oven"])])])
def test_what_is_said_is_what_is_meant(talk: Talk, text: str, expected: list[Any] | None) -> None:
    assert say(talk, text) == expected


@pytest.mark.parametrize("text", [
    "who wrote hamlet", "what is the capital of france", "tell me a story about a lamp", "turn left at the corner and go on",
    "what can you tell me about lights", "how are you", "are you there", "open the discussion", "close your eyes", "set an example",
    "is it going to be a long day", "what is the light year", "how much is the fish", "kitchen light", "the front door", "yes", "no", "it",
    "lock", "play the office", "set a timer for ten minutes", "what time is it", "add milk to my shopping list"])
def test_the_rest_is_not_for_the_house(talk: Talk, text: str) -> None:
    assert say(talk, text) is None


@pytest.mark.parametrize(("text", "expected"), [
    ("turn of the kitchen lights", [("off", None, ["Kitchen light"])]),
    ("turn off the kitchen lice", [("off", None, ["Kitchen light"])]),
    ("turn off the chicken light", [("off", None, ["Kitchen light"])]),
    ("turn on the whole light", [("on", None, ["Hall light"])]),
    ("turn the kit chin light off", [("off", None, ["Kitchen light"])]),
    ("turn on the dusk lamp", [("on", None, ["Desk lamp"])]),
    ("turn an the coughing machine", [("on", None, ["Coffee machine"])]),
    ("pern on the kitchen light", [("on", None, ["Kitchen light"])]),
    ("turn off the kitchen whites", [("off", None, ["Kitchen light"])]),
    ("turn on the lights and the kitchen", [("on", None, ["Kitchen light"])]),
    ("his the bedroom light on", [("?", "one_yesno", ["Bedroom light"])]),
    ("clothes the blinds", [("close", None, ["Kitchen blinds"])]),
    ("turn of the bed room light and the desk lamb", [("off", None, ["Bedroom light", "Desk lamp"])])])
def test_slips_are_put_right(talk: Talk, text: str, expected: list[Any]) -> None:
    plan = talk.hear(text, NOW)
    assert brief(talk, plan) == expected and plan is not None and plan.confidence < 1


@pytest.mark.parametrize("text", [
    "unlock the fraud door", "unlock the font door", "lock the fraud door", "open the carriage door", "open the garbage door",
    "turn of the oven", "turn on the often", "turn on the awful and the hall light", "turn of the oven and the hall light",
    "clothes the garage door"])
def test_slips_never_move_what_is_guarded(talk: Talk, text: str) -> None:
    plan = talk.hear(text, NOW)
    assert plan is None or not any(isinstance(part, Do) or (isinstance(part, Open) and part.yes) for part in plan.parts), plan


def test_without_forgiveness_nothing_is_put_right(house: House) -> None:
    strict = Talk(house, forgiving=False)
    assert say(strict, "turn off the kitchen light") and say(strict, "turn off the kitchen lice") == ["I know no kitchen lice."]


@pytest.mark.parametrize(("text", "asked", "done"), [
    ("unlock the front door", "Shall I unlock the front door?", ("unlock", None, ["Front door"])),
    ("open the garage door", "Shall I open the garage door?", ("open", None, ["Garage door"])),
    ("turn on the oven", "Shall I turn on the oven?", ("on", None, ["Oven"]))])
def test_what_is_guarded_waits_for_a_yes(talk: Talk, text: str, asked: str, done: Any) -> None:
    assert say(talk, text) == [asked]
    assert talk.hear("maybe later", NOW) is None
    assert say(talk, "Yes, please.") == [done]
    assert say(talk, text) == [asked] and say(talk, "no") == ["All right, I leave it."]
    assert say(talk, "yes") is None, "a no is the end of it"
    assert say(talk, text) == [asked] and say(talk, "is the kitchen light on") and say(talk, "yes") is None, "another subject too"
    assert say(talk, text) == [asked] and say(talk, "yes", after_s=120) is None, "and time"


def test_asking_alone_changes_nothing(talk: Talk) -> None:
    assert talk.hear("unlock the front door", NOW) is not None
    assert talk.hear("yes", NOW) is None, "the words were perhaps not the last: nobody was asked yet"
    say(talk, "turn on the kitchen light")
    talk.hear("turn on the hall light", NOW)
    assert say(talk, "turn it off") == [("off", None, ["Kitchen light"])]


def test_it_and_there_are_what_was_spoken_of(talk: Talk) -> None:
    assert say(talk, "turn it off") == ["I don't know what you mean by that."]
    say(talk, "turn on the kitchen light")
    assert say(talk, "make it red") == [("colour", "red", ["Kitchen light"])]
    assert say(talk, "set it to 10 percent") == [("brightness", 10.0, ["Kitchen light"])]
    assert say(talk, "are the lights on in there") == [("?", "any", ["Kitchen light"])]
    assert say(talk, "turn on the hall light and the desk lamp")
    assert say(talk, "turn them off") == [("off", None, ["Desk lamp", "Hall light"])]
    assert say(talk, "is the bedroom light on") and say(talk, "turn it off") == [("off", None, ["Bedroom light"])]
    assert say(talk, "turn it on", after_s=600) == ["I don't know what you mean by that."]


def test_a_pronoun_does_not_get_round_the_guard(talk: Talk) -> None:
    assert say(talk, "is the front door locked")
    assert say(talk, "unlock it") == ["Shall I unlock the front door?"]


@pytest.mark.parametrize(("answer", "done"), [
    ("the desk lamp", ["Desk lamp"]), ("The desk one, please.", ["Desk lamp"]), ("floor", ["Floor lamp"]), ("the first one", ["Desk lamp"]),
    ("both", ["Desk lamp", "Floor lamp"]), ("the last one", ["Floor lamp"]), ("in the living room", ["Floor lamp"])])
def test_what_is_ambiguous_is_asked_back(talk: Talk, answer: str, done: list[str]) -> None:
    assert say(talk, "turn on the lamp") == ["Which one, the desk lamp or the floor lamp?"]
    assert say(talk, answer) == [("on", None, done)]


def test_a_room_is_asked_for_where_none_is_known(talk: Talk, house: House) -> None:
    assert say(talk, "turn on the lights") == ["In which room?"]
    assert say(talk, "the kitchen") == [("on", None, ["Kitchen light"])]
    assert say(talk, "turn on the lights") == ["In which room?"] and say(talk, "all of them") == [("on", None, LIGHTS)]
    assert say(talk, "turn on the lights") == ["In which room?"] and say(talk, "close the blinds") == [("close", None, ["Kitchen blinds"])]
    assert say(Talk(house, "Hall"), "turn on the lights") == [("on", None, ["Hall light"])]


@pytest.mark.parametrize(("text", "said"), [
    ("turn on the bathroom light", "I know no light in the bathroom."), ("turn off the disco ball", "I know no disco ball."),
    ("turn on the kitchen light and the disco ball", "I understood only a part of that, and did nothing."),
    ("turn on the kitchen light and tell me a joke", "I understood only a part of that, and did nothing."),
    ("dim the chandelier", "I know no chandelier."), ("open the skylight window", "I know no skylight window."),
    ("what's the weather like", "I can't tell the weather yet.")])
def test_a_command_that_fits_nothing_is_answered_so(talk: Talk, text: str, said: str) -> None:
    assert say(talk, text) == [said]


def test_an_empty_house_is_silent() -> None:
    assert Talk(House()).hear("turn on the kitchen light", NOW) is None
