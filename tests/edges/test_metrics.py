"""The health snapshot as Prometheus text and as files."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import re
from pathlib import Path

import jsonschema
import pytest

from edgevoice.adapters import metrics
from edgevoice.pipeline.health import SCHEMA
from edgevoice.settings import HealthSettings
from tests.edges.conftest import device, settings_for, until

LINE = re.compile(r'[a-z_]+[a-z0-9_]*(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? -?[0-9.e+-]+')


def test_both_files_are_written_and_kept_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> tuple[dict[str, object], str]:
        settings = dataclasses.replace(settings_for(1, tmp_path), health=HealthSettings(
            json_file=str(tmp_path / "health.json"), prometheus_file=str(tmp_path / "edgevoice.prom"), every_s=0.1))
        settings = dataclasses.replace(settings, mqtt=dataclasses.replace(settings.mqtt, host=""))
        async with device(settings, monkeypatch, connected=False) as made:
            await until(lambda: (tmp_path / "edgevoice.prom").exists())
            made.session.ask("Is all well at home?")
            await until(lambda: json.loads((tmp_path / "health.json").read_text())["counts"]["replies"] == 1)
            await asyncio.sleep(0.2)
        return json.loads((tmp_path / "health.json").read_text()), (tmp_path / "edgevoice.prom").read_text()

    health, text = asyncio.run(act())
    jsonschema.Draft202012Validator(SCHEMA).validate(health)
    lines = text.splitlines()
    for line in lines:
        assert line.startswith("# TYPE ") or LINE.fullmatch(line), line
    assert 'edgevoice_events_total{event="replies"} 1' in lines and "edgevoice_ok 1" in lines
    assert any(line.startswith('edgevoice_latency_seconds{stage="first_sound",quantile="0.99"}') for line in lines)
    types = [line.split()[2] for line in lines if line.startswith("#")]
    assert len(types) == len(set(types)), "each name stands once, with all its samples"
    assert "nan" not in text.lower() and "None" not in text


def test_what_people_wrote_is_escaped() -> None:
    assert metrics._escaped('a "b" \\ c\nd') == 'a \\"b\\" \\\\ c\\nd'


def test_a_disk_that_fails_is_told_once_and_tried_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    looks = 0

    def look() -> dict[str, object]:
        nonlocal looks
        looks += 1
        if looks == 4:
            (tmp_path / "later").mkdir()
        return {}

    async def act() -> None:
        task = asyncio.create_task(metrics.export(look, 0.01, json_file=str(tmp_path / "later" / "h.json")))
        await until(lambda: (tmp_path / "later" / "h.json").exists())
        task.cancel()

    with caplog.at_level(logging.WARNING), pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "prometheus", lambda health: "")
        asyncio.run(act())
    assert sum("does not exist" in record.message for record in caplog.records) == 1
