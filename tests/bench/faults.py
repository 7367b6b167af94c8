"""Engines that hang, raise or give nothing in the middle of a spoken question: how soon the device speaks again, and the next answer.

Each case is a conversation of its own in real time with the real engines, on the virtual device; the engine hangs without answering a
cancel, or raises, at one stage, once: the one that is loaded in its place is well.  Counted is the silence a person hears: from the
question's last sample, or the reply's last one before it fell silent, to the next sound.  Limits are the defaults.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from edgevoice import app
from edgevoice.benchmarks import Result, median, progress
from edgevoice.dialog.chunker import Chunker
from edgevoice.dialog.machine import Policy
from edgevoice.dialog.table import State
from edgevoice.errors import EngineError
from edgevoice.pipeline.care import Loader
from edgevoice.pipeline.engines import Engines
from edgevoice.settings import DialogSettings, LlmSettings, Settings, TtsSettings
from tests.bench.questions import RATE, spoken
from tests.e2e.stage import Stage, open_mic
from tests.fakes.stuck import Stuck, StuckLlm, StuckStt, StuckTts

QUESTION = "Why is the sky blue?"
TARGET_S = 5.0
REPEATS = 1
LISTEN_S = 20.0

Wrap = Callable[[Engines], tuple[Engines, Any]]


class _Raises:
    """An engine of which one verb raises, once."""

    def __init__(self, inner: Any, verb: str) -> None:
        self._inner, self._verb, self._done = inner, verb, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._verb:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._done:
                self._done = True
                raise EngineError("broke, for the benchmark")
            return found(*args, **kwargs)

        return call

    def close(self) -> None:
        pass


def _cases() -> dict[str, Wrap]:
    def llm(engine: Callable[[Any], Any]) -> Wrap:
        return lambda e: (dataclasses.replace(e, llm=(made := engine(e.llm))), made)

    def stt(engine: Callable[[Any], Any]) -> Wrap:
        return lambda e: (dataclasses.replace(e, stt=(made := engine(e.stt))), made)

    def tts(engine: Callable[[Any], Any]) -> Wrap:
        return lambda e: (dataclasses.replace(e, tts=(made := engine(e.tts))), made)

    return {
        "nothing is wrong": llm(lambda x: x),
        "the model hangs before its first token": llm(lambda x: StuckLlm(x)),
        "the model hangs after 5 tokens": llm(lambda x: StuckLlm(x, 5)),
        "the model hangs while it reads ahead": llm(lambda x: StuckLlm(x, reading=True)),
        "the model raises": llm(lambda x: _Raises(x, "generate")),
        "the recognizer hangs as it begins": stt(lambda x: StuckStt(x, "open")),
        "the recognizer hangs in mid-sentence": stt(lambda x: StuckStt(x, "partial")),
        "the recognizer hangs at the end": stt(lambda x: StuckStt(x, "finish")),
        "the synthesizer hangs at its first words": tts(lambda x: StuckTts(x, "", _phrases())),
        "the synthesizer hangs at its next ones": tts(lambda x: StuckTts(x, "", _phrases() + 1)),
        "the synthesizer raises": tts(lambda x: _Raises(x, "synthesize"))}


def _phrases() -> int:
    """Pieces of text that are spoken before anybody asks."""
    dialog, tts, policy = DialogSettings(), TtsSettings(), Policy()
    pieces = 0
    for text in (policy.apology, policy.one_moment, policy.empty_reply):
        chunker = Chunker(dialog.first_chunk_words, tts.max_chunk_words)
        pieces += len(chunker.feed(text, 0.0)) + len(chunker.flush())
    return pieces


def run(quick: bool) -> list[Result]:
    settings = open_mic(Settings(llm=LlmSettings(max_tokens=24)))
    progress("engines load")
    engines = app.load_engines(settings)
    try:
        cases = _cases()
        if quick:
            cases = {name: cases[name] for name in ("nothing is wrong", "the model hangs before its first token")}
        question = spoken(engines.tts, QUESTION)
        results = []
        for name, wrap in cases.items():
            progress(name)
            waits = [asyncio.run(_one(settings, engines, wrap, question.samples, question.end)) for _ in range(1 if quick else REPEATS)]
            results.append(Result(f"longest silence, {name}", median([wait for wait, _ in waits]), "s", f"<= {TARGET_S:g}"))
            results.append(Result(f"next turn answered, {name}", sum(fine for _, fine in waits) / len(waits), "", ">= 1"))
    finally:
        engines.close()
    return results


class _Lent:
    """The same engine, which outlives the session."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        pass


async def _one(settings: Settings, engines: Engines, wrap: Wrap, samples: np.ndarray, end: int) -> tuple[float, bool]:
    wrapped, faulty = wrap(engines)
    loaders = {name: Loader(functools.partial(_Lent, getattr(engines, name))) for name in ("stt", "llm", "tts")}
    async with Stage(settings, wrapped, seconds=300, realtime=True, loaders=loaders) as stage:
        machine, mouth = stage.session.machine, stage.session._mouth
        await stage.until(lambda: mouth.phrases.missing is None and mouth.idle)
        start = stage.device.say(samples, stage.device.position + RATE // 4)
        await stage.until(lambda: stage.device.position > start + end + RATE // 2)
        await stage.until(lambda: machine.state in (State.IDLE, State.FOLLOWUP) and machine.generation > 0, within_s=LISTEN_S)
        stop = stage.device.position
        turns = len(stage.session.history.turns)
        if isinstance(faulty, Stuck):
            faulty.free.set()
        stage.session.ask("Hello!")
        await stage.until(lambda: machine.state is State.FOLLOWUP and len(stage.session.history.turns) > turns, within_s=LISTEN_S)
        fine = len(stage.session.history.turns) > turns
        _, speaker = stage.device.recording()
    return _silence(np.abs(speaker[start + end:stop].astype(np.int32)) > 100), fine


def _silence(heard: np.ndarray) -> float:
    """The longest one that ends in a sound, in seconds; of all where nothing was heard."""
    loud = np.flatnonzero(heard)
    if len(loud) == 0:
        return len(heard) / RATE
    return float(max(loud[0], np.max(np.diff(loud), initial=0))) / RATE
