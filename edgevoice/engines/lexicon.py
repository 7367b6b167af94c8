"""A person's own pronunciations, for names and brands that the phonemizer says wrongly.

The file has a line for each word: the word, a tab, and how it is said: IPA between slashes, or a respelling in plain letters::

    # comment
    Xiaomi	/ˈʃaʊmi/
    Nguyen	win
    Home Assistant	/hˈoʊm əsˈɪstənt/

Laws: words are matched whole and without regard to case, the longest entry first; a possessive ``'s`` is carried along.  Every
mistake in a file is found in one pass and named by file and line (``ConfigError.problems``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from edgevoice.errors import ConfigError

LINE = "wants: word, a tab, then /IPA/ or a respelling"
SIBILANTS = "szʃʒ"
"""After these an English possessive is a syllable of its own."""
VOICELESS = "ptkfθ"
"""After these it is /s/, after all others /z/."""


class Lexicon:
    """Entries by word, in the words' lower-case form.  An IPA is kept in NFD without its slashes."""

    def __init__(self, ipa: dict[str, str], respelled: dict[str, str]) -> None:
        self._ipa = {_key(word): unicodedata.normalize("NFD", said) for word, said in ipa.items()}
        self._respelled = {_key(word): said for word, said in respelled.items()}
        words = sorted({*self._ipa, *self._respelled}, key=len, reverse=True)
        body = "|".join(r"\s+".join(map(re.escape, word.split())) for word in words)
        self._pattern = re.compile(rf"(?<![\w'’])({body})('s|’s)?(?!\w)", re.IGNORECASE) if words else None

    def __len__(self) -> int:
        return len(self._ipa) + len(self._respelled)

    def apply(self, text: str, mark: Callable[[str], str]) -> str:
        """``text`` with each known word replaced: by its respelling, or by what ``mark`` returns for its IPA."""
        def said(found: re.Match[str]) -> str:
            word, possessive = _key(found[1]), found[2] or ""
            if word in self._respelled:
                return self._respelled[word] + possessive
            return mark(_possessive(self._ipa[word]) if possessive else self._ipa[word])

        return self._pattern.sub(said, text) if self._pattern else text


def load(path: Path) -> Lexicon:
    """Read a lexicon file (UTF-8); ``ConfigError`` lists all that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: the lexicon cannot be read ({error.strerror}); give the path of a text file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the lexicon is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    ipa: dict[str, str] = {}
    respelled: dict[str, str] = {}
    seen: dict[str, int] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        word, said = (part.strip() for part in (*line.split("\t", 1), "")[:2])
        problem = _problem(word, "\t" in line, said)
        if not problem and _key(word) in seen:
            problem = f"{word!r} stands in line {seen[_key(word)]} already; keep one of them"
        if problem:
            problems.append(f"{path}:{number}: {problem}")
            continue
        seen[_key(word)] = number
        if said.startswith("/"):
            ipa[word] = said.strip("/").strip()
        else:
            respelled[word] = said
    if problems:
        raise ConfigError(problems[0] if len(problems) == 1 else f"{path}: {len(problems)} mistakes in the lexicon", tuple(problems))
    return Lexicon(ipa, respelled)


def _problem(word: str, has_tab: bool, said: str) -> str | None:
    if not has_tab:
        return f"no tab in {word[:40]!r}; {LINE}"
    if not any(c.isalnum() for c in word):
        return f"no word before the tab ({word!r}); {LINE}"
    if said.startswith("/"):
        if len(said) < 3 or not said.endswith("/") or "/" in said[1:-1]:
            return f"IPA {said!r} of {word!r} must stand between two slashes, as in /ˈʃaʊmi/"
        if all(unicodedata.category(c) not in ("Ll", "Lo") for c in said):  # stress marks are letters too, of category Lm
            return f"IPA {said!r} of {word!r} has no sound in it"
    elif not any(c.isalnum() for c in said):
        return f"no pronunciation for {word!r}; {LINE}"
    elif any(c in "[]/<>" for c in said):
        return f"respelling {said!r} of {word!r} may hold letters only; IPA stands between slashes"
    return None


def _key(word: str) -> str:
    return " ".join(unicodedata.normalize("NFC", word).lower().split())


def _possessive(ipa: str) -> str:
    last = next((c for c in reversed(ipa) if c.isalpha() and unicodedata.category(c) == "Ll"), "")
    return ipa + ("ɪz" if last in SIBILANTS else "s" if last in VOICELESS else "z")
