"""The engines really run: a sentence is spoken, heard and answered, in a child process.

Theory: a bad model may end its process without a word, and the engines of a conversation take half a gigabyte: so the trial is a child's,
which prints one line of figures.  The sentence is ours, so nothing that anybody said is in them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgevoice.checks.check import Found, Place
from edgevoice.errors import EdgeVoiceError
from edgevoice.pipeline.engines import NAMES
from edgevoice.settings import Settings

SENTENCE = "What is the weather like in the mountains today?"
MISHEARD = 3
"""words of it that may be heard otherwise; the default recognizer hears all of them right, nearly always"""
DEADLINE_S = 240.0
"""for loading from an SD card, and three engines that are slower than anybody would want"""
TOKENS = 32
SLOW_ANSWER_MS = 3000.0
"""as health's alert"""


def run(place: Place) -> Found:
    """One sentence through all three."""
    facts = trial(place.settings)
    if "error" in facts:
        return Found("problem", facts.pop("error"), "`edgevoice models verify`, then `edgevoice models pull` of what is damaged; "
                     "`edgevoice ask`, `say` and `transcribe` try each by itself", facts)
    return judged(facts)


def trial(settings: Settings, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    """The figures of that, in a child; ``error`` says in words why there are no more of them."""
    from edgevoice.config import to_toml
    from edgevoice.models import child

    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(to_toml(settings))
        file.flush()
        ended = child.run("edgevoice.checks.engines", [file.name], deadline_s=deadline_s)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    facts: dict[str, Any] = {name: value for line in lines for name, value in line.items()}
    stage = NAMES.get(facts.pop("stage", ""), "an engine")
    if "error" not in facts and (ended.code != 0 or ended.timed_out):
        facts["error"] = f"{stage} did not come through: {ended.reason()}"
    return facts


def judged(facts: dict[str, Any]) -> Found:
    """What the figures of a trial that came through mean."""
    told = (f"speaks at {facts['tts_rtf']:.2f} and hears at {facts['stt_rtf']:.2f} of real time; first token after "
            f"{facts['first_token_ms']:.0f} ms, {facts['tokens_per_s']:.0f} a second")
    if facts["words_wrong"] > MISHEARD:
        return Found("problem", f"of {facts['words']} words that the voice spoke the recognizer heard {facts['words_wrong']} otherwise",
                     "another voice or recognizer, or one of another language (stt.model, tts.model)", facts)
    if not facts["tokens"]:
        return Found("problem", "the language model answered with nothing", "another model or system prompt (llm.model)", facts)
    if facts["tts_rtf"] > 0.8 or facts["stt_rtf"] > 0.8:
        return Found("warning", f"{told}: too slow to keep up", "smaller models, or fewer other programs", facts)
    if facts["first_token_ms"] + facts["first_sound_ms"] > SLOW_ANSWER_MS:
        return Found("warning", f"{told}: an answer begins late", "a smaller language model", facts)
    return Found("ok", told, facts=facts)


def main(arguments: Sequence[str]) -> int:
    """The child: a line of JSON for each engine that came through."""
    from edgevoice import config

    settings = config.load(Path(arguments[0]))
    try:
        _trial(settings)
    except EdgeVoiceError as error:
        _say(error=str(error))
        return 1
    return 0


def _trial(settings: Settings) -> None:
    import numpy as np

    from edgevoice import app, audio
    from edgevoice.dialog.history import History
    from edgevoice.engines.protocols import SPEECH_RATE
    from edgevoice.rt import Live

    cancel = Live().begin(1)
    _say(stage="tts")
    began = time.monotonic()
    voice = app.load_tts(settings)
    loaded = time.monotonic()
    pieces: list[tuple[float, Any]] = []
    voice.synthesize(SENTENCE, lambda samples: pieces.append((time.monotonic(), samples)), cancel)
    spoken = np.concatenate([samples for _, samples in pieces])
    seconds = len(spoken) / voice.rate
    _say(tts_load_s=round(loaded - began, 2), first_sound_ms=round(1000 * (pieces[0][0] - loaded), 1),
         tts_rtf=round((time.monotonic() - loaded) / seconds, 3), stage="stt")
    voice.close()
    began = time.monotonic()
    recognizer = app.load_stt(settings)
    loaded = time.monotonic()
    stream = recognizer.open()
    stream.accept(audio.resample(spoken, voice.rate, SPEECH_RATE))
    heard = stream.finish()
    _say(stt_load_s=round(loaded - began, 2), stt_rtf=round((time.monotonic() - loaded) / seconds, 3), words=len(SENTENCE.split()),
         words_wrong=wrong(SENTENCE, heard), stage="llm")
    recognizer.close()
    began = time.monotonic()
    model = app.load_llm(settings)
    loaded = time.monotonic()
    messages = History(settings.llm.system_prompt, max_turns=0).messages(heard or SENTENCE)
    usage = model.generate(messages, lambda delta: None, cancel, max_tokens=TOKENS).usage
    model.close()
    first = usage.ttft_s or 0.0
    writing = max(1e-6, usage.total_s - first)
    _say(llm_load_s=round(loaded - began, 2), first_token_ms=round(1000 * first, 1), tokens=usage.completion_tokens,
         tokens_per_s=round(max(0, usage.completion_tokens - 1) / writing, 1),
         prompt_tokens=usage.prompt_tokens, cached_tokens=usage.cached_tokens)


def wrong(said: str, heard: str) -> int:
    """Words put in, left out or exchanged (Levenshtein)."""
    one, other = (["".join(c for c in word.casefold() if c.isalnum()) for word in text.split()] for text in (said, heard))
    row = list(range(len(other) + 1))
    for k, word in enumerate(one, 1):
        before, row = row, [k]
        for n, found in enumerate(other, 1):
            row.append(min(row[-1] + 1, before[n] + 1, before[n - 1] + (word != found)))
    return row[-1]


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
