"""Latencies and counts, read off a conversation whose every moment is known."""

from __future__ import annotations

import pytest

from edgevoice.pipeline.latencies import WINDOW_S, Latencies
from tests.fakes.conversation import RATE, T0, conversation


@pytest.fixture
def seen() -> Latencies:
    made = Latencies(RATE)
    for row in conversation().rows:
        made.on_event(row)
    return made


def test_each_stage_is_what_it_was_made_to_be(seen: Latencies) -> None:
    stages = seen.document(T0 + 60)
    assert stages["wait"]["count"] == 4 and stages["wait"]["p50"] == pytest.approx(440, abs=10)
    assert stages["text"]["p50"] == pytest.approx(2, abs=1)
    assert stages["first_token"]["p90"] == pytest.approx(60, abs=3)
    assert stages["voice_to_voice"]["count"] == 3 and stages["voice_to_voice"]["p50"] == pytest.approx(900, abs=60)
    assert stages["inter_token"]["p50"] == pytest.approx(26, abs=0.5)
    assert all(stage["p50"] <= stage["p90"] <= stage["p99"] for stage in stages.values())


def test_the_last_answer_is_told_by_itself(seen: Latencies) -> None:
    last = seen.last
    assert last is not None and last["voice_to_voice"] == pytest.approx(0.91, abs=0.03) and last["wait"] == pytest.approx(0.45, abs=0.02)
    assert last["first_token"] == pytest.approx(0.05, abs=0.01) and last["first_sound"] == pytest.approx(0.3, abs=0.01)


def test_what_happened_is_counted(seen: Latencies) -> None:
    assert seen.counts == {"wakes": 1, "turns": 4, "replies": 3, "barge_ins": 1, "false_starts": 0, "cancelled": 0, "errors": 0,
                           "underruns": 0}


def test_what_is_long_ago_does_not_count(seen: Latencies) -> None:
    assert seen.document(T0 + 60 + WINDOW_S) == {}


def test_a_stage_fails_until_it_works_again() -> None:
    made = Latencies(RATE)
    made.on_event({"t": 1.0, "event": "error", "stage": "tts", "message": "no voice"})
    assert made.failing == {"tts"} and made.errors == {"tts": 1}
    assert made.last_error == {"t": 1.0, "stage": "tts", "message": "no voice"}
    made.on_event({"t": 2.0, "event": "tts_first_chunk", "turn": 1, "generation": 1})
    assert made.failing == set() and made.errors == {"tts": 1}


def test_an_answer_made_ahead_took_no_time_after_the_turn() -> None:
    made = Latencies(RATE)
    for row in ({"t": 1.0, "event": "stt_final", "turn": 1}, {"t": 1.1, "event": "llm_first_token", "turn": 1, "generation": 1},
                {"t": 2.0, "event": "endpoint", "turn": 1, "sample": 32_000, "last_speech": 16_000},
                {"t": 1.9, "event": "tts_first_chunk", "turn": 1, "generation": 1}):
        made.on_event(row)
    assert made.document(3.0)["first_sound"]["p50"] == 0.0
