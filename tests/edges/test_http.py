"""The HTTP edge of a device in real time, by a real client: what is asked, told, resumed, cancelled and refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from edgevoice.adapters.http import answers, asked
from edgevoice.dialog.table import State
from edgevoice.pipeline.health import SCHEMA
from edgevoice.pipeline.session import Engines
from edgevoice.settings import DialogSettings, HttpSettings, LlmSettings, Settings, WakeSettings
from tests.edges.conftest import Device, device, until
from tests.fakes.llm import FakeLlm, Step, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

LONG = " ".join(f"word{k}" for k in range(60)) + "."
FULL, EARS = "0123456789abcdef-all", "0123456789abcdef-ears"


class House:
    """A client of the device."""

    def __init__(self, made: Device, web: aiohttp.ClientSession, llm: FakeLlm) -> None:
        self.made, self.web, self.llm = made, web, llm

    async def get(self, path: str, method: str = "GET", **facts: Any) -> tuple[int, Any]:
        async with self.web.request(method, path, **facts) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def post(self, path: str, **facts: Any) -> tuple[int, Any]:
        return await self.get(path, "POST", **facts)


@contextlib.asynccontextmanager
async def house(monkeypatch: pytest.MonkeyPatch, *, script: list[Step] | None = None, token: str = "", **http: Any) -> AsyncIterator[House]:
    facts: dict[str, Any] = {"enabled": True, "port": 0, "requests_per_s": 0, **http}
    settings = Settings(http=HttpSettings(**facts), wake=WakeSettings(enabled=False), llm=LlmSettings(system_prompt=""),
                        dialog=DialogSettings(earcons=False, followup_s=0.0))
    llm = FakeLlm([script or words("All is well.")])
    engines = Engines(FakeVad(), FakeStt(), llm, FakeTts(16_000, word_s=0.02))
    async with device(settings, monkeypatch, engines=engines, connected=False) as made:
        await until(lambda: made.http.port)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{made.http.port}", headers=headers) as web:
            yield House(made, web, llm)


async def read(response: aiohttp.ClientResponse, most: int | None = None, within_s: float = 20.0) -> list[tuple[str, str, Any]]:
    """Server-sent events (id, event, data) up to its end, or ``most`` of them."""
    found: list[tuple[str, str, Any]] = []
    fields: dict[str, str] = {}
    async with asyncio.timeout(within_s):
        while most is None or len(found) < most:
            line = (await response.content.readline()).decode()
            if not line:
                break
            if line == "\n":
                if "data" in fields:
                    found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
    return found


def text_of(frames: list[tuple[str, str, Any]]) -> str:
    return "".join(frame["delta"] for _, _, frame in frames)


def test_it_is_asked_watched_and_commanded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words("All is well here.")) as home:
            status, health = await home.get("/health")
            assert status == 200 and health["http"]["serving"]
            jsonschema.Draft202012Validator(SCHEMA).validate(health)
            assert "edgevoice_ok 1" in (await home.get("/metrics"))[1]
            assert (await home.get("/v1/state"))[1]["state"] == "idle"
            async with home.web.get("/v1/events") as events, home.web.post("/v1/ask", json={"text": "Who was Ada?"}) as response:
                assert response.headers["X-Accel-Buffering"] == "no" and response.content_type == "text/event-stream"
                frames = await read(response)
                assert text_of(frames) == "All is well here." and frames[-1][2]["finish"] == "stop"
                assert [frame["seq"] for _, _, frame in frames] == list(range(len(frames)))
                await until(lambda: home.made.find("playback_end"))
                told = await read(events, 8)
                names = [event for _, event, _ in told]
                assert names[0] == "asked" and "state" in names
                assert told[0][2]["chars"] == 12 and "text" not in told[0][2], "words stay on the device unless they are asked for"
            async with home.web.get("/v1/events", headers={"Last-Event-ID": told[1][0]}) as events:
                assert (await read(events, 2)) == told[2:4], "no event is lost between two connections"
            async with home.web.get("/v1/events", headers={"Last-Event-ID": "another-7"}) as events:
                assert (await read(events, 1))[0][1] == "gap"
            status, result = await home.post("/v1/cmd/mute", json={"muted": True})
            assert status == 200 and result["data"] == {"muted": True} and home.made.session.muted
            assert (await home.post("/v1/cmd/listen"))[0] == 409
            assert (await home.post("/v1/cmd/volume", json={"volume": 0.5}))[0] == 200
            assert (await home.get("/v1/state"))[1]["volume"] == 0.5
            assert (await home.post("/v1/cmd/say", json={"text": LONG}))[0] == 200
            await until(lambda: home.made.session.machine.state is State.SPEAKING)
            assert (await home.post("/v1/cmd/stop"))[0] == 200
            assert home.made.session.machine.state is State.IDLE

    asyncio.run(act())


def test_words_are_told_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, words=True) as home, home.web.get("/v1/events") as events:
            home.made.session.ask("Is it late?")
            assert (await read(events, 1))[0][2]["text"] == "Is it late?"

    asyncio.run(act())


def test_a_reply_that_was_cut_anywhere_is_whole_in_the_end_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        chance = random.Random(5)
        monkeypatch.setattr(asked, "KEPT", 200)
        async with house(monkeypatch, script=words(LONG, 0.001)) as home:
            for number in range(25):
                question = {"text": f"Tell me number {number}.", "id": f"question-{number}"}
                frames: list[tuple[str, str, Any]] = []
                cuts = 0
                while not frames or "finish" not in frames[-1][2]:
                    headers = {"Last-Event-ID": frames[-1][0]} if frames else {}
                    again = frames and chance.random() < 0.5
                    call = home.web.get(f"/v1/replies/question-{number}", headers=headers) if again else home.web.post(
                        "/v1/ask", json=question, headers=headers)
                    async with call as response:
                        assert response.status == 200
                        frames += await read(response, chance.randrange(0, 25))
                        response.close()
                    cuts += 1
                assert text_of(frames) == LONG and [frame["seq"] for _, _, frame in frames] == list(range(len(frames)))
                assert cuts > 1 and len(home.llm.asked) == number + 1, "one generation, however often it was cut"
                await home.post("/v1/cmd/stop")

    asyncio.run(act())


def test_who_goes_away_for_good_cancels_what_only_he_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, script=words(LONG, 0.05), grace_s=0.2) as home:
            async def leaves(**facts: Any) -> None:
                async with home.web.post("/v1/ask", json={"text": "Tell me more.", **facts}) as response:
                    await read(response, 2)
                    response.close()

            await leaves()
            await until(lambda: home.made.find("llm_done"))
            assert home.made.find("llm_done")[0]["finish"] == "cancelled"
            await until(lambda: home.made.session.machine.state is State.IDLE)
            await leaves(keep=True)
            await asyncio.sleep(0.6)
            assert home.made.session.machine.state is not State.IDLE, "it was to go on"
            await home.post("/v1/cmd/stop")
            async with home.web.post("/v1/ask", json={"text": "Tell us.", "id": "of-two-who-wait"}) as one:
                await read(one, 2)
                async with home.web.get("/v1/replies/of-two-who-wait") as other:
                    one.close()
                    assert text_of(await read(other)) == LONG, "somebody still waited"

    asyncio.run(act())


def test_only_who_has_the_token_for_it_may_do_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def act() -> None:
        file = tmp_path / "tokens"
        file.write_text(f"# who may do what\n{FULL}\n{EARS} listen\n", encoding="utf-8")
        async with house(monkeypatch, token=FULL, token_file=str(file)) as home:
            ears, wrong = {"Authorization": f"Bearer {EARS}"}, {"Authorization": "Bearer 0123456789abcdef-ale"}
            assert (await home.get("/health"))[0] == 200 and (await home.post("/v1/cmd/stop"))[0] == 200
            assert (await home.get("/health", headers=ears))[0] == 200
            assert (await home.post("/v1/ask", json={"text": "Well?"}, headers=ears))[0] == 403
            assert (await home.post("/v1/cmd/stop", headers=ears))[0] == 403
            assert (await home.post("/v1/cmd/restart", headers=ears))[0] == 403
            assert (await home.get("/health", headers={"Authorization": ""}))[0] == 401
            assert [(await home.get("/health", headers=wrong))[0] for _ in range(4)] == [401, 401, 401, 429]
            status, told = await home.get("/health")
            assert status == 429 and "wrong tokens" in told["message"], "a right one is not looked at meanwhile"
            assert FULL not in json.dumps(home.made.stage.trace.events()) and not any(FULL in line for line in home.made.told)

    asyncio.run(act())


def test_what_does_not_belong_is_refused_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch) as home:
            here = f"http://127.0.0.1:{home.made.http.port}"
            assert (await home.get("/health", headers={"Host": "evil.example"}))[0] == 421
            assert (await home.post("/v1/cmd/stop", headers={"Origin": "http://evil.example"}))[0] == 403
            assert (await home.post("/v1/cmd/stop", headers={"Origin": "null"}))[0] == 403
            assert (await home.post("/v1/cmd/stop", headers={"Origin": here}))[0] == 200
            form = {"data": b'{"text": "x"}', "headers": {"Content-Type": "text/plain"}}
            assert (await home.post("/v1/ask", **form))[0] == 415
            assert (await home.post("/v1/ask", json={"text": "x" * 9000}))[0] == 413
            chunks = (b"x" * 1000 for _ in range(20))
            json_type = {"Content-Type": "application/json"}
            assert (await home.post("/v1/ask", data=_chunks(chunks), headers=json_type))[0] == 413
            for body in (b"[]", b"{", b"\xff", b"[" * 4000, b'{"text": 1}', b'{"text": ""}', b'{"text": "x", "more": 1}',
                         b'{"text": "x", "id": "with\\nline"}', b'{"text": NaN}', b"{}"):
                assert (await home.post("/v1/ask", data=body, headers=json_type))[0] == 400, body
            for path in ("/none", "/../etc/passwd", "/v1/%2e%2e/%2e%2e/etc/passwd", "/v1/cmd/nothing", "/v1/replies/none"):
                status, told = await home.get(path, "POST" if "cmd" in path else "GET")
                assert status == 404 and not told["ok"], path
            assert (await home.get("/v1/ask"))[0] == 405
            for raw in (b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 70_000):
                _, writer = await asyncio.open_connection("127.0.0.1", home.made.http.port)
                writer.write(raw)
                writer.close()
            status, health = await home.get("/health")
            assert status == 200 and "failed" not in health["http"]["refused"]
            assert home.made.session.failure is None and not home.llm.asked

    asyncio.run(act())


async def _chunks(parts: Any) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def test_a_flood_is_bounded_and_a_stop_comes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch, requests_per_s=5, clients=4) as home:
            statuses = [(await home.get("/v1/state"))[0] for _ in range(30)]
            assert statuses[:10] == [200] * 10 and statuses.count(429) >= 15
            assert (await home.post("/v1/cmd/stop"))[0] == 200
            held = [await asyncio.open_connection("127.0.0.1", home.made.http.port) for _ in range(3)]
            await until(lambda: home.made.http.health()[0]["connections"] >= 3)
            reader, writer = await asyncio.open_connection("127.0.0.1", home.made.http.port)
            assert (await reader.readline()).startswith(b"HTTP/1.1 503")
            for _, one in (*held, (reader, writer)):
                one.close()
            await asyncio.sleep(0.1)
            assert (await home.post("/v1/cmd/stop"))[0] == 200

    asyncio.run(act())


def test_who_says_nothing_or_takes_nothing_is_disconnected_and_slows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        monkeypatch.setattr(answers, "BODY_S", 0.5)
        monkeypatch.setattr(answers, "STALL_S", 0.5)
        async with house(monkeypatch) as home:
            reader, writer = await asyncio.open_connection("127.0.0.1", home.made.http.port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            slow = socket.create_connection(("127.0.0.1", home.made.http.port))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: home.made.http.health()[0]["requests"] >= 1)
            trace = home.made.stage.trace

            async def floods() -> None:
                while home.made.http.health()[0]["refused"].get("slow", 0) == 0:
                    for _ in range(500):
                        trace.emit("error", stage="test", message="x" * 300)
                    await asyncio.sleep(0.02)

            flood = asyncio.create_task(floods())
            async with home.web.post("/v1/ask", json={"text": "Who was Ada?"}) as response:
                assert text_of(await read(response)) == "All is well."
            await asyncio.wait_for(flood, 20)
            slow.close()

    asyncio.run(act())


def test_a_port_that_is_taken_is_told_and_the_conversation_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def act(line: str, **http: Any) -> None:
        settings = Settings(http=HttpSettings(enabled=True, **http), wake=WakeSettings(enabled=False), llm=LlmSettings(system_prompt=""),
                            dialog=DialogSettings(earcons=False, followup_s=0.0))
        async with device(settings, monkeypatch, connected=False) as made:
            await until(lambda: made.http.problem)
            assert any(told.startswith("HTTP: ") and line in told for told in made.told), made.told
            made.session.ask("Who was Ada?")
            await until(lambda: made.find("playback_end"))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(act("in use", port=taken.getsockname()[1]))
    asyncio.run(act("no such file", port=0, token_file=str(tmp_path / "none")))
    (tmp_path / "short").write_text("secret listen\n", encoding="utf-8")
    asyncio.run(act("16 at least", port=0, token_file=str(tmp_path / "short")))


def test_over_tls_it_is_reached_by_who_trusts_its_certificate_and_not_in_plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=tmp_path, check=True, capture_output=True)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def act() -> None:
        async with house(monkeypatch, cert_file=str(tmp_path / "cert.pem"), key_file=str(tmp_path / "key.pem")) as home:
            assert home.made.http is not None
            port = home.made.http.port
            assert f"HTTP: https://127.0.0.1:{port}" in home.made.told
            async with aiohttp.ClientSession(f"https://localhost:{port}", connector=aiohttp.TCPConnector(ssl=trusting)) as web:
                async with web.get("/health") as response:
                    assert response.status == 200
                async with web.post("/v1/cmd/stop", headers={"Origin": f"https://localhost:{port}"}) as response:
                    assert response.status == 200
                async with web.post("/v1/cmd/stop", headers={"Origin": f"http://localhost:{port}"}) as response:
                    assert response.status == 403, "a page that came in plain is another one"
                async with web.post("/v1/ask", json={"text": "Who was Ada?"}) as response:
                    assert text_of(await read(response)) == "All is well."
            async with aiohttp.ClientSession(f"https://localhost:{port}") as web:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await web.get("/health")
            with pytest.raises(aiohttp.ClientError):
                await home.get("/health")  # in plain

    asyncio.run(act())
    (tmp_path / "cert.pem").write_text("no certificate\n", encoding="utf-8")

    async def without() -> None:
        files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
        settings = Settings(http=HttpSettings(enabled=True, port=0, **files), wake=WakeSettings(enabled=False),
                            llm=LlmSettings(system_prompt=""))
        async with device(settings, monkeypatch, connected=False) as made:
            assert made.http is not None
            await until(lambda: made.http.problem)
            assert "http.cert_file" in made.http.problem and made.http.port == 0

    asyncio.run(without())


def test_nothing_outside_is_reached_by_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch) as home:
            assert home.made.http is not None
            for path in ("/console/../server.py", "/console/%2e%2e/server.py", "/console/..%2f..%2fserver.py", "//etc/passwd",
                         "/console//etc/passwd", "/console/%00", "/console/....//server.py", "/console/\\..\\server.py",
                         "/v1/models/../../etc/passwd", "/v1/replies/..%2f..%2fetc%2fpasswd"):
                reader, writer = await asyncio.open_connection("127.0.0.1", home.made.http.port)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                answer = await asyncio.wait_for(reader.read(), 5)
                writer.close()
                assert answer.split(b" ")[1] in (b"400", b"404"), (path, answer[:200])
                assert b"root:" not in answer and b"import" not in answer

    asyncio.run(act())
