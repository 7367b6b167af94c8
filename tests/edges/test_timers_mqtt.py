"""Timers as the house sees them: counts without names, an event for each, and a stop that silences what rings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgevoice import daemon
from edgevoice.pipeline.session import Engines
from tests.e2e.stage import Stage
from tests.edges.conftest import hears, settings_for
from tests.fakes.llm import FakeLlm
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad


def test_a_timer_is_told_of_without_its_name_and_silenced_by_a_stop(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "tell", lambda text, priority=0: None)
    settings = settings_for(broker.port, tmp_path, id="cook")
    engines = Engines(FakeVad(), FakeStt(), FakeLlm(), FakeTts(16_000, word_s=0.1))

    async def act() -> list[str]:
        stage = Stage(settings, engines, realtime=True, agenda=tmp_path / "agenda.json")
        with Listener(broker.port, "edgevoice/cook/#") as house:
            async with stage, daemon.edges(stage.session, settings, stage.trace, timekeeper=stage.timekeeper):
                await hears(house, "/availability", lambda value: value == "online")
                house.publish("edgevoice/cook/cmd/ask", {"text": "set a soup timer for one second"})
                told = await hears(house, "/event/timer_set")
                assert (told["sort"], told["seconds"]) == ("timer", pytest.approx(1.0, abs=0.2))
                state = await hears(house, "cook/state", lambda value: value["agenda"]["timers"] == 1)
                assert state["agenda"]["next_due"] == pytest.approx(told["time"] + 1.0, abs=0.5)
                assert (await hears(house, "/event/timer_done"))["missed"] is False
                assert (await hears(house, "cook/state", lambda value: value["agenda"]["ringing"] == 1))["agenda"]["timers"] == 0
                rung = len(house.messages)
                house.publish("edgevoice/cook/cmd/stop", {})
                await hears(house, "cook/state", lambda value: value["agenda"]["ringing"] == 0, after=rung)
                health = await hears(house, "cook/health", lambda value: "agenda" in value)
                assert health["agenda"]["reminders"] == 0
                return [str(message.payload) for message in house.messages if "/cmd/" not in message.topic]

    assert "soup" not in " ".join(asyncio.run(act()))
