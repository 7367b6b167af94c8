"""What the doctor makes of a sound card that is known: one whose two clocks differ, that stumbles, falls silent, or is pulled."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

from edgevoice import app, sweep
from edgevoice.cli import dispatch
from edgevoice.cli import doctor_acoustic as doctor
from edgevoice.rt import Core
from edgevoice.settings import Settings

RATE = 16_000
PERIOD = 160
DELAY_MS = 80.0
AHEAD = RATE
"""frames that the card may be ahead of who reads"""


class Card:
    """Calls the core as fast as it is read; the microphone's clock is ``drift_ppm`` faster.  Moments are seconds of its own time."""

    def __init__(self, core: Core, *, drift_ppm: float = 0.0, stumbles_at: float = 1e6, silent_at: float = 1e6,
                 pulled_at: float = 1e6) -> None:
        self._core, self._drift = core, 1.0 + drift_ppm * 1e-6
        self._stumbles, self._silent, self._pulled = (int(RATE * at) for at in (stumbles_at, silent_at, pulled_at))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: str | None = None

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        noise = np.random.default_rng(1)
        at = 0
        played = np.zeros(60 * RATE)
        while not self._stop.is_set():
            if at >= self._pulled:
                self.error = "sound device 3 'test' stopped: was it unplugged?"
                return
            if at >= self._silent or self._core.counters().depth > AHEAD:
                time.sleep(0.001)
                continue
            then = (at + np.arange(PERIOD) - DELAY_MS * RATE / 1000) / self._drift
            first = max(0, int(then[0]) - 64)
            heard = sweep.between(played[first:int(then[-1]) + 64], then - first) * 0.2 if then[0] > 64 else np.zeros(PERIOD)
            near = np.rint(heard + noise.standard_normal(PERIOD) * 10.0).astype(np.int16)
            out = self._core.process(near, PERIOD, overflow=at // PERIOD == self._stumbles // PERIOD)
            played[at:at + PERIOD] = out
            at += PERIOD


def run(monkeypatch: pytest.MonkeyPatch, *argv: str, **card: Any) -> int:
    monkeypatch.setattr(app, "fit_rate", lambda settings: settings)
    monkeypatch.setattr(app, "make_device", lambda settings, core: Card(core, **card))
    return dispatch.dispatch(["doctor", "--acoustic", *argv])


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **card: Any) -> dict[str, Any]:
    assert run(monkeypatch, "--json", **card) == 0
    out, err = capsys.readouterr()
    assert err == "edgevoice: keep quiet for 11 s: first the noise, then three sweeps at -12 dBFS\n"
    document: dict[str, Any] = json.loads(out)
    return document


@pytest.mark.parametrize("drift_ppm", [-180.0, 0.0, 180.0])
def test_two_clocks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drift_ppm: float) -> None:
    """From the card's start to the first sweep the delay has grown already."""
    document = said(monkeypatch, capsys, drift_ppm=drift_ppm)
    assert document["ok"], document["findings"]
    assert document["drift_ppm"] == pytest.approx(drift_ppm, abs=0.5)
    assert document["delay_ms"] == pytest.approx(DELAY_MS + 2.75 * drift_ppm * 1e-3, abs=0.25)
    assert document["return_loss_db"] == pytest.approx(-20.0 * np.log10(0.2), abs=0.1)


def test_two_clocks_too_far_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert [finding["name"] for finding in said(monkeypatch, capsys, drift_ppm=400.0)["findings"]] == ["drift"]


@pytest.mark.parametrize(("at_s", "wrong"), [(0.1, []), (5.0, ["lost"])])
def test_a_card_that_stumbles(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at_s: float, wrong: list[str]) -> None:
    """While it starts that means nothing."""
    document = said(monkeypatch, capsys, stumbles_at=at_s)
    assert [finding["name"] for finding in document["findings"]] == wrong
    assert document["xruns"] == len(wrong)


@pytest.mark.parametrize("at_s", [0.5, 6.0])
def test_a_card_that_is_pulled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at_s: float) -> None:
    assert run(monkeypatch, pulled_at=at_s) == 6
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-1] == "edgevoice: sound device 3 'test' stopped: was it unplugged?"


def test_a_card_that_falls_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "STALL_S", 0.2)
    assert run(monkeypatch, silent_at=4.0) == 6
    assert capsys.readouterr().err.endswith("the sound device gave no sound for 0.2 s; is it used by another program?\n")


def test_the_level_is_the_sweep_s(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--json", "--level", "-20") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["level_db"] == -20.0 and document["played_peak_db"] == pytest.approx(-20.0, abs=0.01)


def test_a_rate_that_the_card_cannot_do_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fit(settings: Settings) -> Settings:
        return dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, rate=48_000))

    monkeypatch.setattr(app, "make_device", lambda settings, core: Card(core, pulled_at=0.0))
    monkeypatch.setattr(app, "fit_rate", fit)
    assert dispatch.dispatch(["doctor", "--acoustic"]) == 6
    assert "edgevoice: the sound card cannot do 16000 Hz; measured at 48000 Hz\n" in capsys.readouterr().err
