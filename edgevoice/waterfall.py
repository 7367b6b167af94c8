"""Where the time of each turn went, from the trace alone: stages, voice-to-voice latency, barge-ins; and a picture of it in text.

Theory.  Everything is put on the device's own time: seconds since device frame 0, the axis that both recordings share.  An event
whose ``sample`` is the moment itself (last speech sample, first reply sample) is exact.  Any other has only ``t``; ``DeviceTime`` turns
that into device time by causality: a frame cannot be seen before it was captured, so the smallest ``t - sample / rate`` of the events
around is the tightest bound on the two clocks' distance, and it follows their drift.  On a device whose clock waits for the engines that
distance means nothing; there device time stands still between the frames that were seen.

A turn's zero is its last speech sample.  A turn may hold several generations (taken back, failed, apologized for): the one told is the
first that was heard after the turn's last endpoint.  What a trace does not hold is ``None``; no order of events is relied upon.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Row = Mapping[str, Any]

RATE = 16_000
"""Hz, where a trace does not say"""
WINDOW_S = 10.0
"""clocks drift by at most a few ms in this time, and some frame in it was seen at once"""
STEPPED_S = 0.25
"""a real device is seen late by less than this at least half of the time"""

PERIOD_S = 0.05
"""a device counts the frames it is about to play like those it has just captured, so that a sound may seem to play up to a period before
it was made; no device's period is longer"""
ONSET_WITHIN_S = 2.0
"""speech that began earlier is not what was noticed now (a wake word takes one second)"""

STAGES = ("speech_end_detected", "endpoint", "stt_final", "llm_first_token", "tts_chunk", "tts_first_chunk", "playback_first_sample")
"""From the last speech sample to the first reply sample, in the order in which they are waited for."""
LABELS = {
    "speech_end_detected": "end of speech seen", "endpoint": "wait for more", "stt_final": "final text", "llm_first_token": "first token",
    "tts_chunk": "first clause", "tts_first_chunk": "first sound made", "playback_first_sample": "loudspeaker"}

_WITNESSES = frozenset({"vad", "wake", "endpoint", "playback_first_sample", "playback_end"})
_EXACT = frozenset({"speech_start", "speech_end", "wake", "playback_first_sample", "playback_end", "playback_silent", "barge_in_paused",
                    "underrun", "user_audio", "vad"})
_OF_A_TURN = frozenset({"endpoint", "stt_final", "stt_partial", "llm_first_token", "llm_done", "tts_chunk", "tts_first_chunk",
                        "playback_first_sample", "error"})


@dataclass(frozen=True, slots=True)
class BargeIn:
    """Speech over the reply.  Seconds after ``onset_s``, which is device time: the first sample of that speech."""

    generation: int | None
    onset_s: float
    noticed_s: float | None
    paused_s: float | None
    confirmed_s: float | None
    rejected_s: float | None
    silent_s: float | None


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """One turn.  Stages are seconds after zero; zero, ``origin_s``, is device time."""

    turn: int | None
    generation: int | None
    """the one that is told here"""
    attempts: int
    """generations of this turn"""
    origin: Literal["speech_end", "endpoint", "first_event"]
    """what zero is: the last speech sample, or, where no speech was traced, the next best"""
    origin_s: float
    speech_end_detected: float | None
    endpoint: float | None
    stt_final: float | None
    llm_first_token: float | None
    tts_chunk: float | None
    tts_first_chunk: float | None
    playback_first_sample: float | None
    llm_done: float | None
    playback_end: float | None
    v2v_s: float | None
    """from the last speech sample to the first reply sample at the device"""
    compute_s: float | None
    """from the endpoint to the first reply sample: what the engines and the pipeline took"""
    text: str
    reply: str
    tokens: int | None
    tokens_per_s: float | None
    prompt_tokens: int | None
    cached_tokens: int | None
    finish: str | None
    reply_s: float | None
    """seconds of the reply that were played"""
    underruns: int
    stepped: bool
    """the device's clock waited for the engines: what they took is not in these figures"""
    barge_ins: tuple[BargeIn, ...]
    errors: tuple[str, ...]


