"""The page: what it carries, that nothing said in it becomes markup, that it is written whole."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edgevoice import timeline
from edgevoice.errors import StorageError
from tests.fakes.conversation import RATE, Conversation, conversation

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> <!-- {{AUDIO}} {{DATA}} & \u2028 ' \" ]]> \\u003c"


@pytest.fixture(scope="module")
def talk() -> Conversation:
    return conversation()


@pytest.fixture(scope="module")
def model(talk: Conversation) -> dict[str, Any]:
    return timeline.model(talk.rows, talk.mic, talk.speaker, RATE)


class Reader(HTMLParser):
    """Elements, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or "code") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._script = None


class TestPage:
    def test_what_was_said_stays_text(self) -> None:
        talk = conversation(questions=(HOSTILE, HOSTILE, HOSTILE), replies=(HOSTILE + ".", HOSTILE + ".", HOSTILE + "."))
        talk.rows.append({"t": talk.rows[-1]["t"], "event": "error", "stage": HOSTILE, "message": HOSTILE, "turn": 1})
        talk.rows.append({"t": talk.rows[-1]["t"], "event": "state", "state": HOSTILE})
        talk.rows[0]["version"] = talk.rows[0]["models"]["stt"] = HOSTILE
        plain = Reader(timeline.page(conversation().rows, talk.mic, talk.speaker, RATE))
        made = Reader(timeline.page(talk.rows, talk.mic, talk.speaker, RATE))
        assert made.elements == plain.elements
        assert json.loads(made.scripts["data"])["turns"][0]["text"] == HOSTILE
        assert made.scripts["code"] == plain.scripts["code"]
        assert made.scripts["sound"] == plain.scripts["sound"]

    def test_scripts_set_text_and_never_markup(self) -> None:
        code = Reader(timeline.page([], None, None)).scripts["code"]
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\(\"on", code)

    def test_needs_nothing_from_elsewhere_and_forbids_it(self, talk: Conversation) -> None:
        made = Reader(timeline.page(talk.rows, talk.mic, talk.speaker, RATE))
        policy = next(attrs["content"] for tag, attrs in made.elements if tag == "meta" and "http-equiv" in attrs)
        assert policy is not None and "default-src 'none'" in policy and "http" not in policy
        sources = [attrs[name] for _, attrs in made.elements for name in ("src", "href") if name in attrs]
        assert all(source is not None and source.startswith("data:") for source in sources)
        assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest|WebSocket", made.scripts["code"])

    def test_every_mark_of_the_template_is_filled(self, talk: Conversation) -> None:
        assert not re.search(r"\{\{[A-Z]+\}\}", timeline.page(talk.rows, talk.mic, talk.speaker, RATE))

    def test_the_recording_can_be_played(self, talk: Conversation) -> None:
        made = Reader(timeline.page(talk.rows, talk.mic, talk.speaker, RATE))
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(made.scripts["sound"])), dtype="int16")
        assert rate == RATE
        assert np.array_equal(samples[:, 0], talk.mic) and np.array_equal(samples[:, 1], talk.speaker)

    @pytest.mark.parametrize("seconds", [2, 20])
    def test_a_recording_that_is_too_large_is_drawn_but_not_carried(self, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
        monkeypatch.setattr(timeline, "AUDIO_LIMIT", 400_000)
        noise = np.random.default_rng(0).integers(-32_768, 32_767, (2, seconds * RATE), dtype=np.int16)  # cannot be packed
        made = Reader(timeline.page([], noise[0], noise[1], RATE))
        assert bool(made.scripts.get("sound", "").strip()) is (seconds == 2)
        assert json.loads(made.scripts["data"])["waves"]["mic"]["peaks"]

    @pytest.mark.parametrize("talked", [True, False])
    def test_without_a_recording(self, talk: Conversation, talked: bool) -> None:
        made = Reader(timeline.page(talk.rows if talked else [], None, None))
        data = json.loads(made.scripts["data"])
        assert data["waves"] == {}
        assert len(data["turns"]) == (4 if talked else 0)

    def test_is_written_whole(self, talk: Conversation, tmp_path: Path) -> None:
        timeline.write(tmp_path / "page.html", talk.rows, talk.mic, talk.speaker, RATE)
        assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
        assert (tmp_path / "page.html").read_text(encoding="utf-8").rstrip().endswith("</html>")

    def test_a_place_that_cannot_be_written(self, talk: Conversation, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="no-such"):
            timeline.write(tmp_path / "no-such" / "page.html", talk.rows, None, None)


class TestModel:
    def test_is_json(self, model: dict[str, Any]) -> None:
        assert set(json.loads(json.dumps(model, allow_nan=False))) == set(model)

    def test_spans_the_recording(self, model: dict[str, Any], talk: Conversation) -> None:
        assert model["start"] == 0.0
        assert model["end"] == pytest.approx(talk.seconds, abs=0.01)

    def test_peaks_are_the_waveform(self, model: dict[str, Any], talk: Conversation) -> None:
        wave_ = model["waves"]["mic"]
        pairs = np.frombuffer(base64.b64decode(wave_["peaks"]), np.int8).reshape(-1, 2)
        assert wave_["step"] == timeline.PEAK_FRAMES / RATE
        assert len(pairs) == -(-len(talk.mic) // timeline.PEAK_FRAMES)
        at = 64 * 300
        assert pairs[300, 0] == talk.mic[at:at + 64].min() >> 8
        assert pairs[300, 1] == talk.mic[at:at + 64].max() >> 8

    def test_long_recordings_get_longer_stretches(self) -> None:
        peaks = timeline._peaks(np.zeros(timeline.PEAKS_LIMIT * 100, np.int16), RATE)
        assert peaks["step"] == 100 / RATE

    def test_speech_is_where_the_user_spoke(self, model: dict[str, Any], talk: Conversation) -> None:
        spoken = np.array([(segment["a"], segment["b"]) for segment in model["speech"]])
        whole = [(talk.user[0][0], talk.user[1][1]), *talk.user[2:]]  # wake word and question are one segment: no end was traced between
        assert spoken == pytest.approx(np.array(whole), abs=1e-3)

    def test_partials_tell_what_is_settled(self, model: dict[str, Any]) -> None:
        first = model["stt"][0]
        assert (first["text"], first["final"], first["turn"]) == ("what is the capital of france", True, 1)
        assert [partial["text"] for partial in first["partials"]][:2] == ["what", "what is"]
        assert first["partials"][-1]["text"][:first["partials"][-1]["stable"]] == "what is the capital"
        assert all(a["b"] == b["a"] for a, b in itertools.pairwise(first["partials"]))

    def test_tokens_are_the_reply(self, model: dict[str, Any]) -> None:
        item = model["llm"][0]
        assert "".join(token["text"] for token in item["tokens"]) == "The capital of France is Paris, a city on the Seine."
        assert (item["finish"], model["llm"][2]["finish"]) == ("stop", "cancelled")

    def test_chunks_have_their_time_and_their_length(self, model: dict[str, Any]) -> None:
        first, second = (chunk for chunk in model["tts"] if chunk["generation"] == 1)
        assert (first["text"], second["text"]) == ("The capital of France is Paris,", "a city on the Seine.")
        assert first["a"] < first["sound"] < first["b"] <= second["a"] < second["b"]
        assert second["sound"] is None
        assert first["seconds"] == pytest.approx(0.068 * len(first["text"]), abs=1e-3)

    def test_a_chunk_whose_end_was_not_traced_ends_with_the_next_one(self, talk: Conversation) -> None:
        rows = [row for row in talk.rows if row["event"] != "tts_chunk_done"]
        first, second = (chunk for chunk in timeline.model(rows, None, None, RATE)["tts"] if chunk["generation"] == 1)
        assert first["b"] == second["a"]
        assert second["b"] == pytest.approx(second["a"] + timeline.OPEN_END_S)

    def test_playback_ends_or_is_cut(self, model: dict[str, Any], talk: Conversation) -> None:
        whole, _, cut = model["playback"]
        assert (whole["a"], whole["b"]) == pytest.approx(talk.spoken[0], abs=1e-3)
        assert not whole["cut"] and not whole["holes"]
        assert cut["cut"] and cut["turn"] == 3
        assert [(hole["a"], hole["b"]) for hole in cut["holes"]] == [(pytest.approx(talk.spoken[2][1], abs=1e-3), cut["b"])]

    def test_a_reply_that_goes_on_after_a_pause(self) -> None:
        rows = [{"t": float(t), "event": event, "generation": 1, "sample": int(t * RATE)} for t, event in (
            (1, "playback_first_sample"), (2, "barge_in_paused"), (3, "barge_in_rejected"), (5, "playback_end"))]
        (item,) = timeline.model(rows, None, None, RATE)["playback"]
        assert [(hole["a"], hole["b"]) for hole in item["holes"]] == [(2.0, 3.0)]
        assert item["b"] == 5.0 and not item["cut"]

    def test_chunks_are_heard_after_what_held_them(self) -> None:
        """Three chunks of 1 s; the second came 0.5 s too late, and the reply was paused for 1 s in the middle of the third."""
        rows: list[dict[str, Any]] = [{"t": 0.0, "event": "session", "sample": 0, "rate": RATE}]

        def put(event: str, at: float, played: float | None = None, **facts: Any) -> None:
            sample = {} if played is None else {"sample": round(at * RATE), "frames": round(played * RATE)}
            rows.append({"t": at, "event": event, "generation": 1, "turn": 1, **sample, **facts})

        for text, begun, done in (("one", 0.5, 0.9), ("two", 0.9, 2.5), ("three", 2.5, 2.7)):
            put("tts_chunk", begun, text=text)
            put("tts_chunk_done", done, frames=RATE)
        put("playback_first_sample", 1.0, 0.0)
        put("underrun", 2.0, 1.0)
        put("barge_in_paused", 4.0, 2.5)
        put("barge_in_rejected", 5.0)
        put("playback_end", 5.5, 3.0)
        (item,) = timeline.model(rows, None, None)["playback"]
        assert [tuple(part.values()) for part in item["parts"]] == [(1.0, 2.0, "one"), (2.5, 3.5, "two"), (3.5, 5.5, "three")]
        assert [(hole["a"], hole["b"]) for hole in item["holes"]] == [(2.0, 2.5), (4.0, 5.0)]

    def test_states_join_without_gaps(self, model: dict[str, Any]) -> None:
        states = model["state"]
        assert [item["state"] for item in states][:5] == ["idle", "listening", "thinking", "speaking", "followup"]
        assert all(a["b"] == b["a"] for a, b in itertools.pairwise(states))
        assert states[-1]["b"] == model["end"]

    def test_flags_carry_the_barge_in(self, model: dict[str, Any]) -> None:
        names = [flag["event"] for flag in model["flags"]]
        assert [name for name in names if name.startswith("barge_in")] == ["barge_in_onset", "barge_in_paused", "barge_in_confirmed"]
        assert "wake" in names and "endpoint" in names and "playback_silent" in names

    def test_facts_of_the_wrong_kind_are_left_out(self) -> None:
        rows = [{"t": 1.0, "event": "vad", "sample": 5, "p": "high"},
                {"t": 1.1, "event": "stt_partial", "turn": 1, "text": None, "stable": "x"},
                {"t": 1.2, "event": "session", "sample": 0, "rate": 16000, "models": ["a"]},
                {"t": 1.3, "event": "tts_chunk", "turn": 1, "generation": 1},
                {"t": 1.4, "event": "tts_chunk_done", "generation": 1, "frames": "x"}]
        made = timeline.model(rows, None, None)
        assert made["vad"] == {"t": [], "p": []}
        assert made["models"] == {}
        assert made["tts"][0]["seconds"] is None

    def test_an_audio_file_at_another_rate_than_the_device(self, talk: Conversation) -> None:
        """Samples of the trace are device frames still."""
        made = timeline.model(talk.rows, talk.mic[::2], talk.speaker[::2], RATE // 2)
        assert (made["rate"], made["audioRate"]) == (RATE, RATE // 2)
        assert made["turns"][0]["v2v_s"] == pytest.approx(0.94, abs=1e-4)
        assert made["end"] == pytest.approx(talk.seconds, abs=0.01)
