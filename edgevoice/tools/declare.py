"""Tools as they are declared in a file of their own: what the language model may do, and nothing besides.

Law: a declaration is accepted whole or refused with every mistake in it; what a call can reach (which topics, which program, with which
arguments) is settled here, before anybody has said a word.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgevoice.errors import ConfigError
from edgevoice.tools.schema import Parameter, Value, parameters

RESULT = "result"
"""in ``done``, what the tool said"""
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
PLACE = re.compile(r"\{(\w+)\}")
_KEYS = frozenset({"description", "words", "examples", "parameters", "publish", "payload", "retain", "run", "confirm", "done", "timeout_s"})


@dataclass(frozen=True, slots=True)
class Publish:
    """To a topic; ``{name}`` in it and in the payload stands for an argument.  No payload: the arguments as a JSON object."""

    topic: str
    payload: str | None = None
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A program and its arguments; an argument that is ``{name}`` stands for what was said, always as one whole argument."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence, and the call that it asks for."""

    say: str
    arguments: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Tool:
    """``words``: one of these phrases has to be said; ``confirm``: what is asked before it is done, "" for nothing; ``done``: what is said
    after it, "" for what the model makes of its result."""

    name: str
    what: str
    words: tuple[str, ...]
    does: Publish | Run | Builtin
    parameters: tuple[Parameter, ...] = ()
    examples: tuple[Example, ...] = ()
    confirm: str = ""
    done: str = ""
    timeout_s: float = 10.0


BUILTIN = {
    "time": Tool("device_time", "tell the time and the date", ("time", "date", "what day"), Builtin("time"), examples=(
        Example("I lost my watch, what time do you have?", {}), Example("Which date do we write today?", {}))),
    "status": Tool("device_status", "tell how the device itself is doing", ("device", "status", "your microphone", "broker"),
                   Builtin("status"), examples=(Example("Is the device all right?", {}), Example("Give me your status.", {}))),
    "timer": Tool("device_timer", "set a timer", ("timer", "minute", "hour"), Builtin("timer"),
                  (Parameter("time", "text", required=True),),
                  (Example("Let me know in twenty minutes.", {"time": "twenty minutes"}),
                   Example("Wake me up when an hour is over.", {"time": "an hour"})))}
"""what needs no program: skills that understand few sentences, for all the others"""


def builtin(names: Sequence[str]) -> tuple[Tool, ...]:
    """``ConfigError`` for a name that is none."""
    unknown = [name for name in names if name not in BUILTIN]
    if unknown:
        raise ConfigError(f"tools.builtin = {unknown[0]!r}: is no tool that is built in; {', '.join(BUILTIN)} are")
    return tuple(BUILTIN[name] for name in dict.fromkeys(names))


