"""Barge-in: how fast a spoken reply pauses, is given up or goes on, whoever interrupts it, in rooms where it hears itself.

Real engines and the real callback on the virtual device, in real time: the model answers a question, and somebody makes a sound over the
answer, 2 to 4 s after it began.  The echo comes through a simulated room; the interruption is 0 to 10 dB above it.  Times are device
frames, from the sound's first sample; that the loudspeaker was silent between "paused" and "resumed" is read from its recording.
"""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgevoice import app, audio, room
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.dialog.table import State
from edgevoice.engines.protocols import Float32
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.bench.interruptions import Interruption, Kind, interruptions
from tests.bench.turns import settings_for, shared_folder
from tests.e2e.stage import Stage, plain

RATE = 16_000
QUESTION = "Tell me a long story about a dragon."
ANNOUNCEMENT = "The washing machine is done, and the dryer will be done in about twenty minutes, so there is no hurry at all."
FULL: dict[Kind, int] = {"order": 16, "command": 16, "assent": 16, "cough": 10, "door": 6, "kitchen": 8}
QUICK: dict[Kind, int] = {"command": 1, "assent": 1}
STOPS, QUICK_STOPS = 40, 4
ECHO_DB = -30.0
"""level of the echo at the microphone, where a reply is about -20 dB at the loudspeaker"""
BACK_S = 3.0
"""watched after the sound's end"""

Row = dict[str, Any]


def run(quick: bool) -> list[Result]:
    shared = shared_folder("bargein")
    settings = settings_for(speculation=True)
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, barge_in="speech"))
    engines = app.load_engines(settings)
    try:
        sounds = interruptions(shared, engines.tts, QUICK if quick else FULL)
        rows = []
        for number, sound in enumerate(sounds):
            rows.append(asyncio.run(_trial(settings, engines, sound, number)))
            progress(f"bargein {number + 1} of {len(sounds)}, {sound.kind} {sound.name!r}: {_outcome(rows[-1])}")
        stops = asyncio.run(_stops(settings, engines, QUICK_STOPS if quick else STOPS))
    finally:
        engines.close()
    return _results(rows, stops)


class _Stage(Stage):
    """In real time; its core is closed with it."""

    def __init__(self, settings: Settings, engines: Engines, response: Float32 | None = None) -> None:
        noise = audio.to_int16(room.noise(3, 5 * RATE, RATE, -65.0))
        super().__init__(settings, engines, 120, realtime=True, noise=noise, echo=response)

    async def __aexit__(self, *unused: object) -> None:
        await super().__aexit__(*unused)
        self.core.close()

    def find(self, event: str) -> Row | None:
        """The last such event."""
        return next((row for row in reversed(self.trace.events()) if row["event"] == event), None)


async def _trial(settings: Settings, engines: Engines, sound: Interruption, number: int) -> Row:
    chance = np.random.default_rng((number, 3))
    response = room.impulse_response(number, RATE, rt60_s=chance.uniform(0.15, 0.4), distance_m=chance.uniform(0.3, 1.0))
    delay = np.zeros(int(chance.uniform(0.02, 0.12) * RATE), np.float32)
    response = np.concatenate([delay, response])
    response = (response * (10 ** ((ECHO_DB + 20.0) / 20) / np.sqrt(np.sum(np.square(response))))).astype(np.float32)
    voice = audio.to_float32(sound.samples)
    loud = room.at_level(voice, RATE, ECHO_DB + chance.uniform(0.0, 10.0))
    async with _Stage(settings, engines, response) as stage:
        session = stage.session
        session.ask(QUESTION)
        await stage.until(lambda: stage.find("playback_first_sample") is not None)
        began = (stage.find("playback_first_sample") or {"sample": 0})["sample"]
        start = stage.device.say(audio.to_int16(loud), max(began + int(chance.uniform(2.0, 4.0) * RATE), stage.device.position))
        end = start + sound.end
        await stage.until(lambda: stage.device.position > end + int(BACK_S * RATE))
        turns = session.history.turns
        heard = turns[0].heard if turns else ""
        session.stop_speaking()
        await stage.until(lambda: session.machine.state in (State.IDLE, State.FOLLOWUP), 5.0)
        events = stage.trace.events()
        speaker = stage.device.recording()[1]
    row = _judged(events, speaker, sound, start)
    if row["cancelled_ms"] is not None and sound.meant:
        row["history_words_off"] = _words_off(engines, speaker[began:row["silent"]], heard)
    return row


def _judged(events: Sequence[Row], speaker: Any, sound: Interruption, start: int) -> Row:
    onset, end = start + sound.start, start + sound.end
    ms = 1000 / RATE
    paused = [row for row in events if row["event"] == "barge_in_paused"]
    pause = next((row for row in paused if row["sample"] >= onset), None)
    confirmed = next((row for row in events if row["event"] == "barge_in_confirmed" and row["sample"] >= onset), None)
    silent = next((row for row in events if row["event"] == "playback_silent" and row["sample"] >= onset), None)
    resumed = next((row for row in events if row["event"] == "state" and "frames" in row
                    and pause is not None and row["sample"] >= pause["sample"] and row["generation"] == pause["generation"]), None)
    row: Row = {
        "name": sound.name, "kind": sound.kind, "meant": sound.meant,
        "ended_before": any(event["event"] == "playback_end" and event["sample"] < onset for event in events),
        "self_triggered": sum(event["sample"] < onset for event in paused),
        "paused_ms": None if pause is None else (pause["sample"] - onset) * ms,
        "cancelled_ms": None if confirmed is None else (confirmed["sample"] - onset) * ms,
        "silent": silent["sample"] if silent is not None else pause["sample"] if pause is not None else len(speaker),
        "back_ms": None if resumed is None or confirmed is not None else (resumed["sample"] - end) * ms,
        "text": "" if confirmed is None else _last_words(events, confirmed["t"]),
        "whole": None}
    if pause is not None and resumed is not None:
        row["whole"] = pause["frames"] == resumed["frames"] and not np.any(speaker[pause["sample"]:resumed["sample"]])
    return row


