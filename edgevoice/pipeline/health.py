"""One snapshot of how the whole device does, for every edge that tells of it, and one line for a person: what is wrong, what to do.

``SCHEMA`` says what stands in it.  Alerts have names that stay (``Alert``); the sentence with the snapshot is that of the first, the severe
before the others.  A snapshot is made on the loop's thread in about a millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from edgevoice.clock import Clock
from edgevoice.host import Host, HostState
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.engines import NAMES
from edgevoice.pipeline.ladder import Level
from edgevoice.pipeline.latencies import STAGES, Latencies
from edgevoice.pipeline.session import Session
from edgevoice.rt.supervised import DeviceState
from edgevoice.settings import Settings

ALL_WELL = "all is well"


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond these somebody is told."""

    temperature_c: float = 80.0
    """a Raspberry Pi slows down from there on"""
    disk_free_mb: float = 200.0
    memory_free_mb: float = 100.0
    wifi_dbm: float = -80.0
    answer_ms: float = 3000.0
    """from the last word to the answer's first, at the median"""
    answers: int = 5
    """of which at least so many were given"""


LIMITS = Limits()
STEPS: Mapping[str, float] = {"temperature_c": 5.0, "rss_mb": 100.0, "cpu_percent": 50.0, "disk_free_mb": 500.0}
"""changes of the host's figures that are told at once"""


class HealthMeter:
    """``device``: of the sound card, where it is supervised; ``versions`` of the models, by part.  Everything on the loop's thread."""

    def __init__(self, session: Session, settings: Settings, clock: Clock, latencies: Latencies, host: Host, *,
                 device: Callable[[], DeviceState | None] = lambda: None, limits: Limits = LIMITS,
                 versions: Mapping[str, str] | None = None) -> None:
        self._session, self._settings, self._clock, self._latencies, self._host = session, settings, clock, latencies, host
        self._device, self._limits = device, limits
        self._began = clock.now()
        self._versions = dict(versions or {})
        self._version = metadata.version("edgevoice")
        self._parts: dict[str, Callable[[], tuple[dict[str, Any], list[Alert]]]] = {}

    def add(self, name: str, part: Callable[[], tuple[dict[str, Any], list[Alert]]]) -> None:
        """An edge that tells of itself."""
        self._parts[name] = part

    def look(self) -> dict[str, Any]:
        """JSON-ready, as ``SCHEMA`` says."""
        now, session = self._clock.now(), self._session
        sound, host, latencies = session.sound(self._device()), self._host.look(), self._latencies
        stages = latencies.document(now)
        failing = latencies.failing
        parts = {name: part() for name, part in self._parts.items()}
        alerts = [*sound.alerts, *self._of_engines(failing), *alerts_of_host(host, self._limits), *self._of_answers(stages),
                  *_of_level(session.level, session.level_why), *(alert for _, found in parts.values() for alert in found)]
        alerts.sort(key=lambda alert: not alert.severe)
        counters, front, playout, spared = sound.counters, sound.front, sound.playout, session.speculated
        last = latencies.last_error
        errors = latencies.errors
        settings = self._settings
        states = {state.name: state for state in session.engines}

        def cared(stage: str) -> dict[str, Any]:
            state = states.get(stage)
            return {} if state is None else {"breaker": state.breaker, "hung": state.hung, "loaded_anew": state.loaded_anew}

        document: dict[str, Any] = {
            "time": round(time.time(), 3), "uptime_s": round(now - self._began, 1), "version": self._version,
            "ok": not any(alert.severe for alert in alerts), "summary": str(alerts[0]) if alerts else ALL_WELL,
            "alerts": [{"name": alert.name, "severe": alert.severe, "text": str(alert)} for alert in alerts],
            "state": session.machine.state.value, "latency_ms": stages, "counts": latencies.counts,
            "engines": {stage: {"state": "failing" if stage in failing else "ready", "errors": errors.get(stage, 0), **cared(stage)}
                        for stage in ("stt", "llm", "tts", "ears", "turn")},
            "models": {"vad": settings.vad.model, "stt": settings.stt.model, "llm": settings.llm.model, "tts": settings.tts.model,
                       "turn": settings.dialog.turn_model},
            "model_versions": self._versions,
            "sound": {
                "open": sound.device is None or sound.device.open, "losses": sound.device.losses if sound.device else 0,
                "xruns_in": counters.xruns_in, "xruns_out": counters.xruns_out,
                "dropped_ms": _ms(counters.dropped, session.rate), "ring_ms": _ms(counters.depth, session.rate),
                "late_worst_ms": round(1000 * sound.lateness.worst_s, 1),
                "erle_db": round(front.erle_db, 1) if front else None, "echo_delay_ms": front.delay_ms if front else None,
                "drift_ppm": round(front.drift_ppm, 1) if front else None, "memory_locked": sound.locked, "fifo": sound.fifo},
            "playout": {
                "underruns": playout.underruns, "underruns_per_minute": playout.underruns_per_minute,
                "depth_ms": round(1000 * playout.depth_s), "jitter_p95_ms": _thousand(playout.jitter_p95_s),
                "stretch_share": round(playout.stretch_share, 3)},
            "speculation": {"attempts": spared.attempts, "confirmed": spared.confirmed, "dropped": spared.dropped,
                            "refused": spared.refused, "wasted_tokens": spared.wasted_tokens,
                            "wasted_cpu_s": round(spared.wasted_cpu_s, 2), "wasted_audio_s": round(spared.wasted_audio_s, 2)},
            "queues": session.queues,
            "ladder": {"level": session.level.name.lower(), "why": session.level_why},
            "host": _host(host), "last_error": None}
        if last is not None:
            document["last_error"] = {"stage": last["stage"], "message": last["message"], "time": round(time.time() - now + last["t"], 3)}
        document.update({name: facts for name, (facts, _) in parts.items()})
        return document

    def _of_engines(self, failing: set[str]) -> list[Alert]:
        return [Alert(f"{stage}_failing", f"{NAMES[stage]} failed when it was last used: see last_error; `edgevoice models verify` looks "
                      "at its files", severe=True) for stage in ("stt", "llm", "tts") if stage in failing]

    def _of_answers(self, stages: Mapping[str, Mapping[str, float]]) -> list[Alert]:
        answers = stages.get("voice_to_voice")
        if answers is None or answers["count"] < self._limits.answers or answers["p50"] < self._limits.answer_ms:
            return []
        slowest = max((name for name in ("wait", "text", "first_token", "first_sound") if name in stages),
                      key=lambda name: stages[name]["p50"], default="first_token")
        return [Alert("answers_slow", f"answers begin {answers['p50'] / 1000:.1f} s after the question, at the median; most of that is "
                      f"{slowest.replace('_', ' ')}: a smaller model, or more air for the processor")]


