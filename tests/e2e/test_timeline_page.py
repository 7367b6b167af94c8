"""The timeline page in a real browser: it draws, it shows hostile words as words, and it stays in its own file.

Needs Chromium (Debian's ``chromium``); skipped where there is none.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgevoice import timeline
from tests.fakes.conversation import RATE, conversation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'><b>bold</b>"
PROBE = """
<script>
const report = () => {
  const lanes = byId("lanes"), image = lanes.getContext("2d").getImageData(0, 0, lanes.width, lanes.height);
  const pixels = new Set(new Uint32Array(image.data.buffer));
  const cards = [...document.querySelectorAll(".turn")];
  console.log("PROBE " + JSON.stringify({
    broken: window.broken ?? null, turns: cards.map((node) => node.querySelector("blockquote").textContent),
    figures: byId("figures").innerText, bars: document.querySelectorAll(".turn .track span").length, colors: pixels.size, hits: hits.length,
    markup: document.querySelectorAll(".turn b, .turn img").length, zoomed: view.to - view.from, wide: document.documentElement.scrollWidth,
  }) + " END");
};
window.addEventListener("load", () => {
  MOVES;
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(report)));
});
</script>
</body>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def browse(folder: Path, page: str, moves: str = "", width: int = 1280) -> tuple[dict[str, Any] | None, str]:
    """What the probe saw, and the browser's console."""
    path = folder / "page.html"
    path.write_text(page.replace("</body>", PROBE.replace("MOVES", moves)), encoding="utf-8")
    assert CHROMIUM is not None
    made = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={width},900", "--enable-logging=stderr", "--autoplay-policy=no-user-gesture-required",
         "--virtual-time-budget=3000", f"--screenshot={folder / 'page.png'}", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=False)
    console = "\n".join(line for line in made.stderr.splitlines() if "CONSOLE" in line)
    found = re.search(r"PROBE (\{.*\}) END", console)
    return (json.loads(found[1].replace('\\"', '"')) if found else None), console


def test_a_conversation_is_drawn(tmp_path: Path) -> None:
    talk = conversation()
    seen, console = browse(tmp_path, timeline.page(talk.rows, talk.mic, talk.speaker, RATE))
    assert seen is not None, console
    assert seen["turns"][:2] == ["what is the capital of france", "and how many people live there"]
    assert "920" in seen["figures"]
    assert seen["bars"] == 24
    assert seen["hits"] > 60
    assert seen["colors"] > 20
    assert "Uncaught" not in console


def test_keys_move_the_view(tmp_path: Path) -> None:
    talk = conversation()
    press = "for (const key of [']', '+', 'ArrowRight', ' ', ' ', 'd', ']']) document.dispatchEvent(new KeyboardEvent('keydown', {key}))"
    seen, console = browse(tmp_path, timeline.page(talk.rows, talk.mic, talk.speaker, RATE), press)
    assert seen is not None and "Uncaught" not in console, console
    assert seen["zoomed"] == pytest.approx(0.9 * 1.9, abs=0.01)


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    talk = conversation(questions=(HOSTILE,) * 3, replies=(HOSTILE + ".",) * 3)
    seen, console = browse(tmp_path, timeline.page(talk.rows, talk.mic, talk.speaker, RATE))
    assert seen is not None, console
    assert seen["turns"][0] == HOSTILE
    assert seen["broken"] is None
    assert seen["markup"] == 0


def test_a_phone_does_not_scroll_sideways(tmp_path: Path) -> None:
    talk = conversation()
    seen, console = browse(tmp_path, timeline.page(talk.rows, talk.mic, talk.speaker, RATE), width=500)  # the narrowest window there is
    assert seen is not None, console
    assert seen["wide"] <= 500


@pytest.mark.parametrize("rows", [[], [{"t": 1.0, "event": "state", "state": "idle"}]])
def test_a_trace_with_nothing_in_it(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    seen, console = browse(tmp_path, timeline.page(rows, None, None))
    assert seen is not None and "Uncaught" not in console, console
    assert seen["turns"] == []


def test_a_fault_of_the_page_would_be_seen(tmp_path: Path) -> None:
    """What the other tests rely on: an error reaches the console that they read."""
    page = timeline.page([], None, None).replace('const RULER', 'noSuchThing(); const RULER')
    assert "Uncaught ReferenceError" in browse(tmp_path, page)[1]
