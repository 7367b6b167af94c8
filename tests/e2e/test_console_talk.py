"""A spoken question through the console: real engines, a real browser whose microphone plays it, and what its loudspeaker is given.

Needs Chromium (Debian's ``chromium``); skipped where there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from edgevoice import audio
from edgevoice.engines.protocols import SPEECH_RATE
from edgevoice.pipeline.session import Engines
from tests.e2e.stage import alike, clearly
from tests.fakes import chromium
from tests.fakes.chromium import TAP, browsing, heard
from tests.fakes.mosquitto import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300),
              pytest.mark.skipif(chromium.MISSING is not None, reason=str(chromium.MISSING))]

CARD_RATE = 48_000
QUESTION = "Why is the sky blue?"
LEAD_S = 1.0
QUIET = 0.004
"""of full scale: what is below it is silence"""
WATCH = """(() => {
  window.shown = [];
  const look = () => {
    const user = document.querySelector('.user'), reply = document.querySelector('.reply'), at = performance.now();
    window.shown.push({ at, settled: user?.firstChild?.textContent ?? '', soft: user?.querySelector('.soft')?.textContent ?? '',
      reply: reply?.textContent ?? '', state: document.getElementById('state').dataset.state });
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
})()"""
@contextlib.asynccontextmanager
async def appliance(folder: Path) -> AsyncIterator[str]:
    """The daemon, as ``configs/dev.toml`` starts it; its address."""
    port, config = free_port(), folder / "dev.toml"
    text = (Path(__file__).parents[2] / "configs" / "dev.toml").read_text(encoding="utf-8")
    config.write_text(text.replace("[http]\n", f"[http]\nport = {port}\n"), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--config", str(config)], stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as web:
            limit = time.monotonic() + 90
            while True:
                assert daemon.poll() is None and time.monotonic() < limit, (folder / "log").read_text(encoding="utf-8")
                with contextlib.suppress(aiohttp.ClientError):
                    async with web.get(f"http://127.0.0.1:{port}/v1/state") as response:
                        if response.status == 200:
                            break
                await asyncio.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        daemon.terminate()
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def transcript(engines: Engines, samples: np.ndarray, rate: int) -> str:
    """By the recognizer, in pieces of a few seconds that are cut where it is quiet."""
    speech = audio.resample(audio.to_float32(samples), rate, SPEECH_RATE)
    words, at, step = [], 0, SPEECH_RATE // 20
    while at < len(speech):
        end = min(len(speech), at + 8 * SPEECH_RATE)
        if end < len(speech):
            ends = range(at + 4 * SPEECH_RATE, end, step)
            end = min(ends, key=lambda k: float(np.abs(speech[k - step:k + step]).sum()))
        stream = engines.stt.open()
        stream.accept(speech[at:end])
        words.append(stream.finish())
        at = end
    return " ".join(words)


def question(engines: Engines, folder: Path, *texts: tuple[str, float]) -> Path:
    """A microphone's recording: each text, after so many seconds of near silence."""
    chance, parts = np.random.default_rng(3), []
    for text, wait_s in texts:
        parts += [np.zeros(round(wait_s * CARD_RATE), np.int16), clearly(engines, text, CARD_RATE)]
    samples = np.concatenate([*parts, np.zeros(60 * CARD_RATE, np.int16)])
    noise = chance.normal(0.0, 12.0, len(samples))
    path = folder / "microphone.wav"
    audio.write_wav(path, np.clip(samples + noise, -32768, 32767).astype(np.int16), CARD_RATE)
    return path


def test_a_spoken_question_is_seen_answered_heard_and_stopped(engines: Engines, tmp_path: Path) -> None:
    async def act() -> dict[str, Any]:
        microphone = question(engines, tmp_path, (QUESTION, LEAD_S))
        async with appliance(tmp_path) as address, browsing(tmp_path, microphone=microphone, before=TAP) as page:
            await page.open(address + "/")
            await page.until("!document.getElementById('speak').disabled")
            await page.evaluate(WATCH)
            await page.click("#speak")
            await page.until("!!document.querySelector('.reply') && !document.querySelector('.reply[data-writing]')", 60)
            await page.until("['followup', 'idle'].includes(document.getElementById('state').dataset.state)", 60)
            shown = await page.evaluate("window.shown")
            first = await heard(page)
            await page.until("!!document.querySelector('.took')")
            timing = await page.evaluate("document.getElementById('timing').innerText")
            await page.evaluate("window.heard.blocks = [], document.getElementById('question').focus()")
            await page.write("Tell me a long story about the sea.")
            await page.press("Enter")
            await page.until(f"window.heard.blocks.filter(([, block]) => block.some((v) => Math.abs(v) > {QUIET})).length > 60", 60)
            pressed = await page.evaluate("performance.now()")
            await page.press("Escape")
            await page.until("!document.querySelector('.reply[data-writing]')")
            await asyncio.sleep(2.0)
            cut = await heard(page)
            replies = await page.evaluate("[...document.querySelectorAll('.reply')].map((node) => node.textContent)")
            assert [line for line in page.console if "ScriptProcessorNode" not in line] == []  # that one is the test's own
            return {"shown": shown, "first": first, "cut": cut, "pressed": pressed, "replies": replies, "timing": timing}

    seen = asyncio.run(act())
    shown = seen["shown"]
    provisional = [look for look in shown if look["soft"] and not look["reply"]]
    assert provisional, "words appear while they are spoken, grey"
    assert alike(next(look["settled"] for look in reversed(shown) if look["settled"]), QUESTION)
    growing = list(dict.fromkeys(look["reply"] for look in shown if look["reply"]))
    assert len(growing) > 5 and all(growing[-1].startswith(text) for text in growing[-5:]), "the reply comes bit by bit"
    samples, rate, _ = seen["first"]
    loud = np.flatnonzero(np.abs(samples) > QUIET * 32768)
    assert len(loud), "its sound is heard"
    said = transcript(engines, samples[loud[0]:loud[-1] + rate // 5], rate)
    assert alike(said, seen["replies"][0]), (said, seen["replies"][0])
    assert "Heard in this browser" in seen["timing"] and "Round trip" in seen["timing"]
    samples, rate, times = seen["cut"]
    last = np.flatnonzero(np.abs(samples) > QUIET * 32768)[-1]
    silent_ms = float(np.interp(last, times[:, 0], times[:, 1])) - seen["pressed"]
    print(f"console: silent {silent_ms:.0f} ms after the key")
    assert silent_ms < 300, "from the key to the last sound, the browser's own buffers included"


def test_who_speaks_over_the_answer_is_heard_and_silences_it(engines: Engines, tmp_path: Path) -> None:
    async def act() -> tuple[Any, Any]:
        microphone = question(engines, tmp_path, (QUESTION, LEAD_S), ("Stop talking please.", 6.0))
        async with appliance(tmp_path) as address, browsing(tmp_path, microphone=microphone, before=TAP) as page:
            await page.open(address + "/")
            await page.until("!document.getElementById('speak').disabled")
            await page.click("#speak")
            await page.until("document.getElementById('log').textContent.includes('barge in confirmed')", 60)
            at = await page.evaluate("performance.now()")
            await asyncio.sleep(0.6)
            sound = await heard(page)
            said = await page.evaluate("document.querySelector('.user').textContent")
            await page.open(address + "/?anew")
            await page.until("!document.getElementById('speak').disabled")
            await page.click("#speak")
            await page.until("!!document.querySelector('.user')")
            assert await page.evaluate("document.querySelector('.user').textContent") == said, "a page that is loaded anew goes on with it"
            return at, sound

    at, (samples, rate, times) = asyncio.run(act())
    loud = np.flatnonzero(np.abs(samples) > QUIET * 32768)
    assert (loud[-1] - loud[0]) / rate > 1.5, "it had begun to answer"
    assert float(np.interp(loud[-1], times[:, 0], times[:, 1])) - at < 300
