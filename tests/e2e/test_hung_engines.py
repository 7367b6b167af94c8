"""Engines that hang and answer no cancel, in real time: the device speaks again, the engine is replaced, no turn is lost silently."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.errors import EngineError
from edgevoice.pipeline.care import Loader
from edgevoice.pipeline.session import Engines
from edgevoice.settings import FaultSettings, Settings
from tests.e2e.stage import Stage, spoken
from tests.fakes.llm import Fail, FakeLlm, Pause, words
from tests.fakes.stt import FakeStt
from tests.fakes.stuck import Stuck, StuckLlm, StuckStt, StuckTts, StuckTurnEnd
from tests.fakes.tts import FakeTts

RATE = 16_000
LIMITS = FaultSettings(stt_s=1.0, first_token_s=1.0, next_token_s=1.1, first_audio_s=1.0, next_audio_s=1.1, one_moment_s=0.0)
"""a third of the default, so that nobody waits for the tests"""


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    return dataclasses.replace(settings, faults=LIMITS)


@pytest.fixture
def quick(engines: Engines) -> Engines:
    """The ears are real; the others answer at once, on whatever machine, and are nobody else's when they are closed."""
    return dataclasses.replace(engines, stt=FakeStt(["why is the sky blue"]), llm=FakeLlm(), tts=FakeTts(), turn_end=None)


@pytest.fixture(scope="module")
def question(engines: Engines) -> np.ndarray:
    return spoken(engines.tts, "Why is the sky blue?", RATE)


def loaders(**engines: Callable[[], Any]) -> dict[str, Loader]:
    return {name: Loader(load) for name, load in engines.items()}


def errors(stage: Stage) -> list[tuple[str, str]]:
    return [(row["stage"], row["message"]) for row in stage.trace.events() if row["event"] == "error"]


def rest(stage: Stage) -> bool:
    return stage.session.machine.state in (State.IDLE, State.FOLLOWUP)


async def ask(stage: Stage, text: str = "Hello?") -> bool:
    before = stage.session.machine.generation
    stage.session.ask(text)
    return await stage.until(lambda: stage.session.machine.generation > before and rest(stage), within_s=20.0)


def first_sounds(stage: Stage) -> list[int]:
    return [row["generation"] for row in stage.trace.events() if row["event"] == "playback_first_sample"]


def freed(*stuck: Stuck) -> None:
    for engine in stuck:
        engine.free.set()


async def warmed(stage: Stage) -> None:
    """The phrases are there."""
    assert await stage.until(lambda: stage.session._mouth.phrases.missing is None and stage.session._mouth.idle)


@pytest.mark.parametrize("tokens", [0, 5])
def test_a_model_that_hangs_is_apologized_for_and_replaced(impatient: Settings, quick: Engines, tokens: int) -> None:
    stuck = StuckLlm(FakeLlm([words("I think that it is so, and I know more about it.")]), tokens)

    async def act() -> Stage:
        async with Stage(impatient, dataclasses.replace(quick, llm=stuck), realtime=True,
                         loaders=loaders(llm=lambda: FakeLlm([words("All is well.")]))) as stage:
            await warmed(stage)
            assert await ask(stage)
            assert first_sounds(stage)[-1] == 2, "an apology was heard"
            assert await stage.until(lambda: stage.session.engines[1].loaded_anew == 1)
            assert await ask(stage)
            freed(stuck)
            assert await stage.until(lambda: stuck.closed), "an engine that comes back is given its memory back"
        return stage

    stage = asyncio.run(act())
    what = "no further token within 1.1 s" if tokens else "no first token within 1.0 s"
    assert errors(stage) == [("llm", what)] and stage.stuck == []
    assert stage.session.history.turns[-1].heard == "All is well."
    state = stage.session.engines[1]
    assert (state.name, state.hung, state.loaded_anew, state.breaker) == ("llm", 1, 1, "closed")


