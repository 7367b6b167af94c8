"""The language model: llama.cpp behind the ``Llm`` protocol.

Laws
- The tokens a turn shares with what the cache holds are not evaluated again; where the oldest turns were dropped, the rest
  slides up in the cache instead of being read anew.
- The system prompt is evaluated once in the life of a model file: it stays at the head of the cache, and on disk beside the model.
- ``generate`` looks at ``cancel`` between tokens, and llama.cpp's C abort function looks at it inside a step; whatever was aborted,
  the cache's account stays exact and the next reply is the one it would have been.
- A reply is whole characters; control tokens are never text.
- What is asked beside the conversation (``weigh``, a reply by a grammar) leaves its cache as it was (``llama_aside``).

Theory.  ``generate`` renders the conversation (``llama_chat``), brings the cache to it (``_advance``), then draws a token, says it,
and evaluates it, until the model ends its turn, a limit is met, or it is cancelled.  ``emit`` may block: then the model waits; the
time it waits is not counted as the model's.  Used from one worker thread at a time; a second one is refused.  Run with SmolLM2
(Q8_0); other GGUF instruct models go the same way but were not run.
"""

from __future__ import annotations

import codecs
import importlib.metadata
import os
import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevoice.clock import Clock, MonotonicClock
from edgevoice.engines.llama_aside import Aside
from edgevoice.engines.llama_cache import PromptCache, identity
from edgevoice.engines.llama_chat import CHATML, Assembler, ChatTemplate, Prompt
from edgevoice.engines.llama_native import BATCH, Aborted, AbortSwitch, Context, library
from edgevoice.engines.llama_sampler import Draws, Sampler, Strict
from edgevoice.engines.llama_weights import weights
from edgevoice.engines.protocols import Cancel, Completion
from edgevoice.engines.threads import threads_for
from edgevoice.errors import ConfigError, EngineError, ModelError
from edgevoice.events import FinishReason, Message, Sampling, Usage
from edgevoice.settings import LlmSettings

_MARKS = " .,;:?!-\u2026"


def load(settings: LlmSettings, folder: Path, clock: Clock | None = None) -> LlamaLlm:
    """Load the GGUF in ``folder`` (or ``folder`` itself, if it is a file) and warm it with the settings' system prompt.

    ``ModelError`` for a file that is missing or no model, ``ConfigError`` for a context beyond the model's, ``EngineError`` where
    llama-cpp-python is missing.
    """
    return LlamaLlm(settings, find_gguf(folder), clock or MonotonicClock())


def find_gguf(folder: Path) -> Path:
    """The model file of a folder: model.gguf, else its only .gguf."""
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise ModelError(f"no language model at {folder}: edgevoice models pull")
    if (folder / "model.gguf").is_file():
        return folder / "model.gguf"
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        what = f"{len(found)} .gguf files" if found else "no .gguf file"
        raise ModelError(f"{folder} holds {what}; one, or a model.gguf, is wanted")
    return found[0]


