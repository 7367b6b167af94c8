"""WS /v1/stream of a device in real time, by a real client: questions, cuts, sound, many clients, slow, dead and hostile ones."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from edgevoice.adapters.http import asked as questions
from edgevoice.adapters.http import listener, pace, wire
from edgevoice.dialog.table import State
from tests.edges.conftest import until
from tests.edges.test_http import EARS, FULL, LONG, house
from tests.fakes.llm import words
from tests.fakes.ws_client import HEADER, WsClient, streaming


def told(frames: list[dict[str, Any]]) -> str:
    assert [frame["seq"] for frame in frames] == list(range(len(frames))), "in order, without a gap or a duplicate"
    return "".join(frame["delta"] for frame in frames)


def test_it_is_asked_followed_heard_and_commanded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words("All is well here."), words=True) as home, streaming(
                home.web, events=True, state=True, replies=True, waterfall=True, sound="full") as client:
            welcome = client.of("welcome")[0]
            assert welcome["version"] == 1 and welcome["rate"] == 16_000 and len(welcome["scopes"]) == 4
            assert (await client.hears("state"))["state"]["state"] == "idle"
            await client.say("ask", id="question-1", text="Who was Ada?")
            asked = await client.hears("asked")
            assert asked["ok"] and asked["id"] == "question-1"
            await client.until(lambda: client.events("playback_end"))
            assert client.events("asked")[0]["text"] == "Who was Ada?"
            assert told(client.of("frame")) == "All is well here." and client.of("frame")[-1]["finish"] == "stop"
            assert all(frame["id"] == "question-1" and frame["generation"] == asked["generation"] for frame in client.of("frame"))
            waterfall = await client.hears("waterfall")
            assert waterfall["turn"] == asked["turn"] and "rtt_ms" in waterfall["client"]
            assert abs(waterfall["client"]["sent_ms"] - waterfall["stages"]["playback_first_sample"]) < 500
            spoken = np.concatenate([np.frombuffer(piece[4], "<i2") for piece in client.pieces])
            played = home.made.stage.device.recording()[1]
            first = home.made.find("playback_first_sample")[0]["sample"]
            assert client.pieces[0][3] == first and [piece[2] for piece in client.pieces] == list(range(len(client.pieces)))
            for _, form, _, sample, data, _ in client.pieces:
                assert form == wire.S16 and np.array_equal(np.frombuffer(data, "<i2"), played[sample:sample + len(data) // 2])
            assert np.count_nonzero(spoken) == np.count_nonzero(played), "every sample that sounded"
            await client.say("do", id="m", verb="mute", arguments={"muted": True})
            assert (await client.hears("done", id="m"))["data"] == {"muted": True} and home.made.session.muted
            await client.until(lambda: client.of("state")[-1]["state"]["muted"])
            await client.say("do", id="l", verb="listen")
            assert (await client.hears("done", id="l"))["reason"] == "unavailable"
            await client.say("do", id="s", verb="say", arguments={"text": LONG})
            await client.until(lambda: client.of("state")[-1]["state"]["state"] == "speaking")
            await client.say("do", id="t", verb="stop")
            await client.until(lambda: client.of("state")[-1]["state"]["state"] == "idle")

    asyncio.run(act())


def ended(client: WsClient) -> bool:
    return any("finish" in frame for frame in client.of("frame"))


def test_a_connection_cut_a_hundred_times_loses_nothing_and_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        chance = random.Random(7)
        monkeypatch.setattr(questions, "KEPT", 200)
        async with house(monkeypatch, script=words(LONG, 0.002), words=True) as home:
            cuts = number = 0
            most = [0]
            while cuts < 100:
                number += 1
                frames: list[dict[str, Any]] = []
                events: list[dict[str, Any]] = []
                while not frames or "finish" not in frames[-1]:
                    after = {"event": events[-1]["id"]} if events else {}
                    most[0] = chance.randrange(0, 30)
                    async with streaming(home.web, events=True, after=after) as client:
                        await client.say("ask", id=f"question-{number}", text=f"Tell me number {number}.",
                                         after=frames[-1]["seq"] if frames else -1)
                        await client.until(lambda: ended(client) or len(client.of("frame")) >= most[0])
                        frames += client.of("frame")
                        events += [message["event"] for message in client.of("event")]
                        client.cut()
                        cuts += 1
                assert told(frames) == LONG
                assert len(home.llm.asked) == number, "one generation, however often it was cut"
                ids = [int(event["id"].partition("-")[2]) for event in events]
                assert ids == list(range(ids[0], ids[0] + len(ids))), "no event is lost or told twice"
                await home.post("/v1/cmd/stop")
            assert number > 5

    asyncio.run(act())


def test_what_only_who_went_away_waited_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words(LONG, 0.05), grace_s=0.2) as home:
            async with streaming(home.web) as one:
                await one.say("ask", id="question-1", text="Tell me more.")
                await one.until(lambda: len(one.of("frame")) > 2)
                async with streaming(home.web) as other:
                    await other.say("ask", id="question-2", text="And this?")
                    assert (await other.hears("waiting"))["before"] == 0
                    other.cut()
                await until(lambda: not home.made.session.machine.questions)
                one.cut()
            await until(lambda: home.made.session.machine.state is State.IDLE and home.made.find("llm_done"))
            assert home.made.find("llm_done")[0]["finish"] == "cancelled" and len(home.llm.asked) == 1

    asyncio.run(act())


def test_questions_of_many_wait_their_turn_and_who_stops_is_obeyed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        script = words("All is well, and all of it is quiet here.")
        async with house(monkeypatch, script=script, words=True) as home, streaming(home.web) as one, streaming(
                home.web) as two, streaming(home.web, replies=True) as three:
            await one.say("ask", id="question-1", text="Who was Ada?")
            await one.until(lambda: home.made.session.machine.state is not State.IDLE)
            await three.say("do", id="say", verb="say", arguments={"text": "The kettle boils."})
            await three.hears("done")
            await two.say("ask", id="question-2", text="Who was Charles?")
            await two.hears("waiting", before=0)
            await two.say("ask", id="question-3", text="And who was George?")
            assert (await two.hears("error", id="question-3"))["reason"] == "busy", "one at a time in the line"
            await two.until(lambda: ended(two))
            assert told(two.of("frame")).startswith("All is well,") and home.made.find("cancel") == []
            await three.until(lambda: any("kettle" in frame["delta"] for frame in three.of("frame")))
            generations = list(dict.fromkeys(frame["generation"] for frame in three.of("frame")))
            assert generations == sorted(generations) and len(generations) == 3, "answer, answer, and then the announcement"
            await until(lambda: home.made.session.machine.state is State.IDLE)
            await one.say("ask", id="question-4", text="Who was Grace?")
            await one.hears("asked", id="question-4")
            await two.say("ask", id="question-5", text="Who was Alan?")
            await two.hears("waiting", id="question-5")
            await three.say("do", id="stop", verb="stop")
            assert (await two.hears("asked", id="question-5"))["reason"] == "cancelled"
            assert len(home.llm.asked) == 3

    asyncio.run(act())


def test_only_who_has_the_token_for_it_may_do_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def act() -> None:
        file = tmp_path / "tokens"
        file.write_text(f"{FULL}\n{EARS} listen\n", encoding="utf-8")
        async with house(monkeypatch, token_file=str(file)) as home:
            async with streaming(home.web, token=EARS, events=True) as ears:
                assert ears.of("welcome")[0]["scopes"] == ["listen"]
                await ears.say("ask", id="question-1", text="Well?")
                await ears.say("do", id="d", verb="stop")
                await ears.say("do", id="c", verb="say", arguments={"text": "Well."})
                await ears.until(lambda: len(ears.of("error")) > 2)
                assert {error["reason"] for error in ears.of("error")} == {"scope"}
                await ears.say("subscribe", replies=True)
                assert not (await ears.until(lambda: ears.of("subscribed")[1:]))[0]["replies"], "others' answers are words"
            async with streaming(home.web, hello=False) as client:
                await client.say("hello", version=1, token="0123456789abcdef-ale")
                assert await client.ended() == 4401 and client.of("error", fatal=True)[0]["reason"] == "token"
            async with streaming(home.web, hello=False) as client:
                await client.say("subscribe", events=True)
                assert await client.ended() == 4408
            async with home.web.ws_connect("/v1/stream", headers={"Authorization": f"Bearer {FULL}"}) as ws:
                await ws.send_str('{"type": "hello", "version": 1}')
                assert json.loads((await ws.receive()).data)["scopes"] == sorted(("listen", "speak", "control", "admin"))
            for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await home.web.ws_connect("/v1/stream", headers=headers)
                assert refused.value.status == status
            assert (await home.get("/v1/stream"))[0] == 415
            assert FULL not in json.dumps(home.made.stage.trace.events())

    asyncio.run(act())


JUNK = (
    "", "{", "[]", "null", "\u0000", "{}", '{"type": 1}', '{"type": "hello"}', '{"type": "do", "verb": "stop", "arguments": 3}',
    '{"type": "do", "verb": "__init__"}', '{"type": "do", "verb": "ask", "arguments": {"text": "x"}}', "[" * 5000, "x" * 9000,
    '{"type": "ask", "text": "x", "id": "with\\nline"}', '{"type": "ask", "text": NaN}', '{"type": "pong", "n": 1e99}',
    '{"type": "ask", "text": "\\ud800", "id": "surrogate"}', '{"type": "played", "generation": 1, "late_ms": -1}',
    '{"type": "subscribe", "events": true, "replies": true, "after": {"frame": "9999999999999999-1", "event": "-"}}',
    '{"type": "subscribe", "replies": true, "after": {"frame": "²-1"}}')


def test_hostile_messages_are_answered_and_break_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        chance = random.Random(3)
        known = list(wire.MESSAGES)
        fields = ("on", "full", "verb", "text", "id", "after", "rate", "sound", "where", "n", "generation")
        values: tuple[Any, ...] = (True, 1, -1, "", "x" * 70, None, [], {"event": 3}, 2.5, "mine")
        async with house(monkeypatch, requests_per_s=0, words=True) as home, streaming(home.web, events=True) as well:
            for text in JUNK:
                async with streaming(home.web) as client:
                    await client.ws.send_str(text)
                    await client.say("do", id="models", verb="mute", arguments={"muted": False})
                    await client.hears("done", id="models")
            async with streaming(home.web) as client:
                for _ in range(300):
                    message: dict[str, Any] = {"type": chance.choice(known)}
                    for _ in range(chance.randrange(3)):
                        message[chance.choice(fields)] = chance.choice(values)
                    await client.ws.send_str(json.dumps(message))
                    data = HEADER.pack(chance.randrange(5), chance.randrange(3), chance.randrange(2), 0, chance.randrange(1 << 60))
                    await client.ws.send_bytes((data + chance.randbytes(chance.randrange(40)))[:chance.randrange(60)])
                await client.until(lambda: client.of("error"))
            async with streaming(home.web) as client:
                for _ in range(listener.MOST_WRONG + 1):
                    await client.ws.send_str("{")
                assert await client.ended() == 4429
            async with streaming(home.web) as client:
                await client.ws.send_bytes(bytes(wire.MOST_SOUND + 1))
                assert await client.ended() == 1009
            await well.say("ask", id="question-1", text="Who was Ada?")
            await well.until(lambda: ended(well))
            assert home.made.session.failure is None
            assert "failed" not in home.made.http.health()[0]["refused"]

    asyncio.run(act())


def test_slow_and_dead_clients_get_less_are_sent_away_and_slow_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        monkeypatch.setattr(listener, "STALL_S", 1.0)
        monkeypatch.setattr(listener, "PING_S", 0.5)
        monkeypatch.setattr(pace, "LATE_S", 0.4)
        async with house(monkeypatch, script=words(LONG, 0.001), words=True) as home, streaming(
                home.web, replies=True, sound="full") as well, streaming(home.web, sound="full") as full, streaming(
                home.web) as silent:
            silent.answers = False
            stalled = socket.create_connection(("127.0.0.1", home.made.http.port))
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stalled.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            for text in ('{"type": "hello", "version": 1}', '{"type": "subscribe", "replies": true, "events": true, "sound": "full"}'):
                stalled.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())
            await until(lambda: home.made.http.health()[0]["streams"] == 4)
            await full.say("buffer", full=True)
            for number in range(3):
                await well.say("ask", id=f"question-{number}", text="Tell me.")
                await well.hears("frame", id=f"question-{number}", finish="stop")
            await full.until(lambda: len(full.of("quality")) >= 2)
            assert [(step["sound"], step["why"]) for step in full.of("quality")[:2]] == [("low", "slow"), ("none", "slow")]
            assert not full.pieces
            assert await silent.ended() == 4409
            trace = home.made.stage.trace
            while home.made.http.health()[0]["refused"].get("slow", 0) == 0:
                for _ in range(50):
                    trace.emit("error", stage="test", message="x" * 300)
                await asyncio.sleep(0.02)
            stalled.close()
            assert not well.of("quality") and home.made.stage.core.counters().underruns == 0

    asyncio.run(act())


def test_low_sound_is_the_same_sound_in_a_quarter_of_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words("All is well here."), words=True) as home, streaming(
                home.web, events=True, sound="full") as full, streaming(home.web, sound="low") as low:
            await full.say("ask", id="question-1", text="Who was Ada?")
            await full.until(lambda: full.events("playback_end"))
            await asyncio.sleep(0.2)
            sizes = [sum(len(piece[4]) for piece in client.pieces) for client in (full, low)]
            assert abs(sizes[1] * 4 - sizes[0]) < 0.05 * sizes[0]
            assert {piece[1] for piece in low.pieces} == {wire.MULAW}
            assert abs(low.pieces[0][3] / 8000 - full.pieces[0][3] / 16_000) < 0.001
            heard, played = sounds(low, 8000), sounds(full, 16_000)[::2]
            length = min(len(heard), len(played))
            assert np.corrcoef(heard[:length], played[:length])[0, 1] > 0.9

    asyncio.run(act())


def sounds(client: WsClient, rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What came, in its place, from the first sample on."""
    begin = min(piece[3] for piece in client.pieces)
    made = np.zeros(max(piece[3] + len(piece[4]) for piece in client.pieces) - begin)
    for _, form, _, sample, data, _ in client.pieces:
        values = np.frombuffer(data, "<i2").astype(float) if form == wire.S16 else plain(np.frombuffer(data, np.uint8))
        made[sample - begin:sample - begin + len(values)] = values
    return made