class DeviceTime:
    """Device time, in seconds since device frame 0, of any event of a trace."""

    def __init__(self, events: Iterable[Row], rate: int | None = None) -> None:
        rows = sorted(events, key=lambda row: row["t"])
        session = next((row for row in rows if row["event"] == "session"), {})
        self.rate = int(number(session, "rate") or rate or RATE)
        seen = [(row["t"], row["sample"]) for row in rows if row["event"] in _WITNESSES and number(row, "sample") is not None]
        anchor = (session["t"], session["sample"]) if number(session, "sample") is not None else (rows[0]["t"] if rows else 0.0, 0)
        self._t = np.array([t for t, _ in seen] or [anchor[0]], np.float64)
        self._s = np.array([sample for _, sample in seen] or [anchor[1]], np.float64) / self.rate
        lag = self._t - self._s
        self._bins, first, own = np.unique(self._bin(self._t), return_index=True, return_inverse=True)
        least = np.minimum.reduceat(lag, first)
        self._least = np.minimum(least, np.minimum(np.append(least[1:], np.inf), np.insert(least[:-1], 0, np.inf)))
        self.stepped = bool(np.median(lag - self._least[own]) > STEPPED_S)
        """whether the device's clock waited for the engines"""
        self._s = np.maximum.accumulate(self._s)

    def at(self, t: float) -> float:
        """Device time of the monotonic time ``t``."""
        return float(np.interp(t, self._t, self._s)) if self.stepped else t - self._lag(t)

    def of(self, row: Row) -> float:
        """Device time of an event: exact where its ``sample`` is its moment."""
        sample = number(row, "sample") if row["event"] in _EXACT else None
        return self.at(row["t"]) if sample is None else sample / self.rate

    def _lag(self, t: float) -> float:
        """The clocks' distance around ``t``: the least in its window and the windows beside it."""
        at = np.searchsorted(self._bins, self._bin(np.float64(t)))
        return float(self._least[min(int(at), len(self._least) - 1)])

    def _bin(self, t: Any) -> Any:
        return np.floor((t - self._t[0]) / (WINDOW_S / 2))


def stages(events: Iterable[Row], rate: int | None = None) -> list[TurnTiming]:
    """Each turn of a trace, in the order in which they began.  ``rate`` (Hz) where the trace has no ``session`` event."""
    rows = sorted(events, key=lambda row: row["t"])
    time = DeviceTime(rows, rate)
    turns: dict[int | None, list[Row]] = {}
    owner = owners(rows)
    for row in rows:
        turn = owner.get(row["generation"]) if row.get("generation") in owner else row.get("turn")
        if turn is not None or row["event"] in _OF_A_TURN:
            turns.setdefault(turn, []).append(row)
    return [_timing(turn, own, rows, time) for turn, own in turns.items() if any(row["event"] in _OF_A_TURN for row in own)]


def brief(events: Iterable[Row], turn: int, rate: int | None = None) -> dict[str, Any] | None:
    """One turn's stages, in ms after its zero, for whoever shows them elsewhere; ``None`` if the trace holds nothing of it.  ``t``: when
    the first sound was told of, on the trace's clock."""
    rows = list(events)
    timing = next((timing for timing in stages(rows, rate) if timing.turn == turn), None)
    if timing is None:
        return None
    first = next((row["t"] for row in rows if row["event"] == "playback_first_sample" and row.get("generation") == timing.generation), None)
    return {"turn": turn, "generation": timing.generation, "origin": timing.origin, "t": first, "reply_s": timing.reply_s,
            "stages": {name: round(1000 * value, 1) for name in STAGES if (value := getattr(timing, name)) is not None}}


