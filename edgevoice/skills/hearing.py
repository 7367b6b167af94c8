"""What was said, as words to be matched: ``hear(text)``.

Theory: a recognizer writes a question with or without capitals, marks and digits, and people are polite in different ways.  Here all that
is taken off; what is left are words, numbers as they were written, and signs of sums.  Nothing is corrected: a word that is not the word is
not understood, and the question goes to the model.

Law: what may change a number is never thrown away: a comma that stands between two, so that "two, three" never becomes twenty-three or the
like; brackets; the sign of a factorial.
"""

from __future__ import annotations

import re
import unicodedata

from edgevoice.skills.numbers import is_number_word

LONGEST = 40
"""words; nobody asks a sum in more, and whatever is longer is not looked at"""

_TOKEN = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d*\.\d+|\d+|[°º%+*×÷=^,;/]|-|to-(?:day|morrow)\b|[a-z]+(?:'[a-z]+)?|\S", re.ASCII)
_MARKS = frozenset(".!?:\"…")
_SIGNS = frozenset("+-*/^×÷√")
_SAME = str.maketrans({"’": "'", "‘": "'", "−": "-", "–": "-", "‑": "-", "‐": "-", "º": "°", "²": " squared ", "³": " cubed ", "√": " √ "})
_SHORT = (("km/h", "kph"), ("m/s", "meters per second"), ("ft/s", "feet per second"))
_PART = re.compile(r"(?<![\d./])(\d+ )?(1/2|1/3|2/3|1/4|3/4|½|⅓|⅔|¼|¾)(?![\d./])|(?<=\d)(½|⅓|⅔|¼|¾)")
_PARTS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
          "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters"}
_WHOLE = {
    "whats": "what is", "what's": "what is", "whatre": "what are", "how's": "how is", "when's": "when is", "today's": "today 's",
    "todays": "today 's", "tomorrow's": "tomorrow 's", "tomorrows": "tomorrow 's", "yesterday's": "yesterday 's",
    "yesterdays": "yesterday 's", "it's": "it is", "there's": "there is", "that's": "that is", "per cent": "percent", "%": "percent",
    "to-day": "today", "to-morrow": "tomorrow", "time's": "time is", "date's": "date is", "day's": "day is"}
_APART = (["per", "cent"], ["to", "morrow"])
_BEFORE = (
    "hey", "okay", "ok", "um", "uh", "er", "so", "well", "hi", "hello", "please", "excuse me", "quick question", "can you tell me",
    "could you tell me", "can you please tell me", "could you please tell me", "would you tell me", "tell me", "do you know",
    "i want to know",
    "i'd like to know", "i need to know", "do you happen to know", "can you", "could you", "would you")
_BEFORE_ASKING = ("and", "now", "i'm", "a", "police", "place", "pleas")
"""dropped only before a word that asks: "and three quarters" may have lost its beginning; the last five are what recognizers make of "um",
"hey" and "please" """
_ASKING = ("what", "how", "when", "which", "convert", "calculate")
_AFTER = ("please", "pleas", "thanks", "thank you", "for me", "right now", "exactly", "then", "again")


def hear(text: str) -> list[str]:
    """The words of ``text``; none where it is empty or longer than a question that is meant for a skill."""
    text = unicodedata.normalize("NFC", text).translate(_SAME).lower()
    if len(text) > 16 * LONGEST:
        return []
    for short, whole in _SHORT:
        text = text.replace(short, whole)
    text = _PART.sub(_part, text)
    words: list[str] = []
    for found in _TOKEN.finditer(text):
        word = found[0]
        if word == "!" and _factorial(text, found.start(), words):
            word = "?!"
        if word in _MARKS:
            continue
        if word == "-" and _joins(text, found.start(), found.end()):
            continue  # forty-two
        if word == "/" or (word == "-" and not _apart(text, found.start(), found.end())):
            word = word if _apart(text, found.start(), found.end()) or (word == "-" and _signs(text, found.start())) else f"?{word}"
        if not word.isascii() and word not in "°×÷√":
            word = "?"  # a letter or a digit of another script: no word of ours
        words += _WHOLE.get(word, word).split()
    words = [word for i, word in enumerate(words) if word not in ",;" or _between(words, i)]
    for i in range(len(words) - 1, 0, -1):
        if words[i - 1:i + 1] in _APART:
            words[i - 1:i + 1] = ["".join(words[i - 1:i + 1])]
    return [] if len(words) > LONGEST else without_courtesy(words)


def _part(m: re.Match[str]) -> str:
    """A fraction in digits: "2 1/2" is two and one half."""
    whole = m[1] or (" " if m[3] else "")
    return f"{whole}{'and ' if whole else ''}{_PARTS[m[2] or m[3]]}"


def _factorial(text: str, start: int, words: list[str]) -> bool:
    """Whether a "!" may belong to the number before it: more comes after it, or a sum came before.  "Wake me at 7!" is only loud."""
    return text[start - 1:start].isdigit() and (bool(text[start + 1:].strip(" .!?")) or not _SIGNS.isdisjoint(words))


def _apart(text: str, start: int, end: int) -> bool:
    """Whether a sign stands by itself: "24/7" is no sum, and "555-1234" none either."""
    return text[start - 1:start].isspace() and text[end:end + 1].isspace()


def _signs(text: str, start: int) -> bool:
    """Whether a "-" is the sign of the number after it."""
    return start == 0 or text[start - 1].isspace()


def _joins(text: str, start: int, end: int) -> bool:
    """Whether a "-" ties two words to one."""
    return text[start - 1:start].isalpha() and text[end:end + 1].isalpha()


def _between(words: list[str], i: int) -> bool:
    """Whether the comma at ``i`` parts two numbers; "one thousand, two hundred" is one."""
    if i == 0 or i == len(words) - 1:
        return False
    before, after = words[i - 1], words[i + 1]
    return _countable(before) and _countable(after) and before not in ("thousand", "million", "billion")


def _countable(word: str) -> bool:
    return word[0].isdigit() or is_number_word(word)


def without_courtesy(words: list[str]) -> list[str]:
    """Without what is only polite, at both ends."""
    changed = True
    while changed and words:
        changed = len(words) > 1 and words[0] in _BEFORE_ASKING and words[1] in _ASKING
        words = words[1:] if changed else words
        for phrase in _PARTS_BEFORE:
            if len(words) > len(phrase) and tuple(words[:len(phrase)]) == phrase:
                words, changed = words[len(phrase):], True
                if phrase[-2:] == ("tell", "me") and words[0] in ("the", "today"):
                    words = ["what", "is", *words]
        for phrase in _PARTS_AFTER:
            if len(words) > len(phrase) and tuple(words[-len(phrase):]) == phrase:
                words, changed = words[:-len(phrase)], True
    return words


_PARTS_BEFORE = tuple(tuple(phrase.split()) for phrase in _BEFORE)
_PARTS_AFTER = tuple(tuple(phrase.split()) for phrase in _AFTER)
