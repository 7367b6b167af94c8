"""WS /v1/stream with real engines: a reply through many cuts, and a conversation over a client's microphone, heard and interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest

from edgevoice import app
from edgevoice.engines.protocols import SPEECH_RATE
from edgevoice.pipeline.session import Engines
from edgevoice.settings import FaultSettings, HttpSettings, Settings
from tests.e2e.stage import alike, clearly
from tests.edges.conftest import Device, device, until
from tests.edges.test_stream import told
from tests.edges.test_stream_talk import VOICE, talking
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad
from tests.fakes.ws_client import WsClient, streaming

PATIENT = FaultSettings(stt_s=60.0, first_token_s=60.0, next_token_s=60.0, first_audio_s=60.0, next_audio_s=60.0, one_moment_s=0.0)
STORY = "Tell me a long story about the sea."


class Kept(Engines):
    """Those of all tests: whoever drops them does not close them."""

    __slots__ = ()

    def close(self) -> None:
        pass


def kept(engines: Engines) -> Engines:
    return Kept(**{field.name: getattr(engines, field.name) for field in dataclasses.fields(engines)})


@contextlib.asynccontextmanager
async def served(settings: Settings, engines: Engines,
                 monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Device, aiohttp.ClientSession]]:
    settings = dataclasses.replace(settings, faults=PATIENT, llm=dataclasses.replace(settings.llm, max_tokens=40),
                                   http=HttpSettings(enabled=True, port=0, requests_per_s=0))
    async with device(settings, monkeypatch, engines=engines, connected=False) as made:
        await until(lambda: made.http.port)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{made.http.port}") as web:
            yield made, web


def test_a_reply_is_whole_through_many_cuts(settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        chance = random.Random(11)
        async with served(settings, engines, monkeypatch) as (made, web):
            frames: list[dict[str, Any]] = []
            cuts = 0
            while not frames or "finish" not in frames[-1]:
                async with streaming(web) as client:
                    await client.say("ask", id="question-1", text=STORY, after=frames[-1]["seq"] if frames else -1)
                    with contextlib.suppress(TimeoutError):
                        await client.until(lambda: client.of("frame", finish="stop") or client.of("frame", finish="length"),
                                           chance.random() * 0.15)
                    frames += client.of("frame")
                    client.cut()
                    cuts += 1
            await until(lambda: made.find("llm_done"))
            written = "".join(row["text"] for row in made.find("llm_first_token") + made.find("llm_token"))
            assert told(frames) == written and len(made.find("llm_done")) == 1 and cuts > 3

    asyncio.run(act())


@pytest.mark.slow
def test_a_question_into_a_clients_microphone_is_answered_aloud_and_speech_over_it_ends_it(
        settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    question = clearly(engines, "What is a good name for a dog?", SPEECH_RATE)
    story, over = clearly(engines, STORY, SPEECH_RATE), clearly(engines, "Wait, what about the mountains?", SPEECH_RATE)

    async def act() -> None:
        monkeypatch.setattr(app, "load_engines", lambda settings: kept(engines))
        fakes = Engines(FakeVad(), FakeStt(), FakeLlm([words("Nobody asked me.")]), FakeTts(16_000, word_s=0.02))
        async with served(settings, fakes, monkeypatch) as (made, web), streaming(web) as client, talking(client) as (microphone, _):
            microphone.say(question)
            await client.until(lambda: client.events("stt_partial"), 60.0)
            await client.until(lambda: client.events("playback_end"), 120.0)
            assert alike(client.events("stt_final")[-1]["text"], "what is a good name for a dog")
            answer = "".join(frame["delta"] for frame in client.of("frame"))
            stream = engines.stt.open()
            stream.accept(sound(client).astype(np.float32) / 32_768)
            heard = stream.finish()
            assert alike(heard, answer), f"{heard!r} was heard of {answer!r}"
            assert (await client.hears("waterfall", where="mine"))["stages"]["playback_first_sample"] < 60_000
            client.pieces.clear()
            turns = len(client.events("playback_first_sample"))
            microphone.say(story)
            await client.until(lambda: len(client.events("playback_first_sample")) > turns, 60.0)
            await asyncio.sleep(0.5)
            microphone.say(over)
            await client.until(lambda: client.events("barge_in_confirmed"), 60.0)
            paused, silent = client.events("barge_in_paused")[-1], client.events("playback_silent")
            assert paused["frames"] > 0 and (not silent or silent[-1]["frames"] == paused["frames"]), "nothing sounded after the pause"
            await client.until(lambda: len(client.events("stt_final")) == 3, 60.0)
            assert "mountains" in client.events("stt_final")[-1]["text"].lower()
            await client.say("do", verb="stop", where="mine")
            assert not made.find("stt_final") and not made.stage.device.recording()[1].any()

    asyncio.run(act())


def sound(client: WsClient) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Its answer, every piece in its place."""
    pieces = [piece for piece in client.pieces if piece[0] == VOICE]
    begin = pieces[0][3]
    made = np.zeros(max(sample + len(data) // 2 for _, _, _, sample, data, _ in pieces) - begin, np.int16)
    for _, _, _, sample, data, _ in pieces:
        made[sample - begin:sample - begin + len(data) // 2] = np.frombuffer(data, "<i2")
    return np.pad(made, 8000)
