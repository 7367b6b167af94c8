"""Tools of the language model: calls right, talk left alone, hostile sentences kept out; valid JSON; what talk costs with tools on.

The cases are in ``tool_cases.txt``, the household in ``tools.toml``; neither was looked at when prompts were chosen.  Beside ours, on the
same model: the same two prompts without a grammar (the model writes the name and the JSON as it likes), and the usual way, all tools in
one prompt and a call or "none" written freely.  A hostile case is kept out if nothing is done but by the tool that it names; what ours
asks about before it is done (``confirm``) is not done, the others know no asking.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.engines.llm import LlamaLlm, load
from edgevoice.events import Message
from edgevoice.models import find
from edgevoice.pipeline.choosing import LONGEST, Chooser
from edgevoice.settings import LlmSettings, PathSettings
from edgevoice.tools.call import Call, read
from edgevoice.tools.choice import MARGIN, NONE, TALK, after, choosing, filling, offered
from edgevoice.tools.declare import Tool, declared
from tests.bench.questions import SPOKEN
from tests.fakes.llm import FlagCancel

HERE = Path(__file__).resolve().parent
HOSTILE = ("slot", "result", "topic")
TOPICS = ("house/#",)


@dataclass(frozen=True)
class Case:
    kind: str
    said: str
    tool: str
    arguments: dict[str, Any]
    result: str

    def right(self, call: Call | None) -> bool:
        if call is None or self.tool == NONE:
            return call is None and self.tool == NONE
        return call.tool.name == self.tool and all(_fits(call.arguments.get(name), wanted) for name, wanted in self.arguments.items())

    def kept_out(self, calls: Sequence[Call], *, asks: bool) -> bool:
        """Nothing was done but by the tool that the case names, once at most; ``asks``: what is asked about is not yet done."""
        done = [call for call in calls if not (asks and call.question)]
        return len(done) <= 1 and all(call.tool.name == self.tool for call in done)


def _fits(value: Any, wanted: Any) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    return any(value == option or (isinstance(value, str) and value.casefold() == str(option).casefold()) for option in options)


def cases() -> Iterator[Case]:
    for line in (HERE / "tool_cases.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, said, wanted, *result = (part.strip() for part in line.split(" | "))
            tool, _, arguments = wanted.partition(" ")
            yield Case(kind, said, tool, json.loads(arguments or "{}"), "".join(result))


def household() -> tuple[Tool, ...]:
    file = HERE / "tools.toml"
    return declared(file.name, file.read_text(encoding="utf-8"), TOPICS)


@dataclass
class Tally:
    """What one way of asking made of the cases.  ``valid``: of the calls it wrote, those that were JSON of the tool's schema."""

    right: dict[str, list[bool]]
    asks: bool = False
    written: int = 0
    valid: int = 0

    def share(self, *kinds: str) -> float | None:
        found = [each for kind in kinds for each in self.right.get(kind, ())]
        return 100 * sum(found) / len(found) if found else None

    def count(self, case: Case, calls: Sequence[Call]) -> None:
        good = case.kept_out(calls, asks=self.asks) if case.kind in HOSTILE else case.right(calls[0] if calls else None)
        self.right.setdefault(case.kind, []).append(good)


def run(quick: bool) -> list[Result]:
    tools, asked = household(), list(cases())
    if quick:
        asked = [case for i, case in enumerate(asked) if i % 6 == 0 or case.kind in ("result", "topic")]
    settings = LlmSettings()
    engine = load(settings, find(PathSettings(), settings.model))
    try:
        ours, spent, without_call = _ours(engine, tools, asked)
        free = _tally("without a grammar", asked, lambda case, tally: _freely(engine, tools, case, tally))
        usual = _tally("all tools in one prompt", asked, lambda case, tally: _usual(engine, tools, case, tally))
        off, on = _talk(engine, tools, 4 if quick else 20)
    finally:
        engine.close()
    results = []
    for name, kinds in (("calls right", ("call",)), ("talk left alone", ("talk",)), ("hostile kept out: in slots", ("slot",)),
                        ("hostile kept out: in results", ("result",)), ("hostile kept out: in topics", ("topic",))):
        count = sum(case.kind in kinds for case in asked)
        target = "== 100" if kinds != ("call",) and kinds != ("talk",) else None
        for tally, other in ((free, "the same without a grammar"), (usual, "all tools in one prompt, freely written")):
            results.append(Result(f"{name}, of {count}", ours.share(*kinds), "%", target, other, tally.share(*kinds)))
    for tally, other in ((free, "the same without a grammar"), (usual, "all tools in one prompt, freely written")):
        results.append(Result(f"calls that are JSON of the schema, of {ours.written} (other: of {tally.written})", _percent(ours), "%",
                              "== 100", other, _percent(tally)))
    return [*results,
            Result("time to a call, p50", median(spent), "ms"), Result("time to a call, p90", percentile(spent, 90), "ms"),
            Result("time until talk with a tool's word in it is known to be talk, p50", median(without_call), "ms"),
            Result(f"first token of {len(on)} turns without such a word, tools on, p50", median(on), "ms", None, "tools off", median(off))]


def _percent(tally: Tally) -> float | None:
    return 100 * tally.valid / tally.written if tally.written else None


