"""What tools ask of the language model: weighing answers, and writing by a grammar, beside the conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.engines import llm
from edgevoice.engines.llm import LlamaLlm
from edgevoice.engines.protocols import Llm
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import Message
from edgevoice.models import find
from edgevoice.pipeline.choosing import Chooser
from edgevoice.settings import LlmSettings, PathSettings
from edgevoice.tools.choice import choosing, filling, offered
from tests.bench.tools import household
from tests.fakes.llm import FakeLlm, FlagCancel

SETTINGS = LlmSettings(prompt_cache=False)
TALK = [Message("system", SETTINGS.system_prompt), Message("user", "Why is the sky blue?")]
SAID = 'Could you please put "two pounds" of crème fraîche, müsli and \\n back-slashes on the shopping list?'


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaLlm]:
    try:
        folder: Path = find(PathSettings(), SETTINGS.model)
    except ModelError as error:
        pytest.skip(str(error))
    made = llm.load(SETTINGS, folder)
    yield made
    made.close()


@pytest.fixture(params=["fake", "llama"])
def either(request: pytest.FixtureRequest) -> Llm:
    return FakeLlm() if request.param == "fake" else request.getfixturevalue("engine")


def written(engine: Llm, messages: list[Message], grammar: str = "", cancel: FlagCancel | None = None, most: int = 200) -> tuple[str, str]:
    parts: list[str] = []
    done = engine.generate(messages, parts.append, cancel or FlagCancel(), max_tokens=most, grammar=grammar)
    return "".join(parts), done.finish


def test_answers_are_weighed_by_logarithms_and_cancelled(either: Llm) -> None:
    weights = either.weigh(TALK, ["It scatters light.", "Seven."], FlagCancel())
    assert weights is not None and len(weights) == 2 and all(weight < 0 for weight in weights)
    cancel = FlagCancel()
    cancel.cancel()
    assert either.weigh(TALK, ["Yes."], cancel) is None


def test_a_likely_answer_outweighs_an_unlikely_one(engine: LlamaLlm) -> None:
    weights = engine.weigh([Message("user", "What is the capital of France?")], ["The capital of France is Paris.", "Spoon."], FlagCancel())
    assert weights is not None and weights[0] > weights[1]


@pytest.mark.parametrize("said", [
    SAID, "Add milk; rm -rf / to the shopping list.", "shopping list", "\U0001f95b milk on the shopping list, \"please\" {}",
    "Put " + "very " * 30 + "old cheese on the list."])
def test_whatever_is_said_the_default_model_writes_json_of_the_schema(engine: LlamaLlm, said: str) -> None:
    (offer,) = [offer for offer in offered(household(), said) if offer.tool.name == "shopping"]
    text, finish = written(engine, filling(offer, said), offer.grammar)
    assert finish == "stop"
    assert offer.read(text).arguments == json.loads(text)


def test_every_tool_of_the_bench_gets_valid_arguments_from_the_default_model(engine: LlamaLlm) -> None:
    for tool in household():
        (offer,) = [offer for offer in offered([tool], f"Hey {tool.words[0]} 20 xyz") if offer.tool is tool]
        text = written(engine, filling(offer, "Hey you."), offer.grammar)[0] if offer.grammar else offer.only
        assert offer.read(text)


def test_what_is_asked_beside_leaves_the_conversation_where_it_was(engine: LlamaLlm) -> None:
    before, _ = written(engine, TALK, most=12)
    held = list(engine._context.live)
    said = "It is too dark in the kitchen."
    offers = offered(household(), said)
    for _ in range(2):
        assert engine.weigh(choosing([offer.tool for offer in offers], said), ["set_light", "none"], FlagCancel())
        assert written(engine, filling(offers[0], said), offers[0].grammar)[1] == "stop"
        assert engine._context.live == held
    evaluated = engine._context.evaluated
    assert engine.prefill(TALK, FlagCancel()) <= 1
    assert engine._context.evaluated - evaluated <= 1, "the conversation was read anew"
    assert written(engine, TALK, most=12)[0] == before


def test_the_same_question_beside_is_hardly_read_again(engine: LlamaLlm) -> None:
    said = "Turn on the light in the kitchen."
    messages = choosing([offer.tool for offer in offered(household(), said)], said)
    engine.weigh(messages, ["none"], FlagCancel())
    evaluated = engine._context.evaluated
    engine.weigh(messages, ["none"], FlagCancel())
    assert engine._context.evaluated - evaluated < 8


def test_a_cancelled_call_is_none_and_the_conversation_stays(engine: LlamaLlm) -> None:
    written(engine, TALK, most=4)
    held, cancel = list(engine._context.live), FlagCancel()
    cancel.cancel()
    assert written(engine, TALK, 'root ::= "x"', cancel) == ("", "cancelled")
    assert engine._context.live == held


def test_a_question_beside_that_is_too_long_is_refused_and_the_conversation_stays(engine: LlamaLlm) -> None:
    held = list(engine._context.live)
    with pytest.raises(EngineError, match=r"beside the conversation is .* tokens"):
        engine.weigh([Message("user", "word " * 2000)], ["none"], FlagCancel())
    assert engine._context.live == held


def test_the_default_model_tells_a_wish_from_talk(engine: LlamaLlm) -> None:
    tools, chooser = household(), Chooser()

    def chosen(said: str) -> tuple[str, dict[str, object]] | None:
        call = chooser.choose(engine, offered(tools, said), said, FlagCancel()).call
        return None if call is None else (call.tool.name, dict(call.arguments))

    assert chosen("Turn on the light in the bathroom.") == ("set_light", {"room": "bathroom", "state": "on"})
    assert chosen("What is the weather in Berlin?") == ("weather", {"city": "Berlin"})
    assert chosen("Who invented the light bulb?") is None
    assert chosen("Tell me a joke about a door.") is None
