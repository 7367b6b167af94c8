"""Twenty thousand commands and topics that nobody should send: none is acted on, none is fatal, none stays in memory."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.adapters import verbs
from edgevoice.adapters.mqtt import schemas
from edgevoice.adapters.mqtt.commands import Commands
from edgevoice.adapters.mqtt.link import Incoming, Message
from edgevoice.adapters.mqtt.topics import Topics
from tests.edges.conftest import device, settings_for, until
from tests.fakes.llm import words
from tests.fakes.mosquitto import Listener, Mosquitto

COUNT = 20_000
OVER_WIRE = 2_000
"""of another seed, through a real broker at a whole device"""
ROOT = "edgevoice/fuzzed"
VERBS = tuple(schemas.COMMANDS)


class Fuzz:
    """Messages, valid and not.  ``valid`` says which is which, by jsonschema and the laws of the envelope, independently of the product."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._validators = {verb: jsonschema.Draft202012Validator(schema) for verb, schema in schemas.COMMANDS.items()}

    def messages(self, count: int) -> Iterator[Incoming]:
        for k in range(count):
            yield Incoming(self._topic(), self._payload(), self._chance.choice((0, 1, 2)), self._chance.random() < 0.05,
                           self._chance.random() < 0.1, k % 65536,
                           self._chance.choice(("", "", "a/b", "#", "$x", f"{ROOT}/cmd/stop", "\0")),
                           self._chance.choice((None, b"", b"x" * 5000)), self._chance.choice((None, None, None, 0, 9)))

    def valid(self, message: Incoming) -> bool:
        """All but for repeats, which the product must know by itself."""
        levels = message.topic.split("/")
        if message.retain or levels[:3] != [*ROOT.split("/"), "cmd"] or len(levels) != 4 or levels[3] not in VERBS:
            return False
        if len(message.payload) > 8192 or message.expiry_s == 0:
            return False
        try:
            value = json.loads(message.payload.decode("utf-8"), parse_constant=lambda name: 1 / 0)
        except (ValueError, RecursionError, ZeroDivisionError):
            return False
        if not isinstance(value, dict) or not self._validators[levels[3]].is_valid(value) or "Infinity" in repr(value) or "inf" in map(
                repr, value.values()):
            return False
        if value.get("device", "fuzzed") != "fuzzed":
            return False
        return "ttl_s" not in value or ("time" in value and value["time"] + value["ttl_s"] >= time.time())

    def _topic(self) -> str:
        c = self._chance
        if c.random() < 0.8:
            return f"{ROOT}/cmd/{c.choice(VERBS)}"
        return c.choice((f"{ROOT}/cmd/{c.choice(VERBS)}/result", f"{ROOT}/cmd/", f"{ROOT}/cmd", "edgevoice/other/cmd/stop", "x", "",
                         f"{ROOT}/cmd/STOP", f"{ROOT}/cmd/sto\0p", f"{ROOT}/cmd/" + "v" * 300, f"{ROOT}/cmd/st\u00f6p", "/" * 100,
                         f"{ROOT}/cmd/__class__", f"{ROOT}/cmd/_judge"))

    def _payload(self) -> bytes:
        c = self._chance
        what = c.random()
        if what < 0.1:
            return bytes(c.randrange(256) for _ in range(c.randrange(60)))
        if what < 0.2:
            return c.choice((b"", b"{", b"[]", b"null", b"1", b'"x"', b"[" * 4000, b'{"a":' * 1500, b"{}" * 2, b"\xef\xbb\xbf{}", b"{}\0",
                             b'{"volume":1e400}', b'{"volume":-0.0}', b"9" * 5000, b" " * 9000, b'{"text":"\\ud800"}', b'{"id":"\\u0000"}'))
        made: dict[str, Any] = {name: self._value() for name in c.sample(
            ("muted", "volume", "text", "channel", "priority", "turn", "words", "sensitivity", "name", "first", "last", "remove", "x"),
            c.randrange(4))}
        for name in ("id", "device", "time", "ttl_s"):
            if c.random() < 0.1:
                made[name] = c.choice((self._value(), "fuzzed", 0, time.time(), 60))
        if c.random() < 0.3:
            made = c.choice(({}, {"muted": True}, {"volume": 0.5}, {"text": "hello"}, {"turn": 1}, {"name": "day"}, {"sensitivity": 0.5}))
        raw = json.dumps(made, ensure_ascii=c.random() < 0.5).encode("utf-8", "surrogatepass")
        if c.random() < 0.1 and raw:
            at = c.randrange(len(raw))
            raw = raw[:at] + bytes([c.randrange(256)]) + raw[at + 1:]
        return raw

    def _value(self) -> Any:
        c = self._chance
        return c.choice((True, False, None, 0, 1, -1, 0.5, 1e308, 2**70, "", "day", "voice", "urgent",
                         "x" * c.choice((1, 64, 65, 2000, 2001)), "\0", "\ud800", [],
                         ["okay_nabu"], [1], {}, {"a": 1}, float("nan"), float("inf")))