def alerts_of_host(host: HostState, limits: Limits = LIMITS) -> list[Alert]:
    """What the machine suffers from."""
    found = []
    if "undervoltage" in host.throttling:
        found.append(Alert("undervoltage", "the power supply is too weak: use the one made for this board, and a short cable",
                           severe=True))
    if host.temperature_c is not None and host.temperature_c >= limits.temperature_c:
        found.append(Alert("hot", f"the processor is at {host.temperature_c:.0f} degrees Celsius and slows down: give it air or a heat "
                           "sink, or smaller models"))
    elif any(flag != "undervoltage" for flag in host.throttling):
        found.append(Alert("throttled", f"the processor is slowed down ({', '.join(host.throttling)}): answers take longer; give it "
                           "air, or a stronger power supply"))
    if host.disk_free_mb is not None and host.disk_free_mb < limits.disk_free_mb:
        found.append(Alert("disk_full", f"{host.disk_free_mb:.0f} MB are free on the disk: remove what is not needed "
                           "(`edgevoice models list` shows sizes)"))
    if host.memory_free_mb is not None and host.memory_free_mb < limits.memory_free_mb:
        found.append(Alert("memory_low", f"{host.memory_free_mb:.0f} MB of memory are free: end other programs, or choose smaller "
                           "models"))
    if host.wifi_dbm is not None and host.wifi_dbm < limits.wifi_dbm:
        found.append(Alert("wifi_weak", f"the radio signal is weak ({host.wifi_dbm:.0f} dBm): move the device or the access point"))
    return found


_LESS = {Level.SHORTER: "answers are kept short", Level.SKILLS: "only what needs no language model is answered",
         Level.RECORDED: "only recorded sentences are spoken"}


