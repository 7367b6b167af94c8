"""Deeds by voice: none from speculation, one for each that was meant, and a conversation that outlives whoever does them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.pipeline.deeds import FAILED, TOO_LONG
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, SkillSettings
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import Asked, Skill
from tests.e2e.stage import Stage
from tests.e2e.test_speculation import RATE, SecondThoughts, tone
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

LAMP = "the lamp is on now and shines on all of the room"


def lamp(asked: Asked) -> Deed | None:
    said = " ".join(asked.words)
    return Deed("lamp", {"said": said}) if said.startswith("turn on the") else None


class House:
    """``done`` keeps what was asked of it."""

    def __init__(self, outcome: Callable[[], Awaitable[str]] | None = None) -> None:
        self.done: list[str] = []
        self.outcome = outcome

    async def do(self, deed: Deed) -> str:
        self.done.append(deed.arguments["said"])
        return LAMP if self.outcome is None else await self.outcome()


async def hangs() -> str:
    await asyncio.sleep(3600)
    return ""


async def breaks() -> str:
    raise ConnectionResetError


def stage(settings: Settings, house: House, stt: FakeStt, llm: FakeLlm | None = None, *, within_s: float = 4.0) -> Stage:
    settings = dataclasses.replace(settings, skills=SkillSettings(timezone="UTC"))
    made = Stage(settings, Engines(FakeVad(), stt, llm or FakeLlm(), FakeTts()), skills=[Skill("house", "the lamp", lamp)])
    made.session.deeds.register("lamp", house.do, within_s=within_s)
    return made


async def rests(stage: Stage) -> None:
    assert await stage.until(lambda: stage.session.machine.generation > 0
                             and stage.session.machine.state in (State.IDLE, State.FOLLOWUP))


def events(stage: Stage, name: str) -> list[dict[str, object]]:
    return [row for row in stage.trace.events() if row["event"] == name]


@pytest.mark.parametrize("speculation", [True, False])
def test_what_was_meant_is_done_once_and_told(settings: Settings, speculation: bool) -> None:
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, speculation=speculation))
    house, llm = House(), FakeLlm()

    async def act() -> Stage:
        async with stage(settings, house, FakeStt(["turn on the lamp"]), llm) as made:
            made.device.say(tone(0.7), RATE // 2)
            await rests(made)
        return made

    made = asyncio.run(act())
    assert house.done == ["turn on the lamp"] and llm.asked == []
    assert bool(events(made, "speculation_confirmed")) == speculation
    assert [(turn.user, turn.heard) for turn in made.session.history.turns] == [("turn on the lamp", LAMP)]
    (row,) = events(made, "routed")
    assert (row["skill"], row["deed"], row["confidence"]) == ("house", "lamp", 1.0)


def test_nothing_is_done_that_was_only_supposed(settings: Settings) -> None:
    house, llm = House(), FakeLlm([words("Which one?")])

    async def act() -> Stage:
        async with stage(settings, house, SecondThoughts("turn on the lamp", "never turn on the lamp"), llm) as made:
            made.device.say(tone(0.7), RATE // 2)
            await rests(made)
        return made

    made = asyncio.run(act())
    assert house.done == [] and events(made, "speculation_dropped") and not events(made, "deed")
    assert [messages[-1].content for messages in llm.asked] == ["never turn on the lamp"]


def test_a_typed_one_goes_the_same_way(settings: Settings) -> None:
    house = House()

    async def act() -> None:
        async with stage(settings, house, FakeStt()) as made:
            made.session.ask("please turn on the lamp")
            await rests(made)

    asyncio.run(act())
    assert house.done == ["turn on the lamp"]


def test_interrupted_while_it_is_told_it_is_done_once_and_remembered(settings: Settings) -> None:
    house = House()

    async def act() -> Stage:
        async with stage(settings, house, FakeStt(["turn on the lamp", "stop"])) as made:
            machine = made.session.machine
            made.device.say(tone(0.7), RATE // 2)
            assert await made.until(lambda: machine.state is State.SPEAKING)
            made.device.say(np.asarray(tone(0.7)), made.device.position + RATE // 2)
            assert await made.until(lambda: machine.state is State.IDLE)
        return made

    made = asyncio.run(act())
    assert events(made, "barge_in_confirmed") and house.done == ["turn on the lamp"]
    assert [(turn.user, turn.heard) for turn in made.session.history.turns] == [("turn on the lamp", LAMP)]


def test_taken_back_before_it_was_told_it_is_done_and_remembered(settings: Settings) -> None:
    """The wake word, or a stop, while the doer works."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> str:
        begun.set()
        await go_on.wait()
        return LAMP

    house = House(slowly)

    async def act() -> Stage:
        async with stage(settings, house, FakeStt()) as made:
            made.session.ask("turn on the lamp")
            await begun.wait()
            made.session.stop_speaking()
            await asyncio.sleep(0.01)
            assert made.session.machine.state is State.IDLE and made.session.history.turns == ()
            go_on.set()
            while not made.session.deeds.idle:
                await asyncio.sleep(0.001)
        return made

    made = asyncio.run(act())
    assert house.done == ["turn on the lamp"] and not events(made, "playback_first_sample")
    assert [(turn.user, turn.heard) for turn in made.session.history.turns] == [("turn on the lamp", LAMP)]


@pytest.mark.parametrize(("outcome", "said"), [(hangs, TOO_LONG), (breaks, FAILED)])
def test_who_fails_or_hangs_is_apologized_for_and_the_next_turn_works(
        settings: Settings, outcome: Callable[[], Awaitable[str]], said: str) -> None:
    house = House(outcome)

    async def act() -> Stage:
        async with stage(settings, house, FakeStt(), within_s=0.3) as made:
            made.session.ask("turn on the lamp")
            await rests(made)
            made.session.ask("what is two plus two")
            assert await made.until(lambda: len(made.session.history.turns) == 2)
        return made

    made = asyncio.run(act())
    assert [turn.heard for turn in made.session.history.turns] == [said, "2 plus 2 is 4."]
    assert [row["stage"] for row in events(made, "error")] == ["deed"]
