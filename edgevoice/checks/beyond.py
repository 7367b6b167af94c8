"""What a configuration file by itself cannot tell: wake words that nobody knows, and the files that it names."""

from __future__ import annotations

import re
from pathlib import Path

from edgevoice.config import Problem
from edgevoice.engines import lexicon, wake
from edgevoice.errors import EdgeVoiceError
from edgevoice.home import file as home_file
from edgevoice.pipeline.rules import safety_of, toolbox_of
from edgevoice.settings import Settings


def problems(path: Path, settings: Settings) -> list[Problem]:
    """Of ``settings``, which stand at ``path``."""
    def words() -> None:
        wake.check_words(settings.wake)

    def pronunciations() -> None:
        if settings.tts.lexicon:
            lexicon.load(Path(settings.tts.lexicon).expanduser())

    def rules() -> None:
        safety_of(settings.safety)

    def tools() -> None:
        toolbox_of(settings)

    def house() -> None:
        if settings.home.file:
            home_file.read(Path(settings.home.file).expanduser())

    def sentences() -> None:
        if settings.home.sentences:
            home_file.sentence_files(Path(settings.home.sentences).expanduser())

    found = []
    for key, look in (("wake.words", words), ("tts.lexicon", pronunciations), ("safety.patterns", rules), ("tools.file", tools),
                      ("home.file", house), ("home.sentences", sentences)):
        try:
            look()
        except EdgeVoiceError as error:
            wrong, _, right = str(error).partition("; ")
            told = re.fullmatch(r"(\w+\.\w+) = (.+?): (.+)", wrong)  # an engine may name the very key, such as wake.folder
            key, value, wrong = (told[1], told[2], told[3]) if told else (key, None, wrong)
            found.append(Problem(str(path), 0, key, value, wrong, right or "see `edgevoice check-config --help`"))
    return found
