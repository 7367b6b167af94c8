"""One page that shows a conversation: both waveforms, what every part did when, and where the time of each turn went.

Theory: ``model`` puts every event on device time, the axis the recordings share, and sorts it into lanes; the page (``page/``) only
draws.  Laws: the page needs no network and no other file, and its own policy forbids it both; what was said is data, never markup: it
reaches the page as JSON without a ``<`` and is shown as text; the file appears whole or not at all.

Waveforms travel as the least and greatest sample of each short stretch, one byte each; the page makes the coarser levels from them.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice import files, waterfall
from edgevoice.waterfall import DeviceTime, Row

Int16 = NDArray[np.int16]

PEAK_FRAMES = 64
"""frames a stretch of the finest waveform level: 4 ms at 16 kHz, narrower than a pixel until far zoomed in"""
PEAKS_LIMIT = 400_000
"""stretches a channel at most; a longer recording gets longer ones, so that the page stays small"""
AUDIO_LIMIT = 10_000_000
"""characters of recording up to which the page carries it: some six minutes of conversation at 16 kHz"""
OPEN_END_S = 1.0
"""a thing whose end is not in the trace is drawn this long at most"""

_FLAGS = {
    "wake": "wake word", "wake_ignored": "own wake word", "endpoint": "endpoint", "barge_in_onset": "speech over the reply",
    "barge_in_paused": "paused",
    "barge_in_confirmed": "interrupted", "barge_in_rejected": "not meant: goes on", "playback_silent": "silent", "cancel": "cancelled",
    "error": "error", "underrun": "gap", "earcon": "tone"}


def write(path: Path | str, events: Iterable[Row], mic: Int16 | None, speaker: Int16 | None, rate: int | None = None) -> None:
    """Write the page.  ``mic`` and ``speaker``: int16 at ``rate`` Hz, sharing device frame 0, or ``None`` where nothing was recorded.

    Raises ``StorageError`` where ``path`` cannot be written.
    """
    files.write_text(path, page(events, mic, speaker, rate))


def page(events: Iterable[Row], mic: Int16 | None, speaker: Int16 | None, rate: int | None = None) -> str:
    """The page as text."""
    data = model(events, mic, speaker, rate)
    parts = {"DATA": _script_safe(data), "AUDIO": _audio(mic, speaker, data["audioRate"]), "STYLE": _part("timeline.css"),
             "SCRIPT": "\n".join(_part(name) for name in ("data.js", "lanes.js", "view.js", "turns.js"))}
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda mark: parts[mark[1]], _part("timeline.html"))  # in one pass: no part is searched for marks


def model(events: Iterable[Row], mic: Int16 | None, speaker: Int16 | None, rate: int | None = None) -> dict[str, Any]:
    """What the page draws; JSON-ready.  Times are device seconds."""
    rows = sorted(events, key=lambda row: row["t"])
    time = DeviceTime(rows, rate)
    session: Row = next((row for row in rows if row["event"] == "session"), {})
    moments = [time.of(row) for row in rows if row["event"] != "session"]
    heard_at = rate or time.rate
    recorded = max((len(side) / heard_at for side in (mic, speaker) if side is not None), default=0.0)
    owner = waterfall.owners(rows)
    lanes = _Lanes(rows, time, owner, end=max([recorded, *moments]))
    tts = lanes.tts()
    return {
        "rate": time.rate, "audioRate": heard_at, "start": 0.0 if recorded else min(moments, default=0.0), "end": lanes.end,
        "version": str(session.get("version", "")), "models": _words(session.get("models")), "stepped": time.stepped,
        "waves": {name: _peaks(side, heard_at) for name, side in (("mic", mic), ("speaker", speaker)) if side is not None},
        "vad": lanes.vad(),
        "speech": lanes.speech(), "stt": lanes.stt(), "llm": lanes.llm(), "tts": tts, "playback": lanes.playback(tts),
        "state": lanes.states(), "flags": lanes.flags(),
        "turns": [dataclasses.asdict(timing) | {"remarks": waterfall.remarks(timing)} for timing in waterfall.stages(rows, time.rate)],
        "stages": [{"name": name, "label": waterfall.LABELS[name]} for name in waterfall.STAGES],
    }


class _Lanes:
    """The events of one trace, sorted into what each lane shows.  Items are ``{"a": start, "b": end, ...}``."""

    def __init__(self, rows: Sequence[Row], time: DeviceTime, owner: Mapping[int, int], end: float) -> None:
        self.end = end
        self._rows, self._time, self._owner = rows, time, owner

    def of(self, *names: str) -> list[Row]:
        return [row for row in self._rows if row["event"] in names]

    def vad(self) -> dict[str, list[float]]:
        rows = [(self._time.of(row), p) for row in self.of("vad") if (p := waterfall.number(row, "p")) is not None]
        return {"t": [round(t, 3) for t, _ in rows], "p": [round(p, 2) for _, p in rows]}

    def speech(self) -> list[dict[str, Any]]:
        segments: list[dict[str, Any]] = []
        for row in self.of("speech_start", "speech_end"):
            at = self._at(row)
            if row["event"] == "speech_start":
                segments.append({"a": at, "b": self.end})
            elif segments and segments[-1]["b"] == self.end:
                segments[-1]["b"] = max(at, segments[-1]["a"])
        return segments

    def stt(self) -> list[dict[str, Any]]:
        """Utterances: from the first partial (or the final text) on, each with its partials."""
        utterances: dict[Any, dict[str, Any]] = {}
        for row in self.of("stt_partial", "stt_final"):
            at, text = self._at(row), str(row.get("text", ""))
            turn = row.get("turn")
            item = utterances.setdefault(turn, {"a": at, "b": at, "turn": turn, "text": "", "final": False, "partials": []})
            item["b"], item["text"], item["final"] = at, text, row["event"] == "stt_final"
            if row["event"] == "stt_partial":
                if item["partials"]:
                    item["partials"][-1]["b"] = at
                item["partials"].append({"a": at, "b": at, "text": text, "stable": int(waterfall.number(row, "stable") or 0)})
            elif item["partials"]:
                item["partials"][-1]["b"] = at
        return list(utterances.values())

    def llm(self) -> list[dict[str, Any]]:
        found: dict[Any, dict[str, Any]] = {}
        for row in self.of("llm_first_token", "llm_token", "llm_done"):
            at = self._at(row)
            item = found.setdefault(row.get("generation"), {"a": at, "b": at, **self._ids(row), "tokens": [], "finish": None})
            item["b"] = at
            if row["event"] == "llm_done":
                item["finish"] = str(row.get("finish", ""))
            else:
                item["tokens"].append({"a": at, "text": str(row.get("text", ""))})
        return list(found.values())

    def tts(self) -> list[dict[str, Any]]:
        """Chunks; ``sound`` is when the first audio of a reply was there, ``seconds`` how long the chunk plays."""
        first = {row.get("generation"): self._at(row) for row in reversed(self.of("tts_first_chunk"))}
        chunks: list[dict[str, Any]] = []
        for row in self.of("tts_chunk", "tts_chunk_done"):
            at, generation = self._at(row), row.get("generation")
            last = next((chunk for chunk in reversed(chunks) if chunk["generation"] == generation and chunk["b"] is None), None)
            if row["event"] == "tts_chunk":
                if last is not None:
                    last["b"] = at
                sound = None if any(chunk["generation"] == generation for chunk in chunks) else first.get(generation)
                chunks.append({"a": at, "b": None, "text": str(row.get("text", "")), "spoken": str(row.get("spoken", "")), "sound": sound,
                               "seconds": None, **self._ids(row)})
            elif last is not None:
                last["b"] = at
                frames = waterfall.number(row, "frames")
                last["seconds"] = None if frames is None else round(frames / self._time.rate, 3)
        for chunk in chunks:
            if chunk["b"] is None:
                chunk["b"] = max(chunk["a"], min(self.end, chunk["a"] + OPEN_END_S))
        return chunks

    def playback(self, tts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What was heard of each generation: ``holes`` where it was silent meanwhile, ``cut`` where it was silenced before its end, and
        ``parts``, the chunks as they were heard."""
        found: dict[Any, dict[str, Any]] = {}
        for row in self.of("playback_first_sample", "playback_end", "playback_silent", "barge_in_paused", "barge_in_rejected", "underrun"):
            at, frames = self._at(row), waterfall.number(row, "frames")
            item = found.get(row.get("generation"))
            if row["event"] == "playback_first_sample":
                found.setdefault(row.get("generation"), {"a": at, "b": self.end, "cut": False, "holes": [], **self._ids(row)})
            elif item is None:
                continue
            elif row["event"] in ("barge_in_paused", "underrun"):
                played = None if frames is None else frames / self._time.rate
                item["holes"].append({"a": at, "b": None, "played": played, "late": row["event"] == "underrun"})
            elif row["event"] == "barge_in_rejected":
                for hole in item["holes"][-1:]:
                    hole["b"] = at
            else:
                item["b"], item["cut"] = at, row["event"] == "playback_silent"
        for item in found.values():
            item["parts"] = _parts(item, [chunk for chunk in tts if chunk["generation"] == item["generation"]])
        return list(found.values())

    def states(self) -> list[dict[str, Any]]:
        states: list[dict[str, Any]] = []
        for row in self.of("state"):
            at, name = self._at(row), str(row.get("state", ""))
            if states:
                states[-1]["b"] = at
                if states[-1]["state"] == name:
                    at = states.pop()["a"]
            states.append({"a": at, "b": self.end, "state": name})
        return states

    def flags(self) -> list[dict[str, Any]]:
        """Moments worth a mark."""
        flags = []
        for row in self.of(*_FLAGS):
            detail = " ".join(str(row[name]) for name in ("model", "score", "name", "stage", "message") if name in row)
            flags.append({"a": self._at(row), "event": row["event"], "label": _FLAGS[row["event"]], "detail": detail, **self._ids(row)})
        return flags

    def _at(self, row: Row) -> float:
        return round(self._time.of(row), 4)

    def _ids(self, row: Row) -> dict[str, Any]:
        generation, turn = row.get("generation"), row.get("turn")
        return {"generation": generation, "turn": turn if generation is None else self._owner.get(generation, turn)}


