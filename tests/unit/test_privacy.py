"""What is said to be kept is what is kept: the table against a conversation, its output and its folders."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest

from edgevoice import privacy
from edgevoice.cli.dispatch import dispatch
from edgevoice.cli.run import view_for
from edgevoice.discreet import without_words
from edgevoice.pipeline.session import Engines
from edgevoice.settings import HealthSettings, LlmSettings, MqttSettings, PrivacySettings, Settings, SkillSettings
from tests.e2e.stage import Stage, open_mic
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

ASKED, ANSWERED = "Where does the heron keep its umbrella?", "Behind the marmalade in the cellar."
PRIVATE = ("heron", "umbrella", "marmalade", "cellar")


def conversation(settings: Settings, *streams: Any) -> list[dict[str, Any]]:
    """One typed question answered aloud, shown by ``streams``; the rows."""
    async def act() -> list[dict[str, Any]]:
        engines = Engines(FakeVad(), FakeStt(), FakeLlm([words(ANSWERED)]), FakeTts(16_000, word_s=0.02))
        async with Stage(open_mic(settings), engines) as stage:
            for view in streams:
                stage.trace.listen(view.on_event)
            stage.session.ask(ASKED)
            assert await stage.until(lambda: any(row["event"] == "playback_end" for row in stage.trace.events()))
            return list(stage.trace.events())

    return asyncio.run(act())


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_words_are_in_the_output_only_where_that_is_wanted(as_json: bool, wanted: bool) -> None:
    stream = io.StringIO()
    settings = dataclasses.replace(Settings(), privacy=PrivacySettings(log_words=wanted))
    with view_for(settings, stream, as_json=as_json) as view:
        rows = conversation(settings, view)
    assert all(word in json.dumps(rows) for word in PRIVATE), "the trace itself has them"
    said = stream.getvalue()
    assert len(said) > 20 and [word in said for word in PRIVATE].count(True) == (4 if wanted and as_json else 2 if wanted else 0), said


def test_a_terminal_shows_what_is_said() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with view_for(Settings(), stream, as_json=False) as view:
        conversation(Settings(), view)
    assert "marmalade" in stream.getvalue()


def test_a_text_under_a_name_that_nobody_knows_is_not_shown() -> None:
    row = {"event": "tomorrow", "t": 1.0, "turn": 2, "guess": "the heron", "list": ["umbrella"], "state": "idle", "none": None}
    assert without_words(row) == {"event": "tomorrow", "t": 1.0, "turn": 2, "guess": "(9 characters)", "list": "(12 characters)",
                                  "state": "idle", "none": None}


def test_nothing_personal_leaves_or_stays_unless_it_is_set(tmp_path: Path) -> None:
    rows = privacy.kept(Settings())
    assert privacy.leaves(rows) == [] and privacy.on_the_disk(rows) == ["timers, reminders and lists"], "which one asks to be kept"
    assert privacy.on_the_disk(privacy.kept(Settings(skills=SkillSettings(enabled=False)))) == []
    talkative = dataclasses.replace(
        Settings(), mqtt=MqttSettings(host="broker.lan", words=True, folder=str(tmp_path)), privacy=PrivacySettings(log_words=True),
        llm=LlmSettings(prompt_cache=False), health=HealthSettings(json_file=str(tmp_path / "h.json")))
    rows = privacy.kept(talkative)
    assert privacy.leaves(rows) == ["MQTT"]
    assert set(privacy.on_the_disk(rows)) == {"output and log of the daemon", "events for the broker", "timers, reminders and lists"}
    assert rows[0].what == "MQTT" and "broker.lan" in rows[0].where
    assert next(row for row in rows if row.what == "the prompt cache").place == "nowhere"
    assert all(row.how_long and row.holds and row.where for row in rows)


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert dispatch(["privacy"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "nothing that is said or answered leaves the device; is written to its disk: timers, reminders and lists")
    (tmp_path / "c.toml").write_text('[mqtt]\nhost = "broker.lan"\nwords = true\n')
    assert dispatch(["privacy", "--json", "--config", str(tmp_path / "c.toml")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["leaves_the_device"] == ["MQTT"] and {"what", "place", "where", "how_long", "bytes"} <= set(document["kept"][0])
    assert dispatch(["privacy", "--config", str(tmp_path / "c.toml")]) == 0
    assert "leaves the device: MQTT" in capsys.readouterr().out


def test_a_conversation_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the defaults, apart from the models' own folder."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "STATE_DIRECTORY", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    conversation(Settings())
    assert list(tmp_path.rglob("*")) == []
