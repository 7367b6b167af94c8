"""A real browser without a screen, driven over its debugging port: pages are opened, looked at, typed into, and heard.

Needs Chromium (Debian's ``chromium``).  The microphone is a WAV file, if one is given; it begins to be heard when the page opens it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = None if PROGRAM else "no Chromium on this machine"
"""why there can be no browser, or None"""
START_S = 60.0
ANSWER_S = 30.0
TAP = """
// Whatever is connected to a loudspeaker goes to `heard`, too: samples, and the clock time of each block.
window.heard = { rate: 0, blocks: [] };
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode && !(this instanceof ScriptProcessorNode)) {
    const tap = to.context.createScriptProcessor(1024, 1, 1);
    window.heard.rate = to.context.sampleRate;
    tap.onaudioprocess = ({ inputBuffer }) => window.heard.blocks.push([performance.now(), inputBuffer.getChannelData(0).slice()]);
    connect.call(this, tap);
    connect.call(tap, to);
  }
  return connect.call(this, to, ...rest);
};
"""
TAKE = """(() => {
  const all = window.heard.blocks, length = all.reduce((sum, [, block]) => sum + block.length, 0);
  const whole = new Int16Array(length), times = [];
  let at = 0;
  for (const [time, block] of all) { times.push([at, time]); for (const v of block) whole[at++] = Math.max(-1, Math.min(1, v)) * 32767; }
  const bytes = new Uint8Array(whole.buffer); let text = '';
  for (let k = 0; k < bytes.length; k += 32768) text += String.fromCharCode(...bytes.subarray(k, k + 32768));
  return { rate: window.heard.rate, samples: btoa(text), times };
})()"""
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35}


class Page:
    """``console``: warnings and errors, what was thrown, and what the page's policy or the network refused."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.console: list[str] = []
        self.requested: list[str] = []
        """every address that was asked for"""

    async def read(self) -> None:
        async for message in self._ws:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(told)
                continue
            facts = told["params"]
            match told["method"]:
                case "Runtime.consoleAPICalled" if facts["type"] in ("error", "warning", "assert"):
                    self.console.append(" ".join(str(part.get("value", part.get("description"))) for part in facts["args"]))
                case "Runtime.exceptionThrown":
                    details = facts["exceptionDetails"]
                    self.console.append(details.get("exception", {}).get("description", details["text"]))
                case "Log.entryAdded" if facts["entry"]["level"] in ("error", "warning"):
                    self.console.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
                case "Page.javascriptDialogOpening":
                    self.console.append(f"a dialog: {facts['message']}")
                    await self.do("Page.handleJavaScriptDialog", answer=False, accept=False)
                case "Network.requestWillBeSent":
                    self.requested.append(facts["request"]["url"])

    async def do(self, method: str, *, answer: bool = True, **facts: Any) -> Any:
        number = next(self._numbers)
        if answer:
            self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._ws.send_json({"id": number, "method": method, "params": facts})
        if not answer:
            return None
        told = await asyncio.wait_for(self._waiting[number], ANSWER_S)
        assert "error" not in told, f"{method}: {told['error']}"
        return told["result"]

    async def evaluate(self, script: str) -> Any:
        """Its value, if it is one that JSON has; a promise is awaited.  The page's own policy does not bind it."""
        made = await self.do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in made, made["exceptionDetails"].get("exception", {}).get("description", made)
        return made["result"].get("value")

    async def until(self, script: str, within_s: float = 20.0) -> Any:
        """Its first value that is true."""
        try:
            async with asyncio.timeout(within_s):
                while not (value := await self.evaluate(script)):
                    await asyncio.sleep(0.03)
        except TimeoutError:
            text = await self.evaluate("document.body.innerText.slice(0, 1500)")
            raise AssertionError(f"in vain: {script}\nconsole: {self.console}\npage: {text}") from None
        return value

    async def open(self, address: str) -> None:
        await self.do("Page.navigate", url=address)
        await self.until("document.readyState === 'complete'")

    async def press(self, key: str) -> None:
        facts: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        await self.do("Input.dispatchKeyEvent", type="rawKeyDown", **facts)
        if key == "Enter":
            await self.do("Input.dispatchKeyEvent", type="char", text="\r", key=key)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **facts)

    async def write(self, text: str) -> None:
        await self.do("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """By the mouse, in its middle: what covers it is clicked instead."""
        x, y = await self.evaluate(f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                                   "return [r.x + r.width / 2, r.y + r.height / 2] })()")
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def size(self, width: int, height: int, *, phone: bool = False, scale: float = 1.0) -> None:
        await self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)

    async def prefer(self, **features: str) -> None:
        """Media features, such as ``prefers_color_scheme="dark"``."""
        await self.do("Emulation.setEmulatedMedia",
                      features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    async def screenshot(self, path: Path) -> None:
        made = await self.do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(made["data"]))


@contextlib.asynccontextmanager
async def browsing(folder: Path, *, microphone: Path | None = None, before: str = "") -> AsyncIterator[Page]:
    """A page of a browser of its own.  ``before``: a script that runs before each document's own."""
    assert PROGRAM is not None
    profile = folder / "profile"
    flags = [f"--user-data-dir={profile}", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             "--remote-debugging-port=0", "--hide-scrollbars", "--force-color-profile=srgb", "--window-size=1280,860", "--lang=en-GB"]
    if microphone is not None:
        flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                  f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *flags, "about:blank"], stdout=log, stderr=log)
    reading = None
    try:
        port = await _port(profile, process)
        async with aiohttp.ClientSession() as web:
            async with web.get(f"http://127.0.0.1:{port}/json") as response:
                target = next(each for each in await response.json() if each["type"] == "page")
            async with web.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                page = Page(ws)
                reading = asyncio.create_task(page.read())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.do(f"{domain}.enable")
                if before:
                    await page.do("Page.addScriptToEvaluateOnNewDocument", source=before)
                yield page
    finally:
        if reading is not None:
            reading.cancel()
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    told = profile / "DevToolsActivePort"
    async with asyncio.timeout(START_S):
        while not (told.exists() and told.read_text(encoding="ascii").count("\n")):
            assert process.poll() is None, f"Chromium ended with {process.returncode}"
            await asyncio.sleep(0.05)
    return int(told.read_text(encoding="ascii").splitlines()[0])


async def heard(page: Page) -> tuple[np.ndarray, int, np.ndarray]:
    """What the loudspeaker was given: int16 samples, their rate, and (sample, performance time in ms) of its blocks."""
    made = await page.evaluate(TAKE)
    return np.frombuffer(base64.b64decode(made["samples"]), "<i2"), int(made["rate"]), np.array(made["times"])