def _last_words(events: Sequence[Row], until_s: float) -> str:
    return next((row["text"] for row in reversed(events) if row["event"] == "stt_partial" and row["t"] <= until_s), "")


def _outcome(row: Row) -> str:
    if row["ended_before"]:
        return "the reply had ended"
    if row["cancelled_ms"] is not None:
        return f"paused after {row['paused_ms'] or 0:.0f} ms, given up after {row['cancelled_ms']:.0f}, at {row['text']!r}"
    if row["back_ms"] is not None:
        return f"paused after {row['paused_ms']:.0f} ms, back {row['back_ms']:.0f} ms after its end"
    return "not noticed" if row["paused_ms"] is None else "paused and neither"


def _words_off(engines: Engines, speaker: Any, heard: str) -> int | None:
    """By how many words the history's text is longer or shorter than what the recognizer finds in the recording, counted at the end: the
    recognizer's own errors before that do not matter."""
    stream = engines.stt.open()
    stream.accept(audio.to_float32(speaker))
    said, kept = plain(stream.finish()), plain(heard)
    if not said or not kept:
        return max(len(said), len(kept))
    blocks = difflib.SequenceMatcher(None, said, kept, autojunk=False).get_matching_blocks()[:-1]
    if not blocks:
        return None
    last = blocks[-1]
    return max(len(said) - (last.a + last.size), len(kept) - (last.b + last.size))


async def _stops(settings: Settings, engines: Engines, count: int) -> list[float]:
    """ms of device time from the command to the last sound, again and again in one session."""
    found = []
    async with _Stage(settings, engines) as stage:
        for k in range(count):
            generation = stage.session.machine.generation
            stage.session.say(ANNOUNCEMENT)
            await stage.until(lambda before=generation: (row := stage.find("playback_first_sample")) and row["generation"] > before)
            await asyncio.sleep(0.3 + 0.013 * (k % 10))
            said = stage.device.position
            stage.session.stop_speaking()
            await stage.until(lambda said=said: (row := stage.find("playback_silent")) and row["sample"] >= said, 3.0)
            row = stage.find("playback_silent")
            if row is not None and row["sample"] >= said:
                await stage.until(lambda row=row: stage.device.position > row["sample"] + RATE // 10)
                speaker = stage.device.recording()[1]
                after = speaker[row["sample"]:row["sample"] + RATE // 10]
                found.append((row["sample"] - said) * 1000 / RATE if not after.any() else float("inf"))
            await stage.until(lambda: stage.session.machine.state is State.IDLE)
    return found


def _results(rows: Sequence[Row], stops: Sequence[float]) -> list[Result]:
    rows = [row for row in rows if not row["ended_before"]]
    meant, not_meant = [row for row in rows if row["meant"]], [row for row in rows if not row["meant"]]
    paused = [row["paused_ms"] for row in meant if row["paused_ms"] is not None]
    cancelled = [row["cancelled_ms"] for row in meant if row["cancelled_ms"] is not None]
    back = [row["back_ms"] for row in not_meant if row["back_ms"] is not None]
    off = [row["history_words_off"] for row in meant if row.get("history_words_off") is not None]
    whole = [row["whole"] for row in rows if row["whole"] is not None]
    results = [
        Result("interruptions that are meant", len(meant), ""),
        Result("of them not noticed", sum(row["paused_ms"] is None for row in meant), "", "== 0"),
        Result("onset to pause, p50", median(paused), "ms", "<= 200"),
        Result("onset to pause, p95", percentile(paused, 95), "ms", "<= 350"),
        Result("of them given up for", 100 * len(cancelled) / len(meant) if meant else None, "%", ">= 95"),
        Result("onset to confirmed cancel, p50", median(cancelled), "ms", "<= 500"),
        Result("onset to confirmed cancel, p95", percentile(cancelled, 95), "ms"),
        Result("history beside the recording, p50", median(off), "words", "<= 1"),
        Result("history off by more than a word", 100 * sum(value > 1 for value in off) / len(off) if off else None, "%", "<= 5"),
        Result("sounds that are not meant", len(not_meant), ""),
        Result("of them the reply was given up for", 100 * sum(row["cancelled_ms"] is not None for row in not_meant) / len(not_meant)
               if not_meant else None, "%", "<= 5")]
    for kind in dict.fromkeys(row["kind"] for row in not_meant):
        chosen = [row for row in not_meant if row["kind"] == kind]
        results.append(Result(f"given up for, {kind}", sum(row["cancelled_ms"] is not None for row in chosen), f"of {len(chosen)}"))
        results.append(Result(f"paused for, {kind}", sum(row["paused_ms"] is not None for row in chosen), f"of {len(chosen)}"))
    return [*results,
            Result("the sound's end to the reply's return, p50", median(back), "ms"),
            Result("the sound's end to the reply's return, p95", percentile(back, 95), "ms", "<= 600"),
            Result("returns that repeat or skip a frame", sum(not each for each in whole), f"of {len(whole)}", "== 0"),
            Result("pauses for the device's own voice", sum(row["self_triggered"] for row in rows), "times", "== 0"),
            Result("command to silence, p50", median(stops), "ms"),
            Result("command to silence, p99", percentile(stops, 99), "ms", "<= 30")]
