"""The end of a turn in a whole conversation: soon after a whole sentence, later after half of one, and fixed where that is asked for."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest

from edgevoice.dialog.table import State
from edgevoice.dialog.turn_end import Votes, WaitRule, wait_ms
from edgevoice.errors import EngineError
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from tests.e2e.stage import Stage, alike, clearly, spoken
from tests.fakes.llm import FakeLlm, words

RATE = 16_000


def heard(settings: Settings, engines: Engines, samples: np.ndarray, ends: float | None = None) -> Stage:
    """``ends``: what the language model says of every ending."""
    llm = FakeLlm([words("Fine.") for _ in range(12)])
    llm.ends = ends

    async def act() -> Stage:
        async with Stage(settings, dataclasses.replace(engines, llm=llm)) as stage:
            stage.device.say(samples)
            assert await stage.until(lambda: stage.session.machine.state is State.FOLLOWUP)
        return stage

    return asyncio.run(act())


def moon(engines: Engines) -> np.ndarray:
    made: np.ndarray = spoken(engines.tts, "Tell me something about the moon.", RATE)
    return made


def waits(stage: Stage) -> list[float]:
    """ms from the last speech, as the ears saw it, to the end of the turn."""
    return [(row["sample"] - row["last_speech"]) * 1000 / RATE for row in stage.trace.events() if row["event"] == "endpoint"]


class Certain:
    """A ``TurnEnd`` of one opinion."""

    def __init__(self, value: float) -> None:
        self.value = value

    def probability(self, samples: np.ndarray) -> float:
        return self.value

    def close(self) -> None:
        pass


def fixed(settings: Settings) -> Settings:
    return dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, endpointing="fixed"))


def test_a_fixed_wait_is_fixed(settings: Settings, engines: Engines) -> None:
    stage = heard(fixed(settings), engines, moon(engines))
    (wait,) = waits(stage)
    assert wait == pytest.approx(settings.dialog.endpoint_ms, abs=40)
    assert not [row for row in stage.trace.events() if row["event"] == "turn_vote"]


def test_a_whole_sentence_is_answered_sooner(settings: Settings, engines: Engines) -> None:
    stage = heard(settings, dataclasses.replace(engines, turn_end=Certain(0.98)), moon(engines), ends=0.5)
    (wait,) = waits(stage)
    assert wait < settings.dialog.endpoint_ms - 100
    votes = [row for row in stage.trace.events() if row["event"] == "turn_vote"]
    assert votes[-1]["probability"] == 0.98 and votes[-1]["ending"] == 0.5 and "moon" in votes[-1]["text"]


@pytest.mark.parametrize("speculation", [True, False])
def test_words_that_want_more_are_waited_for_however_final_they_sound(settings: Settings, engines: Engines, speculation: bool) -> None:
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, speculation=speculation))
    stage = heard(settings, dataclasses.replace(engines, turn_end=Certain(0.98)), moon(engines), ends=1e-4)
    (wait,) = waits(stage)
    assert wait > 800


def test_a_language_model_of_no_weight_is_not_asked(settings: Settings, engines: Engines) -> None:
    settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, endpoint_language=0.0))
    stage = heard(settings, dataclasses.replace(engines, turn_end=Certain(0.98)), moon(engines), ends=1e-4)
    (wait,) = waits(stage)
    votes = [row for row in stage.trace.events() if row["event"] == "turn_vote"]
    assert votes and all(row["ending"] is None for row in votes)
    dialog = settings.dialog
    rule = WaitRule(dialog.endpoint_min_ms, dialog.endpoint_max_ms, dialog.endpoint_ms, dialog.endpoint_sound, language=0.0)
    told = Votes(votes[-1]["probability"], votes[-1]["text"])
    assert wait == pytest.approx(wait_ms(told, rule), abs=40)
    heeded = wait_ms(dataclasses.replace(told, ending=1e-4), dataclasses.replace(rule, language=1.0))
    assert heeded > wait + 100, "what it says would have made this longer"


def test_a_language_model_that_cannot_tell_costs_its_vote_and_no_reply(
        settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FakeLlm, messages: object, cancel: object) -> float | None:
        raise EngineError("no opinion")

    monkeypatch.setattr(FakeLlm, "ending", broken)
    stage = heard(settings, engines, moon(engines))
    assert len(waits(stage)) == 1
    assert {row["message"] for row in stage.trace.events() if row["event"] == "error"} == {"no opinion"}


def test_half_a_sentence_is_waited_for_and_becomes_one_question(settings: Settings, engines: Engines) -> None:
    halves = [clearly(engines, text, RATE) for text in ("Set a timer for,", "ten minutes.")]
    quiet = np.zeros(int(0.75 * RATE), np.int16)
    stage = heard(settings, engines, np.concatenate([halves[0], quiet, halves[1]]))  # the words alone tell
    finals = [row["text"] for row in stage.trace.events() if row["event"] == "stt_final"]
    assert len(finals) == 1, "the fixed wait of 600 ms would have cut it in two"
    assert alike(finals[0], "Set a timer for ten minutes.")


def test_without_the_model_words_and_silence_decide(settings: Settings, engines: Engines) -> None:
    stage = heard(settings, dataclasses.replace(engines, turn_end=None), moon(engines))
    (wait,) = waits(stage)
    assert wait == pytest.approx(settings.dialog.endpoint_ms, abs=40)
    assert all(row["probability"] is None for row in stage.trace.events() if row["event"] == "turn_vote")


def test_a_model_that_raises_costs_its_vote_alone(settings: Settings, engines: Engines) -> None:
    class Broken(Certain):
        def probability(self, samples: np.ndarray) -> float:
            raise RuntimeError("no such luck")

    stage = heard(settings, dataclasses.replace(engines, turn_end=Broken(0.0)), moon(engines))
    assert len(waits(stage)) == 1
    assert [row["message"] for row in stage.trace.events() if row["event"] == "error"] == ["no such luck"]
