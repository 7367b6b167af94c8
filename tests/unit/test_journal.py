"""What the journal is told, by a socket that stands in for it."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice import journal


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "journal"))
        there.setblocking(False)
        yield there


def entries(there: socket.socket) -> list[dict[str, str]]:
    found = []
    while True:
        try:
            raw = there.recv(65536)
        except BlockingIOError:
            return found
        found.append(dict(line.split("=", 1) for line in raw.decode().splitlines()))


def test_a_turn_is_one_entry_with_its_times_and_without_its_words(listening: socket.socket) -> None:
    rows = [
        {"t": 0.0, "event": "session", "sample": 0, "rate": 16000, "version": "1"},
        {"t": 1.0, "event": "wake", "sample": 16000, "turn": 1},
        {"t": 1.5, "event": "vad", "sample": 24000, "p": 0.9},
        {"t": 3.0, "event": "speech_end", "sample": 40000, "turn": 1, "detected": 44000},
        {"t": 3.2, "event": "endpoint", "sample": 50000, "turn": 1, "last_speech": 40000},
        {"t": 3.3, "event": "stt_final", "sample": 52000, "turn": 1, "text": "my secret"},
        {"t": 3.4, "event": "routed", "turn": 1, "generation": 4, "skill": "sums", "why": "", "text": "56 secrets"},
        {"t": 3.6, "event": "playback_first_sample", "sample": 56000, "turn": 1, "generation": 4},
        {"t": 3.7, "event": "playback_first_sample", "sample": 57000, "turn": 1, "generation": 4}]
    with journal.JournalView(listening.getsockname()) as view:
        for row in rows:
            view.on_event(row)
    found = entries(listening)
    assert [entry["EDGEVOICE_EVENT"] for entry in found] == ["session", "wake", "turn"]
    assert found[-1]["EDGEVOICE_V2V_MS"] == "1000" and found[-1]["EDGEVOICE_BY"] == "sums" and found[-1]["PRIORITY"] == "6"
    assert "secret" not in str(found)


def test_errors_are_errors_and_line_breaks_survive(listening: socket.socket) -> None:
    with journal.JournalView(listening.getsockname()) as view:
        view.on_event({"t": 1.0, "event": "error", "stage": "llm", "message": "broke"})
    (found,) = entries(listening)
    assert (found["MESSAGE"], found["PRIORITY"], found["EDGEVOICE_STAGE"]) == ("llm: broke", "3", "llm")
    assert journal.entry({"A": "x\ny"}) == b"A\n" + (3).to_bytes(8, "little") + b"x\ny\n"


def test_a_journal_that_is_away_or_full_holds_nobody(tmp_path: Path, listening: socket.socket) -> None:
    wake = {"t": 1.0, "event": "wake"}
    with journal.JournalView(str(tmp_path / "nowhere")) as view:
        view.on_event(wake)
        assert view.lost == 1 and view.failure is None
    with journal.JournalView(listening.getsockname()) as view:
        for _ in range(5000):  # more than a socket's queue holds
            view.on_event(wake)
        assert view.lost > 0


def test_lines_have_their_priority_where_the_journal_reads_them(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        state = os.fstat(stream.fileno())
        there = {"JOURNAL_STREAM": f"{state.st_dev}:{state.st_ino}"}
        assert journal.listens_to(stream, there) and not journal.listens_to(stream, {}) and not journal.listens_to(io.StringIO(), there)
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("JOURNAL_STREAM", there["JOURNAL_STREAM"])
            assert journal.line("lost:\n it", journal.WARNING, stream) == "<4>lost: it\n"
    assert journal.line("lost:\n it", journal.WARNING, io.StringIO()) == "edgevoice: lost: it\n"
