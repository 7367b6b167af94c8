"""The conversation on a terminal: what is left on the screen, line mode, hostile words, and streams that fail or stand still."""

from __future__ import annotations

import io
import re
import threading
from typing import Any

import pytest

from edgevoice import live_view
from edgevoice.live_view import LiveView
from tests.fakes.conversation import conversation


class Terminal(io.StringIO):
    """Remembers what was written, and knows what a screen would show of it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines, column = [""], 0
        for part in re.findall(r"\x1b\[K|\x1b\[\d*m|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\x1b[K":
                lines[-1] = lines[-1][:column]
            elif part == "\r":
                column = 0
            elif part == "\n":
                lines.append("")
                column = 0
            elif not part.startswith("\x1b"):
                lines[-1] = lines[-1][:column] + part + lines[-1][column + len(part):]
                column += len(part)
        return lines


@pytest.fixture(autouse=True)
def _a_plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown(stream: Any, rows: list[dict[str, Any]] | None = None, **options: Any) -> LiveView:
    view = LiveView(stream, **options)
    with view:
        for row in conversation().rows if rows is None else rows:
            view.on_event(row)
    return view


def partial(text: str, stable: int) -> dict[str, Any]:
    return {"t": 1.0, "event": "stt_partial", "turn": 1, "text": text, "stable": stable}


class TestTerminal:
    def test_the_conversation_is_what_stays_on_the_screen(self) -> None:
        terminal = Terminal()
        shown(terminal, width=80)
        said = [line for line in terminal.screen() if line and not line.startswith("   ·")]
        assert said[:4] == [
            "you   what is the capital of france",
            "reply The capital of France is Paris, a city on the Seine.",
            "you   and how many people live there",
            "reply About two million people live in Paris itself, and twelve in"]
        assert said[4] == "      its region."
        notes = [line[6:] for line in terminal.screen() if line.startswith("   ·")]
        assert notes[0] == 'heard "okay nabu"'
        assert notes[1].startswith("940 ms voice to voice: end seen 166, wait 28")
        assert notes[-4:-2] == ["you speak over the reply: paused", "interrupted"]
        assert notes[-1] == "nothing understood"

    def test_loose_words_are_dim_and_settled_ones_are_not(self) -> None:
        terminal = Terminal()
        shown(terminal, [partial("turn on the lamb", 7)])
        assert "you   turn on\x1b[2m the lamb\x1b[0m" in terminal.getvalue()

    def test_words_too_long_for_the_line_show_their_end(self) -> None:
        terminal = Terminal()
        shown(terminal, [partial("one two three four five six seven eight nine ten eleven", 20)], width=40)
        shown_line = terminal.getvalue().split("\x1b[K")[1]
        visible = re.sub(r"\x1b\[\d*m", "", shown_line).rstrip("\n\r")
        assert len(visible) < 40 and visible.endswith("nine ten eleven")

    def test_without_colour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        shown(terminal)
        assert not re.search(r"\x1b\[\d*m", terminal.getvalue())

    def test_a_reply_that_goes_on_after_a_rejected_interruption(self) -> None:
        terminal = Terminal()
        rows = [{"t": 1.0, "event": "llm_first_token", "turn": 1, "generation": 1, "text": "One"},
                {"t": 1.1, "event": "barge_in_onset", "turn": 1, "generation": 1},
                {"t": 1.2, "event": "barge_in_rejected", "turn": 1, "generation": 1},
                {"t": 1.3, "event": "llm_token", "turn": 1, "generation": 1, "text": " two"}]
        shown(terminal, rows)
        assert [line for line in terminal.screen() if line.startswith("reply")] == ["reply One", "reply two"]

    def test_a_fixed_text_is_shown_though_no_model_wrote_it(self) -> None:
        terminal = Terminal()
        shown(terminal, [{"t": 1.0, "event": "error", "turn": 1, "stage": "llm", "message": "gone"},
                         {"t": 1.1, "event": "tts_chunk", "turn": 1, "generation": 4, "text": "Sorry, something went wrong."}])
        assert terminal.screen()[:2] == ["   ·  error: llm gone", "reply Sorry, something went wrong."]

    def test_waterfalls(self) -> None:
        terminal = Terminal()
        shown(terminal, waterfalls=True, width=90)
        assert sum(line.endswith("s voice to voice") for line in terminal.screen()) == 3

    def test_what_was_said_cannot_command_the_terminal(self) -> None:
        terminal = Terminal()
        evil = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e \r\n\b end"
        rows = [partial(evil, 3), {"t": 1.1, "event": "stt_final", "turn": 1, "text": evil},
                {"t": 1.2, "event": "llm_first_token", "turn": 1, "generation": 1, "text": evil},
                {"t": 1.3, "event": "error", "turn": 1, "stage": evil, "message": evil}, {"t": 1.4, "event": "wake", "model": evil}]
        shown(terminal, rows)
        rest = re.sub(r"\x1b\[K|\x1b\[[012]?m|\x1b\[31m|\r(?=\x1b\[K)|\n", "", terminal.getvalue())
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", rest)


class TestLines:
    @pytest.mark.parametrize("dumb", [True, False])
    def test_whole_lines_without_any_control(self, dumb: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if dumb:
            monkeypatch.setenv("TERM", "dumb")
        stream = Terminal() if dumb else io.StringIO()
        shown(stream)
        text = stream.getvalue()
        assert "\x1b" not in text and "\r" not in text
        lines = text.splitlines()
        assert lines[1:3] == ["you ~ what", "you ~ what is"]
        assert "you   what is the capital of france" in lines
        assert lines[lines.index("reply The capital of France is Paris,") + 1] == "reply a city on the Seine."

    def test_the_same_words_are_printed_once(self) -> None:
        stream = io.StringIO()
        shown(stream, [partial("stop", 0), partial("stop", 4)])
        assert stream.getvalue() == "you ~ stop\n"

    def test_an_encoding_without_the_letters(self) -> None:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii")
        view = shown(stream, [{"t": 1.0, "event": "stt_final", "turn": 1, "text": "naïve café"}, {"t": 1.0, "event": "wake", "model": "x"}])
        assert view.failure is None
        assert raw.getvalue() == b'you   na?ve caf?\n   -  heard "x"\n'

    def test_without_with_rows_are_printed_where_they_come(self) -> None:
        stream = io.StringIO()
        view = LiveView(stream)
        view.on_event({"t": 1.0, "event": "stt_final", "turn": 1, "text": "hello"})
        assert stream.getvalue() == "you   hello\n"

    @pytest.mark.parametrize("row", [
        {"t": 1.0, "event": "stt_partial"}, {"t": 1.0, "event": "state"}, {"t": 1.0, "event": "playback_end"},
        {"t": 1.0, "event": "playback_end", "generation": 3, "sample": 5}, {"t": 1.0, "event": "llm_token"},
        {"t": 1.0, "event": "unheard_of"}])
    def test_a_row_without_its_facts(self, row: dict[str, Any]) -> None:
        for stream in (io.StringIO(), Terminal()):
            assert shown(stream, [row]).failure is None


class TestFailures:
    def test_a_reader_that_has_gone_ends_the_view_and_nothing_else(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError(32, "Broken pipe")

        view = shown(Gone())
        assert isinstance(view.failure, BrokenPipeError)

    def test_a_closed_stream(self) -> None:
        stream = io.StringIO()
        view = LiveView(stream)
        stream.close()
        view.on_event({"t": 1.0, "event": "wake", "model": "x"})
        assert isinstance(view.failure, ValueError)

    def test_a_fault_of_ours_is_told_at_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LiveView, "_heard", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            shown(io.StringIO())

    def test_a_terminal_that_stands_still_holds_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_view, "QUEUE", 20)
        gate = threading.Event()

        class Stalled(io.StringIO):
            def write(self, text: str) -> int:
                gate.wait()
                return super().write(text)

        stream = Stalled()
        view = LiveView(stream)
        with view:
            for k in range(200):
                view.on_event(partial(f"word {k}", 0))
            assert view.dropped >= 179
            gate.set()
        assert re.search(r"-  \d+ events could not be shown in time\n$|·  \d+ events could not be shown in time\n$", stream.getvalue())

    def test_rows_come_from_many_threads(self) -> None:
        stream = io.StringIO()
        view = LiveView(stream)

        def talk(name: str) -> None:
            for k in range(50):
                view.on_event({"t": 1.0, "event": "stt_final", "turn": 1, "text": f"{name} {k}"})

        threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = stream.getvalue().splitlines()
        assert len(lines) == 200
        assert all(re.fullmatch(r"you   [abcd] \d+", line) for line in lines)

    def test_memory_is_bounded(self) -> None:
        view = LiveView(io.StringIO())
        for k in range(20_000):
            view.on_event({"t": k * 0.032, "event": "vad", "p": 0.0})
        assert len(view._rows) <= live_view.KEPT_S / 0.032 + 2
