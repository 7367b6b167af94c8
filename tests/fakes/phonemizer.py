"""A phonemizer without a program: the letters themselves, clause by clause."""

from __future__ import annotations

import unicodedata

from edgevoice.engines.phonemes import clauses
from edgevoice.errors import EngineError


class FakePhonemizer:
    def __init__(self) -> None:
        self.closed = False

    def phonemes(self, text: str) -> list[str]:
        if self.closed:
            raise EngineError("the phonemizer is closed")
        kept = ((("".join(c for c in words.lower() if c.isalnum() or c == " ")).split(), mark) for words, mark in clauses(text))
        return [unicodedata.normalize("NFD", " ".join(words)) + mark for words, mark in kept if words]

    def close(self) -> None:
        self.closed = True
