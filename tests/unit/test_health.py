"""The health snapshot: what is alarmed at, what comes first, and what is told at once."""

from __future__ import annotations

import copy
import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest

from edgevoice.clock import ManualClock
from edgevoice.dialog.machine import Machine, Policy
from edgevoice.host import Host, HostState
from edgevoice.pipeline.health import ALL_WELL, SCHEMA, HealthMeter, changed
from edgevoice.pipeline.ladder import Level
from edgevoice.pipeline.latencies import Latencies
from edgevoice.pipeline.playout_health import PlayoutMeter
from edgevoice.pipeline.session import Session
from edgevoice.pipeline.sound_health import SoundMeter
from edgevoice.pipeline.speculation import Speculated
from edgevoice.rt import DeviceState, make_core
from edgevoice.settings import Settings

WELL = HostState(cpu_percent=12.0, rss_mb=500.0, threads=20, load_1m=0.5, memory_free_mb=900.0, temperature_c=50.0, throttling=(),
                 throttled_before=(), disk_free_mb=5000.0, wifi_dbm=-50.0, uptime_s=100.0)
PLUGGED = DeviceState(open=True, problem=None, losses=0, reopened=0, away_s=0.0)


class Bench:
    """A meter whose host and sound card a test decides on."""

    def __init__(self) -> None:
        self.clock, self.host, self.device = ManualClock(100.0), WELL, PLUGGED
        self.latencies = Latencies(16_000)
        core = make_core(16_000, 10)
        playout = PlayoutMeter(core, self.clock)
        sound = SoundMeter(core, self.clock, lambda: playout.health("ahead", 0.0, None), allowed_late_ms=100)
        session = SimpleNamespace(sound=sound.look, speculated=Speculated(), machine=Machine(Policy()), rate=16_000, engines=[],
                                  queues={"brain": 0}, level=Level.FULL, level_why="")
        looker = SimpleNamespace(look=lambda: self.host)
        self.meter = HealthMeter(cast(Session, session), Settings(), self.clock, self.latencies, cast(Host, looker),
                                 device=lambda: self.device)

    def look(self) -> dict[str, Any]:
        made = self.meter.look()
        jsonschema.Draft202012Validator(SCHEMA).validate(made)
        return made


def test_a_device_that_is_well_says_so() -> None:
    made = Bench().look()
    assert made["ok"] and made["summary"] == ALL_WELL and made["alerts"] == [] and made["last_error"] is None


@pytest.mark.parametrize(("change", "name", "severe", "word"), [
    ({"temperature_c": 81.0}, "hot", False, "81 degrees"), ({"throttling": ("undervoltage",)}, "undervoltage", True, "power supply"),
    ({"throttling": ("throttled",)}, "throttled", False, "slowed down"), ({"disk_free_mb": 120.0}, "disk_full", False, "120 MB"),
    ({"memory_free_mb": 40.0}, "memory_low", False, "40 MB"), ({"wifi_dbm": -85.0}, "wifi_weak", False, "-85 dBm")])
def test_what_the_machine_suffers_from_is_told_by_name_and_in_words(change: dict[str, Any], name: str, severe: bool, word: str) -> None:
    bench = Bench()
    before = bench.look()
    bench.host = dataclasses.replace(WELL, **change)
    made = bench.look()
    (alert,) = made["alerts"]
    assert (alert["name"], alert["severe"], made["ok"]) == (name, severe, not severe)
    assert word in made["summary"] == alert["text"]
    assert changed(before, made) and not changed(made, bench.look())


def test_the_severe_comes_first() -> None:
    bench = Bench()
    bench.host = dataclasses.replace(WELL, disk_free_mb=1.0)
    bench.device = DeviceState(open=False, problem="the card was unplugged", losses=1, reopened=0, away_s=2.0)
    made = bench.look()
    assert [alert["name"] for alert in made["alerts"]] == ["no_sound", "disk_full"] and "unplugged" in made["summary"]
    assert not made["ok"] and not made["sound"]["open"]


def test_slow_answers_are_told_with_the_stage_that_takes_longest() -> None:
    bench = Bench()
    for turn in range(1, 7):
        t = 100.0 + turn
        bench.latencies.on_event({"t": t, "event": "endpoint", "turn": turn, "sample": 16_000, "last_speech": 8_000})
        bench.latencies.on_event({"t": t + 0.1, "event": "stt_final", "turn": turn})
        bench.latencies.on_event({"t": t + 3.1, "event": "llm_first_token", "turn": turn, "generation": turn})
        bench.latencies.on_event({"t": t + 3.4, "event": "tts_first_chunk", "turn": turn, "generation": turn})
        bench.latencies.on_event({"t": t + 3.5, "event": "playback_first_sample", "turn": turn, "generation": turn, "sample": 72_000})
    bench.clock.advance(10.0)
    (alert,) = bench.look()["alerts"]
    assert alert["name"] == "answers_slow" and "4.0 s" in alert["text"] and "first token" in alert["text"]


def test_what_is_told_at_once_and_what_can_wait() -> None:
    before = Bench().look()
    for path, value, at_once in ((("host", "temperature_c"), 54.0, False), (("host", "temperature_c"), 56.0, True),
                                 (("host", "rss_mb"), 650.0, True), (("host", "cpu_percent"), None, False), (("uptime_s",), 9.0, False),
                                 (("sound", "open"), False, True), (("models", "llm"), "another", True)):
        now = copy.deepcopy(before)
        place = now
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        assert changed(before, now) is at_once, path


def test_a_part_of_the_device_adds_itself() -> None:
    bench = Bench()
    bench.meter.add("mqtt", lambda: ({"connected": True}, []))
    assert bench.look()["mqtt"] == {"connected": True}