def owners(rows: Iterable[Row]) -> dict[int, int]:
    """The turn of each generation: what the engines' events say, since the loudspeaker's come when the next turn may have begun."""
    owner: dict[int, int] = {}
    late: dict[int, int] = {}
    for row in rows:
        if isinstance(row.get("generation"), int) and isinstance(row.get("turn"), int):
            sure = row["event"].startswith(("llm_", "tts_")) or row["event"] == "error"
            (owner if sure else late).setdefault(row["generation"], row["turn"])
    return late | owner


def draw(timing: TurnTiming, width: int = 80, *, unicode: bool | None = None) -> str:
    """The turn as a waterfall of ``width`` columns (at least 48), ending in a line break.  Plain ASCII where stdout has no Unicode."""
    if unicode is None:
        unicode = can_draw(getattr(sys.stdout, "encoding", None))
    width = max(48, width)
    head = f"turn {timing.turn}" if timing.turn is not None else "turn"
    figure = f"{timing.v2v_s:.3f} s voice to voice" if timing.v2v_s is not None else "no reply heard"
    said = f'  "{plain(timing.text)}"' if timing.text else ""
    lines = [shorten(head + said, width - len(figure) - 2, unicode=unicode).ljust(width - len(figure)) + figure]
    shown = [(name, value) for name in STAGES if (value := getattr(timing, name)) is not None]
    shown.sort(key=lambda item: item[1])
    room = width - 40  # the columns before the bars, a blank, and the one column that the shortest bar takes
    end = max([value for _, value in shown] + [1e-3])
    before = 0.0
    for name, value in shown:
        bar = _bar(max(0.0, before) / end * room, max(0.0, value) / end * room, unicode=unicode)
        lines.append(f"  {LABELS[name]:<20}{value * 1000:6.0f} {(value - before) * 1000:+6.0f} ms{bar}".rstrip())
        before = value
    for line in remarks(timing):
        lines += textwrap.wrap(shorten(plain(line), 4 * width, unicode=unicode), width, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def remarks(timing: TurnTiming) -> list[str]:
    """What else there is to say of a turn, a line each."""
    lines = []
    if timing.origin != "speech_end":
        lines.append("counted from the " + ("endpoint" if timing.origin == "endpoint" else "turn's first event") + ": no speech was traced")
    if timing.stepped:
        lines.append("not in real time: the device's clock waited for the engines, so that what they took is not counted")
    elif timing.compute_s is not None:
        lines.append(f"endpoint to first sound {timing.compute_s * 1000:.0f} ms")
    facts = [f"{timing.tokens} tokens" if timing.tokens is not None else "",
             f"{timing.tokens_per_s:.0f} a second" if timing.tokens_per_s is not None else "",
             f"{timing.cached_tokens} of {timing.prompt_tokens} prompt tokens kept" if timing.cached_tokens is not None else "",
             f"{timing.reply_s:.1f} s heard" if timing.reply_s is not None else "",
             f"ended by {timing.finish}" if timing.finish else "",
             f"attempt {timing.attempts}" if timing.attempts > 1 else "",
             f"{timing.underruns} gap{'s' * (timing.underruns > 1)} in the sound" if timing.underruns else ""]
    if any(facts):
        lines.append("reply: " + ", ".join(fact for fact in facts if fact))
    for barge in timing.barge_ins:
        steps = [f"{name} {value * 1000:.0f} ms" for name, value in (
            ("noticed", barge.noticed_s), ("paused", barge.paused_s), ("confirmed", barge.confirmed_s), ("rejected", barge.rejected_s),
            ("silent", barge.silent_s)) if value is not None]
        lines.append(f"barge-in at {barge.onset_s:.2f} s: " + ", ".join(steps))
    return lines + [f"error: {message}" for message in timing.errors]


def number(row: Row, name: str) -> float | None:
    """A fact of an event, if it has it and it is a number."""
    value = row.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def can_draw(encoding: str | None) -> bool:
    """Whether text in this encoding can hold bars and an ellipsis."""
    try:
        "█▏…".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(text: str) -> str:
    """``text`` for a terminal, blanks kept: nothing in it can move the cursor or change colours."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def plain(text: str) -> str:
    """``text`` as one line for a terminal, with single blanks."""
    return " ".join(printable(text).split())


def columns(text: str) -> int:
    """Terminal columns that ``text`` takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int, *, unicode: bool = True) -> str:
    """At most ``width`` columns of ``text``, with an ellipsis where something was cut."""
    if not unicode:
        text = text.encode("ascii", "replace").decode()
    if columns(text) <= width:
        return text
    mark = "…" if unicode else "..."
    while text and columns(text) > width - len(mark):
        text = text[:-1]
    return text.rstrip() + mark


