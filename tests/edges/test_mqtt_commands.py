"""Commands over a real broker: what each does, what is refused and why, and that stopping overtakes everything."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edgevoice.adapters.mqtt import schemas
from edgevoice.config import to_toml
from edgevoice.dialog.table import State
from edgevoice.engines.exchange import ExchangeableWake
from edgevoice.pipeline.session import Engines
from tests.edges.conftest import Device, device, hears, settings_for, until, with_mqtt
from tests.fakes.llm import FakeLlm, words
from tests.fakes.mosquitto import Listener, Mosquitto
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad
from tests.fakes.wake import FakeWake

LONG = "one two three four five six seven eight nine ten. " * 10
RATE = 16_000


async def command(house: Listener, made: Device, verb: str, payload: Any = b"{}", **facts: Any) -> dict[str, Any]:
    """Publish it and return its result, which is held against its schema."""
    after = len(house.messages)
    house.publish(f"{made.root}/cmd/{verb}", payload, wait=False, **facts)
    result: dict[str, Any] = await hears(house, f"/cmd/{verb}/result", after=after)
    jsonschema.Draft202012Validator(schemas.RESULT).validate(result)
    assert result["verb"] == verb
    return result


async def speaking(made: Device, text: str = LONG) -> None:
    before = len(made.find("playback_first_sample"))
    made.session.say(text)
    await until(lambda: len(made.find("playback_first_sample")) > before)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_each_verb_of_the_conversation_does_what_it_says(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        settings = settings_for(broker.port, tmp_path, id="verbs", protocol=protocol, commands_per_s=0)
        with Listener(broker.port, "edgevoice/verbs/#", v5=protocol == "5") as house:
            async with device(settings, monkeypatch) as made:
                machine = made.session.machine
                assert (await command(house, made, "say", {"text": LONG}))["ok"]
                await until(lambda: made.find("playback_first_sample"))
                assert (await command(house, made, "stop"))["ok"]
                await until(lambda: machine.state is State.IDLE and made.find("playback_silent"))
                result = await command(house, made, "listen", {"id": "l1"})
                assert result.pop("data") == {"turn": machine.turn}
                assert result == pytest.approx({"verb": "listen", "ok": True, "id": "l1", "took_ms": 5, "time": time.time()}, abs=200)
                assert machine.state is State.LISTENING
                assert (await command(house, made, "stop"))["ok"] and machine.state is State.IDLE
                asked = await command(house, made, "ask", {"text": "Who was Ada?"})
                assert asked["data"] == {"turn": machine.turn}
                await until(lambda: made.find("playback_end"))
                assert made.find("playback_end")[-1]["turn"] == asked["data"]["turn"]
                await hears(house, "/health", lambda value: value["counts"]["turns"] == 1)
                await speaking(made)
                refused = await command(house, made, "cancel", {"turn": machine.turn + 7})
                assert refused["reason"] == "unavailable" and machine.state is State.SPEAKING
                made.session.say("and one that waits")
                result = await command(house, made, "cancel", {"turn": machine.turn})
                assert result["data"]["announcements_dropped"] == 1 and machine.state is State.IDLE
                await speaking(made)
                assert (await command(house, made, "barge_in"))["ok"] and machine.state is State.LISTENING
                assert (await command(house, made, "stop"))["ok"]
                assert (await command(house, made, "mute", {"muted": True}))["data"] == {"muted": True} and made.session.muted
                assert (await command(house, made, "listen"))["reason"] == "unavailable"
                assert (await command(house, made, "mute"))["data"] == {"muted": False} and not made.session.muted
                assert (await command(house, made, "volume", {"volume": 0.5}))["ok"]
                assert (await command(house, made, "volume", {"volume": 2, "channel": "voice"}))["ok"]
                state = await hears(house, f"{made.root}/state", lambda value: value["volume"] == 0.5 and value["volumes"]["voice"] == 2.0)
                assert not state["muted"]
                assert (await command(house, made, "resume"))["reason"] == "unavailable"
                assert (await command(house, made, "restart"))["reason"] == "unavailable", "nobody is there to start it again"
                doctor = await command(house, made, "doctor")
                assert doctor["ok"] and "acoustic" in doctor["data"]["not_looked_at"]
                models = (await command(house, made, "models"))["data"]["models"]
                assert {"smollm2-135m-instruct", "silero-vad"} <= {model["name"] for model in models}

    asyncio.run(act())


def test_stop_is_silence_and_barge_in_lets_announcements_wait_on(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        tts = FakeTts(RATE, word_s=0.05)
        with Listener(broker.port, "edgevoice/silence/cmd/+/result") as house:
            engines = Engines(FakeVad(), FakeStt(), FakeLlm([words(LONG, 0.1)]), tts)
            async with device(settings_for(broker.port, tmp_path, id="silence", commands_per_s=0), monkeypatch, engines=engines) as made:
                machine = made.session.machine
                await speaking(made)
                assert (await command(house, made, "say", {"text": "the post is here"}))["data"] == {"waiting": 1}
                assert (await command(house, made, "stop"))["data"] == {"announcements_dropped": 1}
                await asyncio.sleep(0.3)
                assert machine.state is State.IDLE and "the post is here" not in tts.texts
                await speaking(made)
                await command(house, made, "say", {"text": "the kettle boils"})
                assert (await command(house, made, "barge_in"))["data"] == {"listening": True}
                assert machine.state is State.LISTENING and len(machine.waiting) == 1
                await command(house, made, "mute", {"muted": True})
                await until(lambda: "the kettle boils" in tts.texts)
                await until(lambda: machine.state is State.IDLE)
                await command(house, made, "mute", {"muted": False})
                made.session.ask("Count?")
                await until(lambda: machine.state is State.THINKING)
                assert (await command(house, made, "barge_in"))["ok"] and machine.state is State.LISTENING

    asyncio.run(act())


@pytest.mark.parametrize(("channel", "gain"), [("voice", 0.5), ("announcement", 0.25), ("alarm", 1.5)])
def test_an_announcement_has_the_volume_that_was_asked_for(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str, gain: float) -> None:
    async def act() -> int:
        with Listener(broker.port, "edgevoice/loud/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="loud", commands_per_s=0), monkeypatch) as made:
                for name, value in (("voice", 0.5), ("announcement", 0.25), ("alarm", 1.5)):
                    made.session.set_volume(value, name)  # type: ignore[arg-type]
                assert (await command(house, made, "say", {"text": LONG, "channel": channel}))["ok"]
                await until(lambda: made.find("playback_first_sample"))
                await asyncio.sleep(0.3)
                return int(np.abs(made.stage.device.recording()[1].astype(int)).max())

    made = asyncio.run(act())
    assert made == pytest.approx(32767 * 0.3 * gain, rel=0.05)


def test_an_urgent_announcement_interrupts_and_another_waits(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> list[str]:
        tts = FakeTts(RATE, word_s=0.05)
        with Listener(broker.port, "edgevoice/urgent/#") as house:
            engines = Engines(FakeVad(), FakeStt(), FakeLlm(), tts)
            async with device(settings_for(broker.port, tmp_path, id="urgent"), monkeypatch, engines=engines) as made:
                await speaking(made)
                await command(house, made, "say", {"text": "the kettle boils"})
                await command(house, made, "say", {"text": "fire in the kitchen", "priority": "urgent", "channel": "voice"})
                await until(lambda: len(made.find("playback_end")) == 2)
        return tts.texts[-2:]

    assert asyncio.run(act()) == ["fire in the kitchen", "the kettle boils"]


def test_announcements_that_cannot_wait_are_refused(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> list[dict[str, Any]]:
        with Listener(broker.port, "edgevoice/full/#") as house:
            async with device(settings_for(broker.port, tmp_path, id="full", commands_per_s=0), monkeypatch) as made:
                await speaking(made)
                results = [await command(house, made, "say", {"text": f"number {k}"}) for k in range(10)]
                await command(house, made, "cancel")
                return results

    results = asyncio.run(act())
    assert [result["ok"] for result in results] == [True] * 8 + [False] * 2
    assert results[-1]["reason"] == "busy" and "8 announcements wait" in results[-1]["message"]


def test_a_paused_reply_goes_on_when_it_is_told_to(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/paused/#") as house:
            engines = Engines(FakeVad(), FakeStt([""]), FakeLlm([words(LONG)]), FakeTts(RATE))
            async with device(settings_for(broker.port, tmp_path, id="paused"), monkeypatch, engines=engines) as made:
                made.session.ask("Count?")
                await until(lambda: made.session.machine.state is State.SPEAKING)
                await asyncio.sleep(0.3)
                noise = (np.random.default_rng(1).standard_normal(RATE) * 6000).astype(np.int16)
                made.stage.device.say(noise)
                await until(lambda: made.session.machine.state is State.HOLDING)
                assert (await command(house, made, "resume"))["ok"]
                states = [row["state"] for row in made.find("state")]
                assert states[states.index("holding") + 1] == "speaking", states

    asyncio.run(act())


REFUSED: list[tuple[str, str, Any, dict[str, Any], str]] = [
    ("stop", "malformed", b"", {}, "{} at least"),
    ("stop", "retained", b"{}", {"retain": True}, "without retain"),
    ("say", "oversized", {"text": "a" * 9000}, {}, "at most 8192"),
    ("say", "malformed", b"{", {}, "not JSON"),
    ("say", "malformed", b"\xff\xfe", {}, "not JSON"),
    ("say", "malformed", b"[1]", {}, "a JSON object"),
    ("say", "malformed", b"[" * 5000, {}, "not JSON"),
    ("volume", "malformed", b'{"volume": NaN}', {}, "NaN"),
    ("volume", "malformed", b'{"volume": 1e999}', {}, "volume"),
    ("volume", "malformed", b'{"volume": ' + b"9" * 400 + b"}", {}, "volume"),
    ("stop", "malformed", b'{"time": ' + b"9" * 400 + b"}", {}, "time"),
    ("replay", "malformed", b'{"turn": ' + b"9" * 400 + b"}", {}, "turn"),
    ("cancel", "malformed", b'{"turn": 1e300}', {}, "turn"),
    ("volume", "malformed", {"volume": 5}, {}, "0 to 4"),
    ("volume", "malformed", {"volume": True}, {}, "wants number"),
    ("say", "malformed", {}, {}, "text: is missing"),
    ("say", "malformed", {"text": "x", "loud": True}, {}, "'loud': is not known here"),
    ("mute", "malformed", {"muted": "yes"}, {}, "wants boolean"),
    ("profile", "malformed", {"name": "../../etc/passwd"}, {}, "wants"),
    ("explode", "unknown", b"{}", {}, "there are"),
    ("UPPER", "unknown", b"{}", {}, "there are"),
    ("stop", "other_device", {"device": "attic"}, {}, "this is refusing"),
    ("say", "expired", {"text": "x", "time": 1.0, "ttl_s": 5}, {}, "within 5 s"),
    ("say", "malformed", {"text": "x", "ttl_s": 5}, {}, "ttl_s needs time"),
]


def test_what_must_not_be_obeyed_is_refused_with_a_reason_and_changes_nothing(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        settings = settings_for(broker.port, tmp_path, id="refusing", commands_per_s=0)
        with Listener(broker.port, "edgevoice/refusing/cmd/+/result") as house:
            async with device(settings, monkeypatch) as made:
                made.mqtt._commands._refusals._per_s = 0
                await speaking(made)
                before = made.session.machine.generation
                for verb, reason, payload, facts, text in REFUSED:
                    named = verb if verb.islower() else "unknown"
                    after = len(house.messages)
                    house.publish(f"{made.root}/cmd/{verb}", payload, **facts)
                    result = await hears(house, f"/cmd/{named}/result", lambda value: not value["ok"], after=after)
                    jsonschema.Draft202012Validator(schemas.RESULT).validate(result)
                    assert (result["reason"], text in result["message"]) == (reason, True), (verb, payload, result)
                assert made.session.machine.generation == before and made.session.machine.state is State.SPEAKING
                assert not made.session.muted

    asyncio.run(act())


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_retained_command_is_not_obeyed_when_a_device_comes(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/late/#") as house:
            house.publish("edgevoice/late/cmd/mute", {"muted": True}, retain=True)
            async with device(settings_for(broker.port, tmp_path, id="late", protocol=protocol), monkeypatch) as made:
                assert (await hears(house, "/cmd/mute/result"))["reason"] == "retained"
                house.publish("edgevoice/late/cmd/mute", b"", retain=True)
                cleared = await hears(house, "/cmd/mute/result", after=2)
                assert cleared["reason"] == "retained" and not made.session.muted

    asyncio.run(act())


def test_what_is_repeated_is_done_once(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/once/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="once"), monkeypatch) as made:
                first = await command(house, made, "mute", {"id": "toggle"})
                second = await command(house, made, "mute", {"id": "toggle"})
                assert first["ok"] and second["reason"] == "duplicate" and made.session.muted
                assert second["data"]["result"]["ok"] and second["id"] == "toggle"

    asyncio.run(act())


def test_a_command_that_was_refused_may_come_again_and_one_that_failed_may_not(
        broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        tries: list[int] = []

        def fails(_: Any) -> dict[str, Any]:
            tries.append(1)
            raise OSError("half done")

        with Listener(broker.port, "edgevoice/again/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="again", commands_per_s=0), monkeypatch) as made:
                await command(house, made, "mute", {"muted": True})
                assert (await command(house, made, "listen", {"id": "x"}))["reason"] == "unavailable"
                await command(house, made, "mute", {"muted": False})
                assert (await command(house, made, "listen", {"id": "x"}))["ok"]
                assert (await command(house, made, "listen", {"id": "x"}))["data"]["result"]["ok"]
                await command(house, made, "stop")
                await speaking(made)
                for k in range(8):
                    await command(house, made, "say", {"text": f"number {k}", "id": f"s{k}"})
                assert (await command(house, made, "say", {"text": "late", "id": "late"}))["reason"] == "busy"
                await command(house, made, "stop")
                assert (await command(house, made, "say", {"text": "late", "id": "late"}))["ok"]
                made.mqtt._commands._verbs["reload"] = fails  # type: ignore[index]
                assert (await command(house, made, "reload", {"id": "y"}))["reason"] == "failed"
                again = await command(house, made, "reload", {"id": "y"})
                assert again["reason"] == "duplicate" and again["data"]["result"]["reason"] == "failed" and tries == [1]

    asyncio.run(act())


def test_version_5_answers_where_it_is_asked_to(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "panel/#", "edgevoice/five/cmd/#") as house:
            async with device(settings_for(broker.port, tmp_path, id="five"), monkeypatch) as made:
                house.publish(f"{made.root}/cmd/mute", {"muted": True}, ResponseTopic="panel/7", CorrelationData=b"\x00q1")
                await hears(house, "panel/7")
                message = next(message for message in house.messages if message.topic == "panel/7")
                assert message.properties.CorrelationData == b"\x00q1" and not message.retain
                assert 0 < message.properties.MessageExpiryInterval <= 60 and message.properties.ContentType == "application/json"
                assert await hears(house, "/cmd/mute/result") == json.loads(message.payload), "also where everybody looks"
                for evil in ("edgevoice/five/cmd/stop", "edgevoice/attic/state", "$SYS/x"):
                    after = len(house.messages)
                    house.publish(f"{made.root}/cmd/mute", {"muted": True}, ResponseTopic=evil)
                    await hears(house, "/cmd/mute/result", after=after)
                    assert not any(json.loads(message.payload).get("verb") for message in house.messages[after:]
                                   if message.topic == evil and message.payload)

    asyncio.run(act())


def test_too_many_a_second_are_refused_and_stop_still_stops(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with Listener(broker.port, "edgevoice/flooded/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="flooded", commands_per_s=5), monkeypatch) as made:
                await speaking(made)
                for k in range(300):
                    house.publish(f"{made.root}/cmd/volume", {"volume": (k % 10) / 10}, qos=0, wait=False)
                assert (await command(house, made, "stop"))["ok"] and made.session.machine.state is State.IDLE
                await until(lambda: made.mqtt._commands.refused["too_many"] >= 280)
                assert made.mqtt._commands.obeyed <= 1 + 10 + 5
                assert 0 < sum(result.get("reason") == "too_many" for result in house.of("/result")) <= 60
                assert made.mqtt._commands.unanswered > 200

    asyncio.run(act())


def test_stop_is_heard_within_30_ms_while_other_commands_wait(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From PUBLISH to the last sound at the device; the limit here is wider, since other work may run beside: `bench mqtt` measures."""
    async def act() -> list[float]:
        found = []
        with Listener(broker.port, "edgevoice/quiet/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="quiet", commands_per_s=0), monkeypatch) as made:
                for _ in range(9):
                    await speaking(made)
                    await asyncio.sleep(0.05)
                    for _ in range(6):
                        house.publish(f"{made.root}/cmd/models", b"{}", wait=False)
                    said = made.stage.device.position
                    house.publish(f"{made.root}/cmd/stop", b"{}", wait=False)
                    await until(lambda said=said: any(row["sample"] >= said for row in made.find("playback_silent")))
                    found.append((made.find("playback_silent")[-1]["sample"] - said) * 1000 / RATE)
                    await until(lambda: made.session.machine.state is State.IDLE)
        return found

    found = sorted(asyncio.run(act()))
    assert min(found) <= 40, f"the best of nine, since other work may run beside: {found}"


def test_wake_words_and_profiles_change_while_it_runs(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(settings: Any) -> FakeWake:
        asked.append((settings.wake.words, settings.wake.sensitivity))
        return FakeWake()

    async def act() -> None:
        settings = settings_for(broker.port, tmp_path, id="changing", commands_per_s=0)
        settings = dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=True))
        config = tmp_path / "day.toml"
        config.write_text(to_toml(settings), encoding="utf-8")
        night = dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, volume=0.25, rate=48_000),
                                    dialog=dataclasses.replace(settings.dialog, barge_in="wake"),
                                    wake=dataclasses.replace(settings.wake, sensitivity=0.8))
        (tmp_path / "day.d").mkdir()
        (tmp_path / "day.d" / "night.toml").write_text(to_toml(night), encoding="utf-8")
        (tmp_path / "day.d" / "broken.toml").write_text("[audio]\nvolume = 9\n", encoding="utf-8")
        wake = ExchangeableWake(FakeWake())
        engines = Engines(FakeVad(), FakeStt(), FakeLlm(), FakeTts(RATE), wake)
        monkeypatch.setattr("edgevoice.app.open_wake", load)
        restarts: list[int] = []
        with Listener(broker.port, "edgevoice/changing/#") as house:
            async with device(settings, monkeypatch, engines=engines, config=config, restart=lambda: restarts.append(1)) as made:
                state = await hears(house, f"{made.root}/state")
                assert state["profile"] == "day" and state["profiles"] == ["day", "broken", "night"]
                assert "okay_nabu" in state["wake_words_known"]
                result = await command(house, made, "wake_word", {"words": ["hey_jarvis"], "sensitivity": 0.6})
                assert result["ok"] and asked == [(["hey_jarvis"], 0.6)]
                await hears(house, f"{made.root}/state", lambda it: it["wake_words"] == ["hey_jarvis"] and it["sensitivity"] == 0.6)
                result = await command(house, made, "profile", {"name": "night"})
                assert result["data"]["applied"] == ["audio.volume", "dialog.barge_in", "wake.sensitivity", "wake.words"]
                assert result["data"]["needs_restart"] == ["audio.rate"]
                assert made.session.machine.policy.barge_in == "wake" and asked[-1] == (["okay_nabu"], 0.8)
                await hears(house, f"{made.root}/state", lambda value: value["profile"] == "night" and value["volume"] == 0.25)
                result = await command(house, made, "profile", {"name": "broken"})
                assert result["reason"] == "failed" and "volume" in result["message"]
                assert (await command(house, made, "profile", {"name": "noon"}))["reason"] == "unavailable"
                config.write_text(to_toml(with_mqtt(settings, words=True)), encoding="utf-8")
                result = await command(house, made, "reload")
                assert "mqtt.words" in result["data"]["needs_restart"] and "audio.volume" in result["data"]["applied"]
                assert made.session.machine.policy.barge_in == "speech"
                await hears(house, f"{made.root}/state", lambda value: value["profile"] == "day")
                assert (await command(house, made, "restart"))["ok"] and restarts == [1]

    asyncio.run(act())
