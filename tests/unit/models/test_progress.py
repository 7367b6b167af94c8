"""What a person sees while they wait."""

from __future__ import annotations

import io
import os

import pytest

from edgevoice.models import progress
from edgevoice.models.progress import Progress, human


@pytest.mark.parametrize(("size", "said"), [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1040, "1.0 kB"), (9949, "9.9 kB"), (99_500, "100 kB"), (999_600, "1.0 MB"),
    (92_871_040, "93 MB"), (1_500_000_000, "1.5 GB"), (2_000_000_000_000, "2000 GB")])
def test_sizes_as_people_say_them(size, said):
    assert human(size) == said


def test_a_log_gets_few_lines(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with Progress(out).task("fetching x", 1000) as task:
        for _ in range(100):
            now[0] += 0.25
            task.advance(10)
    assert out.getvalue() == "fetching x: 400 B of 1.0 kB (40%)\nfetching x: 800 B of 1.0 kB (80%)\n"


def test_a_terminal_gets_a_bar_that_cleans_up_after_itself(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    leader, follower = os.openpty()
    with open(follower, "w", encoding="utf-8") as terminal, open(leader, "rb", buffering=0) as screen:
        with pytest.raises(ValueError, match="broken"), Progress(terminal).task("fetching x", 1000, 500) as task:
            now[0] += 1
            task.advance(250)
            raise ValueError("broken")
        expected = b"\r\x1b[Kfetching x [##################......] 750 B of 1.0 kB\r\x1b[K"
        seen = b""
        while len(seen) < len(expected):  # a terminal may hand over one write at a time
            seen += screen.read(1000)
    assert seen == expected


def test_an_unknown_length_is_shown_without_a_share(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with Progress(out).task("fetching x", 0) as task:
        now[0] += 60
        task.set(5_000_000)
    assert out.getvalue() == "fetching x: 5.0 MB\n"


def test_silence_is_possible():
    with Progress().task("x", 10) as task:
        task.set(5)
    Progress().say("nothing")
