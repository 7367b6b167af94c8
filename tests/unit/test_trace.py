"""The trace in memory and in its file, and the command that reads one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice import app, audio, trace
from edgevoice.cli.dispatch import dispatch
from edgevoice.clock import ManualClock
from edgevoice.settings import Settings
from edgevoice.trace import Trace
from tests.fakes.conversation import RATE, conversation


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    path.write_text(trace.lines(conversation().rows), encoding="utf-8")
    return path


class TestTrace:
    def test_an_event_has_its_time_and_only_what_is_known(self) -> None:
        made = Trace(ManualClock(7.0))
        made.emit("wake", sample=3, model="okay_nabu")
        made.emit("llm_token", turn=1, generation=0, text="a")
        assert made.events() == [{"t": 7.0, "event": "wake", "sample": 3, "model": "okay_nabu"},
                                 {"t": 7.0, "event": "llm_token", "turn": 1, "generation": 0, "text": "a"}]

    def test_what_programs_rely_on_has_its_place_on_the_device(self) -> None:
        made = Trace(ManualClock(7.0))
        made.position = lambda: 480
        made.emit("llm_first_token", turn=1, generation=1)
        made.emit("playback_first_sample", sample=320, turn=1, generation=1)
        made.emit("tts_chunk", turn=1, generation=1)
        assert [row.get("sample") for row in made.events()] == [480, 320, None]

    def test_events_come_in_the_order_of_their_time(self) -> None:
        made = Trace(ManualClock(7.0))
        made.emit("stt_final")
        made.emit("tts_chunk", t=6.5)
        assert [row["event"] for row in made.events()] == ["tts_chunk", "stt_final"]

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="unknown trace event 'waek'"):
            Trace(ManualClock()).emit("waek")

    def test_the_oldest_go_and_are_counted(self) -> None:
        made = Trace(ManualClock(), limit=3)
        for k in range(5):
            made.emit("vad", p=k)
        assert [row["p"] for row in made.events()] == [2, 3, 4]
        assert made.lost == 2

    def test_a_trace_that_is_only_listened_to_does_not_grow(self) -> None:
        """In two hours a daemon would gather 60 MB that nobody reads."""
        made, _ = app.make_trace(Settings(), kept=False)
        seen = 0

        def count(row: dict[str, Any]) -> None:
            nonlocal seen
            seen += 1

        made.listen(count)
        for k in range(5000):
            made.emit("vad", sample=512 * k, p=0.0)
        assert seen == 5000
        assert len(made.events()) <= app.PASSING_ROWS

    def test_listeners_see_each_event_as_it_comes(self) -> None:
        made, seen = Trace(ManualClock()), []
        made.listen(seen.append)
        made.emit("endpoint", sample=9)
        assert seen == made.events()


class TestLoad:
    def test_what_was_written_is_read(self, recorded: Path) -> None:
        assert trace.load(recorded) == conversation().rows

    def test_line_separators_inside_a_text_do_not_end_a_line(self, tmp_path: Path) -> None:
        row = {"t": 1.0, "event": "stt_final", "text": "a\u2028b\x85c\x0cd"}
        (tmp_path / "t").write_text(trace.lines([row, row]), encoding="utf-8")
        assert trace.load(tmp_path / "t") == [row, row]

    @pytest.mark.parametrize("line", [
        "not json", "[1]", "3", "{}", '{"t": 1}', '{"event": "wake"}', '{"t": "1", "event": "wake"}', '{"t": true, "event": "wake"}',
        '{"t": NaN, "event": "wake"}', '{"t": 1, "event": 5}', '{"t": 1, "event": "wake", "sample": "x"}',
        '{"t": 1, "event": "wake", "turn": [1]}', '{"t": 1, "ev', "", '{"t": 1, "event": "a", "x": ' + "[" * 100_000])
    def test_the_first_bad_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "bad.jsonl"
        path.write_text('{"t": 0.5, "event": "wake"}\n' + line + "\n")
        with pytest.raises(ValueError, match=r"bad\.jsonl:2: not a trace event"):
            trace.load(path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "bad").write_bytes(b'{"t": 1, "event": "\xff"}\n')
        with pytest.raises(ValueError, match=r"bad:1: not a trace event"):
            trace.load(tmp_path / "bad")


class TestCommand:
    def test_prints_a_waterfall_for_each_turn(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["trace", str(recorded)]) == 0
        out = capsys.readouterr().out
        assert [line.split()[1] for line in out.splitlines() if line.startswith("turn ")] == ["1", "2", "3", "4"]
        assert "0.940 s voice to voice" in out
        assert "3 turns: fastest 0.900 s, median 0.920 s, slowest 0.940 s" in out

    def test_prints_json_for_programs(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["trace", str(recorded), "--json"]) == 0
        turns = json.loads(capsys.readouterr().out)["turns"]
        assert turns[0]["v2v_s"] == pytest.approx(0.94, abs=1e-4)
        assert turns[2]["barge_ins"][0]["silent_s"] == pytest.approx(0.31, abs=1e-4)

    def test_writes_the_page(self, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        page, wav, made = tmp_path / "page.html", tmp_path / "both.wav", conversation()
        audio.write_wav(wav, np.stack([made.mic, made.speaker], axis=1), RATE)
        assert dispatch(["trace", str(recorded), "--html", str(page), "--audio", str(wav)]) == 0
        assert "what is the capital of france" in page.read_text(encoding="utf-8")
        assert str(page) in capsys.readouterr().out

    def test_a_trace_without_a_turn(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "t.jsonl"
        path.write_text('{"t": 1.0, "event": "state", "state": "idle"}\n')
        assert dispatch(["trace", str(path)]) == 0
        assert "no turn in this trace" in capsys.readouterr().out

    @pytest.mark.parametrize(("content", "words"), [
        (None, "No such file"), ("", "is empty"), ("RIFF....WAVE\n", ":1: not a trace event")])
    def test_a_file_that_is_no_trace(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str) -> None:
        path = tmp_path / "t.jsonl"
        if content is not None:
            path.write_text(content)
        assert dispatch(["trace", str(path)]) == 2
        _one_line(capsys, words)

    def test_a_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["trace", str(tmp_path)]) == 2
        _one_line(capsys, "Is a directory")

    def test_audio_that_is_not_the_recording(self, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        wav, page = tmp_path / "mono.wav", tmp_path / "page.html"
        audio.write_wav(wav, np.zeros(100, np.int16), RATE)
        assert dispatch(["trace", str(recorded), "--html", str(page), "--audio", str(wav)]) == 5
        _one_line(capsys, "has 1 channel")
        assert not page.exists()
        assert dispatch(["trace", str(recorded), "--html", str(page), "--audio", str(tmp_path / "none.wav")]) == 5

    def test_audio_without_a_page_has_no_use(self, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["trace", str(recorded), "--audio", "x.wav"]) == 2
        _one_line(capsys, "--html")

    def test_a_page_that_cannot_be_written(self, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["trace", str(recorded), "--html", str(tmp_path / "none" / "page.html")]) == 8
        _one_line(capsys, "create it first")


def _one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    said: Any = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1, said
