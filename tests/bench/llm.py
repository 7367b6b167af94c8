"""The language model: time to the first token with and without kept prefixes, tokens a second, abort latency, memory.

The baseline of each time is the same engine made to read the whole prompt (its cache emptied before the question); of an abort, the
same engine that looks at the cancel only between batches; of memory, llama-cpp-python's own ``Llama`` class on the same file.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from edgevoice.benchmarks import Result, median, percentile, progress, run_child
from edgevoice.engines.llm import LlamaLlm, load
from edgevoice.engines.protocols import Cancel
from edgevoice.events import Message
from edgevoice.models import find
from edgevoice.settings import LlmSettings, PathSettings
from tests.fakes.llm import LiveCancel, PointerCancel

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ("You are a friendly voice assistant in a home. You answer every question in one short sentence. " + " ".join(
    f"In the {room} there is a lamp that can be turned on and off, and the {thing} can be started and stopped when someone asks for it."
    for room, thing in (("kitchen", "kettle"), ("bedroom", "radio"), ("hall", "fan"), ("bathroom", "heater"), ("garden", "sprinkler"),
                        ("study", "printer"))))
"""About 200 tokens, as a product with devices has them."""
QUESTIONS = ("What is the capital of France?", "How do I boil an egg?", "Why is the sky blue?", "What is a good name for a cat?",
             "Who wrote Hamlet?", "What should I wear in the rain?", "How do airplanes fly?", "Tell me a joke.")
NO_REUSE = "whole prompt read for each question"
LONG = "The quick brown fox jumps over the lazy dog by the river while rain falls on the old town. " * 40


class OnlyBetweenBatches(PointerCancel):
    """Its C function never says so: what an engine without an abort callback does."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = threading.Event()

    def cancel(self) -> None:
        self._asked.set()

    def cancelled(self) -> bool:
        return self._asked.is_set()


def run(quick: bool) -> list[Result]:
    rounds = 1 if quick else 4
    installed = find(PathSettings(), LlmSettings().model)
    settings = LlmSettings(system_prompt=SYSTEM)
    with tempfile.TemporaryDirectory(prefix="edgevoice-llm-") as folder:
        (Path(folder) / "model.gguf").symlink_to((installed / "model.gguf").resolve())
        progress("loading")
        loaded = {name: _load_s(settings, Path(folder)) for name in ("first", "again")}
        engine = load(settings, Path(folder))
        try:
            results = [
                Result("load with the system prompt's state on disk", loaded["again"], "ms", None, "system prompt evaluated",
                       loaded["first"]),
                *_first_token(engine, QUESTIONS[:4] if quick else QUESTIONS * 4), *_conversation(engine, rounds),
                *_speed(engine, rounds), *_aborts(engine, 6 if quick else 40)]
        finally:
            engine.close()
    progress("memory")
    return [*results, _memory()]


def _load_s(settings: LlmSettings, folder: Path) -> float:
    start = time.perf_counter()
    load(settings, folder).close()
    return (time.perf_counter() - start) * 1000


def _ask(engine: LlamaLlm, messages: list[Message], *, max_tokens: int = 1, cancel: Cancel | None = None) -> tuple[str, float]:
    """The reply, and milliseconds to its first token."""
    parts: list[str] = []
    completion = engine.generate(messages, parts.append, cancel or LiveCancel(), max_tokens=max_tokens)
    return "".join(parts), 1000 * (completion.usage.ttft_s or float("nan"))


def _first_token(engine: LlamaLlm, questions: Sequence[str]) -> list[Result]:
    """The first question of a conversation."""
    progress("first token")
    kept, whole, ready = [], [], []
    for question in questions:
        messages = [Message("system", SYSTEM), Message("user", question)]
        engine._context.clear()
        whole.append(_whole(engine, messages))
        _ask(engine, [Message("system", SYSTEM), Message("user", "Something else.")])
        kept.append(_ask(engine, messages)[1])
        _ask(engine, [Message("system", SYSTEM), Message("user", "Something else.")])
        engine.prefill(messages, LiveCancel())
        ready.append(_ask(engine, messages)[1])
    return [
        Result("first token, system prompt kept, p50", median(kept), "ms", "<= 100", NO_REUSE, median(whole)),
        Result("first token, system prompt kept, p90", percentile(kept, 90), "ms", None, NO_REUSE, percentile(whole, 90)),
        Result("first token, question prefilled while it was spoken, p50", median(ready), "ms", None, NO_REUSE, median(whole))]


def _whole(engine: LlamaLlm, messages: list[Message]) -> float:
    """Milliseconds to the first token with nothing kept, neither in memory nor on disk."""
    engine._context.clear()
    cache, engine.cache = engine.cache, None
    try:
        return _ask(engine, messages)[1]
    finally:
        engine.cache = cache


