"""Answers made before the turn is surely over: heard at once if it was, and without a trace if it was not."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.errors import EngineError
from edgevoice.events import Partial
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import Stage, alike, clearly
from tests.fakes.llm import Fail, FakeLlm, Hang, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

RATE = 16_000
ENDPOINT_S, PAUSE_S = 0.6, 0.08


def tone(*seconds: float) -> np.ndarray:
    """Sound, silence, sound, …"""
    pieces = []
    for number, length in enumerate(seconds):
        t = np.arange(int(length * RATE)) / RATE
        pieces.append(np.sin(2 * np.pi * 300 * t) * 8000 * (number % 2 == 0))
    return np.concatenate(pieces).astype(np.int16)


class SecondThoughts(FakeStt):
    """At a pause it hears ``early``, at the end its text."""

    def __init__(self, early: str, text: str) -> None:
        super().__init__([text])
        self.early = early

    def open(self, *, eager=False):  # type: ignore[no-untyped-def]
        stream, early = super().open(), self.early

        class Stream:
            accept, finish = stream.accept, stream.finish

            def partial(self) -> Partial:
                return Partial("", 0)

            def settle(self) -> str:
                return early

        return Stream()


def fakes(stt: FakeStt, llm: FakeLlm, tts: FakeTts | None = None) -> Engines:
    return Engines(FakeVad(), stt, llm, tts or FakeTts())


def speculating(settings: Settings, **changes: object) -> Settings:
    return dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, **changes))


async def said(stage: Stage, samples: np.ndarray, streams: list[ReplyStream]) -> int:
    """Say it and let the conversation come to rest; the device frame after its last sample."""
    stage.session.listen_replies(streams.append)
    end = stage.device.say(samples, RATE // 2) + len(samples)
    assert await stage.until(lambda: stage.device.position > end + RATE // 5)
    assert await stage.until(lambda: stage.session.machine.state in (State.IDLE, State.FOLLOWUP))
    return end


def run(settings: Settings, engines: Engines, samples: np.ndarray) -> tuple[Stage, list[ReplyStream], int]:
    streams: list[ReplyStream] = []

    async def act() -> tuple[Stage, int]:
        async with Stage(settings, engines) as stage:
            end = await said(stage, samples, streams)
        return stage, end

    stage, end = asyncio.run(act())
    assert stage.stuck == []
    return stage, streams, end


def sounds(stage: Stage) -> list[int]:
    return [row["generation"] for row in stage.trace.events() if row["event"] == "playback_first_sample"]


def test_a_turn_that_ends_as_expected_has_its_answer_ready(settings: Settings) -> None:
    llm = FakeLlm([words("It is noon, and the sun shines.")])
    stage, (stream,), end = run(settings, fakes(FakeStt(["what time is it"]), llm), tone(0.7))
    assert len(llm.asked) == 1 and sounds(stage) == [1]
    counts = stage.session.speculated
    assert (counts.attempts, counts.confirmed, counts.dropped, counts.wasted_tokens) == (1, 1, 0, 0)
    frames = stream.read().poll()
    assert frames[0].provisional and not frames[-1].provisional and frames[-1].finish == "stop"
    assert [turn.heard for turn in stage.session.history.turns] == ["It is noon, and the sun shines."]
    loud = np.flatnonzero(stage.device.recording()[1])
    assert ENDPOINT_S - 0.05 < (loud[0] - end) / RATE < ENDPOINT_S + 0.1, "it sounds as soon as the turn is over, and not before"


def test_other_words_at_the_end_are_answered_and_the_first_answer_never_was(settings: Settings) -> None:
    llm = FakeLlm([words("Which light?"), words("The light is on.")])
    stage, streams, _ = run(settings, fakes(SecondThoughts("turn on", "turn on the light"), llm), tone(0.7))
    assert [messages[-1].content for messages in llm.asked] == ["turn on", "turn on the light"]
    assert [stream.generation for stream in streams] == sounds(stage) == [2]
    assert [(turn.user, turn.heard) for turn in stage.session.history.turns] == [("turn on the light", "The light is on.")]
    counts = stage.session.speculated
    assert (counts.attempts, counts.confirmed, counts.dropped) == (1, 0, 1) and counts.wasted_tokens == 2 and counts.wasted_audio_s > 0


def test_speech_that_goes_on_drops_the_answer_unheard(settings: Settings) -> None:
    llm = FakeLlm([words("A first answer."), words("The answer.")])
    samples = tone(0.7, 0.35, 0.7)
    stage, streams, end = run(settings, fakes(FakeStt(["tell me more"]), llm), samples)
    assert [stream.generation for stream in streams] == sounds(stage) == [2]
    assert not np.any(stage.device.recording()[1][:end + int(ENDPOINT_S * RATE / 2)]), "sound while the user had not finished"
    assert [turn.heard for turn in stage.session.history.turns] == ["The answer."]
    assert stage.session.speculated.dropped == 1
    spoke = {row["generation"] for row in stage.trace.events() if row["event"] in ("speculation_dropped", "speculation_confirmed")}
    assert spoke == {1, 2}, "each attempt has a number of its own"


def test_a_model_that_is_still_at_it_when_speech_goes_on_is_stopped(settings: Settings) -> None:
    llm = FakeLlm([["Well, ", Hang(), "never."], words("The answer.")])
    streams: list[ReplyStream] = []

    async def act() -> Stage:
        async with Stage(settings, fakes(FakeStt(["tell me more"]), llm)) as stage:
            stage.session.listen_replies(streams.append)
            stage.device.say(tone(0.7, 0.35, 0.7), RATE // 2)
            while stage.session.machine.state is not State.SPECULATING:
                if stage.session.at_rest:
                    stage.device.step(stage.core.hop)
                await asyncio.sleep(0.0005)
            while stage.session.machine.state is State.SPECULATING:  # the hanging model is never at rest
                await stage.step(0.01)
                await asyncio.sleep(0.002)
            assert stage.session.machine.state is State.LISTENING
            assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    assert sounds(stage) == [2] and [stream.generation for stream in streams] == [2] and stage.stuck == []


@pytest.mark.parametrize("after_s", [0.5, 0.7, 0.85, 0.95, 1.2, 1.3, 1.5])
def test_stop_at_any_point_leaves_nothing(settings: Settings, after_s: float) -> None:
    """The sound ends at 0.7 s of the line, the pause is told 0.1 s later, the turn ends at 1.3 s."""
    llm = FakeLlm([words("It is noon, and the sun shines.", pause_s=0.002)])
    streams: list[ReplyStream] = []

    async def act() -> Stage:
        async with Stage(settings, fakes(FakeStt(["what time is it"]), llm)) as stage:
            stage.session.listen_replies(streams.append)
            start = stage.device.say(tone(0.7), RATE // 2)
            while stage.device.position < start + int(after_s * RATE):
                await stage.step(0.01)
                await asyncio.sleep(0.001)
            heard = stage.session.machine.state in (State.THINKING, State.SPEAKING)
            stage.session.stop_speaking()
            assert await stage.until(lambda: stage.session.machine.state is State.IDLE)
            stage.session.stop_speaking()  # twice is once
            position = stage.device.position
            assert await stage.until(lambda: stage.device.position > position + RATE)
            assert stage.core.live.current() == 0 and stage.session.machine.state is State.IDLE
            if not heard:
                assert streams == [] and not np.any(stage.device.recording()[1]) and stage.session.history.turns == ()
            assert not np.any(stage.device.recording()[1][position + RATE // 100:]), "more than the fade"
        return stage

    assert asyncio.run(act()).stuck == []


def test_a_failure_that_nobody_heard_of_is_made_good(settings: Settings) -> None:
    llm = FakeLlm([[Fail(EngineError("out of memory"))], words("All is well.")])
    stage, streams, _ = run(settings, fakes(FakeStt(["how are you"]), llm), tone(0.7))
    assert [stream.generation for stream in streams] == sounds(stage) == [2], "no apology"
    assert [turn.heard for turn in stage.session.history.turns] == ["All is well."]


def test_no_budget_no_speculation_and_the_answer_comes_all_the_same(settings: Settings) -> None:
    llm = FakeLlm([words("It is noon.")])
    stage, streams, _ = run(speculating(settings, speculation_budget=0.0), fakes(FakeStt(["what time is it"]), llm), tone(0.7))
    counts = stage.session.speculated
    assert counts.attempts == 0 and counts.refused == 1 and len(streams) == 1
    assert [turn.heard for turn in stage.session.history.turns] == ["It is noon."]


def test_switched_off_nothing_is_read_or_answered_ahead(settings: Settings) -> None:
    llm = FakeLlm([words("It is noon.")])
    stage, (stream,), _ = run(speculating(settings, speculation=False), fakes(FakeStt(["what time is it"]), llm), tone(0.9))
    assert llm.prefilled == [] and stage.session.speculated.attempts == 0
    assert not any(frame.provisional for frame in stream.read().poll())


def test_the_users_words_are_read_while_they_are_spoken(settings: Settings) -> None:
    llm = FakeLlm([words("It is noon.")])
    run(settings, fakes(FakeStt(["what is the news in London"]), llm), tone(1.6))
    read = [messages[-1].content for messages in llm.prefilled]
    assert "what" in read and "what is the" in read, read


def test_real_engines_answer_the_whole_question_after_a_pause_inside(settings: Settings, engines: Engines) -> None:
    first, second = clearly(engines, "What can I cook for dinner,", RATE), clearly(engines, "with rice and eggs?", RATE)
    loud = [np.flatnonzero(np.abs(half.astype(int)) > 300) for half in (first, second)]
    samples = np.concatenate([first[:loud[0][-1]], np.zeros(int(0.35 * RATE), np.int16), second[loud[1][0]:]])
    stage, streams, end = run(speculating(settings, endpointing="fixed"), engines, samples)
    (turn,) = stage.session.history.turns
    assert alike(turn.user, "What can I cook for dinner with rice and eggs?")
    counts = stage.session.speculated
    assert counts.attempts >= 2 and counts.confirmed == 1 and counts.dropped == counts.attempts - 1
    assert len(streams) == 1 and not np.any(stage.device.recording()[1][:end])