def plain(codes: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """µ-law, decoded by its definition."""
    bits = (~codes).astype(np.int32) & 0xFF
    magnitude = (((bits & 0x0F) << 3) + 132 << (bits >> 4 & 7)) - 132
    return np.where(bits & 0x80, -magnitude, magnitude).astype(float)


def test_where_words_stay_on_the_device_its_voice_does_too_but_for_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words("All is well here.")) as home, streaming(
                home.web, events=True, replies=True, sound="full") as other, streaming(home.web, events=True, sound="full") as client:
            for text in ("The kettle boils.", "It boils over."):
                await client.say("do", id="say", verb="say", arguments={"text": text})
                await client.until(lambda: client.events("playback_end"))
                assert not client.pieces
                client.messages.clear()
                await client.say("ask", id=f"question-{len(text)}", text="Who was Ada?")
                await client.until(lambda: client.events("playback_end"))
                await asyncio.sleep(0.1)
                span = [home.made.find(event)[-1]["sample"] for event in ("playback_first_sample", "playback_end")]
                assert client.pieces[0][3] == span[0] and abs(client.pieces[-1][3] + len(client.pieces[-1][4]) // 2 - span[1]) <= 320
                client.messages.clear()
                client.pieces.clear()
            assert not other.pieces and not other.of("frame") and other.events("playback_end")

    asyncio.run(act())


def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, streams=2) as home, streaming(home.web), streaming(home.web):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await home.web.ws_connect("/v1/stream")
            assert refused.value.status == 503

    asyncio.run(act())


