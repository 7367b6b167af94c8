"""An engine that was given up leaves nothing behind but its thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgevoice.clock import ManualClock
from edgevoice.pipeline import care
from edgevoice.pipeline.care import Care, Loader
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.worker import Worker
from edgevoice.settings import FaultSettings
from edgevoice.trace import Trace
from tests.fakes.stuck import Stuck


class Engine(Stuck):
    def close(self) -> None:
        self.closed = True


class Asker(Worker[str]):
    """Asks its engine, which hangs."""

    def __init__(self, slot: Slot[Any]) -> None:
        super().__init__(4)
        self._slot = slot

    def work(self, job: str) -> None:
        engine = self._slot.get()
        with self.watch.call("no answer", 1.0):
            engine.here()


def test_memory_is_given_back_when_an_engine_that_hung_comes_back_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed_by_then: list[bool] = []
    engine, fresh = Engine(), Engine()
    monkeypatch.setattr(care, "give_back_memory", lambda: closed_by_then.append(engine.closed))
    clock = ManualClock()
    slot: Slot[Any] = Slot("the engine", engine)
    worker = Asker(slot)

    async def act() -> None:
        wards = Care({"llm": Loader(lambda: fresh)}, clock, Trace(clock), FaultSettings())
        wards.watch("llm", worker, slot)
        worker.start()
        worker.submit("answer")
        assert await asyncio.to_thread(engine.hung.wait, 10)
        clock.advance(2.0)
        wards.look()
        await wards.end()
        assert slot.get() is fresh and closed_by_then == [], "it still hangs"
        engine.free.set()
        for _ in range(1000):
            if closed_by_then:
                break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(worker.stop)

    asyncio.run(act())
    assert closed_by_then == [True]
