"""Stages read from a trace whose every moment is known; and from traces with things missing, doubled, late or in disorder."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice import waterfall
from edgevoice.waterfall import DeviceTime
from tests.fakes.conversation import RATE, SEEN_LATE_S, T0, conversation

NEAR = 0.006
"""s; an event without a sample is placed by its time, which is this near: frames are seen late by SEEN_LATE_S and a little"""


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return conversation().rows


def turn(rows: list[dict[str, Any]], number: int) -> waterfall.TurnTiming:
    return next(timing for timing in waterfall.stages(rows) if timing.turn == number)


def test_every_turn_is_there(rows: list[dict[str, Any]]) -> None:
    assert [timing.turn for timing in waterfall.stages(rows)] == [1, 2, 3, 4]


def test_the_stages_of_a_turn(rows: list[dict[str, Any]]) -> None:
    first = turn(rows, 1)
    assert (first.generation, first.attempts, first.origin) == (1, 1, "speech_end")
    assert first.origin_s == pytest.approx(2.4, abs=1e-4)
    assert first.v2v_s == first.playback_first_sample == pytest.approx(0.94, abs=1e-4)
    for stage, at in (("speech_end_detected", 0.17), ("endpoint", 0.45), ("stt_final", 0.452), ("llm_first_token", 0.51),
                      ("tts_chunk", 0.61), ("tts_first_chunk", 0.81)):
        assert getattr(first, stage) == pytest.approx(at, abs=NEAR), stage
    assert first.compute_s == pytest.approx(0.49, abs=NEAR)
    assert first.text == "what is the capital of france"
    assert first.reply == "The capital of France is Paris, a city on the Seine."
    assert (first.tokens, first.finish, first.prompt_tokens, first.cached_tokens) == (11, "stop", 190, 170)
    assert first.tokens_per_s == pytest.approx(1 / 0.026, rel=0.01)
    assert first.reply_s == pytest.approx(first.playback_end - first.playback_first_sample, abs=1e-3)


def test_a_barge_in_is_counted_from_the_first_sample_of_the_speech(rows: list[dict[str, Any]]) -> None:
    (barge,) = turn(rows, 3).barge_ins
    assert barge.noticed_s == pytest.approx(0.077, abs=NEAR)
    assert barge.paused_s == pytest.approx(0.090, abs=1e-4)
    assert barge.confirmed_s == pytest.approx(0.305, abs=NEAR)
    assert barge.silent_s == pytest.approx(0.310, abs=1e-4)
    assert barge.rejected_s is None
    assert turn(rows, 3).finish == "cancelled"
    assert turn(rows, 3).reply_s == pytest.approx(2.69, abs=0.01)


def test_the_loudspeakers_events_go_with_their_generation_whatever_turn_they_name(rows: list[dict[str, Any]]) -> None:
    """``playback_silent`` comes when the next turn has begun and carries that one's number."""
    assert turn(rows, 4).v2v_s is None
    assert turn(rows, 4).generation is None
    assert not turn(rows, 4).barge_ins


def test_a_rejected_barge_in(rows: list[dict[str, Any]]) -> None:
    onset = 5.0
    added = [{"t": T0 + onset + 0.08, "event": "speech_start", "sample": round(onset * RATE)},
             {"t": T0 + onset + 0.081, "event": "barge_in_onset", "turn": 1, "generation": 1},
             {"t": T0 + onset + 0.25, "event": "barge_in_rejected", "turn": 1, "generation": 1}]
    (barge,) = turn(rows + added, 1).barge_ins
    assert barge.rejected_s == pytest.approx(0.25, abs=NEAR)
    assert barge.confirmed_s is None and barge.silent_s is None


def test_an_interruption_by_wake_word_has_no_onset_event(rows: list[dict[str, Any]]) -> None:
    kept = [row for row in rows if row["event"] not in ("barge_in_onset", "barge_in_paused")]
    (barge,) = turn(kept, 3).barge_ins
    assert barge.paused_s is None
    assert barge.confirmed_s == barge.noticed_s == pytest.approx(0.305, abs=NEAR)


def test_order_in_the_file_does_not_matter(rows: list[dict[str, Any]]) -> None:
    mixed = list(rows)
    random.Random(5).shuffle(mixed)
    assert waterfall.stages(mixed) == waterfall.stages(rows)


def test_a_generation_taken_back_does_not_count(rows: list[dict[str, Any]]) -> None:
    """The user went on after a pause: endpoint and first token of the first attempt are not those of the reply that was heard."""
    early = [{"t": T0 + 2.0, "event": "endpoint", "sample": 31_000, "turn": 1, "last_speech": 28_000},
             {"t": T0 + 2.0, "event": "stt_final", "sample": 31_000, "turn": 1, "text": "what is"},
             {"t": T0 + 2.1, "event": "llm_first_token", "turn": 1, "generation": 90, "text": "It"}]
    timing = turn(rows + early, 1)
    assert (timing.generation, timing.attempts, timing.text) == (1, 2, "what is the capital of france")
    assert timing.v2v_s == pytest.approx(0.94, abs=1e-4)
    assert timing.endpoint == pytest.approx(0.45, abs=NEAR)


