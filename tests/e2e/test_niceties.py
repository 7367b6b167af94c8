"""What a person expects of a conversation: nothing said that must not be, and what was said, once more."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgevoice import app
from edgevoice.cli.dispatch import dispatch
from edgevoice.dialog.table import State
from edgevoice.errors import ConfigError
from edgevoice.events import ReplyFrame
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Engines
from edgevoice.settings import SafetySettings, Settings
from tests.e2e.stage import Stage
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

RATE = 16_000


def run(settings: Settings, engines: Engines, *questions: str) -> tuple[Stage, list[list[ReplyFrame]]]:
    async def act() -> tuple[Stage, list[ReplyStream]]:
        async with Stage(settings, engines) as stage:
            streams: list[ReplyStream] = []
            stage.session.listen_replies(streams.append)
            for question in questions:
                before = stage.session.machine.generation
                stage.session.ask(question)
                assert await stage.until(lambda before=before: stage.session.machine.generation > before  # type: ignore[misc]
                                         and stage.session.machine.state is State.FOLLOWUP)
        return stage, streams

    stage, streams = asyncio.run(act())
    return stage, [stream.read().poll() for stream in streams]


def filtering(settings: Settings, **rules: object) -> Settings:
    return dataclasses.replace(settings, safety=SafetySettings(**rules))  # type: ignore[arg-type]


@pytest.mark.parametrize(("rules", "said"), [
    ({"words": ["darn fool"]}, "He is nice. I call him a Let us talk about something else."),
    ({"patterns": [r"darn \w+"]}, "He is nice. I call him a Let us talk about something else."),
    ({"hook": "tests.e2e.test_niceties:no_fools"}, "He is nice. Let us talk about something else."),
    ({"words": ["he"], "substitute": "No."}, "No.")])
def test_an_answer_ends_before_what_must_not_be_said(settings: Settings, rules: dict[str, object], said: str) -> None:
    llm, tts = FakeLlm([words("He is nice. I call him a darn fool. And so on.")]), FakeTts()
    stage, (frames,) = run(filtering(settings, **rules), Engines(FakeVad(), FakeStt(), llm, tts), "Who is he?")
    assert "".join(frame.delta for frame in frames).strip() == said and frames[-1].finish == "filtered"
    assert stage.session.history.turns[-1].heard == said
    told = " ".join([*tts.texts, *(str(row.get("text")) for row in stage.trace.events())]).lower()
    assert "fool" not in told and "darn" not in told
    assert "".join(" ".join(tts.texts).split()) == "".join(said.split())


def no_fools(clause: str) -> bool:
    return "fool" not in clause


def test_without_a_hit_nothing_is_changed(settings: Settings) -> None:
    llm = FakeLlm([words("He is nice, and that is all I know.")])
    _, (frames,) = run(filtering(settings, words=["nice try", "darn"]), Engines(FakeVad(), FakeStt(), llm, FakeTts()), "Who is he?")
    assert "".join(frame.delta for frame in frames) == "He is nice, and that is all I know." and frames[-1].finish == "stop"


@pytest.mark.parametrize(("line", "told"), [
    ('patterns = ["(x"]', "'(x' is no regular expression"), ('hook = "tests.nowhere:x"', "No module named"),
    ('hook = "math:pi"', "is float; it names a function")])
def test_rules_that_are_none_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, told: str) -> None:
    (tmp_path / "c.toml").write_text(f"[safety]\n{line}\n")
    assert dispatch(["check-config", str(tmp_path / "c.toml")]) == 3
    captured = capsys.readouterr()
    assert told in captured.out + captured.err


def test_rules_that_are_none_are_told_before_anything_is_loaded() -> None:
    told: list[str] = []
    with pytest.raises(ConfigError, match=r"safety\.hook = 'no\.such:thing'"):
        app.load_engines(Settings(safety=SafetySettings(hook="no.such:thing")), told.append)
    assert told == []


def test_the_last_answer_is_said_again_when_asked_for_and_is_no_new_turn(settings: Settings) -> None:
    stt, llm, tts = FakeStt(["could you repeat that please"]), FakeLlm([words("It is ten past two.")]), FakeTts()

    async def act() -> Stage:
        async with Stage(settings, Engines(FakeVad(), stt, llm, tts)) as stage:
            machine = stage.session.machine
            stage.device.say(tone(), 8000)
            assert await stage.until(lambda: machine.generation == 1 and machine.state is State.FOLLOWUP)
            stage.session.ask("What time is it?")
            assert await stage.until(lambda: machine.generation == 2 and machine.state is State.FOLLOWUP)
            stage.device.say(tone(), stage.device.position + 8000)
            assert await stage.until(lambda: machine.generation == 3 and machine.state is State.FOLLOWUP)
        return stage

    stage = asyncio.run(act())
    assert len(llm.asked) == 1 and len(stage.session.history.turns) == 1
    said = " ".join(tts.texts)
    assert said.startswith("I have not said anything yet.") and said.count("ten past two") == 2


def tone() -> np.ndarray:
    """What the fakes take for speech."""
    t = np.arange(int(1.3 * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 200 * t)).astype(np.int16)