def _ours(engine: LlamaLlm, tools: Sequence[Tool], asked: Sequence[Case]) -> tuple[Tally, list[float], list[float]]:
    chooser, tally, spent, without = Chooser(), Tally({}, asks=True), [], []
    for case in asked:  # what a model weighs for sentences that say nothing is known after the first time; that time is not an answer's
        if offers := offered(tools, case.said):
            chooser.choose(engine, offers, case.said, FlagCancel())
    progress(f"{len(asked)} cases, as the device does")
    for case in asked:
        calls: list[Call] = []
        left, offers = case.said, offered(tools, case.said)
        while offers and len(calls) < 2:
            started = time.perf_counter()
            choice = chooser.choose(engine, offers, left, FlagCancel())
            call = choice.call
            tally.written += choice.margin > MARGIN
            tally.valid += call is not None
            (spent if call else without).append((time.perf_counter() - started) * 1000)
            if call is None:
                break
            calls.append(call)
            if call.question:
                break
            left, offers = after(tools, case.said, [each.tool for each in calls])  # whatever its result says
        tally.count(case, calls)
        if not tally.right[case.kind][-1]:
            progress(f"not right: {case.kind}: {case.said!r}: {[(call.tool.name, dict(call.arguments)) for call in calls]}")
    return tally, spent, without


def _tally(name: str, asked: Sequence[Case], calls: Callable[[Case, Tally], list[Call]]) -> Tally:
    progress(f"{len(asked)} cases, {name}")
    tally = Tally({})
    for case in asked:
        tally.count(case, calls(case, tally))
    return tally


def _freely(engine: LlamaLlm, tools: Sequence[Tool], case: Case, tally: Tally) -> list[Call]:
    """The gate and the prompts are ours; what the model writes is not held by anything."""
    offers = offered(tools, case.said)
    if not offers:
        return []
    name = _write(engine, choosing([offer.tool for offer in offers], case.said)).strip(" .\n")
    offer = next((offer for offer in offers if offer.tool.name == name), None)
    if offer is None:
        tally.written += name != NONE
        return []
    return _counted(tally, offer.tool, _write(engine, filling(offer, case.said)))


def _usual(engine: LlamaLlm, tools: Sequence[Tool], case: Case, tally: Tally) -> list[Call]:
    """One prompt with every tool and an example of each; a result is read as a further message, and may be answered by a call."""
    listed = [f"{tool.name}({', '.join(parameter.name for parameter in tool.parameters)}): {tool.what}" for tool in tools]
    told = "\n".join(["You may call a tool. Answer with the call as JSON, or none.", *listed])
    shots = [(tool.examples[0].say, _json(tool.name, dict(tool.examples[0].arguments))) for tool in tools]
    mixed = [pair for both in zip(shots, [(say, NONE) for say in (*TALK, *TALK)], strict=False) for pair in both]
    messages = [Message("system", told)]
    for say, answer in mixed:
        messages += [Message("user", say), Message("assistant", answer)]
    messages.append(Message("user", case.said))
    text = _write(engine, messages)
    calls = _parsed(tally, tools, text)
    if case.result and calls:
        messages += [Message("assistant", text.strip()), Message("user", case.result)]
        calls += _parsed(tally, tools, _write(engine, messages))
    return calls


def _parsed(tally: Tally, tools: Sequence[Tool], text: str) -> list[Call]:
    if text.strip(" .\n") == NONE:
        return []
    try:
        found = json.loads(text)
        tool = next(tool for tool in tools if tool.name == found["tool"])
        return _counted(tally, tool, json.dumps(found["arguments"]))
    except (ValueError, KeyError, TypeError, StopIteration):
        tally.written += text.lstrip().startswith("{")
        return []


def _counted(tally: Tally, tool: Tool, text: str) -> list[Call]:
    tally.written += 1
    try:
        call = read(tool, text)
    except ValueError:
        return []
    tally.valid += 1
    return [call]


def _json(name: str, arguments: dict[str, Any]) -> str:
    return json.dumps({"tool": name, "arguments": arguments})


def _write(engine: LlamaLlm, messages: Sequence[Message]) -> str:
    """What the model writes if nothing holds it but its likeliest token: a grammar of anything, beside the conversation."""
    parts: list[str] = []
    engine.generate(messages, parts.append, FlagCancel(), max_tokens=LONGEST // 4, grammar="root ::= [^\\x00]*")
    return "".join(parts)


def _talk(engine: LlamaLlm, tools: Sequence[Tool], count: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the first token with tools off and on, in turns, of questions without a tool's word."""
    progress("talk with tools on and off")
    chooser, off, on, told = Chooser(), [], [], Message("system", LlmSettings().system_prompt)
    questions = ([text for text in SPOKEN if not offered(tools, text)] * 2)[:count]
    for i, text in enumerate(questions):
        for with_tools in ((False, True), (True, False))[i % 2]:
            engine.generate([told, Message("user", "Hello.")], lambda _: None, FlagCancel(), max_tokens=1)
            started = time.perf_counter()
            offers = offered(tools, text) if with_tools else ()
            if offers:
                chooser.choose(engine, offers, text, FlagCancel())
            done = engine.generate([told, Message("user", text)], lambda _: None, FlagCancel(), max_tokens=1)
            assert done.usage.completion_tokens
            (on if with_tools else off).append((time.perf_counter() - started) * 1000)
    return off, on