def _timing(turn: int | None, own: Sequence[Row], rows: Sequence[Row], time: DeviceTime) -> TurnTiming:
    named: dict[str, list[Row]] = {}
    for row in own:
        named.setdefault(row["event"], []).append(row)
    generations = list(dict.fromkeys(row["generation"] for row in own if row.get("generation") is not None))
    heard = named.get("playback_first_sample", [])
    endpoints = named.get("endpoint", [])
    after = [row for row in heard if not endpoints or row["t"] >= endpoints[-1]["t"]]
    first = next(iter(after or heard), None)
    generation = first.get("generation") if first else generations[-1] if generations else None
    before = [row for row in endpoints if first is None or row["t"] <= first["t"]]
    endpoint = before[-1] if before else endpoints[-1] if endpoints else None
    origin, zero, end = _origin(turn, endpoint, own, rows, time)

    def of_generation(name: str) -> list[Row]:
        return [row for row in named.get(name, []) if row.get("generation") == generation]

    def stage(row: Row | None) -> float | None:
        return None if row is None else round(time.of(row) - zero, 4)

    def first_of(name: str) -> Row | None:
        return next(iter(of_generation(name)), None)

    finals = named.get("stt_final", [])
    token, done, playback = first_of("llm_first_token"), first_of("llm_done"), first_of("playback_first_sample")
    drained = first_of("playback_end")
    v2v, decided = stage(playback), stage(endpoint)
    tokens = None if done is None else number(done, "tokens")
    ended = drained or first_of("playback_silent")
    frames = None if ended is None else number(ended, "frames")
    stream = of_generation("llm_first_token") + of_generation("llm_token")
    written = _text(stream)
    return TurnTiming(
        turn=turn, generation=generation, attempts=len(generations), origin=origin, origin_s=round(zero, 4),
        speech_end_detected=None if end is None else round(time.at(end["t"]) - zero, 4),
        endpoint=decided, stt_final=stage(finals[-1] if finals else None), llm_first_token=stage(token),
        tts_chunk=stage(first_of("tts_chunk")), tts_first_chunk=_not_after(stage(first_of("tts_first_chunk")), v2v),
        playback_first_sample=v2v,
        llm_done=stage(done), playback_end=stage(drained),
        v2v_s=v2v if origin == "speech_end" else None,
        compute_s=None if v2v is None or decided is None else round(v2v - decided, 4),
        text=_text(finals[-1:]), reply=written or _text(of_generation("tts_chunk"), " "),
        tokens=None if tokens is None else int(tokens), tokens_per_s=_pace(stream),
        prompt_tokens=_whole(done, "prompt_tokens"), cached_tokens=_whole(done, "cached_tokens"),
        finish=str(done["finish"]) if done is not None and "finish" in done else None,
        reply_s=None if frames is None else round(frames / time.rate, 3), underruns=len(of_generation("underrun")), stepped=time.stepped,
        barge_ins=tuple(_barge_ins(own, rows, time)), errors=tuple(_error(row) for row in named.get("error", [])))


