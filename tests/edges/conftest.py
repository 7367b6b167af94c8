"""A broker for all tests of edges, and a device on it whose engines are scripted."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgevoice import daemon
from edgevoice.adapters.http import HttpEdge
from edgevoice.adapters.mqtt import MqttAdapter, adapter
from edgevoice.adapters.wyoming import WyomingEdge
from edgevoice.pipeline.rules import toolbox_of
from edgevoice.pipeline.session import Engines, Session
from edgevoice.settings import DialogSettings, LlmSettings, MqttSettings, Settings, WakeSettings
from tests.e2e.stage import Stage
from tests.fakes.llm import FakeLlm, Step, words
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as made:
        yield made


class Device:
    """A conversation in real time on the virtual device, with its edges."""

    def __init__(self, stage: Stage, mqtt: MqttAdapter, told: list[str], http: HttpEdge | None = None,
                 wyoming: WyomingEdge | None = None) -> None:
        self.stage, self.mqtt, self.told, self.http, self.wyoming = stage, mqtt, told, http, wyoming

    @property
    def session(self) -> Session:
        return self.stage.session

    @property
    def root(self) -> str:
        return self.mqtt.topics.root

    def find(self, event: str) -> list[dict[str, Any]]:
        return [row for row in self.stage.trace.events() if row["event"] == event]


def settings_for(port: int, folder: Path, *, id: str = "kitchen", **mqtt: Any) -> Settings:
    facts: dict[str, Any] = {"host": "localhost", "port": port, "id": id, "folder": str(folder), "health_s": 1, **mqtt}
    return Settings(mqtt=MqttSettings(**facts), wake=WakeSettings(enabled=False), dialog=DialogSettings(earcons=False, followup_s=0.0),
                    llm=LlmSettings(system_prompt=""))


@contextlib.asynccontextmanager
async def device(settings: Settings, monkeypatch: pytest.MonkeyPatch, *, script: list[Step] | None = None, engines: Engines | None = None,
                 connected: bool = True, **facts: Any) -> AsyncIterator[Device]:
    """``script``: what the model says each time."""
    told: list[str] = []
    monkeypatch.setattr(daemon, "tell", lambda text, priority=0: told.append(text))
    monkeypatch.setattr(adapter, "LOOK_S", 0.3)
    made = engines or Engines(FakeVad(), FakeStt(), FakeLlm([script or words("All is well.")]), FakeTts(16_000, word_s=0.1))
    stage = Stage(settings, made, realtime=True, tools=toolbox_of(settings))
    async with stage, daemon.edges(stage.session, settings, stage.trace, **facts) as outside:
        made_device = Device(stage, outside.mqtt, told, outside.http, outside.wyoming)
        if connected:
            await until(lambda: outside.mqtt.connected)
        yield made_device
    stage.core.close()


async def until(done: Any, within_s: float = 10.0) -> None:
    for _ in range(round(within_s / 0.005)):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("waited in vain")


async def hears(listener: Listener, topic: str, fits: Any = lambda value: True, **facts: Any) -> Any:
    """``Listener.wait`` without holding the loop."""
    return await asyncio.to_thread(lambda: listener.wait(topic, fits, **facts))


def with_mqtt(settings: Settings, **facts: Any) -> Settings:
    return dataclasses.replace(settings, mqtt=dataclasses.replace(settings.mqtt, **facts))
