"""When the user's turn is taken to be over: cut off in a pause, or kept waiting after the end; rules replayed over what engines heard.

Theory: what the engines say at each pause is heard once and kept (``pauses.py``); a rule is then run over it by the very classes that the
ears use, each vote arriving as late as its engine took.  A cut-off is a turn that ends before the user goes on; the wait is counted from
the last sample of speech.  Sentences that are answered soon and pauses that are waited for are two sides of one bargain, so each rule
is shown with both, and ours with longer and shorter waits.  Its weights and curve were chosen on other utterances (``turn_fit.py``).
Of the recorded ones that count as complete, some are clauses of a book that goes on; they are told apart, beside what a device is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from edgevoice import audio
from edgevoice.benchmarks import Result, percentile
from edgevoice.dialog.endpoint import Mark, Utterance
from edgevoice.dialog.turn_end import Votes, WaitRule, wait_ms
from edgevoice.settings import Settings
from tests.bench import pauses, utterances
from tests.bench.pauses import MS, Heard, Paused
from tests.bench.turns import shared_folder

COMPLETE = {"orders": 24, "recorded": 16, "voice": 20}
PAUSED = {"spliced": 64, "hesitations": 40, "dictated": 20}
QUICK_COMPLETE = {"orders": 3, "recorded": 1, "voice": 2}
QUICK_PAUSED = {"spliced": 4, "hesitations": 3, "dictated": 1}
SNR_DB = 10.0
WHOLE, HALF = ("order", "recorded", "spoken"), ("spliced", "hesitation", "dictated")
SURE, SHORT_MS, TIMEOUT_MS = 0.5, 200.0, 3000.0
"""smart-turn as its authors use it: asked after a short silence, it ends the turn if that is more likely than not; else a long time-out
does"""

Rule = Callable[[Votes], float]
"""the wait in ms by what is known so far of a pause"""
Outcome = tuple[Heard, float | None]
"""an utterance, and the second at which its turn was ended"""


def run(quick: bool) -> list[Result]:
    heard = listen(quick)
    dialog = Settings().dialog
    ours = WaitRule(dialog.endpoint_min_ms, dialog.endpoint_max_ms, dialog.endpoint_ms, dialog.endpoint_sound, dialog.endpoint_language)
    rules: dict[str, Rule] = {
        "ours": lambda votes: wait_ms(votes, ours),
        "ours without the sound": lambda votes: wait_ms(dataclasses.replace(votes, probability=None), ours),
        "ours without the language model": lambda votes: wait_ms(dataclasses.replace(votes, ending=None), ours),
        "ours without any words": lambda votes: wait_ms(dataclasses.replace(votes, ending=None, text=None), ours),
        "smart-turn alone": smart_turn,
        "fixed 600 ms": lambda votes: 600.0, "fixed 800 ms": lambda votes: 800.0, "fixed 1000 ms": lambda votes: 1000.0}
    found = {name: [(row, ended(row, rule, asked=int(rule is smart_turn))) for row in heard] for name, rule in rules.items()}
    fixed = found["fixed 600 ms"]
    results = [Result("complete utterances", _count(heard, WHOLE), "", None if quick else ">= 60"),
               Result("utterances with a pause of 300 to 1000 ms", _count(heard, HALF), "", None if quick else ">= 100")]
    for name, outcomes in found.items():
        goal = ("<= 10", "<= 370", "<= 850") if name == "ours" else (None, None, None)
        results += [
            Result(f"{name}: cut off in the pause", cut_off(outcomes), "%", goal[0], "fixed 600 ms", cut_off(fixed)),
            Result(f"{name}: wait after a complete one, p50", wait(outcomes, 50), "ms", goal[1], "fixed 600 ms", wait(fixed, 50)),
            Result(f"{name}: wait after a complete one, p95", wait(outcomes, 95), "ms", goal[2], "fixed 600 ms", wait(fixed, 95))]
    results += _parts(found["ours"])
    for longer in (-200, -100, 100, 200):
        rule = dataclasses.replace(ours, shortest=ours.shortest + longer / 4, longest=ours.longest + longer)
        outcomes = [(row, ended(row, lambda votes, rule=rule: wait_ms(votes, rule))) for row in heard]
        name = f"ours, {rule.shortest:.0f} to {rule.longest:.0f} ms"
        results += [Result(f"{name}: cut off in the pause", cut_off(outcomes), "%"),
                    Result(f"{name}: wait, p50", wait(outcomes, 50), "ms"), Result(f"{name}: wait, p95", wait(outcomes, 95), "ms")]
    costs = [("the sound's vote", [sound.cost_ms for row in heard for pause in row.pauses for sound in pause.sounds[:1]]),
             ("the words", [pause.text_ms for row in heard for pause in row.pauses if pause.text_ms > 1]),
             ("the language model's vote", [pause.ending_ms for row in heard for pause in row.pauses])]
    return results + [Result(f"{name} takes, p50", percentile(values, 50), "ms") for name, values in costs]


def smart_turn(votes: Votes) -> float:
    return SHORT_MS if votes.probability is not None and votes.probability > SURE else TIMEOUT_MS


def ended(row: Heard, rule: Rule, asked: int = 0) -> float | None:
    """The second at which ``rule`` ends the turn; ``asked``: which of the sound's votes it is told."""
    utterance = Utterance(row.start, pauses.rule_for(Settings(), round(rule(Votes()) * MS)))
    seen = {pause.at: pause for pause in row.pauses}
    now: Paused | None = None
    told: Votes | None = None
    quiet = round(TIMEOUT_MS * MS) // row.frame + 1
    for number, probability in enumerate((*row.probabilities, *[0.0] * quiet)):
        end = (number + 1) * row.frame
        if now is not None:
            votes = known(now, (end - now.at) / MS, [pause / MS for pause in utterance.pauses], asked)
            if votes != told and (votes.probability is not None or votes.text is not None):
                told = votes
                utterance.wait = int(rule(votes) * MS)
        marks = utterance.feed(probability, end, row.frame)
        if Mark.RESUME in marks:
            now = told = None
        if Mark.PAUSE in marks:
            now = seen.get(end)
        if Mark.END in marks:
            return end / 1000 / MS
    return None


