"""Engines on loan: the first delta over HTTP beside that inside the process, and what the device's own answers notice of busy clients.

The default engines and the virtual device in real time.  Two clients on loopback let the device write and speak without a pause, while
questions are put to the device itself.  Baselines: the same questions with nobody there; and with the same clients, but a lender that has
no manners (its threads at the device's priority, never standing still).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from edgevoice import app, daemon
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.dialog.table import State
from edgevoice.events import Message
from edgevoice.host import Host
from edgevoice.pipeline import desk
from edgevoice.pipeline.engines import Engines
from edgevoice.pipeline.lending import Lender, Writing
from edgevoice.settings import HttpSettings, Settings
from tests.e2e.stage import Stage, open_mic

RATE = 16_000
ROUNDS = 3
"""of questions with nobody there and beside busy clients, in turn, since a machine changes with time"""
QUESTIONS, QUICK_QUESTIONS = 8, 2
DELTAS, QUICK_DELTAS = 60, 15
PROMPT = "Count from one to a hundred."
TEXT = "The weather tomorrow will be mostly dry, with some clouds in the afternoon. " * 20


def run(quick: bool) -> list[Result]:
    settings = open_mic(Settings())
    settings = dataclasses.replace(settings, http=HttpSettings(enabled=True, port=0, requests_per_s=0))
    progress("loading the engines")
    engines = app.load_engines(settings)
    try:
        return asyncio.run(_all(settings, engines, quick))
    finally:
        engines.close()


async def _all(settings: Settings, engines: Engines, quick: bool) -> list[Result]:
    questions, deltas = (QUICK_QUESTIONS, QUICK_DELTAS) if quick else (QUESTIONS, DELTAS)
    mannered: dict[str, Any] = {}

    def make(settings: Settings, wanted: Callable[[], bool]) -> Lender:
        mannered["wanted"] = wanted
        mannered["lender"] = lender(settings, lambda: mannered["wanted"]())
        return mannered["lender"]

    lender, app.make_lender = app.make_lender, make  # type: ignore[assignment]
    lowest = desk.LOWEST
    try:
        async with _device(settings, engines) as (stage, url):
            progress(f"{2 * deltas} first deltas")
            before = _resident()
            inside, served = [], []
            async with aiohttp.ClientSession(url) as web:
                for k in range(-2, deltas):  # the first load the engine
                    served += [await _served(web, f"My number is {k}.")] * (k >= 0)
                    inside += [await _inside(mannered["lender"], f"{k} is my number.")] * (k >= 0)
            lent = _resident()
            progress(f"{2 * ROUNDS * questions} questions, half of them beside busy clients")
            alone, polite = [], []
            for _ in range(ROUNDS):
                alone += await _questions(stage, questions)
                async with _busy(url):
                    polite += await _questions(stage, questions)
        desk.LOWEST = 0  # type: ignore[misc]
        async with _device(settings, engines) as (stage, url):
            mannered["wanted"] = lambda: False
            progress(f"{ROUNDS * questions} questions beside clients of a lender without manners")
            async with _busy(url):
                rude = await _questions(stage, ROUNDS * questions)
    finally:
        app.make_lender, desk.LOWEST = lender, lowest  # type: ignore[assignment,misc]
    return [
        Result("chat over HTTP: request to first delta, p50", median(served), "ms", None, "inside the process", median(inside)),
        Result("chat over HTTP: request to first delta, p99", percentile(served, 99), "ms", None, "inside the process",
               percentile(inside, 99)),
        Result("memory of the language model on loan", lent - before, "MiB"),
        Result("typed question to first sound, two busy clients, p50", median(polite), "ms", None, "nobody there", median(alone)),
        Result("typed question to first sound, two busy clients, p95", percentile(polite, 95), "ms", None, "nobody there",
               percentile(alone, 95)),
        Result("the same of a lender without manners, p50", median(rude), "ms", None, "nobody there", median(alone)),
    ]


@contextlib.asynccontextmanager
async def _device(settings: Settings, engines: Engines) -> AsyncIterator[tuple[Stage, str]]:
    async with Stage(settings, engines, 3600, realtime=True) as stage, daemon.edges(stage.session, settings, stage.trace) as outside:
        await stage.until(lambda: outside.http.port)
        yield stage, f"http://127.0.0.1:{outside.http.port}"
    stage.core.close()


async def _served(web: aiohttp.ClientSession, text: str) -> float:
    """ms."""
    body = {"model": Settings().llm.model, "messages": [{"role": "user", "content": text}], "stream": True, "max_tokens": 1}
    began = time.perf_counter()
    async with web.post("/v1/chat/completions", json=body) as response:
        while b'"delta":{"content"' not in (line := await response.content.readline()):
            if not line:
                raise RuntimeError(f"no delta came (status {response.status})")
        return 1000 * (time.perf_counter() - began)


async def _inside(lender: Lender, text: str) -> float:
    began = time.perf_counter()
    async with contextlib.aclosing(lender.write(Writing([Message("user", text)], 1), "inside")) as deltas:
        await anext(deltas)
        return 1000 * (time.perf_counter() - began)


@contextlib.asynccontextmanager
async def _busy(url: str) -> AsyncIterator[None]:
    """Two clients: one has it write, the other has it speak, again and again."""
    names = Settings()

    async def go_on(path: str, body: dict[str, Any]) -> None:
        async with aiohttp.ClientSession(url) as web:
            while True:
                async with web.post(path, json=body) as response:
                    async for _ in response.content.iter_any():
                        pass

    tasks = [asyncio.create_task(go_on("/v1/chat/completions", {
        "model": names.llm.model, "messages": [{"role": "user", "content": PROMPT}], "stream": True, "max_tokens": 256})),
             asyncio.create_task(go_on("/v1/audio/speech", {"model": names.tts.model, "voice": names.tts.model, "input": TEXT,
                                                            "response_format": "pcm"}))]
    await asyncio.sleep(4.0)  # both engines are loaded
    try:
        yield
    finally:
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        if failed:
            failed[0].result()


async def _questions(stage: Stage, count: int) -> list[float]:
    """ms from a typed question to the first frame that sounds."""
    found = []
    for k in range(count):
        generation, said = stage.session.machine.generation, stage.device.position
        stage.session.ask(f"What is the number {k + 3} good for?")

        def first(before: int = generation) -> dict[str, Any] | None:
            return next((row for row in stage.trace.events()
                         if row["event"] == "playback_first_sample" and row["generation"] > before), None)

        await stage.until(lambda: first() is not None)
        row = first()
        assert row is not None
        found.append((row["sample"] - said) * 1000 / RATE)
        stage.session.stop_speaking()
        await stage.until(lambda: stage.session.machine.state is State.IDLE)
    return found


def _resident() -> float:
    return Host(Path.cwd()).look().rss_mb or 0.0
