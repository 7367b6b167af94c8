"""The device is told by voice what to do with itself, and does."""

from __future__ import annotations

import asyncio
import dataclasses

from edgevoice import daemon
from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, SkillSettings
from tests.e2e.stage import Stage
from tests.fakes.llm import FakeLlm
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad


def test_it_changes_its_volume_mutes_itself_and_tells_how_it_is(settings: Settings) -> None:
    settings = dataclasses.replace(settings, skills=SkillSettings(timezone="UTC"))
    llm = FakeLlm()
    questions = ("what is your volume", "turn it up", "volume to 40 percent", "softer", "why were you slow", "are you online",
                 "mute yourself")

    async def act() -> Stage:
        async with (Stage(settings, Engines(FakeVad(), FakeStt(), llm, FakeTts())) as stage,
                    daemon.edges(stage.session, settings, stage.trace)):
            for count, question in enumerate(questions, 1):
                stage.session.ask(question)
                assert await stage.until(lambda count=count: len(stage.session.history.turns) == count  # type: ignore[misc]
                                         and stage.session.machine.state is State.FOLLOWUP)
            assert stage.session.muted
        return stage

    stage = asyncio.run(act())
    heard = [turn.heard for turn in stage.session.history.turns]
    assert heard[:5] == ["My volume is 100 percent.", "I can't speak louder.", "My volume is 40 percent now.",
                         "My volume is 27 percent now.", "I have not answered you by voice yet."]
    assert "no network" in heard[5]
    assert heard[6].startswith("My microphone is off.") and "starting me anew" in heard[6]
    assert [row["gain"] for row in stage.trace.events() if row["event"] == "volume"] == [0.4, 0.267]
    assert llm.asked == []