class LlamaLlm:
    """A loaded language model (``Llm``)."""

    def __init__(self, settings: LlmSettings, path: Path, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.size = settings.context
        self._busy = threading.Lock()
        self.cache: PromptCache | None = None
        """the system prompts on disk; ``cache.counts`` tells hits, misses and refused files"""
        self._on_disk: list[int] = []
        """the system prompt last found or put there"""
        self._made = ExitStack()
        with ExitStack() as made:
            self._model = made.enter_context(weights(path, settings.gpu_layers))
            if settings.context > self._model.trained_context:
                trained = self._model.trained_context
                raise ConfigError(f"llm.context = {settings.context}: {path.name} was made for {trained} tokens at most")
            self._context = Context(self._model, size=settings.context, threads=threads_for(settings.threads))
            made.callback(self._context.close)
            self._aside = Aside(self._context)
            self._sampler = self._sampler_for(Sampling(settings.temperature, settings.top_p, settings.seed))
            made.callback(self._sampler.close)
            self._template, self._assembler = self._chat(path)
            self._closers = self._model.closers()
            if settings.prompt_cache:
                facts = (identity(path), library().llama_version().decode(), importlib.metadata.version("llama-cpp-python"),
                         f"{settings.context} {BATCH} {settings.gpu_layers} f16 {os.uname().machine}")
                self.cache = PromptCache(path.parent, facts)
            self._warm()
            self._made = made.pop_all()

    def generate(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, *,
                 max_tokens: int | None = None, grammar: str = "", sampling: Sampling | None = None) -> Completion:
        """See ``Llm.generate``.  ``ValueError`` unless the last message is the user's and ``max_tokens`` is at least 1."""
        limit = self._settings.max_tokens if max_tokens is None else max_tokens
        if limit < 1:
            raise ValueError(f"max_tokens must be at least 1, not {limit}")
        if not messages or messages[-1].role != "user":
            raise ValueError("a reply answers a message of the user; the last message is none")
        with self._alone():
            meter = _Meter(self._clock)
            if cancel.cancelled():
                return Completion("cancelled", meter.usage(0, 0))
            if grammar:
                return self._by_grammar(messages, emit, cancel, limit, meter, grammar)
            prompt = self._fit(messages, limit)
            cached = self._prepare(prompt)
            sampler = self._sampler if sampling is None else self._sampler_for(sampling)
            try:
                with AbortSwitch(self._context, cancel):
                    self._evaluate(prompt, cancel)
                    sampler.reset(prompt.said)
                    finish = self._write(sampler, emit, cancel, limit, meter)
            except Aborted:
                finish = "cancelled"
            finally:
                if sampler is not self._sampler:
                    sampler.close()
            return Completion(finish, meter.usage(len(prompt.tokens), cached))

    def weigh(self, messages: Sequence[Message], replies: Sequence[str], cancel: Cancel) -> list[float] | None:
        """See ``Llm.weigh``."""
        with self._alone():
            prompt = self._beside(messages)
            with self._aside.lent(prompt.tokens):
                try:
                    with AbortSwitch(self._context, cancel):
                        self._evaluate(prompt, cancel)
                        first = self._context.logs()
                        return [self._weight(prompt, first, self._model.tokenize(reply, special=False), cancel) for reply in replies]
                except Aborted:
                    return None

    def prefill(self, messages: Sequence[Message], cancel: Cancel, *, growing: bool = False) -> int:
        """See ``Llm.prefill``.  Where the last message is not the user's, the cache is brought to the user's next first word."""
        with self._alone():
            before = self._context.evaluated
            if not cancel.cancelled():
                prompt = self._fit(messages, self._settings.max_tokens, growing=growing)
                self._prepare(prompt)
                try:
                    with AbortSwitch(self._context, cancel):
                        self._evaluate(prompt, cancel)
                except Aborted:
                    pass  # what was evaluated stays, and is counted below
            return self._context.evaluated - before

    def ending(self, messages: Sequence[Message], cancel: Cancel) -> float | None:
        """See ``Llm.ending``.  Marks at the end of the words are not looked at: a recognizer writes them after anything."""
        said = messages[-1].content.rstrip(_MARKS)
        if not said:
            return None
        self.prefill([*messages[:-1], Message("user", said)], cancel, growing=True)
        with self._alone():
            return None if cancel.cancelled() or not self._context.has_logits else self._context.share(self._closers)

    def length(self, messages: Sequence[Message]) -> int:
        """See ``Llm.length``."""
        return len(self._assembler.assemble(self._template.pieces(messages, reply=True), (), may_slide=False).tokens)

    def tokens(self, text: str) -> int:
        """How many tokens ``text`` is; what a history's budget counts with."""
        return len(self._model.tokenize(text, special=False))

    def close(self) -> None:
        """Give the memory back.  Idempotent; the worker's thread, when ``generate`` has returned."""
        if self._context.pointer:
            with self._alone():
                self._made.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("the language model was called from a second thread while it works")
        try:
            if not self._context.pointer:
                raise EngineError("the language model is closed")
            yield
        finally:
            self._busy.release()

    def _by_grammar(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, limit: int, meter: _Meter,
                    grammar: str) -> Completion:
        prompt, cached = self._beside(messages), 0
        strict = Strict(self._model, grammar)
        try:
            with self._aside.lent(prompt.tokens):
                cached = len(self._context.live)
                try:
                    with AbortSwitch(self._context, cancel):
                        self._evaluate(prompt, cancel)
                        finish = self._write(strict, emit, cancel, limit, meter)
                except Aborted:
                    finish = "cancelled"
        finally:
            strict.close()
        return Completion(finish, meter.usage(len(prompt.tokens), cached))

    def _beside(self, messages: Sequence[Message]) -> Prompt:
        """Tokens for messages that are no part of the conversation.  ``EngineError`` where they leave no room for an answer."""
        prompt = self._assembler.assemble(self._template.pieces(messages, reply=True), (), may_slide=False)
        size = self._context.size
        if len(prompt.tokens) > size * 3 // 4:
            raise EngineError(f"a question beside the conversation is {len(prompt.tokens)} tokens; three quarters of llm.context = "
                              f"{size} are for it")
        return replace(prompt, fixed=0)  # its beginning is not the system prompt's, which alone is kept on disk

    def _weight(self, prompt: Prompt, first: NDArray[np.float64], reply: list[int], cancel: Cancel) -> float:
        """Log-probability that the answer is ``reply`` and nothing more; ``first`` are those of its first token."""
        context, weight, logs = self._context, 0.0, first
        context.keep(len(prompt.tokens))
        for token in reply:
            if cancel.cancelled():
                raise Aborted
            weight += float(logs[token])
            context.decode([token])
            logs = context.logs()
        return weight + float(logs[self._model.eos]) if self._model.eos >= 0 else weight

    def _warm(self) -> None:
        """Bring the system prompt into the cache.  Its last token at least is evaluated, which brings the weights into memory."""
        said = self._settings.system_prompt.strip()
        prompt = self._fit([Message("system", said)] if said else [], 1)
        self._prepare(prompt)
        self._evaluate(prompt, None)

    def _fit(self, messages: Sequence[Message], limit: int, *, growing: bool = False) -> Prompt:
        """Tokens for the conversation, whole oldest turns left out until a reply of ``limit`` tokens has room (or of a quarter of
        the context, whichever is less)."""
        size = self._context.size
        room = size - min(limit, size // 4)
        kept = list(messages)
        head = 1 if kept and kept[0].role == "system" else 0
        prompt = self._assemble(kept, growing)
        while len(prompt.tokens) > room:
            later = [i for i in range(head + 1, len(kept)) if kept[i].role == "user"]
            if not later:
                break
            del kept[head:later[0]]
            prompt = self._assemble(kept, growing)
        if len(prompt.tokens) >= size:
            raise EngineError(f"the question and the system prompt are {len(prompt.tokens)} tokens; fewer than llm.context = {size} fit")
        return prompt

    def _assemble(self, messages: list[Message], growing: bool) -> Prompt:
        if messages and messages[-1].role == "user":
            pieces = self._template.pieces(messages, reply=True)
            if growing:
                pieces = pieces[:max(i for i, piece in enumerate(pieces) if piece.role == "user") + 1]
        else:
            pieces = self._template.pieces([*messages, Message("user", "")], reply=False)
            pieces = pieces[:max(i for i, piece in enumerate(pieces) if piece.role == "user")]
        return self._assembler.assemble(pieces, self._context.live, may_slide=self._context.can_shift)

    def _prepare(self, prompt: Prompt) -> int:
        """Make the cache a beginning of the prompt, as long as can be had without evaluating; returns its length."""
        context = self._context
        if prompt.slide:
            context.cut(prompt.fixed, prompt.fixed + prompt.slide)
        context.keep(prompt.cached)
        if len(context.live) < prompt.fixed:
            self._restore(prompt.tokens[:prompt.fixed])
        if len(context.live) == len(prompt.tokens) and not context.has_logits:
            context.keep(len(prompt.tokens) - 1)
        cached = len(context.live)
        if prompt.slide:
            try:
                context.decode(prompt.tokens[cached:cached + 1])  # turns the keys: must not be aborted, so before the switch is armed
            except EngineError:
                context.clear()
                raise
        return cached

    def _evaluate(self, prompt: Prompt, cancel: Cancel | None) -> None:
        """Evaluate the rest of the prompt, and put the system prompt's state on disk when the cache holds just that."""
        context, tokens = self._context, prompt.tokens
        while (start := len(context.live)) < len(tokens):
            if cancel is not None and cancel.cancelled():
                raise Aborted
            stop = min(start + BATCH, len(tokens))
            if start < prompt.fixed < stop:
                stop = prompt.fixed
            context.decode(tokens[start:stop])
            if stop == prompt.fixed and self.cache is not None and self._on_disk != tokens[:stop]:
                self._on_disk = tokens[:stop] if self.cache.save(tokens[:stop], context.save()) else []

    def _restore(self, tokens: list[int]) -> None:
        """Take the system prompt's state from disk, if it is there and right."""
        if self.cache is None:
            return
        state = self.cache.load(tokens)
        if state is None:
            return
        if self._context.restore(state, tokens):
            self._on_disk = tokens
        else:
            self.cache.refused()

    def _write(self, sampler: Draws, emit: Callable[[str], None], cancel: Cancel, limit: int, meter: _Meter) -> FinishReason:
        """Draw, say and evaluate tokens until something ends the reply."""
        context = self._context
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        blank = True
        while True:
            token = sampler.sample(context)
            if self._model.ends(token):
                return "stop"
            meter.token()
            text = decoder.decode(self._model.piece(token))
            if blank:
                text = text.lstrip()
            if cancel.cancelled():
                return "cancelled"
            if text:
                blank = False
                emit(text)
            meter.resume()
            if meter.count >= limit or len(context.live) >= context.size:
                return "length"
            if cancel.cancelled():
                return "cancelled"
            context.decode([token])

    def _sampler_for(self, sampling: Sampling) -> Sampler:
        """As the settings say otherwise."""
        settings = self._settings
        return Sampler(self._model, temperature=sampling.temperature, top_k=settings.top_k, top_p=sampling.top_p, min_p=settings.min_p,
                       repeat_penalty=settings.repeat_penalty, dry_multiplier=settings.dry_multiplier, memory=settings.context,
                       seed=sampling.seed)

    def _chat(self, path: Path) -> tuple[ChatTemplate, Assembler]:
        model = self._model
        source = model.chat_template
        if not source:
            if len(model.tokenize("<|im_start|><|im_end|>", special=True)) != 2:
                raise ModelError(f"{path} has no chat template and does not know ChatML: choose an instruct model")
            source = CHATML
        bos, eos = (model.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else "" for token in (model.bos, model.eos))
        template = ChatTemplate(source, bos=bos, eos=eos)
        writes_bos = bool(bos) and template.pieces([Message("user", "")], reply=True)[0].text.startswith(bos)
        opening = [model.bos] if model.adds_bos and model.bos >= 0 and not writes_bos else []
        return template, Assembler(lambda text, special: model.tokenize(text, special=special), model.piece, opening)


class _Meter:
    """Tokens and the time the model took for them; the time ``emit`` held it back is not the model's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = self._mark = clock.now()
        self._first: float | None = None
        self._gaps: list[float] = []
        self.count = 0

    def token(self) -> None:
        now = self._clock.now()
        if self._first is None:
            self._first = now - self._start
        else:
            self._gaps.append(now - self._mark)
        self.count += 1

    def resume(self) -> None:
        self._mark = self._clock.now()

    def usage(self, prompt: int, cached: int) -> Usage:
        return Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=self.count, ttft_s=self._first,
                     inter_token_p50_s=statistics.median(self._gaps) if self._gaps else None,
                     inter_token_max_s=max(self._gaps, default=None), total_s=self._clock.now() - self._start)
