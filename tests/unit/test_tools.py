"""Tools as declared, offered and called: what a declaration may say, what a sentence may ask for, and what a call can come to."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.errors import ConfigError
from edgevoice.tools.call import Call, read
from edgevoice.tools.choice import NONE, after, choosing, filling, offered
from edgevoice.tools.declare import Tool, allows, builtin, declared
from edgevoice.tools.schema import parameters, slot
from tests.bench.tools import household

LIGHT = """
[light]
description = "turn a light on or off"
words = ["light"]
publish = "house/{room}/set"
payload = "{state}"
[light.parameters]
required = ["room", "state"]
properties.room.enum = ["kitchen", "living room"]
properties.state.enum = ["on", "off"]
"""
RUN = '[play]\ndescription = "play"\nwords = ["play"]\nrun = ["/bin/echo", "--", "{what}"]\n[play.parameters]\nrequired = ["what"]\n' \
      'properties.what = { type = "string", maxLength = 30 }\n'


def one(text: str, topics: tuple[str, ...] = ("house/#",)) -> Tool:
    (tool,) = declared("tools.toml", text, topics)
    return tool


@pytest.mark.parametrize(("text", "told"), [
    ("x = 1", r"\[x\]: stands outside of any tool"),
    ("[Light]\n", "is no name for a tool"),
    ("[none]\n", "is no name for a tool"),
    (LIGHT.replace("words", "word"), "word: is not known; confirm, description"),
    (LIGHT.replace('["light"]', "[]"), "words: a list of words"),
    (LIGHT.replace("house/{room}", "garden/{room}"), "is not within tools.topics"),
    (LIGHT.replace("{room}/set", "x{room}/set"), "a whole level of the topic"),
    (LIGHT.replace('"living room"', '"a/b"'), r"must be an enum of texts without / \+ # \$"),
    (LIGHT.replace("house/{room}/set", "house/#"), "is no topic"),
    (LIGHT.replace('required = ["room", "state"]', 'required = ["room"]'), r"\{state\} may be missing"),
    (LIGHT.replace('payload = "{state}"', 'payload = "{stat}"'), r"\{stat\} is no parameter"),
    (LIGHT.replace('publish = "house/{room}/set"\n', ""), "either publish"),
    (LIGHT.replace(".enum = [\"on\", \"off\"]", ".pattern = \"o.\""), "'pattern' is not understood"),
    (LIGHT.replace(".enum = [\"on\", \"off\"]", ".type = \"integer\""), "needs its minimum and its maximum"),
    (RUN.replace('"/bin/echo"', '"echo"'), "named by its whole path"),
    (RUN.replace('"/bin/echo"', '"/bin/{what}"'), "named by its whole path"),
    (RUN.replace('"{what}"', '"--say={what}"'), "one whole argument"),
    (RUN.replace('words', 'timeout_s = 0\nwords'), "timeout_s = 0: 0.1 to 300"),
    (RUN + '[[play.examples]]\nsay = "x"\narguments = { what = "-rf" }\n', "what = \"-rf\" is not allowed"),
    ("[light\n", "is not TOML")])
def test_a_wrong_declaration_is_refused_with_what_would_be_right(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        one(text)
    assert str(raised.value).startswith("tools.toml: ")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        declared("t.toml", LIGHT.replace("words", "word") + RUN.replace("/bin/echo", "echo"), ("house/#",))
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize(("pattern", "topic", "covered"), [
    ("house/#", "house/kitchen/set", True), ("house/+/set", "house/{room}/set", True), ("house/kitchen/set", "house/{room}/set", False),
    ("+/kitchen", "house/kitchen", True), ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("house", "house/x", False),
    ("house/x", "house", False)])
def test_patterns_cover_topics_as_in_mqtt(pattern: str, topic: str, covered: bool) -> None:
    assert allows(pattern, topic) is covered


def test_a_call_becomes_a_topic_and_a_payload_within_the_allowed_ones() -> None:
    call = read(one(LIGHT), '{"room": "living room", "state": "off"}')
    assert call.message(("house/+/set",)) == ("house/living room/set", "off", False)
    with pytest.raises(ValueError, match="is not allowed"):
        call.message(("house/kitchen/set",))
    bare = one(LIGHT.replace('payload = "{state}"\n', ""))
    assert json.loads(Call(bare, call.arguments).message(("#",))[1]) == {"room": "living room", "state": "off"}


@pytest.mark.parametrize("text", [
    '{"room": "cellar", "state": "on"}', '{"room": "kitchen"}', '{"room": "kitchen", "state": true}', "[]", "{", "nonsense",
    '{"room": "kitchen", "state": "on", "payload": "x"}', "[" * 100_000])
def test_a_call_that_the_schema_does_not_allow_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="light: "):
        read(one(LIGHT), text)


def test_what_is_said_is_whole_arguments_of_the_program() -> None:
    assert read(one(RUN), '{"what": "rm rf tmp"}').argv() == ["/bin/echo", "--", "rm rf tmp"]
    for hostile in ("-rf", "; reboot", "$(reboot)", "a\nb", "a  b", "", "x" * 31, "{what}"):
        with pytest.raises(ValueError, match="is not allowed"):
            read(one(RUN), json.dumps({"what": hostile}))


def test_a_tool_is_thought_of_only_if_a_word_of_it_is_said_and_its_numbers_are() -> None:
    tools = household()
    names = lambda said: [offer.tool.name for offer in offered(tools, said)]  # noqa: E731
    assert names("Why is the sky blue?") == [] == names("I feel slightly delighted")
    assert names("Turn the lamps on") == ["set_light"]
    assert names("Don't turn the lamps on") == [] == names("If it rains turn the lamps on") == names("Never turn the lamps on")
    assert names("Set the heating") == [] == names("Set the heating to nine hundred")
    assert names("Set the heating to twenty two") == ["heating"]


def test_what_is_said_narrows_what_an_argument_may_be() -> None:
    light = one(LIGHT)
    room, state = light.parameters
    assert slot(room, "the kitchen light").values == ("kitchen",)  # type: ignore[union-attr]
    assert slot(room, "the light").values == ("kitchen", "living room")  # type: ignore[union-attr]
    assert slot(state, "turn it off").values == ("off",)  # type: ignore[union-attr]
    (number,) = parameters({"properties": {"n": {"type": "integer", "minimum": 1, "maximum": 50, "default": 7}}})
    assert slot(number, "twenty five or 1,000 or minus three").values == (25,)  # type: ignore[union-attr]
    assert slot(number, "some").values == (7,)  # type: ignore[union-attr]


def test_an_argument_that_was_not_said_is_refused_whoever_wrote_it() -> None:
    (offer,) = offered([one(LIGHT)], "the kitchen light on")
    assert offer.read('{"room": "kitchen", "state": "on"}').arguments["room"] == "kitchen"
    with pytest.raises(ValueError, match="room = 'living room' was not said"):
        offer.read('{"room": "living room", "state": "on"}')
    (play,) = offered([one(RUN)], "play some jazz for me")
    assert play.read('{"what": "some jazz"}')
    with pytest.raises(ValueError, match="was not said"):
        play.read('{"what": "some rock"}')


def test_after_a_call_only_what_names_no_tool_that_was_called_may_ask_for_another() -> None:
    tools = household()
    light = next(tool for tool in tools if tool.name == "set_light")
    left, offers = after(tools, "Turn on the light in the garage.", [light])
    assert (left, offers) == ("", ())
    left, offers = after(tools, "Turn on the light in the hall and open the garage.", [light])
    assert left == "open the garage" and [offer.tool.name for offer in offers] == ["garage"]


def test_prompts_end_with_the_sentence_and_name_only_what_is_offered() -> None:
    offers = offered(household(), "Turn on the light.")
    asked = choosing([offer.tool for offer in offers], "Turn on the light.")
    assert asked[-1].content == "Turn on the light." and "garage" not in asked[0].content and f"{NONE}: " in asked[0].content
    assert {message.content for message in asked if message.role == "assistant"} == {"set_light", NONE}
    assert all(json.loads(message.content) for message in filling(offers[0], "x") if message.role == "assistant")


@given(st.text(max_size=60), st.sampled_from(["", " light ", " play "]))
def test_no_sentence_gets_anything_but_what_was_declared(text: str, word: str) -> None:
    for offer in offered([one(LIGHT), one(RUN)], text + word + text):
        assert offer.grammar == "" or offer.grammar.startswith("root ::= ")
        literals = re.findall(r'"(?:[^"\\]|\\.)*"', offer.grammar)
        assert "\n" not in "".join(literals)
        for words in (each.words for _, each in offer.slots):
            for one_word in words:
                assert offer.read(json.dumps({"what": one_word})).argv()[:2] == ["/bin/echo", "--"] or len(one_word) > 30


def test_what_is_built_in_is_named() -> None:
    assert [tool.name for tool in builtin(["status", "time", "time"])] == ["device_status", "device_time"]
    with pytest.raises(ConfigError, match="no tool that is built in; time, status, timer"):
        builtin(["shell"])