def _parts(item: dict[str, Any], chunks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where in a reply's playback each of its chunks was heard.  A hole whose end was not traced ends when the chunk that was missing was
    there, or with the playback."""
    played, parts = 0.0, []
    for chunk in chunks:
        if chunk["seconds"] is None:
            break
        for hole in item["holes"]:
            if hole["late"] and hole["b"] is None and hole["played"] is not None and hole["played"] < played + chunk["seconds"]:
                hole["b"] = max(hole["a"], min(chunk["b"], item["b"]))
        silent = [(hole["played"], hole["b"] - hole["a"]) for hole in item["holes"] if hole["b"] is not None and hole["played"] is not None]
        start = item["a"] + played + sum(length for at, length in silent if at <= played)
        played += chunk["seconds"]
        end = item["a"] + played + sum(length for at, length in silent if at < played)
        if start < item["b"]:
            parts.append({"a": round(start, 3), "b": round(min(end, item["b"]), 3), "text": chunk["text"]})
    for hole in item["holes"]:
        hole["b"] = item["b"] if hole["b"] is None else min(hole["b"], item["b"])
    return parts


def _peaks(samples: Int16, rate: int) -> dict[str, Any]:
    """Least and greatest sample of each stretch of ``step`` seconds, as int8, interleaved, base64."""
    frames = max(PEAK_FRAMES, -(-len(samples) // PEAKS_LIMIT))
    padded = np.concatenate([samples, np.zeros(-len(samples) % frames, np.int16)]).reshape(-1, frames)
    peaks = np.stack([padded.min(axis=1), padded.max(axis=1)], axis=1)
    return {"step": frames / rate, "peaks": base64.b64encode((peaks >> 8).astype(np.int8).tobytes()).decode()}


def _audio(mic: Int16 | None, speaker: Int16 | None, rate: int) -> str:
    """The stereo recording as a FLAC file in base64, which every browser plays; "" where there is none, or too much of it."""
    if mic is None or speaker is None or not len(mic) or max(len(mic), len(speaker)) > AUDIO_LIMIT * 4:
        return ""
    import soundfile

    stereo = np.zeros((max(len(mic), len(speaker)), 2), np.int16)
    stereo[:len(mic), 0], stereo[:len(speaker), 1] = mic, speaker
    buffer = io.BytesIO()
    soundfile.write(buffer, stereo, rate, format="FLAC", subtype="PCM_16")
    text = base64.b64encode(buffer.getvalue()).decode()
    return text if len(text) <= AUDIO_LIMIT else ""


def _script_safe(data: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    return (resources.files("edgevoice") / "page" / name).read_text(encoding="utf-8")


def _words(facts: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in facts.items()} if isinstance(facts, Mapping) else {}