def _of_level(level: Level, why: str) -> list[Alert]:
    return [] if level is Level.FULL else [Alert("less_done", f"{_LESS[level]}: {why}", severe=level is Level.RECORDED)]


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether somebody should be told at once."""
    if [alert["name"] for alert in before["alerts"]] != [alert["name"] for alert in now["alerts"]]:
        return True
    if before["sound"]["open"] != now["sound"]["open"] or before["engines"] != now["engines"] or before["models"] != now["models"]:
        return True
    return any(abs((now["host"][name] or 0) - (before["host"][name] or 0)) >= step for name, step in STEPS.items())


def _host(host: HostState) -> dict[str, Any]:
    return {"cpu_percent": _rounded(host.cpu_percent), "rss_mb": _rounded(host.rss_mb), "threads": host.threads,
            "load_1m": round(host.load_1m, 2), "memory_free_mb": _rounded(host.memory_free_mb),
            "temperature_c": _rounded(host.temperature_c),
            "throttling": list(host.throttling), "throttled_before": list(host.throttled_before),
            "disk_free_mb": _rounded(host.disk_free_mb), "wifi_dbm": host.wifi_dbm, "uptime_s": host.uptime_s}


def _ms(frames: int, rate: int) -> float:
    return round(1000 * frames / rate, 1)


def _thousand(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


_N: dict[str, Any] = {"type": "number"}
_OR_NOT: dict[str, Any] = {"type": ["number", "null"]}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def _all(kind: Mapping[str, Any], *names: str, **others: Mapping[str, Any]) -> dict[str, Any]:
    properties = {**dict.fromkeys(names, kind), **others}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_FLAG: dict[str, Any] = {"type": "boolean"}
_NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_ENGINE = {"type": "object", "additionalProperties": False, "required": ["state", "errors"], "properties": {
    "state": {"enum": ["ready", "failing"]}, "errors": _COUNT, "breaker": {"enum": ["closed", "open", "trial"]}, "hung": _COUNT,
    "loaded_anew": _COUNT}}
_STAGE = _all(_N, "p50", "p90", "p99", "count")
AGENDA = {**_all(_COUNT, "timers", "alarms", "reminders", "ringing", next_due=_OR_NOT),
          "description": "what is pending, and when the next of it is due (Unix time)"}
UPDATE = {**_all({"type": "string"}, "release", "previous", "staged", phase={"enum": ["none", "probation", "settled"]},
                 lived_s=_N, turns=_COUNT, undone=_NAMES),
          "description": "release in force, the one to go back to, the one that waits; how long it has done well; what was taken back"}
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "how the device does", "type": "object",
    "properties": {
        "time": {**_N, "description": "Unix time, in seconds"}, "uptime_s": _N, "version": {"type": "string"},
        "ok": {**_FLAG, "description": "nothing severe is wrong"},
        "summary": {"type": "string", "description": "what is wrong and what to do, in one line"},
        "alerts": {"type": "array", "items": _all({"type": "string"}, "name", "text", severe=_FLAG)},
        "state": {"type": "string"},
        "latency_ms": {"type": "object", "properties": dict.fromkeys(STAGES, _STAGE), "additionalProperties": False,
                       "description": "of the last 15 minutes"},
        "counts": {"type": "object", "additionalProperties": _COUNT, "description": "since the start"},
        "engines": {"type": "object", "additionalProperties": _ENGINE},
        "models": {"type": "object", "additionalProperties": {"type": "string"}},
        "model_versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "sound": _all(_N, "losses", "xruns_in", "xruns_out", "dropped_ms", "ring_ms", "late_worst_ms", open=_FLAG, erle_db=_OR_NOT,
                      echo_delay_ms=_OR_NOT, drift_ppm=_OR_NOT, memory_locked=_FLAG, fifo=_FLAG),
        "playout": _all(_N, "underruns", "underruns_per_minute", "depth_ms", "stretch_share", jitter_p95_ms=_OR_NOT),
        "speculation": _all(_N, "attempts", "confirmed", "dropped", "refused", "wasted_tokens", "wasted_cpu_s", "wasted_audio_s"),
        "queues": {"type": "object", "additionalProperties": _COUNT},
        "ladder": {**_all({"type": "string"}, "why", level={"enum": [level.name.lower() for level in Level]}),
                   "description": "what is still done for an answer, and why no more"},
        "host": _all(_OR_NOT, "cpu_percent", "rss_mb", "threads", "load_1m", "memory_free_mb", "temperature_c", "disk_free_mb", "wifi_dbm",
                     "uptime_s", throttling=_NAMES, throttled_before=_NAMES),
        "last_error": {"type": ["object", "null"], "properties": {"stage": {"type": "string"}, "message": {"type": "string"}, "time": _N}},
        "agenda": AGENDA, "update": UPDATE, "mqtt": {"type": "object"}, "http": {"type": "object"},
        "wyoming": {"type": "object"},
        "conversations": {"type": "object"}},
    "required": ["time", "uptime_s", "version", "ok", "summary", "alerts", "state", "latency_ms", "counts", "engines", "models",
                 "model_versions", "sound", "playout", "speculation", "queues", "ladder", "host", "last_error"]}
"""JSON Schema of a snapshot."""