def test_a_model_that_hangs_while_it_reads_ahead_does_not_hold_the_next_answer(
        impatient: Settings, quick: Engines, question: np.ndarray) -> None:
    stuck = StuckLlm(FakeLlm(), reading=True)

    async def act() -> Stage:
        async with Stage(impatient, dataclasses.replace(quick, llm=stuck), realtime=True,
                         loaders=loaders(llm=lambda: FakeLlm([words("All is well.")]))) as stage:
            stage.device.say(question, 4000)
            assert await stage.until(lambda: bool(stage.session.history.turns) and rest(stage), within_s=20.0)
            freed(stuck)
        return stage

    stage = asyncio.run(act())
    assert stage.session.engines[1].hung == 1 and errors(stage) == [], "nobody had to be told"
    assert stage.session.history.turns[-1].heard == "All is well."


@pytest.mark.parametrize("word", ["first", "second"])
def test_a_synthesizer_that_hangs_is_apologized_for_from_the_cache(impatient: Settings, quick: Engines, word: str) -> None:
    stuck = StuckTts(FakeTts(), word)
    reply = words("This is the first sentence of it. And this is the second one, which is never heard.")

    async def act() -> Stage:
        async with Stage(impatient, dataclasses.replace(quick, tts=stuck, llm=FakeLlm([reply])), realtime=True,
                         loaders=loaders(tts=lambda: FakeTts())) as stage:
            await warmed(stage)
            assert await ask(stage)
            assert first_sounds(stage)[-1] == 2, "the apology"
            assert await ask(stage)
            freed(stuck)
        return stage

    stage = asyncio.run(act())
    what = "no first sound within 1.0 s" if word == "first" else "no further sound within 1.1 s"
    assert errors(stage) == [("tts", what)] and stage.stuck == []
    assert stage.session.history.turns[-1].heard.startswith("This is the first sentence")
    chunks = [row for row in stage.trace.events() if row["event"] == "tts_chunk" and row["generation"] == 2]
    assert [row["text"] for row in chunks] == [stage.session.machine.policy.apology]


@pytest.mark.parametrize("where", ["open", "partial", "settle", "finish"])
def test_a_recognizer_that_hangs_is_replaced_and_the_turn_is_not_lost(
        impatient: Settings, quick: Engines, question: np.ndarray, where: Any) -> None:
    stuck = StuckStt(quick.stt, where)
    llm = FakeLlm([words("Because it is.")])

    async def act() -> Stage:
        async with Stage(impatient, dataclasses.replace(quick, stt=stuck, llm=llm), realtime=True,
                         loaders=loaders(stt=lambda: FakeStt(["why is the sky blue"]))) as stage:
            stage.device.say(question, 4000)
            assert await stage.until(lambda: bool(stage.session.history.turns) and rest(stage), within_s=20.0)
            freed(stuck)
        return stage

    stage = asyncio.run(act())
    assert [what for what, _ in errors(stage)] == ["stt"] and "decoded in one piece" in errors(stage)[0][1]
    (turn,) = stage.session.history.turns
    assert "sky" in turn.user.lower() and turn.heard == "Because it is."


def test_a_turn_end_model_that_hangs_is_done_without(
        impatient: Settings, engines: Engines, quick: Engines, question: np.ndarray) -> None:
    assert engines.turn_end is not None
    stuck = StuckTurnEnd(engines.turn_end)  # which nobody closes: it does not come back before the end

    async def act() -> Stage:
        async with Stage(impatient, dataclasses.replace(quick, turn_end=stuck), realtime=True,
                         loaders=loaders(turn=lambda: engines.turn_end)) as stage:
            stage.device.say(question, 4000)
            assert await stage.until(lambda: bool(stage.session.history.turns) and rest(stage), within_s=20.0)
            assert await stage.until(lambda: stage.session.engines[3].loaded_anew == 1)
            assert stage.session.failure is None
            freed(stuck)
        return stage

    stage = asyncio.run(act())
    assert errors(stage) == [("turn", "no vote on the turn's end within 2.0 s")]


