"""Cancels at random moments of a conversation (200 in `make test-all`): silence each time, nothing stuck or leaked, the next turn fine."""

from __future__ import annotations

import asyncio
import random
import threading
from functools import partial

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import Stage

FEW, MANY = 50, 200
QUESTIONS = ("Why is the sky blue?", "Tell me a story about a dragon.", "Hello.", "What can I cook with rice and eggs?")
SILENT_WITHIN_S = 0.020
"""a period of 10 ms that may already be on its way, and a fade of 5"""


async def cancels(settings: Settings, engines: Engines, seed: int, count: int) -> tuple[Stage, list[tuple[str, int, int]]]:
    chance = random.Random(seed)
    rows: list[tuple[str, int, int]] = []
    async with Stage(settings, engines) as stage:
        for k in range(count):
            stage.session.ask(chance.choice(QUESTIONS))
            if chance.random() < 0.5:  # a moment of computing: prefill, decode, synthesis of the first clause
                await asyncio.sleep(chance.random() * 0.5)
                await stage.step(0.01)
            else:  # a moment of playing
                at = chance.random() * 2.0
                sounded = stage.session.machine.generation + 1
                await stage.until(partial(played_or_over, stage, sounded, int(at * settings.audio.rate)))
            before = stage.session.machine.state
            stage.session.stop_speaking()
            if chance.random() < 0.3:
                stage.session.stop_speaking()
            await asyncio.sleep(0.001)
            cut = stage.device.position
            await stage.step(0.15)
            rows.append((before.value, cut, stage.device.position))
            assert stage.session.machine.state is State.IDLE, f"cancel {k} in {before}"
            assert stage.core.live.current() == 0
        stage.session.ask("What color is grass?")
        assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
    return stage, rows


def played_or_over(stage: Stage, generation: int, frames: int) -> bool:
    machine = stage.session.machine
    return stage.core.heard(generation) > frames or (machine.generation >= generation and machine.state in (State.IDLE, State.FOLLOWUP))


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_cancels(settings: Settings, engines: Engines, count: int) -> None:
    threads = threading.active_count()
    stage, rows = asyncio.run(cancels(settings, engines, seed=20, count=count))
    _, speaker = stage.device.recording()
    assert stage.stuck == []
    for k, (state, cut, end) in enumerate(rows):
        after = speaker[cut + int(SILENT_WITHIN_S * settings.audio.rate):end]
        assert len(after) and not np.any(after), f"cancel {k} in {state}: sound after it"
    states = {state for state, _, _ in rows}
    assert {"thinking", "speaking"} <= states, f"the moments were not varied: {states}"
    assert np.any(speaker[rows[-1][2]:]), "the turn after all cancels was not heard"
    assert threading.active_count() <= threads
    counters = stage.core.counters()
    assert counters.captured == counters.consumed + counters.dropped + counters.depth
    assert [row["event"] for row in stage.trace.events() if row["event"] == "error"] == []
