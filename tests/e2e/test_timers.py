"""Timers by voice, in real time on the virtual device: set, rung over speech, silenced in every way that a person would try."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, SkillSettings
from tests.e2e.stage import Stage, clearly
from tests.e2e.test_speculation import RATE, tone
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

RING_HZ = 880, 1175


def stage(settings: Settings, folder: Path, *said: str, llm: FakeLlm | None = None) -> Stage:
    settings = dataclasses.replace(settings, skills=SkillSettings(timezone="Europe/Berlin"))
    return Stage(settings, Engines(FakeVad(), FakeStt(said or ("stop",)), llm or FakeLlm(), FakeTts(word_s=0.1)), realtime=True,
                 agenda=folder / "agenda.json")


def events(stage: Stage, name: str) -> list[dict[str, object]]:
    return [row for row in stage.trace.events() if row["event"] == name]


def rings(stage: Stage) -> int:
    return sum(row["name"] == "ring" for row in events(stage, "earcon"))


def kept(folder: Path) -> list[dict[str, object]]:
    items: list[dict[str, object]] = json.loads((folder / "agenda.json").read_text())["items"]
    return items


def spoken(stage: Stage) -> str:
    return " ".join(" ".join(str(row["text"]) for row in events(stage, "tts_chunk")).split())


def loudness(samples: np.ndarray, hz: float) -> float:
    t = np.arange(len(samples)) / RATE
    return float(np.abs(np.mean(samples * np.exp(-2j * np.pi * hz * t))))


def test_a_spoken_timer_rings_says_its_name_and_is_stopped_by_voice_without_a_wake_word(settings: Settings, tmp_path: Path) -> None:
    async def act() -> Stage:
        async with stage(settings, tmp_path, "set an egg timer for two seconds", "stop") as made:
            made.device.say(tone(0.7), made.device.position + RATE // 4)
            assert await made.until(lambda: bool(events(made, "timer_set")))
            assert await made.until(lambda: bool(kept(tmp_path)), 2.0), "it is on the disk"
            assert await made.until(lambda: "egg timer is done" in spoken(made), 10.0)
            assert await made.until(lambda: made.session.machine.state is State.FOLLOWUP, 10.0)
            assert made.timekeeper is not None and made.timekeeper.pending()["ringing"] == 1
            made.device.say(tone(0.7), made.device.position + RATE // 4)
            assert await made.until(lambda: made.timekeeper is not None and made.timekeeper.pending()["ringing"] == 0, 5.0)
            assert await made.until(lambda: kept(tmp_path) == [], 2.0)
        return made

    made = asyncio.run(act())
    assert "The egg timer is set for 2 seconds." in spoken(made) and rings(made) == 1
    (row,) = events(made, "timer_done")
    assert row["sort"] == "timer" and row["missed"] is False
    speaker = made.device.recording()[1].astype(float)
    windows = [speaker[at:at + RATE // 4] for at in range(0, len(speaker) - RATE // 4, RATE // 4)]
    assert any(min(loudness(window, hz) for hz in RING_HZ) > 1000 for window in windows), "the tone was heard"


@pytest.mark.parametrize("how", ["stop", "listen"])
def test_it_rings_over_a_reply_and_falls_silent_at_a_stop_or_a_wake_word(settings: Settings, tmp_path: Path, how: str) -> None:
    llm = FakeLlm([words("This is a long story that goes on and on. " * 6)])

    async def act() -> Stage:
        async with stage(settings, tmp_path, llm=llm) as made:
            machine = made.session.machine
            made.session.ask("set a timer for one second")
            assert await made.until(lambda: bool(events(made, "timer_set")))
            made.session.ask("tell me a story")
            assert await made.until(lambda: rings(made) == 1, 10.0)
            assert machine.state is State.SPEAKING, "it did not wait for the reply's end"
            assert await made.until(lambda: len(machine.waiting) == 1, 5.0), "its words do"
            act: Callable[[], None] = made.session.stop_speaking if how == "stop" else made.session.listen
            act()
            assert await made.until(lambda: made.timekeeper is not None and made.timekeeper.pending()["ringing"] == 0, 2.0)
            assert not machine.waiting
        return made

    made = asyncio.run(act())
    assert "done" not in spoken(made)


def test_what_was_missed_is_told_at_the_start_and_what_is_late_a_little_rings(settings: Settings, tmp_path: Path) -> None:
    import time

    now = time.time()
    (tmp_path / "agenda.json").write_text(json.dumps({"version": 1, "saved": now - 900, "last_id": 2, "lists": {}, "items": [
        {"id": 1, "sort": "timer", "name": "egg", "about": False, "length_s": 60.0, "due": now - 600},
        {"id": 2, "sort": "timer", "name": "tea", "about": False, "length_s": 60.0, "due": now - 20}]}))

    async def act() -> Stage:
        async with stage(settings, tmp_path) as made:
            assert await made.until(lambda: "tea timer is done" in spoken(made), 15.0)
        return made

    made = asyncio.run(act())
    assert "I was off when the egg timer ended, at" in spoken(made)
    assert [(row["sort"], row["missed"]) for row in events(made, "timer_done")] == [("timer", False), ("timer", True)]
    assert [item["name"] for item in kept(tmp_path)] == ["tea"], "it still rings when the device is started again"


def test_lists_and_questions_that_complete_an_order(settings: Settings, tmp_path: Path) -> None:
    asked = ("Add milk, eggs and bread to the shopping list.", "Take eggs off.", "What's on my shopping list?", "Set a pizza timer.",
             "Twelve minutes.", "How long is left?", "Cancel the pizza timer.", "What can you do?")
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, speculation=False))

    async def act() -> Stage:
        async with stage(settings, tmp_path) as made:
            for count, text in enumerate(asked, 1):
                made.session.ask(text)
                assert await made.until(lambda count=count: len(events(made, "routed")) == count and  # type: ignore[misc]
                                        made.session.machine.state is State.SPEAKING, 10.0)
        return made

    made = asyncio.run(act())
    told = [str(row["text"]) for row in events(made, "deed")]
    assert told == [
        "I have put milk, eggs and bread on the shopping list.", "I have taken eggs off the shopping list.",
        "On the shopping list: milk and bread.", "For how long?", "The pizza timer is set for 12 minutes.",
        "The pizza timer has 12 minutes left.", "The pizza timer is cancelled."]
    assert "set timers" in str(events(made, "routed")[-1]["text"])
    assert json.loads((tmp_path / "agenda.json").read_text())["lists"] == {"shopping": ["milk", "bread"]}


def test_with_real_engines_it_is_set_rung_and_stopped_by_speech(settings: Settings, engines: Engines, tmp_path: Path) -> None:
    settings = dataclasses.replace(settings, skills=SkillSettings(timezone="Europe/Berlin"))

    async def act() -> Stage:
        async with Stage(settings, engines, realtime=True, agenda=tmp_path / "agenda.json") as made:
            keeper = made.timekeeper
            assert keeper is not None
            made.device.say(clearly(engines, "Set a timer for two seconds.", RATE), made.device.position + RATE // 4)
            assert await made.until(lambda: bool(events(made, "timer_set")), 15.0), events(made, "stt_final")
            assert await made.until(lambda: "timer is done" in spoken(made), 15.0)
            assert await made.until(lambda: made.session.machine.state is State.FOLLOWUP, 15.0)
            made.device.say(clearly(engines, "Stop.", RATE), made.device.position + RATE // 4)
            assert await made.until(lambda: keeper.pending()["ringing"] == 0, 10.0), events(made, "stt_final")
        return made

    made = asyncio.run(act())
    assert rings(made) == 1 and "2 seconds, starting now." in spoken(made)
