"""What tools publish, on a real broker: where it is allowed and once; nothing late, nothing to the devices' own tree."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from edgevoice.errors import ConfigError
from edgevoice.pipeline.deeds import FAILED
from edgevoice.pipeline.rules import toolbox_of
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings, ToolSettings
from tests.edges.conftest import device, hears, settings_for, until
from tests.fakes.llm import FakeLlm, words
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

DECLARED = """
[light]
description = "turn the light on"
words = ["light"]
publish = "house/light/set"
payload = "on"
done = "The light is on now."

[own]
description = "mute the device"
words = ["mute"]
publish = "edgevoice/tools/cmd/mute"
payload = "{}"
"""


def settings(port: int, folder: Path) -> Settings:
    file = folder / "tools.toml"
    file.write_text(DECLARED, encoding="utf-8")
    return dataclasses.replace(settings_for(port, folder, id="tools"), tools=ToolSettings(file=str(file), topics=["#"], builtin=["status"]))


def engines() -> Engines:
    llm = FakeLlm([words("I only talk.")])
    llm.chooses = lambda said: next((name for name in ("light", "own", "device_status") if name.removeprefix("device_") in said
                                     or (name == "own" and "mute" in said)), "none")
    return Engines(FakeVad(), FakeStt(), llm, FakeTts(16_000, word_s=0.02))


def test_a_tool_reaches_the_house_once_and_the_devices_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Mosquitto(tmp_path / "b") as broker, Listener(broker.port, "#") as house:
            async with device(settings(broker.port, tmp_path), monkeypatch, engines=engines()) as made:
                said = made.session.history

                async def asks(text: str) -> str:
                    before = len(said.turns)
                    made.session.ask(text)
                    await until(lambda: len(said.turns) > before)
                    return said.turns[-1].heard

                assert await asks("it could do with some light in here") == "The light is on now."
                assert await hears(house, "house/light/set") == "on"
                assert await asks("do mute the thing over there") == FAILED
                assert (await asks("tell the status of it all")).startswith(("I am fine", "I work", "Something is wrong"))
                broker.stop()
                await until(lambda: not made.mqtt.connected)
                assert await asks("it could do with some light in here") == FAILED
                broker.start()
                await until(lambda: made.mqtt.connected, 30)
                await asyncio.sleep(0.5)
                assert [message.topic for message in house.messages].count("house/light/set") == 1
                assert not any("/cmd/" in message.topic for message in house.messages)

    asyncio.run(act())


@pytest.mark.parametrize(("tools", "told"), [
    (ToolSettings(builtin=["shell"]), "tools.builtin = 'shell': is no tool that is built in"),
    (ToolSettings(file="/nowhere.toml"), "tools.file = '/nowhere.toml': No such file"),
    (ToolSettings(file="FILE"), r"\[light\]: publish = 'house/light/set': is not within tools.topics")])
def test_tools_that_are_none_are_told_before_anything_starts(tmp_path: Path, tools: ToolSettings, told: str) -> None:
    file = tmp_path / "tools.toml"
    file.write_text(DECLARED, encoding="utf-8")
    tools = dataclasses.replace(tools, file=tools.file.replace("FILE", str(file)))
    with pytest.raises(ConfigError, match=told):
        toolbox_of(Settings(tools=tools))


def test_no_tools_no_toolbox() -> None:
    assert toolbox_of(Settings()) is None


def test_what_asks_needs_somebody_to_answer(tmp_path: Path) -> None:
    file = tmp_path / "tools.toml"
    file.write_text(DECLARED.replace('words = ["light"]', 'words = ["light"]\nconfirm = true'), encoding="utf-8")
    tools = ToolSettings(file=str(file), topics=["#"])
    assert toolbox_of(Settings(tools=tools)) is not None
    made = Settings(tools=tools)
    with pytest.raises(ConfigError, match="asks before it is done, and nobody could answer"):
        toolbox_of(dataclasses.replace(made, dialog=dataclasses.replace(made.dialog, followup_s=0.0)))
