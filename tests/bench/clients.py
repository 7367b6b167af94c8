"""Many clients of WS /v1/stream: what they cost the loudspeaker and each other, and how soon words and sound reach them.

The default engines and the virtual device in real time; the clients are another process on loopback, on the same cores.  Ten of the fifty
read slowly (six a third of full sound, four less than low sound), five read nothing at all any more.  A word's delivery counts from its
frame's place in the reply inside the device to the client's having read it; sound, from the question.  Baselines of the same run: no
client for the loudspeaker and the memory, a single one for words, the inside of the process for sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from edgevoice import app, daemon
from edgevoice.adapters.http import HttpEdge
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.dialog.table import State
from edgevoice.pipeline.engines import Engines
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.settings import HttpSettings, Settings
from tests.e2e.stage import Stage, open_mic
from tests.fakes.ws_client import WsClient, streaming

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Tell me a long story about the sea."
QUESTIONS, QUICK_QUESTIONS = 12, 2
TOKENS, QUICK_TOKENS = 48, 16
WELL, SLOW, DEAD = 35, 10, 5
SLOW_BYTES_S = (10_000,) * 6 + (3_000,) * 4
"""what each slow client reads"""
GONE_S = 20.0
"""within which who does nothing any more is sent away"""
FIRST_BYTE = "question to the first PCM byte at a WebSocket client"


@dataclasses.dataclass
class Run:
    """What one crowd of clients came to."""

    underruns: int = 0
    deltas_ms: list[float] = dataclasses.field(default_factory=list)
    inside_ms: list[float] = dataclasses.field(default_factory=list)
    first_byte_ms: list[float] = dataclasses.field(default_factory=list)
    missed: int = 0
    """frames that a client that was well did not get"""
    memory_mib: tuple[float, float] = (0.0, 0.0)
    """after the second question, and at the end"""
    sent_away: int = 0
    lowered: int = 0


def run(quick: bool) -> list[Result]:
    settings = open_mic(Settings())
    settings = dataclasses.replace(settings, llm=dataclasses.replace(settings.llm, max_tokens=QUICK_TOKENS if quick else TOKENS),
                                   http=HttpSettings(enabled=True, port=0, clients=200, streams=100, words=True, requests_per_s=0))
    progress("loading the engines")
    engines = app.load_engines(settings)
    questions = QUICK_QUESTIONS if quick else QUESTIONS
    try:
        none, one, many = asyncio.run(_device(settings, engines, questions))
    finally:
        engines.close()
    return [
        Result("gaps in the loudspeaker's speech, 50 clients of which 10 are slow and 5 dead", many.underruns, "times", None, "no client",
               none.underruns),
        Result("a word from the reply to a client, p50", median(many.deltas_ms), "ms", None, "one client", median(one.deltas_ms)),
        Result("a word from the reply to a client, p99", percentile(many.deltas_ms, 99), "ms", None, "one client",
               percentile(one.deltas_ms, 99)),
        Result("words that a client that read did not get", many.missed, "words", "== 0"),
        Result("clients sent away of the 5 dead", many.sent_away, "clients", "== 5"),
        Result("slow clients that were given less sound", many.lowered, "clients", f"== {SLOW}"),
        Result("memory, from the second question to the last", many.memory_mib[1] - many.memory_mib[0], "MiB", None, "no client",
               none.memory_mib[1] - none.memory_mib[0]),
        Result(f"{FIRST_BYTE}, one client, p50", median(one.first_byte_ms), "ms", None, "the first sample inside", median(one.inside_ms)),
        Result(f"{FIRST_BYTE}, one client, p99", percentile(one.first_byte_ms, 99), "ms", None, "the first sample inside",
               percentile(one.inside_ms, 99)),
        Result(f"{FIRST_BYTE}, 50 clients, p50", median(many.first_byte_ms), "ms", None, "the first sample inside",
               median(many.inside_ms)),
    ]


async def _device(settings: Settings, engines: Engines, questions: int) -> tuple[Run, Run, Run]:
    async with Stage(settings, engines, 0, realtime=True) as stage, daemon.edges(stage.session, settings, stage.trace) as outside:
        http = outside.http
        await stage.until(lambda: http.port)
        await _ask(stage, Run(), {}, 1)
        runs = []
        for name, crowd in (("no client", (0, 0, 0)), ("one client", (1, 0, 0)), ("50 clients", (WELL, SLOW, DEAD))):
            progress(f"{questions} questions: {name}")
            runs.append(await _crowd(stage, http, crowd, questions))
    stage.core.close()
    return runs[0], runs[1], runs[2]


async def _crowd(stage: Stage, http: HttpEdge, crowd: tuple[int, int, int], questions: int) -> Run:
    made = Run()
    written: dict[tuple[int, int], float] = {}
    refused = http.health()[0]["refused"]
    before = stage.core.counters().underruns
    if not sum(crowd):
        await _ask(stage, made, written, questions)
        made.underruns = stage.core.counters().underruns - before
        return made
    clients = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.clients", str(http.port), *map(str, crowd), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, limit=1 << 28)
    assert clients.stdin is not None and clients.stdout is not None
    await stage.until(lambda: http.health()[0]["streams"] >= sum(crowd), 60.0)
    asked = await _ask(stage, made, written, questions)
    made.underruns = stage.core.counters().underruns - before
    await stage.until(lambda: http.health()[0]["streams"] <= crowd[0] + crowd[1], GONE_S)
    clients.stdin.close()
    told = json.loads(await clients.stdout.readline())
    await clients.wait()
    made.lowered = told["lowered"]
    made.sent_away = sum(count - refused.get(reason, 0) for reason, count in http.health()[0]["refused"].items()
                         if reason in ("slow", "silent"))
    for client in told["clients"]:
        got = {(generation, seq): at for generation, seq, at in client["frames"]}
        made.missed += len(written.keys() - got.keys())
        made.deltas_ms += [1000 * (at - written[key]) for key, at in got.items() if key in written]
        for t0 in asked:
            after = [at for at in client["firsts"] if at > t0]
            if after:
                made.first_byte_ms.append(1000 * (after[0] - t0))
    return made


async def _ask(stage: Stage, made: Run, written: dict[tuple[int, int], float], questions: int) -> list[float]:
    """When they were asked."""
    asked = []
    inside: list[float] = []

    def replied(stream: ReplyStream) -> None:
        reader = stream.read()
        stream.listen(lambda: written.update({(frame.generation, frame.seq): time.monotonic() for frame in reader.poll()}))

    def happened(row: dict[str, Any]) -> None:
        if row["event"] == "playback_first_sample":
            inside.append(row["t"])

    replies, rows = stage.session._replies._listeners, stage.trace._listeners
    replies.append(replied)
    rows.append(happened)
    begun = 0.0
    for number in range(questions):
        asked.append(time.monotonic())
        stage.session.ask(QUESTION)
        await stage.until(lambda: stage.session.machine.state is State.SPEAKING, 60.0)
        await stage.until(lambda: stage.session.machine.state in (State.FOLLOWUP, State.IDLE), 60.0)
        await asyncio.sleep(0.4)  # so that its sound is apart from the next one's
        if number == min(1, questions - 1):
            begun = _memory_mib()
    replies.remove(replied)
    rows.remove(happened)
    made.memory_mib = begun, _memory_mib()
    made.inside_ms = [1000 * (first - at) for at, first in zip(asked, inside, strict=False)]
    return asked


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2 ** 20


# The clients' process.

QUIET_S = 0.3
"""without sound, after which the next is the first of an answer"""


async def _clients(port: int, well: int, slow: int, dead: int) -> None:
    subscribed: dict[str, Any] = {"replies": True, "events": True, "state": True, "sound": "full"}
    lowered: list[bool] = []
    async with contextlib.AsyncExitStack() as stack:
        web = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}",
                                                                    connector=aiohttp.TCPConnector(limit=0)))
        good = [await stack.enter_async_context(streaming(web, **subscribed)) for _ in range(well)]
        slowly = [asyncio.create_task(_read_slowly(port, rate, lowered)) for rate in SLOW_BYTES_S[:slow]]
        deaf = [await asyncio.to_thread(_connected, port) for _ in range(dead)]
        await asyncio.to_thread(sys.stdin.read)
        for task in slowly:
            task.cancel()
        for connection in deaf:
            connection.close()
        print(json.dumps({"lowered": len(lowered), "clients": [_told(client) for client in good]}), flush=True)


def _told(client: WsClient) -> dict[str, Any]:
    firsts, last = [], 0.0
    for *_, at in client.pieces:
        if at - last > QUIET_S:
            firsts.append(at)
        last = at
    return {"frames": [(frame["generation"], frame["seq"], frame["at"]) for frame in client.of("frame")], "firsts": firsts}


def _connected(port: int) -> socket.socket:
    """Subscribed to everything, and then not another word."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    for text in ('{"type": "hello", "version": 1}', '{"type": "subscribe", "replies": true, "events": true, "sound": "full"}'):
        made.sendall(_frame(text))
    return made


def _frame(text: str) -> bytes:
    """A client's text message, masked with zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


async def _read_slowly(port: int, bytes_s: int, lowered: list[bool]) -> None:
    connection = _connected(port)
    connection.setblocking(False)
    loop, told, step_s = asyncio.get_running_loop(), False, 0.1
    while True:
        data = await loop.sock_recv(connection, int(bytes_s * step_s))
        if not data:
            return
        if b'"quality"' in data and not told:
            told = True
            lowered.append(True)
        for _ in range(data.count(b'"type":"ping"')):
            await loop.sock_sendall(connection, _frame('{"type": "pong", "n": 0}'))
        await asyncio.sleep(step_s)


if __name__ == "__main__":
    asyncio.run(_clients(*map(int, sys.argv[1:5])))
