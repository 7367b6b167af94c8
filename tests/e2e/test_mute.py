"""A muted device hears nothing, says so, and hears again; announcements have their own volume."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np

from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import Stage, alike, clearly, spoken
from tests.fakes.llm import FakeLlm, words

RATE = 16_000


def texts(stage: Stage) -> list[str]:
    return [row["text"] for row in stage.trace.events() if row["event"] == "stt_final"]


def test_nothing_that_is_said_while_muted_is_heard_and_the_next_question_is(settings: Settings, engines: Engines) -> None:
    question = clearly(engines, "Why is the sky blue?", RATE)
    llm = FakeLlm([words("It is the air.")])

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=llm)) as stage:
            stage.session.mute(True)
            stage.device.say(question)
            await stage.step(4.0)
            assert await stage.until(lambda: stage.session.at_rest)
            assert stage.session.machine.state is State.IDLE
            assert texts(stage) == []
            stage.session.mute(False)
            stage.device.say(question)
            assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    assert len(texts(stage)) == 1
    assert alike(texts(stage)[0], "Why is the sky blue?")
    assert [row["muted"] for row in stage.trace.events() if row["event"] == "muted"] == [True, False]
    assert stage.core.counters().zeroed >= 4 * RATE


def test_muting_in_the_middle_of_a_sentence_drops_it_and_what_was_kept_of_it(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=FakeLlm([words("Never.")]))) as stage:
            stage.device.say(spoken(engines.tts, "Tell me something about the moon and the stars.", RATE))
            assert await stage.until(lambda: stage.session.machine.state is State.LISTENING)
            await stage.step(0.8)
            stage.session.mute(True)
            await stage.step(4.0)
            assert await stage.until(lambda: stage.session.at_rest)
            assert stage.session.machine.state is State.IDLE
            assert not stage.session._ears._audio.slice(0, stage.session._ears._audio.end).any()
        return stage

    stage = asyncio.run(act())
    assert texts(stage) == []
    assert stage.stuck == []


def test_a_reply_goes_on_while_muted_and_the_tone_sounds_over_it(settings: Settings, engines: Engines) -> None:
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, earcons=True))

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=FakeLlm([words("One two three four five six seven eight.")]))) as stage:
            stage.session.ask("Count.")
            assert await stage.until(lambda: stage.session.machine.state is State.SPEAKING)
            stage.session.mute(True)
            assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    assert stage.session.history.turns[-1].heard.startswith("One two three")
    assert not stage.session.history.turns[-1].interrupted


def test_a_device_can_begin_muted(settings: Settings, engines: Engines) -> None:
    settings = dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, muted=True))

    async def act() -> bool:
        async with Stage(settings, engines) as stage:
            return stage.session.muted

    assert asyncio.run(act())


def test_announcements_have_a_volume_of_their_own(settings: Settings, engines: Engines) -> None:
    def loudest(volume: float) -> int:
        changed = dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, announcement_volume=volume))

        async def act() -> Stage:
            async with Stage(changed, engines) as stage:
                stage.session.say("Dinner is ready.")
                assert await stage.until(lambda: stage.session.machine.state in (State.FOLLOWUP, State.IDLE) and stage.core.heard(1) > 0)
            return stage

        return int(np.abs(asyncio.run(act()).device.recording()[1]).max())

    assert loudest(0.0) == 0
    assert loudest(1.0) > 1000