class Counted:
    """Verbs that do nothing and count; ``acted`` holds what they were called with."""

    def __init__(self) -> None:
        self.acted: list[tuple[str, dict[str, Any]]] = []
        self.verbs = {verb: self._verb(verb) for verb in schemas.COMMANDS}

    def _verb(self, verb: str) -> Any:
        def act(arguments: dict[str, Any]) -> dict[str, Any]:
            self.acted.append((verb, arguments))
            if len(self.acted) % 7 == 0:
                raise RuntimeError("an engine that breaks")
            return {}
        return act


def test_twenty_thousand_of_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)  # what a verb raised is logged, and pytest would keep that

    async def act() -> None:
        counted, answers = Counted(), []
        results = 0

        def answer(message: Message) -> None:
            nonlocal results
            results += message.topic.startswith("edgevoice/fuzzed/cmd/") and not message.foreign
            assert not message.retain and not any(c in message.topic for c in "#+\0") and not message.topic.startswith("$")
            assert message.topic.endswith("/result") or not message.topic.startswith("edgevoice/")
            if results % 50 == 0:
                answers.append(message.payload)

        commands = Commands(Topics("edgevoice", "fuzzed"), counted.verbs, asyncio.get_running_loop(), answer, per_s=0)
        commands._refusals._per_s = 0  # every refusal is answered, and so looked at
        fuzz = Fuzz(7)
        wanted = 0
        grown: list[int] = []
        for k, message in enumerate(fuzz.messages(COUNT)):
            before, repeated = len(counted.acted), commands.refused["duplicate"]
            valid = fuzz.valid(message)
            commands.take(message)
            await asyncio.sleep(0)
            acted = len(counted.acted) - before
            assert acted == (valid and commands.refused["duplicate"] == repeated), message
            wanted += valid
            if k % 5000 == 4999:
                counted.acted.clear()
                gc.collect()
                grown.append(sys.getallocatedblocks())
        assert wanted > COUNT // 20, "some were meant to be obeyed"
        assert results == COUNT, "each was answered"
        assert grown[-1] - grown[0] < 3000, grown
        for payload in answers:
            jsonschema.Draft202012Validator(schemas.RESULT).validate(json.loads(payload))

    asyncio.run(act())


def test_through_a_broker_at_a_whole_device(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives, it answers, and it has not been muted, turned down or spoken with by anything invalid."""
    async def act() -> None:
        fuzz = Fuzz(11)
        with Listener(broker.port, f"{ROOT}/cmd/+/result") as house:
            async with device(settings_for(broker.port, tmp_path, id="fuzzed", commands_per_s=0), monkeypatch) as made:
                sent = 0
                for message in fuzz.messages(OVER_WIRE):
                    unsendable = "\0" in message.topic or not message.topic or message.retain
                    if unsendable or fuzz.valid(dataclasses.replace(message, expiry_s=None)):
                        continue
                    house.publish(message.topic, message.payload, qos=min(message.qos, 1), wait=False)
                    sent += 1
                    if sent % 200 == 0:
                        await asyncio.sleep(0.02)
                assert sent > OVER_WIRE // 2
                house.publish(f"{ROOT}/cmd/mute", {"id": "the end", "muted": True})
                await until(lambda: any(isinstance(result, dict) and result.get("id") == "the end" for result in house.of("/result")))
                assert made.session.muted and made.mqtt._commands.obeyed == 1
                assert made.find("volume") == [] and made.session.machine.generation == 0 and made.mqtt._link.connects == 1

    asyncio.run(act())


def test_a_flood_leaves_the_conversation_as_it_was(broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 a second with the limit on.  The limits here are wide, since other work may run beside: `bench mqtt` measures."""
    async def act() -> tuple[float, float]:
        async def ask() -> float:
            before, began = len(made.find("playback_first_sample")), time.monotonic()
            made.session.ask("How is it?")
            await until(lambda: len(made.find("playback_first_sample")) > before)
            took = time.monotonic() - began
            made.session.stop_speaking()
            await asyncio.sleep(0.1)
            return took

        with Listener(broker.port) as house:
            script = words("It is as it was, thank you.")
            async with device(settings_for(broker.port, tmp_path, id="calm"), monkeypatch, script=script) as made:
                quiet = sorted([await ask() for _ in range(7)])[3]
                flooding = True

                async def flood() -> None:
                    while flooding:
                        for _ in range(20):
                            house.publish(f"{made.root}/cmd/volume", b'{"volume": 0.5}', qos=0, wait=False)
                        await asyncio.sleep(0.02)

                task = asyncio.create_task(flood())
                await asyncio.sleep(0.3)
                loud = sorted([await ask() for _ in range(7)])[3]
                flooding = False
                await task
                assert made.mqtt._commands.refused["too_many"] > 200 and made.find("underrun") == []
                return quiet, loud

    quiet, loud = asyncio.run(act())
    assert loud < quiet + 0.1


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=70),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)
NAMES = sorted({name for schema in schemas.COMMANDS.values() for name in schema["properties"]})


@settings(max_examples=100)
@given(st.sampled_from(VERBS), st.dictionaries(st.sampled_from([*NAMES, "other"]), VALUES, max_size=3))
def test_our_reading_of_the_schemas_is_that_of_others(verb: str, value: dict[str, Any]) -> None:
    ours = verbs.wrong(schemas.COMMANDS[verb], value) is None
    assert ours == jsonschema.Draft202012Validator(schemas.COMMANDS[verb]).is_valid(value)
