"""The engines on loan: fair, bounded, cancelled with their client, and still while the device is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from edgevoice.errors import EngineError
from edgevoice.events import Message, Sampling
from edgevoice.pipeline import desk
from edgevoice.pipeline.desk import LOWEST, Busy, Unfit
from edgevoice.pipeline.lending import Delta, Lender, Loans, Writing
from edgevoice.pipeline.writing import Offered, Stops
from edgevoice.settings import LendSettings, Settings
from tests.fakes.llm import Fail, FakeLlm, Hang, Step, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts

ASKED = Writing([Message("user", "Who was Ada?")], 50)


class Bank:
    """A lender whose engines are scripted; ``made`` are those that it loaded."""

    def __init__(self, script: list[Step] | None = None, tts: Callable[[], FakeTts] = FakeTts, **lend: Any) -> None:
        self.made: list[Any] = []
        self.wanted = False
        self.script = script or words("All is well here.")
        loans = Loans(stt=lambda: self._load(FakeStt()), llm=lambda: self._load(FakeLlm([self.script])), tts=lambda: self._load(tts()))
        self.lender = Lender(loans, Settings(lend=LendSettings(**lend)), lambda: self.wanted)

    def _load(self, engine: Any) -> Any:
        self.made.append(engine)
        return engine

    async def write(self, writing: Writing = ASKED, who: str = "a") -> list[Delta]:
        return [delta async for delta in self.lender.write(writing, who)]


@contextlib.asynccontextmanager
async def bank(*args: Any, **facts: Any) -> AsyncIterator[Bank]:
    made = Bank(*args, **facts)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.lender.close)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.002)


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_it_writes_speaks_and_hears_with_engines_that_are_loaded_once() -> None:
    async def act() -> None:
        async with bank() as made:
            deltas = await made.write(Writing([Message("user", "Hello.")], 50, sampling=Sampling(0.7, 0.9, 4)))
            assert text_of(deltas) == "All is well here." and deltas[-1].finish == "stop"
            assert [delta.finish for delta in deltas[:-1]] == [None] * 4
            assert made.made[0].sampled == [Sampling(0.7, 0.9, 4)]
            await made.write()
            pieces = [piece async for piece in made.lender.speak("Well, this is a longer sentence. And one more.", "a", 2.0)]
            assert {rate for _, rate in pieces} == {22_050} and len(pieces) > 1
            assert sum(len(samples) for samples, _ in pieces) == pytest.approx(9 * 0.15 * 22_050, abs=9)
            assert await made.lender.transcribe(np.full(160_000, 0.1, np.float32), "a") == "what time is it"
            assert len(made.made) == 3 and made.lender.facts == {"loaded": 3, "waiting": 0}

    asyncio.run(act())


def test_the_threads_have_the_lowest_priority() -> None:
    async def act() -> None:
        async with bank() as made:
            await made.write()
            thread = next(thread for thread in threading.enumerate() if thread.name == "edgevoice-writes")
            assert os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) == LOWEST
            assert os.getpriority(os.PRIO_PROCESS, threading.main_thread().native_id or 0) < LOWEST

    asyncio.run(act())


def test_it_stands_still_between_two_tokens_while_the_device_is_wanted() -> None:
    async def act() -> None:
        async with bank(words("one two three four five", 0.005)) as made:
            deltas = []
            async with contextlib.aclosing(made.lender.write(ASKED, "a")) as written:
                async for delta in written:
                    deltas.append(delta)
                    if len(deltas) == 2:
                        made.wanted = True
                        ends = asyncio.create_task(asyncio.sleep(0.3))
                        ends.add_done_callback(lambda _: setattr(made, "wanted", False))
                        seen = asyncio.get_running_loop().time()
                    elif len(deltas) == 4:
                        assert asyncio.get_running_loop().time() - seen > 0.25, "two tokens at least after the rest"
            assert text_of(deltas) == "one two three four five"

    asyncio.run(act())


def test_who_goes_away_cancels_his_work_and_the_next_one_is_served() -> None:
    async def act() -> None:
        async with bank([*words("one two"), Hang()]) as made:
            async with contextlib.aclosing(made.lender.write(ASKED, "a")) as written:
                assert (await anext(written)).text == "one"
            await until(lambda: made.lender.facts["waiting"] == 0)
            made.script[:] = words("Fine.")
            made.made[0]._scripts[:] = [made.script]
            assert text_of(await made.write()) == "Fine." and len(made.made) == 1

    asyncio.run(act())


def test_everybody_takes_turns_and_one_too_many_is_refused() -> None:
    async def act() -> None:
        async with bank([Hang()], waiting=4) as made:
            order: list[str] = []

            async def asks(who: str) -> None:
                async for _ in made.lender.write(ASKED, who):
                    pass
                order.append(who)

            first = asyncio.create_task(asks("first"))
            await until(lambda: bool(made.made) and bool(made.made[0].asked))
            tasks = []
            for who in ("greedy", "greedy", "modest"):
                tasks.append(asyncio.create_task(asks(who)))
                await asyncio.sleep(0)
            with pytest.raises(Busy):
                await anext(made.lender.write(ASKED, "greedy"))
            tasks.append(asyncio.create_task(asks("other")))
            await asyncio.sleep(0)
            with pytest.raises(Busy, match=r"lend\.waiting = 4"):
                await anext(made.lender.write(ASKED, "one more"))
            made.made[0]._scripts[:] = [words("Fine.")]
            first.cancel()
            await asyncio.gather(*tasks)
            assert order == ["greedy", "modest", "other", "greedy"]

    asyncio.run(act())


def test_an_engine_that_failed_is_loaded_anew_and_one_that_nobody_uses_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with bank([Fail(EngineError("it broke"))], idle_s=1.0) as made:
            with pytest.raises(EngineError, match="it broke"):
                await made.write()
            await until(lambda: made.made[0].closed)
            made.script = words("Fine.")
            assert text_of(await made.write()) == "Fine." and len(made.made) == 2
            await until(lambda: made.made[1].closed)
            assert made.lender.facts["loaded"] == 0
            assert text_of(await made.write()) == "Fine." and len(made.made) == 3

    asyncio.run(act())


def test_what_does_not_fit_is_told_and_the_engine_stays() -> None:
    async def act() -> None:
        async with bank() as made:
            with pytest.raises(Unfit, match="1024"):
                await made.write(Writing([Message("user", "word " * 2000)], 50))
            await made.write()
            assert len(made.made) == 1

    asyncio.run(act())


def test_who_takes_nothing_does_not_hold_the_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "HELD_S", 0.2)
    monkeypatch.setattr(desk, "DEPTH", 4)

    async def act() -> None:
        async with bank(words(" ".join("word" for _ in range(40)))) as made:
            written = made.lender.write(ASKED, "slow")
            await anext(written)
            assert len(await made.write(who="quick")) == 41
            await written.aclose()

    asyncio.run(act())


def test_speech_is_heard_as_it_comes() -> None:
    async def act() -> None:
        async def blocks() -> AsyncIterator[Any]:
            for _ in range(20):
                yield np.full(1600, 0.1, np.float32)

        async with bank() as made:
            heard = [each async for each in made.lender.hear(blocks(), "a")]
            assert heard[-1] == ("what time is it", True)
            assert not any(final for _, final in heard[:-1])
            assert len({text for text, _ in heard[:-1]}) == len(heard) - 1, "nothing is told twice"

    asyncio.run(act())


def test_a_tool_is_called_where_it_is_meant_and_its_arguments_are_written() -> None:
    async def act() -> None:
        tools = (Offered("weather", "tell the weather", "root ::= x"), Offered("light", "switch the light", "root ::= x"))
        async with bank() as made:
            await made.write()
            llm = made.made[0]
            llm.chooses = lambda sentence: {"Who was Ada?": "none", "Rain?": "weather"}.get(sentence, "")
            llm.fills = lambda sentence: '{"city": "Ulm"}'
            assert text_of(await made.write(Writing(ASKED.messages, 50, tools=tools))) == "All is well here."
            called = await made.write(Writing([Message("user", "Rain?")], 50, tools=tools))
            assert called[0].call == "weather" and called[-1].finish == "tool_calls"
            assert "".join(delta.arguments for delta in called) == '{"city": "Ulm"}'
            must = await made.write(Writing(ASKED.messages, 50, tools=tools, must=True))
            assert must[0].call in ("weather", "light") and must[-1].finish == "tool_calls"

    asyncio.run(act())


def test_a_stop_text_ends_the_reply_however_it_is_cut() -> None:
    whole = "It is red. END and blue"
    for size in range(1, len(whole)):
        stops = Stops(("END", "never"))
        told = "".join(stops.feed(whole[at:at + size]) for at in range(0, len(whole), size)) + stops.rest()
        assert told == "It is red. " and stops.hit
    stops = Stops(("ENDE",))
    assert stops.feed("THE END") + stops.rest() == "THE END" and not stops.hit


def test_after_its_end_nothing_is_lent() -> None:
    async def act() -> None:
        async with bank([Hang()]) as made:
            going = asyncio.create_task(made.write())
            await until(lambda: bool(made.made) and bool(made.made[0].asked))
            waiting = asyncio.create_task(made.write(who="b"))
            await asyncio.sleep(0)
            assert await asyncio.to_thread(made.lender.close)
            assert made.made[0].closed and not any(thread.name == "edgevoice-writes" for thread in threading.enumerate())
            with pytest.raises(Busy):
                await waiting
            with pytest.raises(Busy):
                await made.write()
            with pytest.raises(Busy):
                await going
            await until(lambda: made.made[0].closed)

    asyncio.run(act())