def test_a_first_sound_before_the_users_last_words_is_not_the_reply(rows: list[dict[str, Any]]) -> None:
    """Sound of a reply that was taken back as it began."""
    early = [{"t": T0 + 2.0, "event": "endpoint", "sample": 31_000, "turn": 1, "last_speech": 28_000},
             {"t": T0 + 2.2, "event": "tts_chunk", "turn": 1, "generation": 90, "text": "It"},
             {"t": T0 + 2.3, "event": "playback_first_sample", "sample": 36_700, "turn": 1, "generation": 90, "frames": 0}]
    assert turn(rows + early, 1).generation == 1


def test_an_apology_after_a_failure_is_not_the_first_sound(rows: list[dict[str, Any]]) -> None:
    late = [{"t": T0 + 4.0, "event": "error", "turn": 1, "generation": 1, "stage": "llm", "message": "gone"},
            {"t": T0 + 4.1, "event": "tts_chunk", "turn": 1, "generation": 91, "text": "Sorry."},
            {"t": T0 + 4.3, "event": "playback_first_sample", "sample": int(4.29 * RATE), "turn": 1, "generation": 91, "frames": 0}]
    timing = turn(rows + late, 1)
    assert timing.v2v_s == pytest.approx(0.94, abs=1e-4)
    assert timing.errors == ("llm: gone",)


def test_speech_cut_off_at_its_greatest_length_ends_at_its_last_voiced_frame(rows: list[dict[str, Any]]) -> None:
    kept = [row for row in rows if not (row["event"] == "speech_end" and row.get("turn") == 2)]
    timing = turn(kept, 2)
    assert timing.origin == "speech_end"
    assert timing.speech_end_detected is None
    assert timing.v2v_s == pytest.approx(0.9, abs=1e-4)


def test_without_any_speech_zero_is_the_endpoint_and_nothing_is_called_voice_to_voice(rows: list[dict[str, Any]]) -> None:
    kept = [{k: v for k, v in row.items() if k != "last_speech"} for row in rows if not row["event"].startswith("speech_")]
    timing = turn(kept, 2)
    assert (timing.origin, timing.v2v_s) == ("endpoint", None)
    assert timing.playback_first_sample == pytest.approx(0.45, abs=NEAR)


def test_a_typed_question_is_counted_from_its_first_event() -> None:
    rows = [{"t": 10.0, "event": "llm_first_token", "turn": 1, "generation": 1, "text": "Hi"},
            {"t": 10.4, "event": "playback_first_sample", "turn": 1, "generation": 1}]
    (timing,) = waterfall.stages(rows)
    assert (timing.origin, timing.v2v_s) == ("first_event", None)
    assert timing.playback_first_sample == pytest.approx(0.4)


def test_a_held_model_is_not_called_slow() -> None:
    rows = [{"t": t, "event": "llm_token" if k else "llm_first_token", "turn": 1, "generation": 1, "text": "x"}
            for k, t in enumerate((0.0, 0.02, 0.04, 3.0, 3.02, 3.04))]
    assert waterfall.stages(rows)[0].tokens_per_s == pytest.approx(50.0, rel=0.01)


def test_nothing_at_all() -> None:
    assert waterfall.stages([]) == []
    assert waterfall.stages([{"t": 1.0, "event": "state", "state": "idle", "turn": 0}]) == []


@settings(max_examples=60)
@given(st.data())
def test_a_trace_with_anything_missing_is_still_read(data: st.DataObject) -> None:
    """Whole events and single facts go; what is left must be read and drawn without a failure, and what is found must be the truth."""
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    lost = data.draw(st.sampled_from([0.1, 0.5, 0.9]))
    kept = []
    for row in conversation().rows:
        if row["event"] != "vad" and chance.random() < lost:
            continue
        kept.append({k: v for k, v in row.items() if k in ("t", "event") or chance.random() > lost / 3})
    for timing in waterfall.stages(kept):
        text = waterfall.draw(timing, 80, unicode=True)
        assert all(waterfall.columns(line) <= 80 for line in text.splitlines())
        if timing.turn == 1 and timing.generation == 1 and timing.v2v_s is not None and timing.speech_end_detected is not None:
            assert timing.v2v_s == pytest.approx(0.94, abs=2 * NEAR)


