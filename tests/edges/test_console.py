"""The console in a real browser, on a device in real time whose engines are scripted: asking, hostile answers, commands, cuts.

Needs Chromium (Debian's ``chromium``); skipped where there is none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice.adapters.http import wire
from tests.edges.conftest import until
from tests.edges.test_http import EARS, FULL, House, house
from tests.fakes import chromium
from tests.fakes.chromium import TAP, Page, browsing, heard
from tests.fakes.llm import Pause, Step, words

pytestmark = [pytest.mark.skipif(chromium.MISSING is not None, reason=str(chromium.MISSING)), pytest.mark.timeout(120)]

FENCE = "```"
HOSTILE = (
    "<script>window.broken = 1</script>", "<img src=x onerror='window.broken = 2'>", "<svg onload=window.broken=3><g/></svg>",
    "[here](javascript:window.broken=4)", "[here](JaVaScRiPt:window.broken=5)", "[x](java\tscript:window.broken=6)",
    "[x](data:text/html,<script>parent.broken=7</script>)", "[x](vbscript:msgbox)", "[x](http://plain.example/)",
    "[x](https://user:password@evil.example/)", "[x](//evil.example/)", "[x](https:evil.example)", "![pixel](https://evil.example/p.png)",
    "<https://evil.example/>", "<a href='https://evil.example/' onmouseover='window.broken=8'>over</a>",
    "<iframe srcdoc='<script>parent.broken=9</script>'></iframe>", "<style>body { display: none }</style>", "<base href='https://evil.example/'>",
    "<form action='https://evil.example/'><input autofocus onfocus='window.broken=10'></form>", "**<b onclick=window.broken=11>bold</b>**",
    f"{FENCE}html\n</code></pre><script>window.broken = 12</script>\n{FENCE}", "`<img src=x onerror=window.broken=13>`",
    "# <img src=x onerror=window.broken=14>", "- <img src=x onerror=window.broken=15>", "> <img src=x onerror=window.broken=16>",
    "[<img src=x onerror=window.broken=17>](https://good.example/)", "[a](https://good.example/\"onmouseover=\"window.broken=18)",
    "[a](https://good.example/ \"title' onclick='window.broken=19\")", "&lt;script&gt;window.broken=20&lt;/script&gt;",
    "{{constructor.constructor('window.broken=21')()}}",
    "<math><mtext></p><style><img src=x onerror=window.broken=22>", "\u202e<script>window.broken=23</script>\u202c",
    "<!--><script>window.broken=24</script>-->",
    "[" * 2000, "*" * 2000 + "a", "> " * 500 + "deep", "<" * 3000, "[a](https://" + "b" * 3000 + ")", "__proto__", "\x00\ufffd\u2028\u2029")
GOOD = ("Here is **how**, in *short*:\n\n1. Boil `two` cups.\n2. Wait.\n\n- See [the page](https://good.example/a?b=c).\n\n> Quoted.\n\n"
        f"# Title\n\n{FENCE}python\nif 1 < 2:\n    print(\"*\")\n{FENCE}\n\nAn end: 2 * 3 * 4 and snake_case.")


def act(monkeypatch: pytest.MonkeyPatch, folder: Path, do: Callable[[House, Page, str], Awaitable[None]], *, before: str = "",
        **facts: Any) -> None:
    """``do`` with the device, the page and its address; the page complains of nothing meanwhile."""
    async def run() -> None:
        async with house(monkeypatch, **{"words": True, **facts}) as home, browsing(folder, before=before) as page:
            address = f"http://127.0.0.1:{home.made.http.port}"
            await page.open(address + "/")
            await do(home, page, address)
            assert page.console == []
            strange = [asked for asked in page.requested if not asked.startswith(address)]
            assert strange == [], "the page talks to its device and to nobody else"

    asyncio.run(run())


async def ready(page: Page) -> None:
    await page.until("document.getElementById('state-text').textContent === 'Ready'")


async def ask(page: Page, text: str) -> None:
    """By the keyboard alone."""
    await page.until("!document.getElementById('question').disabled")
    await page.evaluate("document.body.focus(), document.activeElement.blur()")
    await page.do("Input.dispatchKeyEvent", type="keyDown", key="/", code="Slash", text="/", windowsVirtualKeyCode=191)
    await page.do("Input.dispatchKeyEvent", type="keyUp", key="/", code="Slash", windowsVirtualKeyCode=191)
    assert await page.evaluate("document.activeElement.id") == "question"
    await page.write(text)
    await page.press("Enter")


async def answer(page: Page, number: int = 1) -> str:
    """The text of the answer of that number, once it is whole."""
    await page.until(f"document.querySelectorAll('.reply').length >= {number} && !document.querySelector('.reply[data-writing]')")
    text: str = await page.evaluate(f"document.querySelectorAll('.reply')[{number - 1}].textContent")
    return text


def test_a_question_is_asked_by_keyboard_and_answered_as_it_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script: list[Step] = [*words("All is well"), Pause(0.6), " here.", " Truly."]

    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        await page.evaluate("""(() => {
            window.removed = 0;
            new MutationObserver((all) => {
              for (const each of all) if (each.target.closest?.('.reply')) window.removed += each.removedNodes.length;
            }).observe(document.getElementById('turns'), { childList: true, subtree: true }); })()""")
        await ask(page, "Who was Ada?")
        early = await page.until("document.querySelector('.reply[data-writing]')?.textContent")
        assert "All is well here. Truly.".startswith(early) and early != "All is well here. Truly.", "shown before it is whole"
        assert await answer(page) == "All is well here. Truly."
        assert await page.evaluate("window.removed") == 0, "what was shown is never made anew"
        assert await page.evaluate("document.querySelector('.user').textContent") == "Who was Ada?"
        assert await page.evaluate("document.querySelectorAll('.turn').length") == 1
        assert "All is well here. Truly." in await page.until("document.getElementById('spoken').textContent"), "told to a screen reader"
        await page.until("!!document.querySelector('#timing .stages') && !!document.querySelector('.took')")
        assert await page.evaluate("document.querySelectorAll('#timing .track span').length") >= 3
        home.made.session.ask("And who asked from elsewhere?")
        assert await answer(page, 2) == "All is well here. Truly."
        assert await page.evaluate("[...document.querySelectorAll('.user')].map((node) => node.textContent)") == [
            "Who was Ada?", "And who asked from elsewhere?"]
        for view in ("health", "log", "device"):
            await page.click(f"#tab-{view}")
            assert await page.evaluate(f"document.getElementById('{view}').checkVisibility()")
        await page.until("document.querySelector('#health .plot strong')?.textContent")
        assert "asked" in await page.evaluate("document.querySelector('#log').textContent")

    act(monkeypatch, tmp_path, do, script=script)


def test_nothing_that_a_model_says_is_executed_or_becomes_markup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Through the renderer a character at a time and whole, with the page's policy and again by a frame of the device's own."""
    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        found = await page.evaluate("(async (corpus) => {" + """
            const { Markdown } = await import('/console/markdown.js'), root = document.getElementById('turns'), seen = [];
            for (const text of corpus) for (const step of [1, 7, 1e9]) {
              const node = root.appendChild(document.createElement('div')), reply = new Markdown(node);
              const began = performance.now();
              for (let at = 0; at < text.length; at += step) reply.write(text.slice(at, at + step));
              reply.end();
              seen.push({ text, html: node.innerHTML, shown: node.textContent, took: performance.now() - began,
                tags: [...node.querySelectorAll('*')].map((each) => each.localName),
                links: [...node.querySelectorAll('a')].map((each) => each.href),
                attributes: [...node.querySelectorAll('*')].flatMap((each) => each.getAttributeNames()) });
              for (const each of node.querySelectorAll(':not(a)')) {
                for (const kind of ['click', 'mouseover', 'focus']) each.dispatchEvent(new Event(kind, { bubbles: true }));
              }
            }
            await new Promise((after) => setTimeout(after, 300));
            return { seen, broken: window.broken ?? null };
        """ + f"}})({json.dumps(HOSTILE)})")
        assert found["broken"] is None
        known = {"p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "h3", "h4", "h5", "h6", "a"}
        for each in found["seen"]:
            assert set(each["tags"]) <= known, each
            assert set(each["attributes"]) <= {"href", "title", "target", "rel", "dir", "tabindex", "start"}, each
            assert all(link.startswith("https://") and "evil" not in link for link in each["links"]), each
            assert each["took"] < 2000, each["text"][:40]
            if "<script" in each["text"]:
                assert "<script" in each["shown"], each
        for one, seven, whole in zip(*[iter(found["seen"])] * 3, strict=True):
            assert one["html"] == seven["html"] == whole["html"], "how it is cut into pieces does not matter"
        await ask(page, HOSTILE[1])
        assert await answer(page) == "".join(HOSTILE[:4])
        await asyncio.sleep(0.3)
        assert await page.evaluate("window.broken ?? null") is None
        assert await page.evaluate("document.querySelectorAll('#turns script, #turns img, #turns svg, #turns iframe').length") == 0
        assert HOSTILE[1] in await page.evaluate("document.querySelector('.user').textContent + document.getElementById('log').textContent")

    act(monkeypatch, tmp_path, do, script=list(HOSTILE[:4]))


@pytest.mark.slow
def test_the_policy_stops_what_the_renderer_would_let_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the other tests rely on: a fault of the page would be seen, and would be harmless."""
    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        made = await page.evaluate("(() => { try { document.body.innerHTML = '<img src=x onerror=window.broken=1>'; return 'made' }"
                                   "catch (error) { return error.name } })()")
        assert made == "TypeError", "trusted types"
        await page.evaluate("(() => { const made = document.createElement('script'); made.append('window.broken = 2');"
                            "document.body.append(made) })()")
        assert await page.evaluate("fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'refused')") == "refused"
        await asyncio.sleep(0.3)
        assert await page.evaluate("window.broken ?? null") is None
        told = "\n".join(page.console)
        assert "TrustedHTML" in told and "TrustedScript" in told and "connect-src 'self'" in told, told
        page.console.clear()
        page.requested[:] = [asked for asked in page.requested if asked != "http://127.0.0.1:1/"]

    act(monkeypatch, tmp_path, do)


def test_markdown_is_shown_as_what_it_means(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def do(home: House, page: Page, address: str) -> None:
        await ask(page, "How?")
        await answer(page)
        shown = await page.evaluate("document.querySelector('.reply').innerHTML")
        link = ('<a href="https://good.example/a?b=c" title="https://good.example/a?b=c" target="_blank" '
                'rel="noopener noreferrer nofollow">the page</a>')
        assert shown == (
            '<p dir="auto">Here is <strong>how</strong>, in <em>short</em>:</p><ol><li dir="auto">Boil <code>two</code> cups.</li>'
            f'<li dir="auto">Wait.</li></ol><ul><li dir="auto">See {link}.</li></ul><blockquote dir="auto">Quoted.</blockquote>'
            '<h3 dir="auto">Title</h3><pre tabindex="0"><code>if 1 &lt; 2:\n    print("*")\n</code></pre>'
            '<p dir="auto">An end: 2 * 3 * 4 and snake_case.</p>')

    act(monkeypatch, tmp_path, do, script=[GOOD[at:at + 3] for at in range(0, len(GOOD), 3)])


@pytest.mark.slow
def test_it_commands_the_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def do(home: House, page: Page, address: str) -> None:
        session = home.made.session
        await ready(page)
        await page.click("#mute")
        await page.until("document.getElementById('mute').getAttribute('aria-pressed') === 'true'")
        assert session.muted
        await page.click("#mute")
        await until(lambda: not session.muted)
        await page.evaluate("document.getElementById('volume').focus()")
        await page.press("ArrowLeft")
        await until(lambda: home.made.find("volume") and home.made.find("volume")[-1]["gain"] == pytest.approx(0.95))
        await ask(page, "Tell me a long story.")
        await page.until("document.getElementById('state-text').textContent === 'Speaking'")
        await page.press("Escape")
        await until(lambda: home.made.find("playback_silent"))
        await page.until("document.querySelector('.foot').textContent.includes('stopped')")

    act(monkeypatch, tmp_path, do, script=[step for k in range(60) for step in (Pause(0.05), f"word{k} ")])


@pytest.mark.slow
def test_it_asks_for_a_token_keeps_it_to_itself_and_comes_back_after_a_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{FULL}\n{EARS} listen\n", encoding="ascii")

    async def do(home: House, page: Page, address: str) -> None:
        await page.until("document.getElementById('signin').open")
        await page.write("wrong-token-wrong-token")
        await page.press("Enter")
        await page.until("document.getElementById('signin').open && document.getElementById('signin-why').textContent")
        await page.write(EARS)
        await page.press("Enter")
        await ready(page)
        for what in ("question", "mute"):
            assert await page.evaluate(f"document.getElementById('{what}').disabled"), "by its scopes"
        await page.until("document.querySelector('#health .summary').textContent")
        await page.evaluate("sessionStorage.clear()")
        await page.open(address + "/?again")
        await page.until("document.getElementById('signin').open")
        await page.write(FULL)
        await page.press("Enter")
        await ready(page)
        await ask(page, "Tell me.")
        await page.until("!!document.querySelector('.reply')")
        for listener in list(home.made.http._server.streams._listeners):  # the connection breaks in the middle of the answer
            home.made.http._loop.call_soon_threadsafe(listener._transport.abort)
        assert await answer(page) == " ".join(f"word{k}" for k in range(40))
        assert await page.evaluate("document.querySelectorAll('.turn').length") == 1
        assert len(home.llm.asked) == 1
        assert not any(token in asked for asked in page.requested for token in (FULL, EARS)), "never in an address"
        assert FULL not in await page.evaluate("document.documentElement.outerHTML + document.cookie + JSON.stringify({ ...localStorage })")
        page.console[:] = [line for line in page.console if "WebSocket" not in line and "401" not in line]

    act(monkeypatch, tmp_path, do, script=words(" ".join(f"word{k}" for k in range(40)), 0.05), token_file=str(tokens))


@pytest.mark.slow
def test_no_size_scrolls_sideways_or_hides_what_is_to_be_pressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        await ask(page, "How?" + "m" * 300)
        await answer(page)
        for width in (320, 390, 768, 1280):
            await page.size(width, 780, phone=width < 600)
            for view in (["talk"] if width < 960 else []) + ["timing", "health", "log", "device"]:
                await page.click(f"#tab-{view}")
                assert await page.evaluate(f"document.body.dataset.view === '{view}'"), f"{width}: the tab can be pressed where it is"
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                wide = await page.evaluate(
                    f"[...document.querySelectorAll('#{view} *')].filter((node) => node.checkVisibility() && !node.closest('pre'))"
                    f".filter((node) => node.getBoundingClientRect().right > {width} + 1).map((node) => node.outerHTML.slice(0, 80))")
                assert wide == [], width

    act(monkeypatch, tmp_path, do, script=["A ", "w" * 400, f"\n\n{FENCE}\n" + "c" * 400 + f"\n{FENCE}\n"])


@pytest.mark.slow
def test_everything_to_be_pressed_has_a_name_and_every_text_enough_contrast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        await ask(page, "How?")
        await answer(page)
        await page.until("!!document.querySelector('.took') && !!document.querySelector('#health .plot')")
        for scheme in ("light", "dark"):
            await page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            for view in ("timing", "health", "log", "device"):
                await page.click(f"#tab-{view}")
                await page.evaluate("new Promise((after) => setTimeout(after, 300))")
                weak = await page.evaluate(CONTRAST)
                assert weak == [], f"{scheme}, {view}"
        tree = (await page.do("Accessibility.getFullAXTree"))["nodes"]
        pressed = ("button", "link", "textbox", "slider", "tab", "tabpanel", "image", "combobox")
        nameless = [node["role"]["value"] for node in tree if not node["ignored"] and not node.get("name", {}).get("value")
                    and node.get("role", {}).get("value") in pressed]
        assert nameless == []

    act(monkeypatch, tmp_path, do, script=[GOOD])


@pytest.mark.slow
def test_the_player_buffers_as_much_as_the_connection_asks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sine = (9830 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype(np.int16)

    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        made = await page.evaluate(f"{PLAY}({json.dumps(list(wire.mulaw(sine)))})")
        calm, *shaky, _, _, _, _ = made["depths"]
        assert calm < 150 and shaky[-1] > 180, made
        assert made["late"][1] >= 1 and made["late"][3] == 0, "deep enough once the jitter was seen"
        assert made["depths"][-1] < 0.7 * shaky[-1] and made["late"][-1] == 0, "and less deep once it is gone"
        assert made["sent"] == [{"type": "played", "generation": 7, "late_ms": 0}]
        samples, rate, _ = await heard(page)
        loud = np.flatnonzero(np.abs(samples) > 300)
        last = samples[loud[-1] - rate // 50:loud[-1]].astype(float)
        assert np.sqrt(np.mean(np.square(last))) == pytest.approx(9830 / np.sqrt(2), rel=0.1), "µ-law is as loud as it was"
        page.console[:] = [line for line in page.console if "ScriptProcessorNode" not in line]

    act(monkeypatch, tmp_path, do, before=TAP)


@pytest.mark.slow
def test_the_device_is_heard_in_the_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def do(home: House, page: Page, address: str) -> None:
        await ready(page)
        await page.click("#hear")
        await page.until("document.getElementById('hear').getAttribute('aria-pressed') === 'true'")
        await ask(page, "Tell me.")
        await until(lambda: home.made.find("playback_end"), 30)
        await asyncio.sleep(0.8)
        samples, rate, _ = await heard(page)
        loud = np.flatnonzero(np.abs(samples) > 300)
        played = home.made.find("playback_end")[0]["frames"] / 16_000
        assert (loud[-1] - loud[0]) / rate == pytest.approx(played, abs=0.1)
        assert np.diff(loud).max() / rate < 0.02, "without a seam"
        await page.click("#hear")
        assert await page.evaluate("document.getElementById('hear').getAttribute('aria-pressed')") == "false"
        page.console[:] = [line for line in page.console if "ScriptProcessorNode" not in line]

    act(monkeypatch, tmp_path, do, before=TAP, script=words(" ".join(f"word{k}" for k in range(80)) + "."))


PLAY = """(async (low) => {
  const { Player } = await import('/console/player.js'), listeners = {}, sent = [];
  const format = (form, rate) => ({ format: form, rate });
  const link = { on: (type, listener) => { listeners[type] = listener; }, send: (message) => sent.push(message),
    welcome: { rate: 16000, formats: { full: format(0, 16000), low: format(1, 8000), voice: format(0, 16000) } } };
  const player = new Player(link), depths = [], late = [];
  await player.open();
  let number = 0, sample = 0;
  const give = (what, form, at, bytes) => {
    const buffer = new ArrayBuffer(16 + bytes.length);
    new Uint8Array(buffer, 16).set(bytes);
    listeners.sound({ what, format: form, number: number++, sample: at, buffer });
  };
  const sleep = (ms) => new Promise((after) => setTimeout(after, ms));
  const tone = (at) => 9830 * Math.sin(2 * Math.PI * 220 * at / 16000);
  const sine = (from) => new Uint8Array(Int16Array.from({ length: 320 }, (_, k) => tone(from + k)).buffer);
  for (const jitter of [5, 200, 200, 200, 5, 5, 5, 5]) { // utterances of a second each, after a pause; the sixth of their pieces is late
    const before = player.late, begun = performance.now();
    for (let k = 0; k < 50; k++) {
      const due = begun + 20 * k + (k % 8 === 5 ? jitter : 0);
      if (due > performance.now()) await sleep(due - performance.now());
      give(1, 0, sample, sine(sample));
      sample += 320;
    }
    depths.push(player.depth_ms);
    late.push(player.late - before);
    await sleep(250);
    sample += 4000;
  }
  for (let at = 0; at < low.length; at += 160) give(1, 1, 1e6 + at, low.slice(at, at + 160));
  await sleep(1000 * low.length / 8000 + 600);
  listeners.event({ event: { event: 'playback_first_sample', generation: 7, sample: 2e6 + 1000 } });
  give(1, 1, 1e6 + 500, low.slice(0, 160));
  await sleep(600);
  return { depths, late, sent };
})"""
CONTRAST = """(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (color) => { context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const linear = (v) => (v <= 0.03928 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = (color) => { const [x, y, z] = color.slice(0, 3).map(linear); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
  const ground = (node) => {
    const above = [];
    for (let at = node; at; at = at.parentElement) above.unshift(parse(getComputedStyle(at).backgroundColor));
    return above.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const weak = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || node.closest('.visually-hidden, :disabled, svg, noscript, .skip')) continue;
    const style = getComputedStyle(node), under = ground(node), text = over(parse(style.color), under), a = light(text), b = light(under);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) weak.push([node.outerHTML.slice(0, 60), Math.round(ratio * 100) / 100]);
  }
  return weak;
})()"""
