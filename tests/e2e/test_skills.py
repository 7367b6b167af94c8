"""A question with an exact answer: the model is not asked, the answer is heard, and it is part of the conversation."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, SkillSettings
from tests.e2e.stage import Stage
from tests.e2e.test_niceties import run, tone
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad


def skilled(settings: Settings, *, enabled: bool = True) -> Settings:
    return dataclasses.replace(settings, skills=SkillSettings(enabled, "Europe/Berlin"))


def test_the_answer_is_heard_without_the_model_and_the_model_knows_of_it_afterwards(settings: Settings) -> None:
    llm, tts = FakeLlm([words("You asked about seven and eight.")]), FakeTts()
    engines = Engines(FakeVad(), FakeStt(), llm, tts)
    stage, (first, second) = run(skilled(settings), engines, "What is seven times eight?", "What did I ask?")
    assert "".join(frame.delta for frame in first) == "7 times 8 is 56." and first[-1].finish == "stop"
    assert "fifty-six" in " ".join(tts.texts)
    assert "".join(frame.delta for frame in second) == "You asked about seven and eight."
    (asked,) = llm.asked
    assert [message.content for message in asked[-3:]] == ["What is seven times eight?", "7 times 8 is 56.", "What did I ask?"]
    assert [turn.heard for turn in stage.session.history.turns] == ["7 times 8 is 56.", "You asked about seven and eight."]
    routed = [row for row in stage.trace.events() if row["event"] == "routed"]
    assert [row["skill"] for row in routed] == ["sums", "model"] and all(row["why"] for row in routed)


def test_switched_off_the_model_answers(settings: Settings) -> None:
    llm = FakeLlm([words("It is seventy-two.")])
    stage, _ = run(skilled(settings, enabled=False), Engines(FakeVad(), FakeStt(), llm, FakeTts()), "What is seven times eight?")
    assert len(llm.asked) == 1 and not [row for row in stage.trace.events() if row["event"] == "routed"]


@pytest.mark.parametrize("speculation", [True, False])
def test_it_is_said_aloud_too_when_it_was_begun_before_the_turn_was_over(settings: Settings, speculation: bool) -> None:
    settings = skilled(dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, speculation=speculation)))
    stt, llm, tts = FakeStt(["how many feet are there in a mile"]), FakeLlm([words("Four.")]), FakeTts()

    async def act() -> Stage:
        async with Stage(settings, Engines(FakeVad(), stt, llm, tts)) as stage:
            machine = stage.session.machine
            stage.device.say(tone(), 8000)
            assert await stage.until(lambda: machine.generation >= 1 and machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    events = [row["event"] for row in stage.trace.events()]
    assert llm.asked == [] and ("speculation_confirmed" in events) == speculation
    assert stage.session.history.turns[-1].heard == "1 mile is 5280 feet." and stage.session.history.turns[-1].user == stt_text(stage)
    assert "five thousand two hundred eighty feet" in " ".join(tts.texts) and "playback_end" in events
    if speculation:
        assert llm.weighed and llm.weighed[-1].startswith("how many feet"), "the words still have their say when the turn ends"


def stt_text(stage: Stage) -> str:
    return str([row for row in stage.trace.events() if row["event"] == "stt_final"][-1]["text"])
