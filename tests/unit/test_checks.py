"""Each check against what it is there to find, made here: with the machine's own files, programs and engines wherever that can be."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgevoice import checks
from edgevoice.checks import Check, Found, Place, carry_out, engines, machine, models, service, sound, worst
from edgevoice.cli.dispatch import dispatch
from edgevoice.errors import DeviceError, ModelError
from edgevoice.models import Store, default_root
from edgevoice.rt.cards import Card
from edgevoice.rt.probe import Probed
from edgevoice.settings import PathSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
HERE = Place(Settings())


def stored_in(folder: Path, **facts: Any) -> Place:
    return Place(Settings(paths=PathSettings(models=str(folder)), **facts))


def raising(error: Exception) -> Any:
    def look(place: Place) -> Found:
        raise error

    return look


def test_one_that_fails_hides_nothing_of_the_others() -> None:
    results = carry_out([Check("a", "a", raising(ModelError("model x is missing: pull it"))), Check("b", "b", raising(ValueError("bug"))),
                         Check("c", "c", lambda place: Found("ok", "well"))], HERE)
    assert [result.found.status for result in results] == ["problem", "warning", "ok"]
    assert "model x is missing" in results[0].found.text and "ValueError: bug" in results[1].found.text
    assert worst(results) == "problem" and worst(results[1:]) == "warning" and worst(results[2:]) == "ok"


def test_names_are_those_that_tickets_hang_on() -> None:
    assert [check.name for check in checks.TABLE] == [
        "sound_permissions", "sound_devices", "sound_rates", "real_time", "models", "models_verified", "engines", "update", "broker",
        "heat_and_power", "resources", "ladder", "governor", "clock", "service", "exposure"]
    assert {check.name for check in checks.TABLE if check.disturbs} == {"sound_devices", "sound_rates", "models_verified", "engines"}


def card(index: int, name: str, inputs: int, outputs: int) -> Card:
    return Card(index, name, "ALSA", inputs, outputs, 48_000.0, default_input=bool(inputs), default_output=bool(outputs))


@pytest.mark.parametrize(("cards", "devices", "rates"), [
    ([], "problem", "skipped"),
    ([Probed(card(0, "mic", 1, 0), [16_000], [])], "problem", "skipped"),
    ([Probed(card(0, "mic", 1, 0), [16_000], []), Probed(card(1, "box", 0, 2), [], [16_000])], "ok", "ok"),
    ([Probed(card(0, "mic", 1, 0), [16_000], []), Probed(card(1, "box", 0, 2), [], [48_000])], "ok", "problem"),
    ([Probed(card(0, "mic", 1, 0), [48_000], []), Probed(card(1, "box", 0, 2), [], [48_000])], "ok", "ok")])
def test_sound_cards(monkeypatch: pytest.MonkeyPatch, cards: list[Probed], devices: str, rates: str) -> None:
    monkeypatch.setattr(sound, "probe", lambda more=(): cards)
    found = sound.devices(HERE), sound.rates(HERE)
    assert (found[0].status, found[1].status) == (devices, rates)
    assert all(one.remedy for one in found if one.status == "problem")
    many = Place(dataclasses.replace(Settings(), audio=dataclasses.replace(Settings().audio, channels=4, channel=0)))
    assert sound.devices(many).status == "problem"


def test_a_machine_without_a_sound_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "probe", lambda: raising(DeviceError("no sound system"))(HERE))
    assert carry_out([Check("sound", "sound", sound.devices)], HERE)[0].found.text == "no sound system"


def test_device_files_that_are_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = dataclasses.replace(HERE, root=tmp_path)
    assert sound.permissions(place).status == "skipped"
    (tmp_path / "dev/snd").mkdir(parents=True)
    (tmp_path / "dev/snd/pcmC0D0c").touch()
    assert sound.permissions(place).status == "ok"
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may open anything
    found = sound.permissions(place)
    assert found.status == "problem" and "usermod -aG audio" in found.remedy and "pcmC0D0c" in found.text


def test_real_time_rights_are_tried() -> None:
    script = ("import os, resource; [resource.setrlimit(limit, (0, 0)) for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_MEMLOCK)]; "
              "os.setgid(65534); os.setuid(65534); from edgevoice.checks import Place, sound; from edgevoice.settings import Settings; "
              "found = sound.real_time(Place(Settings())); print(found.status, '|', found.text, '|', found.remedy)")
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.startswith("warning | no real-time priority and too little memory may be locked")
    assert "rtprio" in said


def test_models_that_are_not_there_and_one_that_was_changed(tmp_path: Path) -> None:
    found = models.present(stored_in(tmp_path / "none"))
    assert found.status == "problem" and "`edgevoice models pull silero-vad" in found.remedy
    assert models.verified(stored_in(tmp_path / "none")).status == "skipped"
    store = tmp_path / "store"
    store.mkdir()
    shutil.copytree(Store(default_root(PathSettings())).folder("silero-vad"), store / "silero-vad")
    assert models.verified(stored_in(store)).status == "ok"
    file = next(path for path in (store / "silero-vad").iterdir() if path.suffix == ".onnx")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    found = models.verified(stored_in(store))
    assert found.status == "problem" and "has other contents" in found.text and "pull silero-vad" in found.remedy
    file.write_bytes(raw[:-1])
    assert "damaged: silero-vad" in models.present(stored_in(store)).text


def test_the_defaults_are_there_and_wake_words_are_known() -> None:
    assert models.present(HERE).status == "ok"
    unknown = dataclasses.replace(Settings(), wake=dataclasses.replace(Settings().wake, words=["hey_nobody"]))
    assert "hey_nobody" in models.present(Place(unknown)).text


def test_a_sentence_is_spoken_heard_and_answered() -> None:
    found = engines.run(HERE)
    assert found.status in ("ok", "warning"), found  # a warning where other work runs beside
    assert found.facts["words_wrong"] <= 1 and 0 < found.facts["tokens"] <= engines.TOKENS and found.facts["tokens_per_s"] > 1


def test_an_engine_that_does_not_come_through_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(100))
    found = engines.run(Place(dataclasses.replace(Settings(), llm=dataclasses.replace(Settings().llm, model=str(bad)))))
    assert found.status == "problem" and "bad.gguf" in found.text + str(found.facts), found
    assert found.facts["stt_rtf"] > 0, "what came through before it is told"


FIGURES = {"tts_rtf": 0.1, "stt_rtf": 0.1, "first_token_ms": 60.0, "tokens_per_s": 80.0, "words": 8, "words_wrong": 0, "tokens": 20,
           "first_sound_ms": 200.0}


@pytest.mark.parametrize(("change", "status"), [
    ({}, "ok"), ({"words_wrong": 4}, "problem"), ({"tokens": 0}, "problem"), ({"tts_rtf": 0.9}, "warning"),
    ({"first_token_ms": 4000.0}, "warning")])
def test_what_the_figures_mean(change: dict[str, Any], status: str) -> None:
    found = engines.judged({**FIGURES, **change})
    assert found.status == status and bool(found.remedy) == (status != "ok")


def test_words_are_counted() -> None:
    assert engines.wrong("What is the time?", "what is the time") == 0
    assert engines.wrong("one two three", "one tree") == 2 and engines.wrong("a", "") == 1


@pytest.mark.parametrize(("word", "milli", "status", "said"), [
    ("0", "45000", "ok", "45 degrees"), ("50005", "45000", "problem", "too weak, now"), ("50000", "45000", "warning", "at times"),
    ("0", "84000", "warning", "84 degrees"), ("8", "70000", "warning", "soft_temperature_limit")])
def test_a_raspberry_pi_that_suffers(tmp_path: Path, word: str, milli: str, status: str, said: str) -> None:
    for path, text in (("sys/devices/platform/soc/soc:firmware/get_throttled", word), ("sys/class/thermal/thermal_zone0/temp", milli)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"{text}\n")
    found = machine.heat_and_power(dataclasses.replace(HERE, root=tmp_path))
    assert found.status == status and said in found.text and bool(found.remedy) == (status != "ok")


def test_the_pis_own_program_is_asked_where_sysfs_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.heat_and_power(dataclasses.replace(HERE, root=tmp_path)).status == "problem"


def test_this_machines_resources_and_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.resources(HERE).facts["cores"]
    assert machine.clock(HERE).status in ("ok", "warning", "skipped")
    for synchronized, status in ((True, "ok"), (False, "warning"), (None, "skipped")):
        monkeypatch.setattr(machine, "_synchronized", lambda synchronized=synchronized: synchronized)
        assert machine.clock(HERE).status == status
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert machine.clock(HERE).status == "problem"
    (tmp_path / machine.GOVERNOR).parent.mkdir(parents=True)
    (tmp_path / machine.GOVERNOR).write_text("powersave\n")
    assert machine.governor(dataclasses.replace(HERE, root=tmp_path)).status == "warning"


def test_a_unit_that_is_open_to_everything(tmp_path: Path) -> None:
    place = dataclasses.replace(HERE, root=tmp_path, unit="edgevoice-test.service")
    assert service.running(place).status == service.exposure(place).status == "skipped"
    unit = tmp_path / "etc/systemd/system/edgevoice-test.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    found = service.exposure(place)
    assert found.status == "warning" and found.facts["exposure"] > 9, found


def test_the_page_and_its_exit_code(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for state, code, last in (("ok", 0, "nothing is wrong"), ("warning", 11, "1 to look at"), ("problem", 12, "1 to mend")):
        monkeypatch.setattr(checks, "TABLE", (Check("one", "one thing", lambda place, state=state: Found(state, "so\033[2J", "do")),))
        assert dispatch(["doctor"]) == code
        lines = capsys.readouterr().out.splitlines()
        assert last in lines[-1] and "\033" not in "".join(lines) and ("-> do" in "".join(lines)) == (state != "ok")
        assert dispatch(["doctor", "--json"]) == code
        document = json.loads(capsys.readouterr().out)
        assert document["status"] == state and document["checks"][0]["name"] == "one"


@pytest.mark.parametrize("words", [["--png", "x.png"], ["--virtual"], ["--acoustic", "--only", "clock"], ["--only", "weather"]])
def test_what_does_not_fit_together(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["doctor", *words]) == 2
    assert "doctor: " in capsys.readouterr().err
