"""Engines that raise, hang, return nothing or nonsense: the conversation says so and goes on."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.errors import EngineError
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import Stage, spoken
from tests.fakes.llm import Fail, FakeLlm, Hang, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

RATE = 16_000


def errors(stage: Stage) -> list[tuple[str, str]]:
    return [(row["stage"], row["message"]) for row in stage.trace.events() if row["event"] == "error"]


def heard_something(stage: Stage) -> bool:
    return bool(np.any(stage.device.recording()[1]))


async def ask(stage: Stage, text: str = "Hello?") -> bool:
    """One typed question, until the conversation is at rest."""
    before = stage.session.machine.generation
    stage.session.ask(text)
    return await stage.until(
        lambda: stage.session.machine.generation > before and stage.session.machine.state in (State.IDLE, State.FOLLOWUP), within_s=20.0)


@pytest.mark.parametrize(("script", "message"), [
    ([Fail(EngineError("out of memory"))], "out of memory"),
    (["I think ", "that ", "this is so. ", Fail(RuntimeError("llama_decode returned -3"))], "llama_decode returned -3")])
def test_a_model_that_raises_is_apologized_for_and_the_next_turn_is_fine(
        settings: Settings, engines: Engines, script: list[object], message: str) -> None:
    llm = FakeLlm([script, words("All is well.")])  # type: ignore[list-item]

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=llm)) as stage:
            assert await ask(stage)
            assert stage.session.machine.generation == 2, "an apology is a generation of its own"
            assert await ask(stage)
        return stage

    stage = asyncio.run(act())
    assert errors(stage) == [("llm", message)]
    assert heard_something(stage) and stage.stuck == []
    assert stage.session.history.turns[-1].heard == "All is well."


@pytest.mark.parametrize("tts", [FakeTts(fail="no such voice"), FakeTts(nan=True)])
def test_a_synthesizer_that_fails_leaves_an_earcon_and_a_device_that_listens(settings: Settings, engines: Engines, tts: FakeTts) -> None:
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, earcons=True))

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, tts=tts, llm=FakeLlm([words("Never heard.")]))) as stage:
            assert await ask(stage)
            await stage.step(0.5)
        return stage

    stage = asyncio.run(act())
    assert [where for where, _ in errors(stage)] == ["tts", "tts"], "the reply, then the apology"
    assert heard_something(stage), "the error earcon"
    assert stage.stuck == []


def test_an_empty_reply_is_not_passed_over_in_silence(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=FakeLlm([[], ["**", "\n"]]))) as stage:
            assert await ask(stage) and await ask(stage)
        return stage

    stage = asyncio.run(act())
    assert heard_something(stage) and errors(stage) == []
    assert stage.session.machine.generation == 4, "each empty reply is followed by a word about it"
    assert stage.session.history.turns == ()


def test_a_recognizer_that_raises_is_apologized_for(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, stt=FakeStt(fail="model broke"))) as stage:
            stage.device.say(spoken(engines.tts, "Why is the sky blue?", RATE), 8000)
            assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    assert errors(stage) == [("stt", "model broke; the utterance is decoded in one piece"), ("stt", "model broke")]
    assert heard_something(stage)


def test_a_model_that_hangs_is_stopped_by_a_cancel(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=FakeLlm([[Hang()], words("Here I am.")]))) as stage:
            stage.session.ask("Hello?")
            await asyncio.sleep(0.2)
            stage.session.stop_speaking()
            assert await ask(stage)
        return stage

    stage = asyncio.run(act())
    assert [turn.heard for turn in stage.session.history.turns] == ["Here I am."] and stage.stuck == []


def test_ears_that_fail_end_the_session_in_order(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, vad=FakeVad(fail="bad frame"))) as stage:
            for _ in range(200):
                if stage.session.failure is not None:
                    break
                stage.device.step(stage.core.hop)
                await asyncio.sleep(0.005)
            assert stage.session.failure == "listening failed: bad frame"
        return stage

    assert asyncio.run(act()).stuck == []
