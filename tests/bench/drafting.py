"""Speculative decoding: prompt lookup beside plain decoding with the default model, and why it is out.

Prompt lookup (Saxena, 2023) drafts the tokens that followed the last n-gram where it stood before, and lets the model check them in one
decode; greedy decoding then writes the same words in fewer decodes, if drafts are right often enough to pay for the wider batches.  A
draft *model* would have to be much smaller than the model it drafts for and share its vocabulary; nothing smaller than the default
model (135 M parameters) does, so that variant has no candidate here.

Both sides are llama-cpp-python's own ``Llama`` on the same file, greedy, one thread, the same prompts: with
``LlamaPromptLookupDecoding`` and without.  Two loads: questions as people ask them, and tasks that quote the prompt, where lookup is at
its best.  A bigger model changes the sum (a wide batch costs a memory-bound model little): run this where one is installed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from edgevoice.benchmarks import Result, median, progress
from edgevoice.models import find
from edgevoice.settings import LlmSettings, PathSettings
from tests.bench.questions import SPOKEN

PLAIN = "plain decoding"
DRAFTS = (2, 4, 10)
"""tokens drafted at most"""
QUOTING = (
    "Repeat this sentence twice: the old mill by the river turns slowly when the water is low in summer.",
    "Here is my shopping list: two apples, three pears, a bag of rice, a bag of flour, and six eggs. Read my shopping list to me.",
    "Correct the spelling and say it again: the quick brown fox jumps over the lazy dog and runs into the forrest.",
    "My address is number twelve, Old Station Road, near the market in Greenfield. What is my address?",
)
TOKENS = 48


def run(quick: bool) -> list[Result]:
    loads = {"questions": SPOKEN[:3] if quick else SPOKEN, "quoting": QUOTING[:2] if quick else QUOTING}
    rounds = 1 if quick else 3
    results = []
    plain = _speeds(None, loads, rounds)
    for draft in DRAFTS[-1:] if quick else DRAFTS:
        drafted = _speeds(draft, loads, rounds)
        for name in loads:
            results.append(Result(f"{name}: tokens a second, up to {draft} drafted", median(drafted[name]), "tokens/s", None, PLAIN,
                                  median(plain[name])))
    ratios = [result.ratio for result in results if result.ratio is not None and result.metric.startswith("questions")]
    results.append(Result("questions: best times faster than plain (in, if at least 1.15)", max(ratios, default=None), "x"))
    return results


def _speeds(draft: int | None, loads: dict[str, Sequence[str]], rounds: int) -> dict[str, list[float | None]]:
    """Tokens a second of each reply; the prompt is read before the clock starts."""
    from llama_cpp import Llama
    from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

    settings = LlmSettings()
    progress(PLAIN if draft is None else f"up to {draft} drafted")
    lookup = None if draft is None else LlamaPromptLookupDecoding(max_ngram_size=2, num_pred_tokens=draft)
    model: Any = Llama(str(find(PathSettings(), settings.model) / "model.gguf"), n_ctx=settings.context, n_threads=1, n_threads_batch=1,
                       draft_model=lookup, verbose=False)
    found: dict[str, list[float | None]] = {name: [] for name in loads}
    for _ in range(rounds):
        for name, questions in loads.items():
            found[name] += [_speed(model, settings.system_prompt, question) for question in questions]
    model.close()
    return found


def _speed(model: Any, system: str, question: str) -> float | None:
    prompt = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    tokens = model.tokenize(prompt.encode(), special=True)
    model.reset()
    count, start = 0, 0.0
    for token in model.generate(tokens, temp=0.0, repeat_penalty=1.0):
        if count == 0:
            start = time.perf_counter()
        count += 1
        if count > TOKENS or token == model.token_eos():
            break
    return (count - 1) / (time.perf_counter() - start) if count > 1 else None
