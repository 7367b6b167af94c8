"""The archive for support holds what helps, and nothing that was planted: no secret, no name, no word."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from edgevoice import config
from edgevoice.checks import redacted
from edgevoice.cli.dispatch import dispatch
from edgevoice.settings import Settings

PASSWORD = "tr0ub4dor&3"
SAID = "the heron keeps its umbrella in the attic"


def planted(folder: Path) -> tuple[Settings, list[str]]:
    """Settings whose every text that is no choice is a secret, and those."""
    folder.mkdir()
    (folder / "password").write_text(f"{PASSWORD}\n")
    secrets = [PASSWORD, SAID]
    sections: dict[str, Any] = {}
    for section in dataclasses.fields(Settings):
        values = getattr(Settings(), section.name)
        changed: dict[str, Any] = {}
        for field in dataclasses.fields(values):
            name, value = f"{section.name}.{field.name}", getattr(values, field.name)
            if name in redacted.KEPT or field.metadata.get("choices"):
                continue
            if isinstance(value, str):
                changed[field.name] = f"Secret{len(secrets)}Of{section.name.capitalize()}"
                secrets.append(changed[field.name])
            elif isinstance(value, list):
                changed[field.name] = [f"Listed{len(secrets)}", f"Listed{len(secrets)}b"]
                secrets += changed[field.name]
        sections[section.name] = dataclasses.replace(values, **changed)
    made = Settings(**sections)
    secrets.remove(made.mqtt.password_file)
    mqtt = dataclasses.replace(made.mqtt, password_file=str(folder / "password"))
    return dataclasses.replace(made, mqtt=mqtt, wake=dataclasses.replace(made.wake, keyword_model="zipformer")), secrets


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "annas-kitchen")


def unpacked(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        return {Path(member.name).name: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]


def test_settings_are_told_by_their_size(tmp_path: Path) -> None:
    settings, secrets = planted(tmp_path / "p")
    document = json.dumps(redacted.settings_document(settings))
    assert not [secret for secret in secrets if secret in document]
    assert redacted.settings_document(Settings())["stt"]["model"] == Settings().stt.model
    home = dataclasses.replace(Settings(), llm=dataclasses.replace(Settings().llm, model="/home/anna/secret/a.gguf"))
    assert redacted.settings_document(home)["llm"]["model"] == "…/a.gguf"


def test_texts_lose_what_the_settings_hold(tmp_path: Path) -> None:
    settings, secrets = planted(tmp_path / "p")
    scrub = redacted.Scrubber(settings)
    text = " ".join(secrets[:1] + secrets[2:]) + f" {Path.home()}/x {socket.gethostname()}"
    cleaned = scrub.document({"a": [text], text: 1})
    assert not [secret for secret in [PASSWORD, *secrets[2:]] if secret in json.dumps(cleaned)]
    assert Settings().llm.system_prompt in redacted.Scrubber(Settings()).text(Settings().llm.system_prompt), "the default is no secret"


def test_the_whole_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings, secrets = planted(tmp_path / "p")
    snapshot = tmp_path / "health.json"
    snapshot.write_text(json.dumps({"ok": True, "summary": f"MQTT: {settings.mqtt.username} was refused",
                                    "last_error": {"stage": "tts", "message": SAID, "time": 1.0}}))
    settings = dataclasses.replace(
        settings, health=dataclasses.replace(settings.health, json_file=str(snapshot)),
        mqtt=dataclasses.replace(settings.mqtt, host="127.0.0.1", port=1, id="Secret-id", tls=False, ca_file="", cert_file="", key_file=""),
        paths=dataclasses.replace(settings.paths, models=""), skills=dataclasses.replace(settings.skills, timezone=""),
        update=dataclasses.replace(settings.update, public_keys=[]), wyoming=dataclasses.replace(settings.wyoming, allow=[]))
    file = tmp_path / "SecretFolderName" / "c.toml"
    file.parent.mkdir()
    file.write_text(config.to_toml(settings))
    programs = tmp_path / "bin"
    programs.mkdir()
    line = f"2026-01-01 {socket.gethostname()} edgevoice: {settings.mqtt.username}: {PASSWORD}"
    (programs / "journalctl").write_text(f"#!/bin/sh\necho '{line}'\n")
    (programs / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("EDGEVOICE_SOMETHING", SAID)
    archive = tmp_path / "support.tar.gz"
    assert dispatch(["doctor", "--config", str(file), "--bundle", str(archive), "--json", "--only", "broker", "--only", "models"]) == 12
    capsys.readouterr()
    assert archive.stat().st_mode & 0o777 == 0o600
    files = unpacked(archive)
    assert set(files) == {"README.txt", "checks.json", "settings.json", "machine.json", "models.json", "health.json", "journal.txt"}
    everything = "".join(files.values())
    assert not [secret for secret in [*secrets, "Secret-id", "SecretFolderName", socket.gethostname()] if secret in everything]
    assert "(redacted)" in files["journal.txt"] and "(redacted) was refused" in files["health.json"]
    assert json.loads(files["settings.json"])["audio"]["rate"] == 16_000
    assert json.loads(files["machine.json"])["packages"]["edgevoice"] and json.loads(files["models.json"])
    assert {check["name"] for check in json.loads(files["checks.json"])} == {"broker", "models"}
    assert abs(archive.stat().st_mtime - time.time()) < 60


def test_a_place_that_cannot_be_written_is_told_before_the_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert dispatch(["doctor", "--bundle", str(tmp_path / "none" / "b.tar.gz")]) == 8
    assert "none" in capsys.readouterr().err and os.listdir(tmp_path) == [] and time.monotonic() - began < 30
