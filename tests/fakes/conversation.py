"""A conversation that never was: trace rows as the pipeline writes them, and the two recordings that belong to them.

Three turns, as in the demonstration: a question, a follow-up, and a long answer that the user interrupts.  Every moment is chosen here,
so that a test knows what must be read from it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
T0 = 5_000.0
"""monotonic time of device frame 0"""
FRAME = 512
SEEN_LATE_S = 0.004
"""a frame is looked at this long after its last sample was captured"""


@dataclass
class Conversation:
    """``rows`` in the order in which they were emitted; ``mic`` and ``speaker`` are int16 at ``RATE``."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    user: list[tuple[float, float]] = field(default_factory=list)
    spoken: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0

    def put(self, event: str, at: float, *, sample_at: float | None = None, **facts: Any) -> None:
        row: dict[str, Any] = {"t": round(T0 + at, 6), "event": event}
        if sample_at is not None:
            row["sample"] = round(sample_at * RATE)
        self.rows.append(row | facts)

    @property
    def mic(self) -> NDArray[np.int16]:
        return _voices(self.user, self.seconds, 140.0, seed=1)

    @property
    def speaker(self) -> NDArray[np.int16]:
        return _voices(self.spoken, self.seconds, 210.0, seed=2)


def conversation(*, questions: tuple[str, str, str] = (
        "what is the capital of france", "and how many people live there", "tell me a long story about the sea"),
        replies: tuple[str, str, str] = (
        "The capital of France is Paris, a city on the Seine.", "About two million people live in Paris itself, and twelve in its region.",
        "Once upon a time, there was a small boat that dreamed of the sea. Every morning it listened to the waves, and every night it "
        "counted the stars. One day, the rope came loose.")) -> Conversation:
    """Zero of turn 1 is 2.400 s and its voice-to-voice latency 0.940 s; see the calls below for the rest."""
    made = Conversation()
    made.put("session", 0.0, sample_at=0.0, rate=RATE, version="0.1.0", wake=["okay_nabu"],
             models={"vad": "silero-vad", "stt": "moonshine-tiny-en", "llm": "smollm2-135m-instruct", "tts": "piper-en-us-joe"})
    made.put("state", 0.001, state="idle")
    made.user.append((0.30, 0.85))
    made.put("speech_start", 0.40, sample_at=0.30)
    made.put("wake", 0.92, sample_at=0.90, model="okay_nabu", score=0.97)
    made.put("earcon", 0.921, name="listening")
    made.put("state", 0.921, state="listening", turn=1)
    _turn(made, 1, 1, speech=(1.1, 2.4), question=questions[0], reply=replies[0], endpoint=0.45, token=0.06, chunk=0.10, audio=0.20,
          play=0.13)
    end = made.seconds + 0.9
    _turn(made, 2, 2, speech=(end, end + 1.5), question=questions[1], reply=replies[1], endpoint=0.45, token=0.05, chunk=0.12, audio=0.17,
          play=0.11)
    end = made.seconds + 0.9
    _turn(made, 3, 3, speech=(end, end + 1.9), question=questions[2], reply=replies[2], endpoint=0.46, token=0.05, chunk=0.08, audio=0.22,
          play=0.11, interrupted_after=2.6)
    onset = made.seconds
    made.user.append((onset, onset + 1.0))
    made.put("speech_start", onset + 0.075, sample_at=onset)
    made.put("barge_in_onset", onset + 0.077, turn=3, generation=3)
    made.put("state", onset + 0.077, state="holding", turn=3)
    made.put("barge_in_paused", onset + 0.094, sample_at=onset + 0.090, turn=3, generation=3, frames=int(2.69 * RATE))
    made.put("barge_in_confirmed", onset + 0.305, turn=3, generation=3)
    made.put("state", onset + 0.306, state="listening", turn=4)
    made.put("playback_silent", onset + 0.312, sample_at=onset + 0.310, turn=4, generation=3, frames=int(2.69 * RATE))
    made.put("llm_done", onset + 0.308, turn=3, generation=3, finish="cancelled", tokens=31, prompt_tokens=210, cached_tokens=184)
    made.spoken[-1] = (made.spoken[-1][0], onset + 0.09)
    made.put("speech_end", onset + 1.18, sample_at=onset + 1.0, turn=4)
    made.put("stt_partial", onset + 0.7, turn=4, text="stop", stable=0)
    made.put("endpoint", onset + 1.45, sample_at=onset + 1.44, turn=4, last_speech=round((onset + 1.0) * RATE))
    made.put("stt_final", onset + 1.47, sample_at=onset + 1.44, turn=4, text="")
    made.put("state", onset + 1.48, state="idle", turn=4)
    made.seconds = onset + 2.6
    chance = random.Random(3)
    for k in range(1, int(made.seconds * RATE / FRAME)):
        at = k * FRAME / RATE
        inside = any(start + 0.03 <= at <= end + 0.06 for start, end in made.user)
        p = chance.uniform(0.8, 1.0) if inside else chance.uniform(0.0, 0.12) ** 1.5
        made.put("vad", at + SEEN_LATE_S + chance.expovariate(200.0), sample_at=at, p=round(p, 3))
    made.rows.sort(key=lambda row: row["t"])
    return made


