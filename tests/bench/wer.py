"""Word error rate: what is compared, and how.

Theory: WER = (substitutions + deletions + insertions) / words of the reference, over a least-cost alignment of words.  Summed over
utterances before dividing, so long ones weigh more.  Both texts are brought to spoken words first, since a recognizer may write "2:30
p.m." or "15th" for the same sound: lower case; digits to words (cardinals, ordinals, decimals, times of day); symbols that are read
(%, $, &); hyphens to spaces; punctuation away, apostrophes kept; initials joined ("p.m.", "p m" and "pm" are all "p m"); the few
titles and spellings in ``SAME``.  Nothing else is forgiven: "block books" for "blockbooks" costs two errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth"}
SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
SAME = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "ok": "okay", "counseled": "counselled"}
"""Written forms of one spoken word; American spelling to the labels' British where they meet."""

LABEL_FIXES = {
    "speechbrain_tests_samples_ASR_spk2_snt5.flac": "jump the fence and hurry up the bank",
    "voice2json_etc_test_would_you_please_turn_on_living_room_lamp.flac": "would you please turn on the living room lamp",
}
"""Labels that are not what is said.  The first names another sentence of the Harvard lists, of which not one word is in the clip; the
second was taken from a file name, without the article.  Two unrelated networks (Moonshine, Zipformer) agree on these readings."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Word errors against a count of reference words."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        return self.errors / self.words if self.words else 0.0


def count(pairs: Iterable[tuple[str, str]]) -> Errors:
    """Errors over (reference, hypothesis) pairs, both normalized here."""
    errors = words = 0
    for reference, hypothesis in pairs:
        said, heard = normalize(reference), normalize(hypothesis)
        errors += distance(said, heard)
        words += len(said)
    return Errors(errors, words)


def distance(one: list[str], other: list[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, candidate in enumerate(other, 1):
            diagonal, row[j] = row[j], min(diagonal + (word != candidate), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def normalize(text: str) -> list[str]:
    """The spoken words of ``text``."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\$(\d+)", r"\1 dollars", text).replace("%", " percent ").replace("&", " and ")
    text = re.sub(r"(\d)\s*([ap])\.?\s?m\b\.?", r"\1 \2 m ", text)
    text = re.sub(r"\b([ap])\.\s?m\b\.?|\b(p)m\b", r"\1\2 m ", text)
    text = re.sub(r"\b(\d{1,2})(?::(\d\d)\b|\.(\d\d)(?= [ap] m\b))", _time, text)
    text = re.sub(r"\d+(?:st|nd|rd|th)\b", lambda m: " " + ordinal(int(m[0][:-2])) + " ", text)
    text = re.sub(r"(\d+)\.(\d+)", lambda m: " ".join((cardinal(int(m[1])), "point", *(ONES[int(d)] for d in m[2]))), text)
    text = re.sub(r"\d+", lambda m: " " + cardinal(int(m[0])) + " ", text)
    words = re.sub(r"[^a-z' ]", " ", text).split()
    bare = (word.strip("'") for word in words)
    return [SAME.get(word, word) for word in bare if word]


def cardinal(number: int) -> str:
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (" " + ONES[number % 10] if number % 10 else "")
    for scale, name in SCALES:
        if number >= scale:
            rest = number % scale
            return f"{cardinal(number // scale)} {name}" + (f" {cardinal(rest)}" if rest else "")
    raise AssertionError(number)


def ordinal(number: int) -> str:
    *head, last = cardinal(number).split()
    last = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return " ".join([*head, last])


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2] or match[3])
    if hour > 24 or minute > 59:
        return match[0]
    spoken = "" if minute == 0 else f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute)
    return f" {cardinal(hour)} {spoken} "
