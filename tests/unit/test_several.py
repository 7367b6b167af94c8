"""One sentence for several skills: all of it is done in order, or none of it is theirs."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edgevoice.clock import MonotonicClock
from edgevoice.pipeline.deeds import FAILED, Deeds
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import DOUBTFUL, MODEL, Asked, Found, Router, Skill
from edgevoice.skills.several import several
from edgevoice.trace import Trace

NOW = datetime(2026, 11, 7, 14, 5, tzinfo=ZoneInfo("Europe/Berlin"))


def lamp(asked: Asked) -> Found | None:
    """A house that knows a lamp, and says so of whatever else may be its own."""
    text = asked.text.lower().strip(" .")
    if text in ("turn on the lamp", "turn on the lamp and the heater"):
        return Found(deed=Deed("lamp", {"words": text}))
    return Found(answer="I only understood a part of that.", confidence=DOUBTFUL) if "lamp" in text else None


def timer(asked: Asked) -> Deed | None:
    return Deed("timer") if asked.words == ["set", "a", "timer", "now"] else None


ROUTER = Router(lambda: NOW, [Skill("house", "a lamp", lamp), Skill("timers", "a timer", timer)])


@pytest.mark.parametrize("text", ["turn on the lamp and set a timer now", "Turn on the lamp, then set a timer now.",
                                  "turn on the lamp, and then set a timer now"])
def test_each_part_goes_to_its_own_skill_in_order(text: str) -> None:
    routed = ROUTER.route(text)
    assert routed.deed is not None and [part.kind for part in routed.deed.arguments["parts"]] == ["lamp", "timer"]
    assert routed.skill == "several" and routed.why.startswith("house: ") and " + timers: " in routed.why


def test_the_longest_part_that_is_understood_is_one_part() -> None:
    deed = ROUTER.route("turn on the lamp and the heater and set a timer now").deed
    assert deed is not None
    assert [part.arguments.get("words") for part in deed.arguments["parts"]] == ["turn on the lamp and the heater", None]


def test_answers_alone_are_an_answer_that_may_be_spoken_ahead() -> None:
    routed = ROUTER.route("What is seven times eight and what day is it?")
    assert routed.deed is None and routed.answer == "7 times 8 is 56. Today is Saturday, November 7, 2026."


@pytest.mark.parametrize("text", [
    "what is seven times eight and tell me about the moon", "tell me about the moon and set a timer now", "set a timer now and"])
def test_a_part_that_is_nobodys_leaves_all_of_it_to_the_model(text: str) -> None:
    assert ROUTER.route(text).skill == MODEL


def test_a_skill_that_says_why_it_cannot_says_so_where_the_rest_is_not_understood_either() -> None:
    routed = ROUTER.route("turn on the lamp and make me happy")
    assert (routed.skill, routed.confidence, routed.deed) == ("house", DOUBTFUL, None)


def test_the_looks_at_a_sentence_are_few() -> None:
    seen: list[str] = []
    assert several(" and ".join("abcd"), lambda part: seen.append(part)) is None  # type: ignore[func-returns-value]
    assert seen == ["a and b and c", "a and b", "a"]
    assert several(" and ".join("abcde"), lambda part: part) is None
    assert several("a and b and c and d", lambda part: part if len(part) == 1 else None) == ["a", "b", "c", "d"]


def test_what_fails_does_not_keep_the_rest_from_being_done() -> None:
    done, told = list[str](), list[str]()

    async def breaks(_: Deed) -> str:
        raise ValueError

    async def works(deed: Deed) -> str:
        done.append(deed.kind)
        return "The timer is set."

    async def act() -> None:
        deeds = Deeds(Trace(MonotonicClock()))
        deeds.register("lamp", breaks)
        deeds.register("timer", works)
        deed = ROUTER.route("turn on the lamp and set a timer now").deed
        assert deed is not None
        deeds.begin(deed, told.append)
        while not deeds.idle:
            await asyncio.sleep(0.001)

    asyncio.run(act())
    assert (done, told) == (["timer"], [f"{FAILED} The timer is set."])