def _turn(made: Conversation, turn: int, generation: int, *, speech: tuple[float, float], question: str, reply: str, endpoint: float,
          token: float, chunk: float, audio: float, play: float, interrupted_after: float | None = None) -> None:
    """``endpoint`` after the last speech sample; each later stage after the one before it.  Seconds."""
    ids = {"turn": turn, "generation": generation}
    start, end = speech
    made.user.append(speech)
    if turn > 1:
        made.put("speech_start", start + 0.09, sample_at=start)
        made.put("state", start + 0.091, state="listening", turn=turn)
    words = question.split()
    for k in range(1, len(words) + 1):
        stable = len(" ".join(words[:max(0, k - 2)]))
        made.put("stt_partial", start + 0.25 + (end - start) * k / len(words), turn=turn, text=" ".join(words[:k]), stable=stable)
    made.put("speech_end", end + 0.17, sample_at=end, turn=turn)
    at = end + endpoint
    made.put("endpoint", at, sample_at=at - 0.01, turn=turn, last_speech=round(end * RATE))
    at += 0.002
    made.put("stt_final", at, sample_at=at - 0.012, turn=turn, text=question)
    made.put("state", at + 0.001, state="thinking", turn=turn)
    at += token - 0.002
    pieces = [piece if k == 0 else " " + piece for k, piece in enumerate(reply.split())]
    for k, piece in enumerate(pieces):
        made.put("llm_token" if k else "llm_first_token", at + k * 0.026, text=piece, **ids)
    finished = at + (len(pieces) - 1) * 0.026 + 0.001
    if interrupted_after is None:
        made.put("llm_done", finished, finish="stop", tokens=len(pieces), prompt_tokens=190, cached_tokens=170, **ids)
    at += chunk
    clauses = _clauses(reply)
    sound = at + audio + play
    work, position = at, sound
    for k, clause in enumerate(clauses):
        seconds = 0.068 * len(clause)
        if interrupted_after is not None and position > sound + interrupted_after:
            break
        made.put("tts_chunk", work, text=clause, spoken=clause.lower(), **ids)
        if k == 0:
            made.put("tts_first_chunk", work + audio, seconds=round(seconds, 3), **ids)
        work += 0.1 + seconds * 0.09
        made.put("tts_chunk_done", work, frames=round(seconds * RATE), **ids)
        position += seconds
    made.put("playback_first_sample", sound + 0.006, sample_at=sound, frames=0, **ids)
    made.put("state", sound + 0.007, state="speaking", turn=turn)
    if interrupted_after is not None:
        made.spoken.append((sound, sound + interrupted_after))
        made.seconds = sound + interrupted_after
        return
    made.spoken.append((sound, position))
    made.put("playback_end", position + 0.006, sample_at=position, frames=round((position - sound) * RATE), **ids)
    made.put("state", position + 0.007, state="followup", turn=turn)
    made.seconds = position


def _clauses(text: str) -> list[str]:
    found, start = [], 0
    for k, c in enumerate(text):
        if c in ",.":
            found.append(text[start:k + 1].strip())
            start = k + 1
    return found


def _voices(segments: list[tuple[float, float]], seconds: float, pitch: float, seed: int) -> NDArray[np.int16]:
    """Something that looks like speech: harmonics in syllables, over a little noise."""
    chance = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    out = chance.standard_normal(len(t)) * 0.002
    for start, end in segments:
        inside = (t >= start) & (t < end)
        u = t[inside] - start
        tone = sum(np.sin(2 * np.pi * pitch * h * u + 0.3 * np.sin(11 * u) * h) / h for h in range(1, 9))
        syllables = np.abs(np.sin(np.pi * u * 4.3 + 0.8 * np.sin(2.1 * u))) ** 0.7 * np.minimum(1.0, (end - start - u) / 0.05)
        out[inside] += 0.16 * tone * syllables
    return np.clip(out * 32_767, -32_768, 32_767).astype(np.int16)
