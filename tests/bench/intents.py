"""Intents: labelled sentences about a house understood, written and spoken in noise, and the time of a decision, beside hassil alone.

Written: each sentence of the files, with the fixtures' house; hassil alone is its ``recognize_best`` with the sentences of the package
``home-assistant-intents``.  Our own sentences were written with these files at hand, so ours is no figure of unseen speech; the spoken
part is nearer to that.  Spoken: the sentences that act on a house or ask about it, said by the default voice in the noise of a kitchen,
written down by the default recognizer; right is what leads to the same deed or question as the sentence as it was written.
"""

from __future__ import annotations

import functools
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hassil import TextSlotList
from hassil.intents import Intents
from hassil.recognize import recognize_best
from home_assistant_intents import get_intents

from edgevoice.audio import read
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.engines import stt, tts
from edgevoice.engines.protocols import SPEECH_RATE, Float32
from edgevoice.engines.whole import speech
from edgevoice.errors import UsageError
from edgevoice.home.grammar import Grammar, sentences
from edgevoice.home.house import House
from edgevoice.home.resolve import Do, Open, Part
from edgevoice.home.talk import Talk
from edgevoice.models import find
from edgevoice.settings import PathSettings, SttSettings, TtsSettings
from tests.bench.house_sentences import Labelled, agrees, house, labelled

ROOT = Path(__file__).resolve().parents[2]
SEED = 2026
QUICK = 20
"""sentences that are spoken in a quick run"""
NOISE_DB = 10.0
"""by how much the speech is above the noise of the kitchen"""
ALONE = "hassil alone"
NOW = datetime(2026, 11, 7, 20, 0, tzinfo=UTC)


def run(quick: bool) -> list[Result]:
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    folder = shared / "text" / "intents"
    if not folder.is_dir():
        raise UsageError(f"bench intents: no sentences at {folder}; set EDGEVOICE_SHARED to the folder that has text/intents")
    asked, place = labelled(folder), house(folder)
    return [*_written(asked, place), *_spoken(asked, place, shared, QUICK if quick else 0)]


def _written(asked: list[Labelled], place: House) -> list[Result]:
    progress(f"{len(asked)} sentences as they are written")
    grammar = Grammar(sentences(), place)
    grammar.warm()
    right, spent = 0, []
    for label in asked:
        started = time.perf_counter()
        meant = grammar.understand(label.text, area=label.area)
        spent.append(time.perf_counter() - started)
        good = meant is not None and agrees(label, meant.intent, meant.slots, meant.domain, meant.device_class)
        right += good
        if not good:
            progress(f"not so: {label.text} | {meant and (meant.intent, dict(meant.slots))}")
    theirs, theirs_spent = _alone(asked, place)
    talks = _talks(place)
    whole = []
    for label in asked:
        talk = talks(label.area)
        started = time.perf_counter()
        talk.hear(label.text, NOW)
        whole.append(time.perf_counter() - started)
    count = len(asked)
    return [
        Result(f"{count} written sentences understood", 100 * right / count, "%", ">= 95", ALONE, 100 * theirs / count),
        Result("understanding one, p50", 1000 * (median(spent) or 0), "ms", None, ALONE, 1000 * (median(theirs_spent) or 0)),
        Result("understanding one, p99", 1000 * (percentile(spent, 99) or 0), "ms", None, ALONE,
               1000 * (percentile(theirs_spent, 99) or 0)),
        Result("decision (also what to do to what, or that it is not for the house), p50", 1000 * (median(whole) or 0), "ms", "< 10"),
        Result("decision, p99", 1000 * (percentile(whole, 99) or 0), "ms")]


def _alone(asked: list[Labelled], place: House) -> tuple[int, list[float]]:
    """How many hassil understands with the package's sentences, and the seconds of each."""
    made = get_intents("en")
    assert made is not None
    intents = Intents.from_dict(made)
    lists = {
        "name": TextSlotList.from_tuples([(name, name, {"domain": thing.domain, "device_class": thing.device_class})
                                          for thing in place.things for name in thing.names], allow_template=False),
        "area": TextSlotList.from_strings([area.name for area in place.areas], allow_template=False),
        "floor": TextSlotList.from_strings([area.floor for area in place.areas if area.floor], allow_template=False)}

    def recognize(label: Labelled) -> bool:
        found = recognize_best(label.text, intents, slot_lists=lists, intent_context={"area": label.area} if label.area else None,
                               best_slot_name="name")
        return found is not None and agrees(label, found.intent.name, {name: entity.value for name, entity in found.entities.items()},
                                            str(found.context.get("domain", "")), str(found.context.get("device_class", "")))

    for label in asked[::10]:
        recognize(label)  # every template is parsed when it is first tried
    right, spent = 0, []
    for label in asked:
        started = time.perf_counter()
        right += recognize(label)
        spent.append(time.perf_counter() - started)
    return right, spent