def _origin(turn: int | None, endpoint: Row | None, own: Sequence[Row], rows: Sequence[Row],
            time: DeviceTime) -> tuple[Literal["speech_end", "endpoint", "first_event"], float, Row | None]:
    """What zero is, its device time, and the event that told the end of speech."""
    if endpoint is None:
        return "first_event", time.of(own[0]), None
    earlier = [row for row in rows if row["event"] in ("speech_start", "speech_end", "endpoint") and row["t"] <= endpoint["t"]
               and row is not endpoint]
    last = earlier[-1] if earlier else None
    if last is not None and last["event"] == "speech_end" and last.get("turn", turn) == turn and number(last, "sample") is not None:
        return "speech_end", last["sample"] / time.rate, last
    sample = number(endpoint, "last_speech")
    if sample is not None:  # the utterance was cut at its greatest length, or its edges were lost with the trace's oldest events
        return "speech_end", sample / time.rate, None
    return "endpoint", time.of(endpoint), None


def _barge_ins(own: Sequence[Row], rows: Sequence[Row], time: DeviceTime) -> Iterable[BargeIn]:
    """Each speech over this turn's reply, and what became of it."""
    begun = [row for row in own if row["event"] in ("barge_in_onset", "barge_in_confirmed")]
    starts = [row for row in begun if row["event"] == "barge_in_onset"]
    starts += [row for row in begun if not any(s.get("generation") == row.get("generation") and s["t"] <= row["t"] for s in starts)]
    starts.sort(key=lambda row: row["t"])
    for k, row in enumerate(starts):
        until = next((s["t"] for s in starts[k + 1:] if s.get("generation") == row.get("generation")), float("inf"))
        recent = [s for s in rows if row["t"] - ONSET_WITHIN_S <= s["t"] <= row["t"]]
        speech = [s for s in recent if s["event"] == "speech_start"] or [s for s in recent if s["event"] == "wake"]
        onset = time.of(speech[-1]) if speech else time.at(row["t"])
        later = [s for s in own if s.get("generation") == row.get("generation") and row["t"] <= s["t"] < until]

        def after(name: str, later: Sequence[Row] = later, onset: float = onset) -> float | None:
            found = next((s for s in later if s["event"] == name), None)
            return None if found is None else round(time.of(found) - onset, 4)

        paused, silent = after("barge_in_paused"), after("playback_silent")
        confirmed = _not_after(after("barge_in_confirmed"), silent)
        noticed = _not_after(round(time.at(row["t"]) - onset, 4), paused or confirmed)
        yield BargeIn(row.get("generation"), round(onset, 4), noticed, paused, confirmed, after("barge_in_rejected"), silent)


def _not_after(cause: float | None, effect: float | None) -> float | None:
    """``cause`` no later than what it led to, where only the counting of a period's frames says otherwise."""
    return effect if cause is not None and effect is not None and effect < cause <= effect + PERIOD_S else cause


def _bar(start: float, end: float, *, unicode: bool) -> str:
    """From column ``start`` to ``end``, exact to an eighth of a column at its end; never invisible."""
    cell = int(start)
    if not unicode:
        return " " * (cell + 1) + "#" * max(1, round(end) - cell)
    eighths = max(1, round((end - cell) * 8))
    return " " * (cell + 1) + "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _pace(tokens: Sequence[Row]) -> float | None:
    """Tokens a second, from the median step: a model that is held because the loudspeaker is far behind is not slow."""
    steps = np.diff([row["t"] for row in tokens])
    middle = float(np.median(steps)) if len(steps) else 0.0
    return round(1.0 / middle, 1) if middle > 0.0 else None


def _whole(row: Row | None, name: str) -> int | None:
    value = None if row is None else number(row, name)
    return None if value is None else int(value)


def _text(rows: Iterable[Row], between: str = "") -> str:
    return between.join(str(row.get("text", "")) for row in rows).strip()


def _error(row: Row) -> str:
    return ": ".join(str(row[name]) for name in ("stage", "message") if name in row) or "unknown"
