"""The watchdog is fed by progress, and by nothing else."""

from __future__ import annotations

import dataclasses

from edgevoice.heartbeat import Beat, Heartbeat
from edgevoice.rt.contract import Counters

RATE = 16_000


class Systemd:
    def __init__(self) -> None:
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def status(self, text: str) -> None:
        self.told.append(text)

    def alive(self) -> None:
        self.told.append("alive")


def counters(captured: int, consumed: int) -> Counters:
    none = dict.fromkeys((field.name for field in dataclasses.fields(Counters)), 0)
    return Counters(**{**none, "captured": captured, "consumed": consumed, "depth": captured - consumed})


def told(*beats: Beat) -> list[list[str]]:
    systemd = Systemd()
    heartbeat = Heartbeat(systemd, RATE, well="listening")
    found = []
    for beat in beats:
        heartbeat.look(beat)
        found.append(systemd.told)
        systemd.told = []
    return found


def well(seconds: float, problem: str | None = None) -> Beat:
    return Beat(counters(int(seconds * RATE), int(seconds * RATE)), None, problem)


def test_it_is_ready_once_a_wake_word_would_be_heard() -> None:
    assert told(well(0.0), well(0.1), well(0.2), well(0.5)) == [
        ["alive", "beginning to listen"], ["alive", "beginning to listen"], ["alive", "ready", "listening"], ["alive", "listening"]]


def test_what_stands_still_is_named_and_not_fed_until_it_goes_on() -> None:
    stuck = Beat(counters(40_000, 32_000), None, None)
    deaf = Beat(counters(48_000, 32_000), None, None)
    assert told(well(2.0), well(2.0), deaf, dataclasses.replace(stuck, failure="the language model hangs"), well(4.0)) == [
        ["alive", "ready", "listening"], ["the sound card's callback stands still"], ["nobody listens to what was captured"],
        ["the language model hangs"], ["alive", "listening"]]


def test_a_card_that_is_away_is_told_and_no_standstill() -> None:
    assert told(well(2.0, "it was unplugged")) == [["alive", "ready", "no sound: it was unplugged; looking for it"]]