def test_without_memory_for_another_engine_the_session_ends_in_order(impatient: Settings, quick: Engines) -> None:
    stuck = StuckLlm(FakeLlm())

    async def act() -> tuple[Stage, str | None]:
        async with Stage(impatient, dataclasses.replace(quick, llm=stuck), realtime=True,
                         loaders={"llm": Loader(FakeLlm, 1 << 60)}) as stage:
            await warmed(stage)
            assert await ask(stage), "who waits is told all the same"
            assert await stage.until(lambda: stage.session.failure is not None)
            failure = stage.session.failure
            freed(stuck)
        return stage, failure

    stage, failure = asyncio.run(act())
    assert failure is not None and failure.startswith("the language model hangs, and there is no memory for another one")
    assert first_sounds(stage)[-1] == 2


def test_an_engine_that_keeps_failing_is_not_asked_until_it_was_loaded_anew(impatient: Settings, quick: Engines) -> None:
    limits = dataclasses.replace(LIMITS, failures=2, retry_s=6.0, ladder=False)  # which would not ask the model either
    broken = FakeLlm([[Fail(EngineError("llama_decode returned -3"))]])
    loaded = threading.Event()

    def load() -> FakeLlm:
        loaded.set()
        return FakeLlm([words("All is well.")])

    async def act() -> Stage:
        async with Stage(dataclasses.replace(impatient, faults=limits), dataclasses.replace(quick, llm=broken), realtime=True,
                         loaders=loaders(llm=load)) as stage:
            await warmed(stage)
            for _ in range(3):
                assert await ask(stage)
            assert len(broken.asked) == 2 and not loaded.is_set(), "the third is refused by the breaker"
            assert await stage.until(lambda: stage.session.engines[1].breaker == "trial")
            assert await ask(stage)
        return stage

    stage = asyncio.run(act())
    assert [message for _, message in errors(stage)][:2] == ["llama_decode returned -3"] * 2
    assert "failed 2 times in a row; it is tried again in" in errors(stage)[2][1]
    assert first_sounds(stage) == [2, 4, 6, 7], "three apologies and an answer"
    assert stage.session.history.turns[-1].heard == "All is well." and broken.closed


def test_a_model_that_is_slow_is_bridged_and_the_answer_waits_for_the_end_of_that(settings: Settings, quick: Engines) -> None:
    limits = dataclasses.replace(LIMITS, first_token_s=20.0, one_moment_s=0.4)
    async def act() -> Stage:
        async with Stage(dataclasses.replace(settings, faults=limits), dataclasses.replace(
                quick, llm=FakeLlm([[Pause(0.5), "Here I am."]])), realtime=True, loaders={}) as stage:
            await warmed(stage)
            assert await ask(stage)
        return stage

    stage = asyncio.run(act())
    filler = next(row for row in stage.trace.events() if row["event"] == "earcon")
    assert filler["name"] == "one moment" and errors(stage) == []
    first = next(row for row in stage.trace.events() if row["event"] == "playback_first_sample")
    phrase = stage.session._mouth.phrases.get("One moment.")
    assert phrase is not None and first["sample"] >= stage.session._mouth.not_before >= len(phrase)
    _, speaker = stage.device.recording()
    assert np.any(speaker[stage.session._mouth.not_before - len(phrase):stage.session._mouth.not_before])


def test_a_recognizer_that_raises_while_it_streams_is_given_all_of_it_once_more(
        settings: Settings, quick: Engines, question: np.ndarray) -> None:
    class Once(FakeStt):
        def open(self, *, eager: bool = False):  # type: ignore[no-untyped-def]
            stream = super().open(eager=eager)
            self.fail = "lost its state" if self.opened == 1 else ""
            return stream

    stt = Once(["what time is it", "why is the sky blue today"])

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(quick, stt=stt, llm=FakeLlm())) as stage:
            stage.device.say(question, 8000)
            assert await stage.until(lambda: bool(stage.session.history.turns) and rest(stage), within_s=20.0)
        return stage

    stage = asyncio.run(act())
    assert errors(stage) == [("stt", "lost its state; the utterance is decoded in one piece")]
    assert stage.session.history.turns[0].user.startswith("why is the sky")