def known(pause: Paused, after_ms: float, earlier_ms: Sequence[float], asked: int = 0) -> Votes:
    """What was voted ``after_ms`` of the pause's being seen: the sound's engine and the recognizer work side by side, the language model
    after the recognizer."""
    sound = pause.sounds[asked] if len(pause.sounds) > asked else None
    heard = sound is not None and sound.after_ms + sound.cost_ms <= after_ms
    read = pause.text_ms <= after_ms
    weighed = pause.text_ms + pause.ending_ms <= after_ms
    return Votes(sound.probability if sound is not None and heard else None, pause.text if read else None,
                 pause.ending if weighed else None, tuple(earlier_ms))


def cut_off(outcomes: Sequence[Outcome], kinds: Sequence[str] = HALF) -> float | None:
    """Percent of ``kinds`` whose turn ended before the last of their speech had begun."""
    chosen = [end is not None and end < row.speech[-1][0] for row, end in outcomes if row.kind in kinds]
    return 100 * sum(chosen) / len(chosen) if chosen else None


def wait(outcomes: Sequence[Outcome], percent: float, kinds: Sequence[str] = WHOLE) -> float | None:
    """ms from the last sample of speech, of ``kinds`` that were heard out."""
    return percentile([(end - row.speech[-1][1]) * 1000 for row, end in outcomes
                       if row.kind in kinds and end is not None and end >= row.speech[-1][1]], percent)


def listen(quick: bool) -> list[Heard]:
    """Complete utterances in quiet and again in a kitchen, and ones with a pause, every other one in a kitchen."""
    from edgevoice import app

    shared = shared_folder("endpoint")
    settings = Settings()
    whole, half = (QUICK_COMPLETE, QUICK_PAUSED) if quick else (COMPLETE, PAUSED)

    def ask() -> list[tuple[utterances.Utterance, bool]]:
        tts = app.load_tts(settings)
        asked, paused = utterances.complete(shared, tts, **whole), utterances.paused(shared, tts, **half)
        tts.close()
        kitchen = audio.read(shared / "audio" / "noise" / "kitchen.flac", 16_000)
        noisy = [(utterances.with_noise(said, kitchen, SNR_DB, number), True) for number, said in enumerate(asked)]
        return [(said, False) for said in asked] + noisy + [
            (utterances.with_noise(said, kitchen, SNR_DB, number), True) if number % 2 else (said, False)
            for number, said in enumerate(paused)]

    return pauses.kept("endpoint-quick" if quick else "endpoint", 2 * sum(whole.values()) + sum(half.values()), ask, settings,
                       lambda: engines(settings))


def engines(settings: Settings) -> Any:
    """What ``pauses.hear`` asks."""
    from edgevoice import app

    return SimpleNamespace(vad=app.load_vad(settings), stt=app.load_stt(settings), llm=app.load_llm(settings),
                           turn_end=app.load_turn_end(settings))


def _count(heard: Sequence[Heard], kinds: Sequence[str]) -> int:
    return sum(row.kind in kinds for row in heard)


def _parts(outcomes: Sequence[Outcome]) -> list[Result]:
    results = [Result(f"cut off in the pause, {kind}", cut_off(outcomes, (kind,)), "%") for kind in HALF]
    for noisy, name in ((False, "in quiet"), (True, "in a kitchen")):
        chosen = [outcome for outcome in outcomes if outcome[0].noisy is noisy]
        results += [Result(f"cut off in the pause, {name}", cut_off(chosen), "%"), Result(f"wait {name}, p50", wait(chosen, 50), "ms"),
                    Result(f"wait {name}, p95", wait(chosen, 95), "ms")]
    for name, kinds in (("orders and questions", ("order", "spoken")), ("recorded commands and clauses", ("recorded",))):
        results += [Result(f"wait, {name}, p{at}", wait(outcomes, at, kinds), "ms") for at in (50, 95)]
    early = sum(end is not None and end < row.speech[-1][1] for row, end in outcomes if row.kind in WHOLE)
    return [*results, Result("complete utterances cut off at a stop of their own", early, "")]
