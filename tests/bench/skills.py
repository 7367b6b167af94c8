"""Skills: generated spoken questions answered right, refused and answered wrong; what they take that is not theirs; time of a decision.

The baseline is the default language model on sums of the same kind, in the same run, judged kindly: it is right if the right number stands
anywhere in its answer, in digits or in words.  Some questions are also spoken by the default voice, written down by the default recognizer,
and routed: what is wrong then was heard wrong.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

from edgevoice import audio
from edgevoice.benchmarks import Result, median, percentile, progress
from edgevoice.dialog.history import History
from edgevoice.engines import llm, stt, tts
from edgevoice.engines.protocols import SPEECH_RATE, Stt, Tts
from edgevoice.engines.whole import speech
from edgevoice.models import find
from edgevoice.settings import LlmSettings, PathSettings, SttSettings, TtsSettings
from edgevoice.skills.hearing import hear
from edgevoice.skills.numbers import number
from edgevoice.skills.router import Router
from tests.bench.exact_questions import Asked, is_right, questions
from tests.bench.questions import SPOKEN
from tests.bench.timer_orders import ORDERS, RINGING, Answering
from tests.fakes.llm import FlagCancel

SEED = 2026
QUESTIONS = 2000
SUMS = 30
HEARD = 60
NOT_TAKEN = Path(__file__).resolve().parents[1] / "unit" / "not_for_skills.txt"
MODEL = "the default language model"


def run(quick: bool) -> list[Result]:
    asked = questions(SEED, QUESTIONS)
    answers, spent = [], []
    route(asked[0].text, asked[0].now)
    for question in asked:
        started = time.perf_counter()
        answers.append(route(question.text, question.now))
        spent.append((time.perf_counter() - started) * 1000)
    taken = [(question, answer) for question, answer in zip(asked, answers, strict=True) if answer is not None]
    right = sum(is_right(question, answer) for question, answer in taken)
    others = [*NOT_TAKEN.read_text(encoding="utf-8").splitlines(), *SPOKEN]
    wrongly = [text for text in others if route(text, datetime(2026, 11, 7, 14, 5, tzinfo=UTC)) is not None]
    sums = [question for question in asked if question.kind == "sums" and _easy(question)][:10 if quick else SUMS]
    ours = sum(answer is not None and is_right(question, answer) for question in sums for answer in [route(question.text, question.now)])
    theirs = _model_right(sums)
    return [
        Result(f"answered right, of those taken of {len(asked)}", 100 * right / len(taken), "%", "== 100"),
        Result("left to the model of those", 100 * (1 - len(taken) / len(asked)), "%", "<= 10"),
        Result(f"taken wrongly, of {len(others)} sentences for the model", len(wrongly), "sentences", "== 0"),
        Result(f"{len(sums)} sums with whole results: right", 100 * ours / len(sums), "%", "== 100", MODEL, 100 * theirs / len(sums)),
        Result("decision, p50", median(spent), "ms", "< 1"), Result("decision, p99", percentile(spent, 99), "ms"),
        *_heard([question for question in asked if question.kind != "unusual" and " - " not in question.text][:8 if quick else HEARD])]


def route(text: str, now: datetime) -> str | None:
    return Router(lambda: now).route(text).answer


def _easy(question: Asked) -> bool:
    """A whole result that stands nowhere in the question, so that the model cannot be right by repeating it."""
    return (not isinstance(question.right, str) and question.right.denominator == 1 and 0 <= question.right < 100_000
            and not question.approximate and int(question.right) not in _numbers(question.text))


def _model_right(sums: list[Asked]) -> int:
    settings = LlmSettings()
    progress(f"{settings.model}: {len(sums)} sums")
    engine = llm.load(settings, find(PathSettings(), settings.model))
    right = 0
    for question in sums:
        parts: list[str] = []
        engine.generate(History(settings.system_prompt, max_turns=0).messages(question.text), parts.append, FlagCancel(), max_tokens=60)
        good = question.right in _numbers("".join(parts))
        progress(f"{'right' if good else 'wrong'}: {question.text} {question.right} | {''.join(parts)!r}")
        right += good
    engine.close()
    return right


def _numbers(text: str) -> set[object]:
    """Every number of a text, in digits or in words."""
    found: set[object] = set()
    for clause in re.split(r"[.!?;:](?:\s|$)|,\s|\n", text):
        words = hear(clause)
        at = 0
        while at < len(words):
            read = number(words, at)
            if read is not None:
                found.add(read.value)
            at = at + 1 if read is None else read.after
    return found


def _heard(asked: list[Asked]) -> list[Result]:
    progress(f"{len(asked)} questions by voice")
    voice_settings, ear_settings = TtsSettings(), SttSettings()
    voice = tts.load(voice_settings, find(PathSettings(), voice_settings.model))
    ears = stt.load(ear_settings, find(PathSettings(), ear_settings.model))
    right = wrong = 0
    done = _obeyed(voice, ears, 6 if len(asked) < HEARD else len(ORDERS))
    for question in asked:
        stream = ears.open()
        stream.accept(audio.resample(speech(voice, question.text, SPEECH_RATE), SPEECH_RATE, SPEECH_RATE))
        text = stream.finish()
        answer = route(text, question.now)
        good = answer is not None and is_right(question, answer)
        progress(f"{'right' if good else 'left to the model' if answer is None else 'WRONG'}: {question.text} | {text} | {answer}")
        right, wrong = right + good, wrong + (answer is not None and not good)
    for engine in (voice, ears):
        engine.close()
    return [Result(f"said and written down, {len(asked)} questions: answered right", 100 * right / len(asked), "%"),
            Result("of those: answered as they were heard, which was wrong", 100 * wrong / len(asked), "%"), *done]


def _obeyed(voice: Tts, ears: Stt, count: int) -> list[Result]:
    """Orders for timers, lists and the device: whether what was written down is obeyed as what was said would be."""
    answering, right, wrong = Answering(), 0, 0
    for at, said in enumerate(ORDERS[:count]):
        stream = ears.open()
        stream.accept(speech(voice, said, SPEECH_RATE))
        text, rings = stream.finish(), at >= RINGING
        heard = answering.to(text, keep=False, rings=rings)
        good = heard == answering.to(said, keep=True, rings=rings)
        progress(f"{'right' if good else 'left to the model' if heard is None else 'WRONG'}: {said} | {text} | {heard}")
        right, wrong = right + good, wrong + (heard is not None and not good)
    return [Result(f"said and written down, {count} orders for timers, lists and the device: obeyed", 100 * right / count, "%"),
            Result("of those: obeyed as they were heard, which was otherwise", 100 * wrong / count, "%")]