def _talks(place: House, forgiving: bool = True) -> functools._lru_cache_wrapper[Talk]:
    """A conversation for each room."""
    @functools.cache
    def of(area: str) -> Talk:
        talk = Talk(place, area, forgiving=forgiving)
        talk.warm()
        return talk
    return of


def _spoken(asked: list[Labelled], place: House, shared: Path, most: int) -> list[Result]:
    forgiving, strict = _talks(place), _talks(place, forgiving=False)

    def parts(talk: Talk, text: str) -> tuple[Part, ...] | None:
        plan = talk.hear(text, NOW)
        return None if plan is None else _plain(plan.parts)

    ours = [label for label in asked if parts(strict(label.area), label.text) is not None]
    random.Random(SEED).shuffle(ours)
    ours = ours[:most or None]
    progress(f"{len(ours)} sentences that are for the house, by voice, {NOISE_DB:g} dB above a kitchen")
    voice_settings, ear_settings = TtsSettings(), SttSettings()
    voice = tts.load(voice_settings, find(PathSettings(), voice_settings.model))
    ears = stt.load(ear_settings, find(PathSettings(), ear_settings.model))
    kitchen = read(next(iter(sorted((shared / "audio" / "noise").glob("*.flac")))), rate=SPEECH_RATE)
    chance = np.random.default_rng(SEED)
    right = plainly = wrong = guarded = 0
    for label in ours:
        stream = ears.open()
        stream.accept(_in_noise(speech(voice, label.text, SPEECH_RATE), kitchen, chance))
        text = stream.finish()
        wanted = parts(strict(label.area), label.text)
        with_, without = parts(forgiving(label.area), text), parts(strict(label.area), text)
        right, plainly = right + (with_ == wanted), plainly + (without == wanted)
        acts = _acts(with_) - _acts(wanted)
        wrong += bool(acts)
        guarded += any(thing.guarded for id in acts for thing in [place.thing(id)] if thing is not None)
        progress(f"{'right' if without == wanted else 'put right' if with_ == wanted else 'WRONG' if acts else 'not'}: "
                 f"{label.text} | {text}")
    for engine in (voice, ears):
        engine.close()
    count = len(ours)
    return [
        Result(f"{count} spoken in noise, written down, routed: the same deed or question", 100 * right / count, "%", None,
               "without forgiveness", 100 * plainly / count),
        Result("of those: something else would have been done", 100 * wrong / count, "%"),
        Result("of those: a guarded thing would have been moved, or a question asked that moves it", guarded, "sentences", "== 0")]


def _plain(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """What is done and asked, without the sentence that it came from."""
    return tuple(Open(part.text, None, part.ids, part.areas, part.yes) if isinstance(part, Open) else
                 Do(tuple(sorted(part.ids)), part.act) if isinstance(part, Do) else part for part in parts)


def _acts(parts: tuple[Part, ...] | None) -> set[str]:
    """The things that are moved."""
    acting = [part if isinstance(part, Do) else part.yes for part in parts or () if isinstance(part, (Do, Open))]
    return {id for do in acting if do is not None for id in do.ids}


def _in_noise(spoken: Float32, kitchen: Float32, chance: np.random.Generator) -> Float32:
    """With half a second of the kitchen before and after."""
    whole = np.pad(spoken, SPEECH_RATE // 2)
    noise = np.resize(np.roll(kitchen, -int(chance.integers(len(kitchen)))), len(whole))
    gain = np.sqrt(float(np.mean(spoken ** 2))) / np.sqrt(float(np.mean(noise ** 2))) * 10 ** (-NOISE_DB / 20)
    made: Float32 = np.clip(whole + noise * np.float32(gain), -1, 1).astype(np.float32)
    return made
