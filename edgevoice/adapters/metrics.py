"""The health snapshot for who collects figures: Prometheus' text format, and both files that are written where the settings ask for them.

Source: Prometheus' exposition format 0.0.4.  Names carry base units (seconds, bytes, degrees Celsius); what was never measured is absent.
The text file is what node_exporter's textfile collector reads; it is renamed into place, so that nobody reads half of one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgevoice import files
from edgevoice.errors import StorageError
from edgevoice.pipeline.ladder import Level

log = logging.getLogger(__name__)

Sample = tuple[str, Mapping[str, str], float]


def prometheus(health: Mapping[str, Any]) -> str:
    """The whole text; ``health`` as ``pipeline.health.SCHEMA`` says."""
    lines: list[str] = []
    told = ""
    for name, labels, value in sorted(_samples(health), key=lambda sample: sample[0]):
        if name != told:
            told = name
            lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n"


async def export(look: Callable[[], Mapping[str, Any]], every_s: float, *, json_file: str = "", prometheus_file: str = "") -> None:
    """Write the files again and again, until cancelled.  A disk that fails is told once, and tried on."""
    failed = False
    while True:
        health = look()
        jobs = [(json_file, json.dumps(health, ensure_ascii=False, indent=1) + "\n"), (prometheus_file, prometheus(health))]
        try:
            await asyncio.to_thread(_write, [(Path(name).expanduser(), text) for name, text in jobs if name])
            failed = False
        except StorageError as error:
            if not failed:
                log.warning("health: %s", error)
            failed = True
        await asyncio.sleep(every_s)


def _write(jobs: list[tuple[Path, str]]) -> None:
    for path, text in jobs:
        files.write_text(path, text)


def _samples(health: Mapping[str, Any]) -> Iterator[Sample]:
    editions = {f"{part}_version": version for part, version in health["model_versions"].items()}
    yield "edgevoice_info", {"version": health["version"], **health["models"], **editions}, 1
    yield "edgevoice_ok", {}, health["ok"]
    yield "edgevoice_uptime_seconds", {}, health["uptime_s"]
    for alert in health["alerts"]:
        yield "edgevoice_alert", {"name": alert["name"], "severe": str(alert["severe"]).lower()}, 1
    for stage, figures in health["latency_ms"].items():
        for name, quantile in (("p50", "0.5"), ("p90", "0.9"), ("p99", "0.99")):
            yield "edgevoice_latency_seconds", {"stage": stage, "quantile": quantile}, figures[name] / 1000
    for event, count in health["counts"].items():
        yield "edgevoice_events_total", {"event": event}, count
    for engine, facts in health["engines"].items():
        yield "edgevoice_engine_errors_total", {"engine": engine}, facts["errors"]
        yield "edgevoice_engine_failing", {"engine": engine}, facts["state"] == "failing"
        yield "edgevoice_engine_given_up", {"engine": engine}, facts.get("breaker", "closed") != "closed"
        yield "edgevoice_engine_hangs_total", {"engine": engine}, facts.get("hung", 0)
    for name, count in health["queues"].items():
        yield "edgevoice_queue_length", {"queue": name}, count
    yield from _of_sound(health["sound"], health["playout"])
    spared = health["speculation"]
    for outcome in ("attempts", "confirmed", "dropped", "refused"):
        yield "edgevoice_speculation_total", {"outcome": outcome}, spared[outcome]
    yield "edgevoice_speculation_wasted_cpu_seconds_total", {}, spared["wasted_cpu_s"]
    yield "edgevoice_ladder_level", {}, Level[health["ladder"]["level"].upper()]
    yield from _of_host(health["host"])
    if (mqtt := health.get("mqtt")) is not None:
        yield "edgevoice_mqtt_connected", {}, mqtt["connected"]
        yield "edgevoice_mqtt_events_waiting", {}, mqtt["events_waiting"]
        yield "edgevoice_mqtt_events_dropped_total", {}, mqtt["events_dropped"]
        for outcome, count in {"obeyed": mqtt["obeyed"], **mqtt["refused"]}.items():
            yield "edgevoice_mqtt_commands_total", {"outcome": outcome}, count
    if (wyoming := health.get("wyoming")) is not None:
        yield "edgevoice_wyoming_connections", {}, wyoming["connections"]
        yield "edgevoice_wyoming_leads", {}, wyoming["leads"]
        for kind, count in {**wyoming["requests"], "pipeline": wyoming["pipelines"]}.items():
            yield "edgevoice_wyoming_requests_total", {"kind": kind}, count
        for why in ("refused", "turned_away"):
            yield "edgevoice_wyoming_refused_total", {"why": why}, wyoming[why]


def _of_sound(sound: Mapping[str, Any], playout: Mapping[str, Any]) -> Iterator[Sample]:
    yield "edgevoice_sound_open", {}, sound["open"]
    yield "edgevoice_sound_losses_total", {}, sound["losses"]
    for way in ("in", "out"):
        yield "edgevoice_sound_xruns_total", {"way": way}, sound[f"xruns_{way}"]
    yield "edgevoice_sound_dropped_seconds_total", {}, sound["dropped_ms"] / 1000
    yield "edgevoice_sound_ring_seconds", {}, sound["ring_ms"] / 1000
    yield "edgevoice_sound_late_worst_seconds", {}, sound["late_worst_ms"] / 1000
    yield from _known("edgevoice_echo_return_loss_enhancement_decibels", sound["erle_db"])
    yield from _known("edgevoice_clock_drift_ppm", sound["drift_ppm"])
    yield "edgevoice_playout_underruns_total", {}, playout["underruns"]
    yield "edgevoice_playout_depth_seconds", {}, playout["depth_ms"] / 1000
    yield from _known("edgevoice_playout_jitter_seconds", playout["jitter_p95_ms"], 1e-3)
    yield "edgevoice_playout_stretched_ratio", {}, playout["stretch_share"]


def _of_host(host: Mapping[str, Any]) -> Iterator[Sample]:
    yield from _known("edgevoice_cpu_ratio", host["cpu_percent"], 0.01)
    yield from _known("edgevoice_memory_bytes", host["rss_mb"], 2**20)
    yield from _known("edgevoice_host_memory_free_bytes", host["memory_free_mb"], 2**20)
    yield from _known("edgevoice_host_disk_free_bytes", host["disk_free_mb"], 1e6)
    yield from _known("edgevoice_host_temperature_celsius", host["temperature_c"])
    yield from _known("edgevoice_host_wifi_signal_dbm", host["wifi_dbm"])
    yield from _known("edgevoice_host_load1", host["load_1m"])
    for flag in host["throttling"]:
        yield "edgevoice_host_throttled", {"why": flag}, 1


def _known(name: str, value: float | None, scale: float = 1.0) -> Iterator[Sample]:
    if value is not None:
        yield name, {}, value * scale


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
