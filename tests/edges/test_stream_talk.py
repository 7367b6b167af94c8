"""Conversations of clients over their own microphones: one is spoken to, interrupted, cut off and resumed, bounded and forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from edgevoice import app
from edgevoice.dialog.table import State
from edgevoice.guests import NICER
from edgevoice.pipeline.engines import Engines
from edgevoice.settings import Settings
from tests.edges.conftest import until
from tests.edges.test_http import LONG, House, house
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad
from tests.fakes.ws_client import HEADER, Microphone, WsClient, streaming

RATE = 16_000
VOICE = 2


def loud(seconds: float, rate: int = RATE) -> np.ndarray[Any, np.dtype[np.int16]]:
    return (8000 * np.sin(2 * np.pi * 300 * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


@contextlib.asynccontextmanager
async def home_of(monkeypatch: pytest.MonkeyPatch, answer: str = "She wrote programs.",
                  **http: Any) -> AsyncIterator[tuple[House, list[Engines]]]:
    """With the engines that private conversations were given."""
    made: list[Engines] = []

    def load(settings: Settings) -> Engines:
        made.append(Engines(FakeVad(), FakeStt(["who was ada lovelace then", "tell me of charles instead"]), FakeLlm([words(answer)]),
                            FakeTts(RATE, word_s=0.1)))
        return made[-1]

    monkeypatch.setattr(app, "load_engines", load)
    async with house(monkeypatch, **http) as home:
        yield home, made


@contextlib.asynccontextmanager
async def talking(client: WsClient, rate: int = RATE, **facts: Any) -> AsyncIterator[tuple[Microphone, str]]:
    await client.say("talk", on=True, rate=rate, **facts)
    told = await client.hears("talking", on=True)
    microphone = Microphone(client, rate)
    microphone.start()
    try:
        yield microphone, told["conversation"]
    finally:
        microphone.stop()


def voice(client: WsClient) -> float:
    """Seconds of its answers that came."""
    return sum(len(piece[4]) for piece in client.pieces if piece[0] == VOICE) / 2 / RATE


def test_a_question_is_spoken_and_answered_and_nobody_else_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with home_of(monkeypatch) as (home, _), streaming(home.web, events=True, replies=True, sound="full") as other, streaming(
                home.web) as client, talking(client, 48_000) as (microphone, _):
            names = {"edgevoice-guest", "edgevoice-ears", "edgevoice-brain", "edgevoice-mouth"}
            own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            nice = [os.getpriority(os.PRIO_PROCESS, thread.native_id or 0) - own for thread in threading.enumerate()
                    if thread.name in names]
            assert sorted(nice) == [0, 0, 0, NICER, NICER, NICER, NICER], "the device's own conversation comes first"
            microphone.say(loud(1.2, 48_000))
            await client.until(lambda: client.events("stt_partial", where="mine"))
            await client.until(lambda: client.events("playback_end", where="mine"))
            assert client.events("stt_final")[0]["text"] == "who was ada lovelace then"
            frames = client.of("frame", where="mine")
            assert "".join(frame["delta"] for frame in frames) == "She wrote programs." and frames[-1]["finish"] == "stop"
            assert {piece[0] for piece in client.pieces} == {VOICE} and voice(client) == pytest.approx(0.3, abs=0.05)
            states = [message["state"]["state"] for message in client.of("state", where="mine")]
            assert states[0] == "idle" and "speaking" in states
            timing = await client.hears("waterfall", where="mine")
            assert timing["origin"] == "speech_end" and {"endpoint", "stt_final", "playback_first_sample"} <= set(timing["stages"])
            assert not other.events("stt_final") and not other.of("frame") and not other.pieces
            assert not home.made.find("stt_final") and home.made.session.machine.state is State.IDLE
            assert not home.made.stage.device.recording()[1].any()
            assert home.made.http._conversations.health()["open"] == 1

    asyncio.run(act())


def test_who_speaks_over_the_answer_or_types_stop_silences_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with home_of(monkeypatch, LONG) as (home, _), streaming(home.web) as client, talking(client) as (microphone, _):
            microphone.say(loud(1.0))
            await client.until(lambda: voice(client) > 0.5)
            microphone.say(loud(1.5))
            await client.until(lambda: client.events("barge_in_confirmed"))
            assert voice(client) < 4.0, "of six seconds"
            # An answer that is begun ahead has frames before the words are final.
            await client.until(lambda: client.of("frame", generation=2) and len(client.events("stt_final")) > 1)
            assert client.events("stt_final")[-1]["text"] == "tell me of charles instead"
            await client.say("do", id="stop", verb="stop", where="mine")
            assert (await client.hears("done", id="stop"))["ok"]
            await client.until(lambda: client.of("state", where="mine")[-1]["state"]["state"] == "idle")
            heard = voice(client)
            await asyncio.sleep(0.3)
            assert voice(client) == heard, "silence"
            await client.say("ask", id="question-1", text="And typed?", where="mine")
            assert (await client.hears("asked", id="question-1"))["where"] == "mine"
            assert (await client.hears("frame", id="question-1"))["where"] == "mine"
            await client.say("do", id="mute", verb="mute", where="mine")
            assert (await client.hears("done", id="mute"))["reason"] == "unknown"
            assert home.made.session.machine.state is State.IDLE and not home.llm.asked

    asyncio.run(act())


def test_it_goes_on_after_a_cut_and_ends_when_nobody_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with home_of(monkeypatch, LONG, grace_s=0.5) as (home, made):
            async with streaming(home.web) as client, talking(client) as (microphone, id):
                microphone.say(loud(1.0))
                await client.until(lambda: len(client.of("frame")) > 5)
                frames = client.of("frame")
                client.cut()
            async with streaming(home.web) as client, talking(client, conversation=id, after={"frame": f"1-{frames[-1]['seq']}"}):
                await client.until(lambda: client.of("frame") and "finish" in client.of("frame")[-1])
                frames += client.of("frame")
                assert [frame["seq"] for frame in frames] == list(range(len(frames)))
                assert "".join(frame["delta"] for frame in frames) == LONG and len(made) == 1
                async with streaming(home.web) as other:
                    await other.say("talk", on=True, rate=RATE)
                    assert (await other.hears("talking", reason="busy"))["on"] is False
                    await other.say("talk", on=True, rate=RATE, conversation="c-something-else")
                    assert (await other.hears("error"))["reason"] == "unknown"
                    await other.microphone(0, 0, loud(0.02))
                    await other.until(lambda: other.of("error", reason="unavailable"))
                    await other.say("talk", on=True, rate=RATE, conversation=id)
                    await other.hears("talking", on=True)
                    assert (await client.hears("talking", reason="elsewhere"))["where"] == "mine"
            await until(lambda: home.made.http._conversations.health()["open"] == 0)
            async with streaming(home.web) as client:
                await client.say("talk", on=True, rate=RATE, conversation=id)
                assert (await client.hears("error"))["reason"] == "unknown"
                async with talking(client):
                    assert len(made) == 1, "engines that are there are taken"
                    await client.say("talk", on=False, end=True)
                    await client.hears("talking", reason="ended")
            await until(lambda: home.made.http._conversations.health()["open"] == 0)

    asyncio.run(act())


def test_engines_that_nobody_needs_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with home_of(monkeypatch, " ".join(["word"] * 15), conversation_idle_s=1.0) as (home, made), streaming(home.web) as client:
            async with talking(client):
                await client.say("ask", id="question-1", text="Well?", where="mine")
                await client.hears("talking", reason="idle")
                assert voice(client) > 1.2, "an answer that is longer than that is heard to its end"
            await until(lambda: made[0].llm.closed, within_s=5.0)
            assert home.made.http._conversations.health()["engines"] == 0

    asyncio.run(act())


def test_engines_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgevoice.errors import ModelError

    async def act() -> None:
        def load(settings: Settings) -> Engines:
            raise ModelError("there is no model")

        async with home_of(monkeypatch) as (home, _), streaming(home.web) as client:
            monkeypatch.setattr(home.made.http._conversations, "_load", load)
            for _ in range(2):
                client.messages.clear()
                await client.say("talk", on=True, rate=RATE)
                assert (await client.hears("talking", reason="failed"))["message"] == "there is no model"
        async with home_of(monkeypatch, conversations=0) as (home, _), streaming(home.web) as client:
            assert client.of("welcome")[0]["conversations"] == 0
            await client.say("talk", on=True, rate=RATE)
            assert not (await client.hears("talking", reason="unavailable"))["on"]

    asyncio.run(act())


def test_sound_that_is_late_lost_twice_there_or_nonsense_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with home_of(monkeypatch) as (home, _), streaming(home.web) as client:
            await client.say("talk", on=True, rate=RATE)
            await client.hears("talking", on=True)
            said = np.concatenate([loud(1.2), np.zeros(RATE, np.int16)])
            piece = 320
            order = list(range(0, len(said), piece))
            for at in range(1, len(order) - 4, 5):
                order[at], order[at + 2] = order[at + 2], order[at]
            for number, at in enumerate(order):
                if number % 17 != 16:
                    await client.microphone(number, at, said[at:at + piece])
                if number % 7 == 0:
                    await client.microphone(number, at, said[at:at + piece])
                await asyncio.sleep(0.02)
            await client.until(lambda: client.events("stt_final"))
            assert client.events("stt_final")[0]["text"] == "who was ada lovelace then"
            await client.microphone(len(order), 0, said[:piece])
            await until(lambda: home.made.http._conversations.health()["late"])
            counts = home.made.http._conversations.health()
            assert counts["reordered"] > 5 and counts["concealed"] > 0
            for data in (b"", b"\x03", HEADER.pack(1, 0, 0, 0, 0) + bytes(2), HEADER.pack(3, 1, 0, 0, 0) + bytes(2),
                         HEADER.pack(3, 0, 0, 0, 0) + b"x",
                         HEADER.pack(3, 0, 0, 0, 2 ** 64 - 1) + bytes(320), HEADER.pack(3, 0, 0, 0, 0)):
                await client.ws.send_bytes(data)
            await client.until(lambda: client.of("error", reason="malformed"))
            await client.say("ask", id="question-1", text="Still there?", where="mine")
            await client.hears("frame", id="question-1", finish="stop")

    asyncio.run(act())
