"""MQTT: PUBLISH to silence while a reply plays, what a report of health costs, 1,000 devices in one table, and a flood of commands.

A real mosquitto on loopback, the default engines and the virtual device in real time.  The silence is the device's own: from the frame it
had come to when PUBLISH was called to the last frame that sounded.  Baseline: the same command given inside the process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgevoice import app, daemon
from edgevoice.adapters.mqtt import fleet
from edgevoice.adapters.mqtt.link import Message
from edgevoice.adapters.verbs import dumps
from edgevoice.benchmarks import Result, median, percentile, progress, run_child
from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Engines
from edgevoice.settings import MqttSettings, Settings
from tests.e2e.stage import Stage, open_mic
from tests.fakes.mosquitto import Listener, Mosquitto

RATE = 16_000
STOPS, QUICK_STOPS = 120, 20
QUESTIONS, QUICK_QUESTIONS = 15, 4
REPORTS = 100
DEVICES = 1000
FLOOD_PER_S = 1000
QUESTION = "Tell me a long story about the sea."
ANNOUNCEMENT = "The weather tomorrow will be mostly dry, with some clouds in the afternoon and a light wind from the west. " * 2
HEALTH = {"ok": True, "summary": "all is well", "alerts": [], "uptime_s": 86_400, "host": {"cpu_percent": 12.0, "temperature_c": 51.0},
          "latency_ms": {"voice_to_voice": {"p50": 950.0}}, "padding": "x" * 1000}


def run(quick: bool) -> list[Result]:
    settings = open_mic(Settings())
    with tempfile.TemporaryDirectory(prefix="edgevoice-bench-") as folder, Mosquitto(Path(folder)) as broker:
        settings = dataclasses.replace(settings, mqtt=MqttSettings(host="localhost", port=broker.port, id="bench", folder=folder))
        progress("loading the engines")
        engines = app.load_engines(settings)
        try:
            rows = asyncio.run(_device(settings, engines, broker, quick))
        finally:
            engines.close()
        return rows + _fleet(broker)


async def _device(settings: Settings, engines: Engines, broker: Mosquitto, quick: bool) -> list[Result]:
    async with Stage(settings, engines, 3600, realtime=True) as stage, daemon.edges(stage.session, settings, stage.trace) as outside:
        mqtt = outside.mqtt
        with Listener(broker.port, f"{mqtt.topics.root}/cmd/stop/result") as house:
            await stage.until(lambda: mqtt.connected)
            count = QUICK_STOPS if quick else STOPS
            progress(f"{2 * count} stops")
            stops = await _stops(stage, count, lambda: house.publish(f"{mqtt.topics.root}/cmd/stop", b"{}", wait=False))
            took = [result["took_ms"] for result in house.of("/result")]
            direct = await _stops(stage, count, stage.session.stop_speaking)
            progress("reports of health")
            report, size = _report(mqtt)
            count = QUICK_QUESTIONS if quick else QUESTIONS
            progress(f"{3 * count} questions, two thirds of them in a flood")
            quiet = await _questions(stage, count)
            beside, _ = await _flooded(stage, count, broker.port, "edgevoice/other/cmd/volume")
            loud, sent = await _flooded(stage, count, broker.port, mqtt.topics.command("volume"))
            refused = mqtt.health()[0]["refused"].get("too_many", 0)
    stage.core.close()
    return [
        Result("PUBLISH to silence at the device, p50", median(stops), "ms", None, "given inside the process", median(direct)),
        Result("PUBLISH to silence at the device, p99", percentile(stops, 99), "ms", "<= 30", "given inside the process",
               percentile(direct, 99)),
        Result("of that, inside the device: PUBLISH read to command done, p50", median(took), "ms"),
        Result("a report of health made and published, p50", median(report), "ms"),
        Result("its size", size, "bytes"),
        Result("typed question to first sound, p50", median(quiet), "ms"),
        Result("the same in a flood of commands, p50", median(loud), "ms", None, "the flood at another device", median(beside)),
        Result("the flood: commands a second", sent, "1/s"),
        Result("of them refused", refused, ""),
    ]


async def _stops(stage: Stage, count: int, stop: Any) -> list[float]:
    """ms of device time, over answers that the model is still writing and over announcements, in turn."""
    found = []
    session = stage.session

    def last(event: str) -> dict[str, Any] | None:
        return next((row for row in reversed(stage.trace.events()) if row["event"] == event), None)

    for k in range(count):
        generation = session.machine.generation
        if k % 2:
            session.ask(QUESTION)
        else:
            session.say(ANNOUNCEMENT)
        await stage.until(lambda before=generation: (row := last("playback_first_sample")) is not None and row["generation"] > before)
        await asyncio.sleep(0.2 + 0.0137 * (k % 11))
        if session.machine.state is not State.SPEAKING:
            continue  # a short answer
        said = stage.device.position
        stop()
        await stage.until(lambda said=said: (row := last("playback_silent")) is not None and row["sample"] >= said, 3.0)
        row = last("playback_silent")
        if row is not None and row["sample"] >= said:
            found.append((row["sample"] - said) * 1000 / RATE)
        await stage.until(lambda: session.machine.state is State.IDLE)
        if k % 20 == 19:
            stage.trace._events.clear()
    return found


async def _questions(stage: Stage, count: int) -> list[float]:
    """ms from a typed question to the first frame that sounds."""
    found = []
    for k in range(count):
        generation = stage.session.machine.generation
        said = stage.device.position
        stage.session.ask(f"What is the number {k + 3} good for?")
        await stage.until(lambda before=generation: any(
            row["event"] == "playback_first_sample" and row["generation"] > before for row in stage.trace.events()))
        row = next(row for row in stage.trace.events() if row["event"] == "playback_first_sample" and row["generation"] > generation)
        found.append((row["sample"] - said) * 1000 / RATE)
        stage.session.stop_speaking()
        await stage.until(lambda: stage.session.machine.state is State.IDLE)
    return found


async def _flooded(stage: Stage, count: int, port: int, topic: str) -> tuple[list[float], float]:
    """``_questions`` in a flood to ``topic``, and how many commands a second that was.  Its sender and the broker take processor time
    themselves, here on the same machine: so one at another device is what it is compared with."""
    over = asyncio.Event()
    flood = asyncio.create_task(asyncio.to_thread(_flood, port, topic, over))
    await asyncio.sleep(1.0)
    found = await _questions(stage, count)
    over.set()
    return found, await flood


def _report(mqtt: Any) -> tuple[list[float], int]:
    """ms of the loop's and the connection's threads together."""
    seconds, payload = [], b""
    for _ in range(REPORTS):
        start = time.perf_counter()
        payload = dumps(mqtt._house.health())
        message = Message(mqtt.topics.health, payload, retain=True)
        mqtt._answer(message)
        seconds.append(1000 * (time.perf_counter() - start))
    return seconds, len(payload)


def _flood(port: int, topic: str, stop: asyncio.Event) -> float:
    """Commands sent a second, by a process of its own."""
    program = (f"import sys, time; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
               "from tests.fakes.mosquitto import Listener\n"
               f"with Listener({port}) as house:\n"
               "    began, sent = time.monotonic(), 0\n"
               "    while time.monotonic() - began < float(sys.argv[1]):\n"
               f"        house.publish({topic!r}, b'{{\"volume\": 1}}', qos=0, wait=False)\n"
               "        sent += 1\n"
               f"        time.sleep(max(0.0, began + sent / {FLOOD_PER_S} - time.monotonic()))\n"
               "    print(sent / (time.monotonic() - began))\n")
    rates = []
    while not stop.is_set():
        rates.append(float(run_child([sys.executable, "-c", program, "5"], timeout_s=60).stdout))
    return sum(rates) / len(rates)


def _fleet(broker: Mosquitto) -> list[Result]:
    progress(f"{DEVICES} devices")
    with Listener(broker.port) as house:
        for k in range(DEVICES):
            house.publish(f"edgevoice/device-{k}/availability", "online", retain=True, wait=False)
            house.publish(f"edgevoice/device-{k}/state", {"state": "idle", "muted": False}, qos=0, retain=True, wait=False)
            house.publish(f"edgevoice/device-{k}/health", HEALTH, qos=0, retain=True, wait=k == DEVICES - 1)
        time.sleep(0.5)
        start = time.perf_counter()
        with fleet.Fleet(MqttSettings(host="localhost", port=broker.port)) as live:
            devices = live.look()
            table = fleet.table(devices, 200)
        inside = time.perf_counter() - start
        made = run_child([sys.executable, "-m", "edgevoice", "fleet", "ls", "--json", "--broker", f"localhost:{broker.port}"], timeout_s=60)
        told = json.loads(made.stdout)
        whole = sum(bool(device["state"] and device["health"]) for device in told if device["id"].startswith("device-"))
        for k in range(DEVICES):
            for kind in ("availability", "state", "health"):
                house.publish(f"edgevoice/device-{k}/{kind}", b"", qos=0, retain=True, wait=False)
    return [
        Result(f"fleet ls, {DEVICES} devices: the whole command", made.seconds, "s", "<= 2"),
        Result("connecting, asking and drawing the table", inside, "s"),
        Result("devices in it that are whole", whole, "", f"== {DEVICES}"),
        Result("lines of the table", len(table.splitlines()), ""),
    ]
