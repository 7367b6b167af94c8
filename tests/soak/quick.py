"""Engines that answer at once, on whatever machine: what is heard is what the line says, an answer is a few sentences of chance."""

from __future__ import annotations

import collections
import random
from typing import Any

from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts

WORDS = ("the", "moon", "sun", "sea", "is", "made", "of", "light", "and", "stone,", "far", "from", "here;", "nobody", "knows", "why")


class Quick:
    """Makes them; they keep nothing of what they were asked, since nobody wants to know and a soak is long."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._heard = ["what time is it"]
        self._replies: list[Any] = [words("All is well.")]

    def set(self, heard: str) -> None:
        """What the next utterance will say; and another answer."""
        self._heard[0] = heard
        sentences = [" ".join(self._chance.choices(WORDS, k=self._chance.randint(4, 14))).capitalize() + "."
                     for _ in range(self._chance.randint(1, 4))]
        self._replies[0] = words(" ".join(sentences))

    def stt(self) -> FakeStt:
        made = FakeStt()
        made.texts, made.finals = self._heard, _Nothing()
        return made

    def llm(self) -> FakeLlm:
        made = FakeLlm()
        made._scripts = self._replies
        made.asked, made.prefilled, made.weighed = _Nothing(), _Nothing(), _Nothing()
        return made

    def tts(self) -> FakeTts:
        made = FakeTts(16_000, word_s=0.25)
        made.texts = _Nothing()
        return made


class _Nothing(collections.UserList[Any]):
    def append(self, item: Any) -> None:
        self.data[:] = [item]