def declared(file: str, text: str, topics: Sequence[str]) -> tuple[Tool, ...]:
    """The tools in the TOML ``text`` of ``file``; ``topics``: patterns that may be published to, with + and # as in MQTT.

    ``ConfigError`` with every mistake.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: is not TOML: {error}; a tool is a table: [name] and its keys") from error
    made, problems = [], []
    for name, table in tables.items():
        try:
            made.append(_tool(name, table, topics))
        except ValueError as error:
            problems.append(f"{file}: [{name}]: {error}")
    if problems:
        raise ConfigError(problems[0], tuple(problems))
    return tuple(made)


def _tool(name: str, table: Any, topics: Sequence[str]) -> Tool:
    if not isinstance(table, Mapping):
        raise ValueError("stands outside of any tool; a tool is a table: [name] and its keys")
    if not NAME.fullmatch(name) or name == "none":
        raise ValueError("is no name for a tool; small letters, digits and _, 40 at most, and not \"none\"")
    unknown = set(table) - _KEYS
    if unknown:
        raise ValueError(f"{min(unknown)}: is not known; {', '.join(sorted(_KEYS))} are")
    what, words = _text(table, "description"), table.get("words", [])
    if not what:
        raise ValueError("description: is missing; say in a few words what the tool does, such as \"open or close the garage\"")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word.strip() for word in words):
        raise ValueError("words: a list of words or phrases is wanted, one of which has to be said for the tool to be thought of")
    try:
        taken = parameters(table.get("parameters", {}))
    except ValueError as error:
        raise ValueError(f"parameters: {error}") from error
    does = _does(table, taken, topics)
    timeout_s = table.get("timeout_s", 10.0)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not 0.1 <= timeout_s <= 300:
        raise ValueError(f"timeout_s = {timeout_s!r}: 0.1 to 300 s is possible")
    confirm = table.get("confirm", False)
    asked = f"Shall I {what.rstrip('.')}?" if confirm is True else confirm or ""
    said = _text(table, "done")
    if not isinstance(asked, str):
        raise ValueError(f"confirm = {confirm!r}: true, false, or the question is wanted")
    if any(parameter.name == RESULT for parameter in taken):
        raise ValueError(f"parameters: {RESULT!r} is taken: it is what the tool said, in done")
    _places("confirm", asked, taken)
    _places("done", said.replace(f"{{{RESULT}}}", ""), taken)
    return Tool(name, what, tuple(words), does, taken, _examples(table.get("examples", []), taken), asked, said, float(timeout_s))


def _does(table: Mapping[str, Any], taken: Sequence[Parameter], topics: Sequence[str]) -> Publish | Run:
    if ("publish" in table) == ("run" in table):
        raise ValueError("either publish (a topic) or run (a program and its arguments) is wanted")
    if "run" in table:
        return _run(table, taken)
    topic, payload, retain = _text(table, "publish"), table.get("payload"), table.get("retain", False)
    if payload is not None and not isinstance(payload, str):
        raise ValueError(f"payload = {payload!r}: text is wanted, in which {{name}} stands for an argument")
    if not isinstance(retain, bool):
        raise ValueError(f"retain = {retain!r}: true or false is wanted")
    for level in topic.split("/"):
        if PLACE.search(level) and not PLACE.fullmatch(level):
            raise ValueError(f"publish = {topic!r}: an argument stands for a whole level of the topic, as in house/{{room}}/set")
        found = PLACE.fullmatch(level)
        parameter = next((p for p in taken if found and p.name == found[1]), None)
        if parameter is not None and (parameter.kind != "choice" or not all(_level(str(choice)) for choice in parameter.choices)):
            raise ValueError(f"publish = {topic!r}: {{{parameter.name}}} must be an enum of texts without / + # $")
    _places("publish", topic, taken)
    _places("payload", payload or "", taken)
    if not topic or not all(PLACE.fullmatch(level) or _level(level) for level in topic.split("/")):
        raise ValueError(f"publish = {topic!r}: is no topic; levels of text parted by /, without + and #")
    if not any(allows(pattern, topic) for pattern in topics):
        raise ValueError(f"publish = {topic!r}: is not within tools.topics ({', '.join(topics) or 'which is empty'})")
    return Publish(topic, payload, retain)


def _run(table: Mapping[str, Any], taken: Sequence[Parameter]) -> Run:
    argv = table["run"]
    if not isinstance(argv, list) or not argv or not all(isinstance(item, str) and item.isprintable() for item in argv):
        raise ValueError(f"run = {argv!r}: a list is wanted, the program and its arguments")
    if not argv[0].startswith("/") or PLACE.search(argv[0]):
        raise ValueError(f"run = {argv[0]!r}: the program is named by its whole path, which nothing that is said can change")
    for item in argv[1:]:
        if PLACE.search(item) and not PLACE.fullmatch(item):
            raise ValueError(f"run: {item!r}: what is said is one whole argument, {{name}}, and no part of another")
        _places("run", item, taken)
    extra = {"payload", "retain"} & set(table)
    if extra:
        raise ValueError(f"{min(extra)}: goes with publish, not with run")
    return Run(tuple(argv))


def _places(key: str, text: str, taken: Sequence[Parameter]) -> None:
    """Every ``{name}`` has to be there whenever the tool is called."""
    for name in PLACE.findall(text):
        parameter = next((p for p in taken if p.name == name), None)
        if parameter is None:
            raise ValueError(f"{key}: {{{name}}} is no parameter")
        if not parameter.required and parameter.default is None:
            raise ValueError(f"{key}: {{{name}}} may be missing; make it required or give it a default")


def _examples(found: Any, taken: Sequence[Parameter]) -> tuple[Example, ...]:
    if not isinstance(found, list) or not all(isinstance(each, Mapping) and isinstance(each.get("say"), str) for each in found):
        raise ValueError("examples: each has a sentence, say, and the arguments it asks for")
    made = []
    for each in found:
        arguments = each.get("arguments", {})
        if set(each) - {"say", "arguments"} or not isinstance(arguments, Mapping):
            raise ValueError("examples: each has say and arguments, and nothing else")
        wrong = check(taken, arguments)
        if wrong:
            raise ValueError(f"examples: {each['say']!r}: {wrong}")
        made.append(Example(each["say"], {p.name: arguments[p.name] for p in taken if p.name in arguments}))
    return tuple(made)


def check(taken: Sequence[Parameter], arguments: Mapping[str, Any]) -> str:
    """What is wrong with ``arguments``; "" for nothing."""
    known = {parameter.name: parameter for parameter in taken}
    for name, value in arguments.items():
        if name not in known:
            return f"{name!r} is no parameter"
        if not known[name].check(value):
            return f"{name} = {json.dumps(value, default=str)} is not allowed"
    missing = [name for name, parameter in known.items() if parameter.required and name not in arguments]
    return f"{missing[0]!r} is missing" if missing else ""


def allows(pattern: str, topic: str) -> bool:
    """Whether an MQTT pattern covers a topic; what stands for an argument is covered by + and # alone."""
    levels, wanted = topic.split("/"), pattern.split("/")
    for i, want in enumerate(wanted):
        if want == "#":
            return i == len(wanted) - 1 and not levels[0].startswith("$")
        if i >= len(levels) or (want != "+" and want != levels[i]):
            return False
        if want == "+" and i == 0 and levels[0].startswith("$"):
            return False
    return len(levels) == len(wanted)


def _level(text: str) -> bool:
    return bool(text) and text.isprintable() and not set(text) & set("/+#$\\")


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} = {value!r}: text is wanted")
    return value.strip()