class TestDeviceTime:
    def test_in_real_time_it_is_the_tightest_bound(self, rows: list[dict[str, Any]]) -> None:
        time = DeviceTime(rows)
        assert not time.stepped
        assert time.at(T0 + 7.0) == pytest.approx(7.0 - SEEN_LATE_S, abs=0.002)

    @pytest.mark.parametrize("ppm", [-200, 200])
    def test_it_follows_drift(self, ppm: int) -> None:
        def seen(second: float) -> float:
            return T0 + second * (1 + ppm * 1e-6)

        rows = [{"t": seen(k * 0.032) + 0.001, "event": "vad", "sample": k * 512, "p": 0.0} for k in range(60_000)]
        time = DeviceTime([{"t": T0, "event": "session", "rate": RATE, "sample": 0}, *rows])
        assert not time.stepped
        assert time.at(seen(1_900.0)) == pytest.approx(1_900.0, abs=0.006)

    def test_a_stalled_ear_does_not_move_the_clock(self) -> None:
        rows = [{"t": T0 + k * 0.032 + (1.5 if 100 <= k < 150 else 0.001), "event": "vad", "sample": k * 512} for k in range(600)]
        time = DeviceTime(rows, RATE)
        assert not time.stepped
        assert time.at(T0 + 4.0) == pytest.approx(4.0, abs=0.003)

    def test_a_clock_that_waits_for_the_engines_stands_still_meanwhile(self) -> None:
        rows: list[dict[str, Any]] = []
        wall = T0
        for k in range(400):
            wall += 2.0 if k in (100, 250) else 0.003
            rows.append({"t": wall, "event": "vad", "sample": (k + 1) * 512})
        time = DeviceTime(rows, RATE)
        assert time.stepped
        assert time.at(rows[99]["t"] + 1.0) == pytest.approx(100 * 0.032, abs=0.04)
        assert time.at(wall) == pytest.approx(400 * 0.032, abs=0.001)

    def test_figures_without_the_engines_time_say_so(self) -> None:
        """A clock eight times as fast as real time, which stands still for a second before the reply."""
        rows: list[dict[str, Any]] = []
        for row in conversation().rows:
            seconds = row["t"] - T0
            rows.append(row | {"t": T0 + seconds / 8 + (1.0 if seconds > 3.0 else 0.0)})
        first = turn(rows, 1)
        assert first.stepped
        assert first.v2v_s == pytest.approx(0.94, abs=1e-4)
        assert first.llm_first_token == pytest.approx(0.51, abs=0.05)
        assert "not in real time" in waterfall.draw(first, 120, unicode=False)
        assert "not in real time" not in waterfall.draw(turn(conversation().rows, 1), 120, unicode=False)

    def test_a_hundred_thousand_events_are_read_in_a_moment(self) -> None:
        rows = [{"t": T0 + k * 0.032, "event": "vad", "sample": k * 512} for k in range(100_000)]
        time = DeviceTime(rows, RATE)
        assert time.at(T0 + 3_000.0) == pytest.approx(3_000.0, abs=0.001)

    def test_without_samples_time_is_counted_from_the_first_event(self) -> None:
        assert DeviceTime([{"t": 50.0, "event": "state"}]).at(51.5) == pytest.approx(1.5)


class TestDraw:
    def test_bars_follow_one_another(self, rows: list[dict[str, Any]]) -> None:
        lines = waterfall.draw(turn(rows, 1), 100, unicode=False).splitlines()
        assert lines[0].startswith('turn 1  "what is the capital of france"') and lines[0].endswith("0.940 s voice to voice")
        bars = [line for line in lines if "#" in line]
        assert len(bars) == 7
        starts = [line.index("#") for line in bars]
        assert starts == sorted(starts)
        assert max(len(line) for line in lines) <= 100

    @pytest.mark.parametrize("width", [10, 48, 80, 200])
    @pytest.mark.parametrize("unicode", [True, False])
    def test_never_wider_than_asked(self, rows: list[dict[str, Any]], width: int, unicode: bool) -> None:
        for timing in waterfall.stages(rows):
            text = waterfall.draw(timing, width, unicode=unicode)
            assert all(waterfall.columns(line) <= max(48, width) for line in text.splitlines())
            assert unicode or text.isascii()

    def test_what_was_said_cannot_command_the_terminal(self) -> None:
        rows = conversation(questions=("evil \x1b[2J\x1b]0;title\x07 \u202e text\r\nnext", "b", "c")).rows
        text = waterfall.draw(turn(rows, 1), 120, unicode=True)
        assert "\x1b" not in text and "\x07" not in text and "\r" not in text and "\u202e" not in text
        assert text.splitlines()[0].startswith('turn 1  "evil [2J ]0;title text next"')

    def test_ascii_where_stdout_has_no_unicode(self, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
        class Latin:
            encoding = "latin-1"

        monkeypatch.setattr("sys.stdout", Latin())
        assert waterfall.draw(turn(rows, 1), 80).isascii()

    def test_wide_letters_count_twice(self) -> None:
        assert waterfall.columns("日本") == 4
        assert waterfall.shorten("日本語テキスト", 7) == "日本語…"
        assert waterfall.shorten("plain", 10) == "plain"