def _conversation(engine: LlamaLlm, rounds: int) -> list[Result]:
    """Later turns, and turns after which the oldest one leaves the history."""
    progress("conversation")
    kept, slid, whole = [], [], []
    for _ in range(rounds):
        messages = [Message("system", SYSTEM)]
        for number, question in enumerate(QUESTIONS):
            messages.append(Message("user", question))
            reply, first = _ask(engine, messages, max_tokens=30)
            (kept if number < 4 else slid).append(first)
            messages.append(Message("assistant", reply))
            if number >= 3:
                del messages[1:3]
        whole.append(_whole(engine, [*messages, Message("user", QUESTIONS[0])]))
    return [
        Result("first token, turns 1 to 4, p50", median(kept), "ms", "<= 100", NO_REUSE, median(whole)),
        Result("first token after the oldest turn left, p50", median(slid), "ms", "<= 150", NO_REUSE, median(whole))]


def _speed(engine: LlamaLlm, rounds: int) -> list[Result]:
    progress("speed")
    read, written = [], []
    for number in range(2 * rounds):
        start = time.perf_counter()
        tokens = engine.prefill([Message("user", f"{number} {LONG}")], LiveCancel())
        read.append(tokens / (time.perf_counter() - start))
        completion = engine.generate([Message("user", f"Tell me a long story about {number} dragons.")], lambda _: None, LiveCancel(),
                                     max_tokens=60)
        if completion.usage.inter_token_p50_s:
            written.append(1 / completion.usage.inter_token_p50_s)
    return [Result("prompt read", median(read), "tokens/s"), Result("reply written", median(written), "tokens/s", ">= 20")]


def _aborts(engine: LlamaLlm, count: int) -> list[Result]:
    """From the flip of the atomic to the return of ``generate``, at random moments."""
    progress("aborts")
    results = []
    rng = random.Random(5)
    reading = [Message("user", LONG)]
    writing = [Message("user", "Tell me a long story about a dragon and a king.")]
    for what, messages, until, target in (("reading", reading, 0.6, "<= 25"), ("writing", writing, 0.5, "<= 25")):
        late: dict[type, list[float]] = {LiveCancel: [], OnlyBetweenBatches: []}
        for kind, taken in late.items():
            for _ in range(count):
                engine._context.clear()
                cancel = kind()
                flipped: list[float] = []

                def flip(cancel: LiveCancel | OnlyBetweenBatches = cancel, flipped: list[float] = flipped) -> None:
                    flipped.append(time.perf_counter())
                    cancel.cancel()

                timer = threading.Timer(rng.uniform(0.1, until), flip)
                timer.start()
                finish = engine.generate(messages, lambda _: None, cancel, max_tokens=500).finish
                end = time.perf_counter()
                timer.join()
                if finish == "cancelled":
                    taken.append((end - flipped[0]) * 1000)
        ours, theirs = late[LiveCancel], late[OnlyBetweenBatches]
        results += [
            Result(f"abort while {what}, p50", median(ours), "ms", None, "looking between batches", median(theirs)),
            Result(f"abort while {what}, max", percentile(ours, 100), "ms", target, "looking between batches", percentile(theirs, 100))]
    return results


def _memory() -> Result:
    peaks = {}
    for kind in ("engine", "Llama"):
        made = run_child([sys.executable, "-m", "tests.bench.llm", kind], timeout_s=120, cwd=ROOT)
        if made.returncode:
            raise RuntimeError(f"the {kind} run ended with {made.returncode}: {made.stderr.strip()[-400:]}")
        peaks[kind] = made.peak_rss_mb
    return Result("peak RSS of a process with the model and four turns", peaks["engine"], "MiB", "<= 300", "class llama_cpp.Llama",
                  peaks["Llama"])


def _child(kind: str) -> None:
    """Four turns in a process of their own."""
    installed = find(PathSettings(), LlmSettings().model)
    settings = dataclasses.replace(LlmSettings(), system_prompt=SYSTEM, prompt_cache=False)
    messages = [Message("system", SYSTEM)]
    if kind == "engine":
        engine = load(settings, installed)
        for question in QUESTIONS[:4]:
            messages.append(Message("user", question))
            messages.append(Message("assistant", _ask(engine, messages, max_tokens=40)[0]))
        engine.close()
        return
    from llama_cpp import Llama

    peer = Llama(str(installed / "model.gguf"), n_ctx=settings.context, n_threads=1, n_threads_batch=1, verbose=False)
    for question in QUESTIONS[:4]:
        messages.append(Message("user", question))
        reply = peer.create_chat_completion([{"role": m.role, "content": m.content} for m in messages],  # type: ignore[misc]
                                            max_tokens=40, temperature=0.0)
        messages.append(Message("assistant", reply["choices"][0]["message"]["content"]))  # type: ignore[index]


if __name__ == "__main__":
    _child(sys.argv[1])
