"""English number words.

Why not a library: unicode-rbnf (MIT) was tried; importing it costs 57 ms on a desktop machine (it reads its rules from XML, and its package
metadata), for what forty lines give.  How numbers stand in text (times, dates, money) is ``spoken``'s business.
"""

from __future__ import annotations

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
DIGITS = 3 * len(SCALES)
LARGEST = 10 ** DIGITS
"""From here on a number is read digit by digit."""
IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth"}


def cardinal(n: int) -> str:
    """42 → forty-two; 1005 → one thousand five; -3 → minus three."""
    if n < 0:
        return f"minus {cardinal(-n)}"
    if n >= LARGEST:
        return digits(str(n))
    groups = []
    for scale in SCALES:
        n, group = divmod(n, 1000)
        if group:
            groups.append(f"{_below_thousand(group)} {scale}".rstrip())
    return " ".join(reversed(groups)) or "zero"


def ordinal(n: int) -> str:
    """21 → twenty-first; 100 → one hundredth."""
    words = cardinal(n)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in IRREGULAR:
        return words[:cut] + IRREGULAR[last]
    return words[:cut] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(n: int) -> str:
    """1999 → nineteen ninety-nine; 1905 → nineteen oh five; 1900 → nineteen hundred; 2005 → two thousand five."""
    century, rest = divmod(n, 100)
    if not 1000 <= n <= 9999 or n % 1000 < 10:
        return cardinal(n)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """"007" → zero zero seven; whatever is no digit is left out."""
    return " ".join(ONES[int(c)] for c in text if c in "0123456789")


def number(text: str) -> str:
    """A number as it is written, of ASCII digits: "-1,234.50" → minus one thousand … point five zero; "007" digit by digit."""
    sign = {"-": "minus ", "+": "plus "}.get(text[:1], "")
    whole, point, rest = text.lstrip("+-").replace(",", "").partition(".")
    if (len(whole) > 1 and whole.startswith("0")) or len(whole) > DIGITS:
        words = digits(whole)
    else:
        words = cardinal(int(whole)) if whole else ""
    return f"{sign}{words} point {digits(rest)}".replace("  ", " ").strip() if point and rest else sign + words


def _below_thousand(n: int) -> str:
    hundreds, rest = divmod(n, 100)
    words = [f"{ONES[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(ONES[rest] if rest < 20 else TENS[rest // 10] + (f"-{ONES[rest % 10]}" if rest % 10 else ""))
    return " ".join(words)
