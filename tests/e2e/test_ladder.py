"""A board that gets hot, and a memory that fills: less is done step by step, each is told of, and everything comes back.  Real engines."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from edgevoice.host import Host
from edgevoice.pipeline.health import HealthMeter
from edgevoice.pipeline.ladder import Level
from edgevoice.pipeline.latencies import Latencies
from edgevoice.pipeline.replies import ONLY_RECORDED, ONLY_SKILLS
from edgevoice.pipeline.session import Engines
from edgevoice.settings import FaultSettings, Settings, SkillSettings
from tests.e2e.stage import Stage
from tests.e2e.test_hung_engines import ask, rest, warmed

STORY = "Tell me a long story about a boat."


def board(root: Path, celsius: float, used: int) -> None:
    """A folder like /proc and /sys of a board with a unit that may use 1000 bytes."""
    for name, text in {"sys/class/thermal/thermal_zone0/temp": f"{celsius * 1000:.0f}\n", "proc/self/cgroup": "0::/unit\n",
                       "sys/fs/cgroup/unit/memory.max": "1000\n", "sys/fs/cgroup/unit/memory.current": f"{used}\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")


def answers(stage: Stage) -> list[dict]:  # type: ignore[type-arg]
    return [row for row in stage.trace.events() if row["event"] == "llm_done"]


def test_a_hot_board_and_a_full_memory_take_the_steps_and_everything_comes_back(settings: Settings, engines: Engines, tmp_path: Path,
                                                                                monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("edgevoice.pipeline.bearing.LOOK_S", 0.05)
    monkeypatch.setattr("edgevoice.pipeline.ladder.STEP_S", 0.1)
    settings = dataclasses.replace(settings, skills=SkillSettings(enabled=True), faults=FaultSettings(hold_s=0.3, short_tokens=8))
    board(tmp_path, 50, 400)

    async def act() -> None:
        async with Stage(settings, engines, realtime=True, loaders={}, root=tmp_path) as stage:
            session = stage.session
            meter = HealthMeter(session, settings, stage.trace.clock, Latencies(session.rate), Host(tmp_path, tmp_path))
            heard: list[str] = []
            streams = []
            session.listen_replies(streams.append)
            await warmed(stage)

            async def reaches(level: Level, word: str) -> None:
                assert await stage.until(lambda: session.level is level), (level, session.level)
                health = meter.look()
                assert health["ladder"]["level"] == level.name.lower() and word in health["ladder"]["why"]
                assert [alert["name"] for alert in health["alerts"] if alert["name"] == "less_done"] == ["less_done"] * (level > 0)

            async def hear(text: str) -> str:
                assert await ask(stage, text) and rest(stage)
                heard.append(streams[-1].text)
                return heard[-1]

            board(tmp_path, 86, 400)
            await reaches(Level.SHORTER, "86 degrees")
            assert await hear(STORY)
            assert answers(stage)[-1]["finish"] == "length" and answers(stage)[-1]["tokens"] < 30
            assert not session.machine._affordable()

            board(tmp_path, 50, 955)
            await reaches(Level.SKILLS, "memory")
            told = len(answers(stage))
            assert await hear(STORY) == ONLY_SKILLS
            assert "56" in await hear("What is seven times eight?")
            assert len(answers(stage)) == told, "the model was not asked"

            board(tmp_path, 96, 400)
            await reaches(Level.RECORDED, "96 degrees")
            assert await hear("What is seven times eight?") == ONLY_RECORDED
            assert session._mouth.rests and not [row for row in stage.trace.events() if row["event"] == "error"], "it was made ahead"

            board(tmp_path, 50, 400)
            await reaches(Level.FULL, "")
            levels = [row["level"] for row in stage.trace.events() if row["event"] == "ladder"]
            assert levels == ["shorter", "skills", "recorded", "skills", "shorter", "full"]
            assert await hear(STORY) and heard[-1] not in (ONLY_SKILLS, ONLY_RECORDED)
            assert len(answers(stage)) == told + 1

    asyncio.run(act())
