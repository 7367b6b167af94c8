"""Text as it is written → words as they are spoken (English): ``spoken(text)``.

Theory: markdown is taken off first; then rules replace what is not words, the particular before the general (a date before a fraction
before a division), each turning what it understands into plain words, so that no later rule sees it again.  What is left of symbols at the
end is dropped.  The result holds letters, apostrophes, hyphens between letters and ``, ; : . ! ?``.

Law: the function is pure and total: any text gives text, and text that is words already stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from edgevoice.dialog.abbreviations import (
    ACRONYMS,
    BEFORE_NUMBERS,
    CURRENCIES,
    CURRENCY_CODES,
    DAYS,
    ENDING,
    INSIDE,
    MONTH_NAMES,
    MONTHS,
    SYMBOLS,
    TITLES,
    UNITS,
)
from edgevoice.dialog.markdown import plain
from edgevoice.dialog.numbers import DIGITS, cardinal, digits, number, ordinal, year

Match = re.Match[str]


def spoken(text: str) -> str:
    """``text``, markdown or plain, as words."""
    return words(plain(text))


def words(text: str) -> str:
    """``text`` without markdown, as words."""
    text = " ".join(unicodedata.normalize("NFC", text).translate(_SAME).split())
    has_digits = any(c.isdigit() for c in text)
    for pattern, replacement, needs_digits in _RULES:
        if has_digits or not needs_digits:
            text = pattern.sub(replacement, text)
    return _tidy("".join(c if c.isalpha() or c in _KEPT or unicodedata.combining(c) else " " for c in text))


def _tidy(text: str) -> str:
    for pattern, replacement in _TIDY:
        text = pattern.sub(replacement, text)
    return text.lstrip(" ,;:.!?-").rstrip(" -")


# what the rules say

def _url(m: Match) -> str:
    host, port, path = m[1], m[2], (m[3] or "").strip("/")
    said = re.sub(r"[./]", lambda c: " dot " if c[0] == "." else " slash ", host + (f"/{path}" if path and len(path) <= 20 else ""))
    return f"{said} port {port}" if port else said


def _email(m: Match) -> str:
    return m[0].replace("@", " at ").replace(".", " dot ").replace("-", " dash ").replace("_", " underscore ")


def _iso_date(m: Match) -> str:
    return _date(int(m[2]), int(m[3]), m[1], m[0])


def _us_date(m: Match) -> str:
    return _date(int(m[1]), int(m[2]), m[3] if len(m[3]) == 4 else f"20{m[3]}", m[0])


def _date(month: int, day: int, in_year: str, written: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return digits(written)
    return f"{MONTH_NAMES[month - 1]} {ordinal(day)}, {year(int(in_year))}"


def _month_day(m: Match) -> str:
    month = MONTHS.get(m[1].rstrip(".").lower(), m[1])
    return f"{month} {ordinal(int(m[2]))}" + (f", {year(int(m[3]))}" if m[3] else "")


def _day_month(m: Match) -> str:
    month = MONTHS.get(m[2].rstrip(".").lower(), m[2])
    return f"{ordinal(int(m[1]))} of {month}" + (f", {year(int(m[3]))}" if m[3] else "")


def _month_year(m: Match) -> str:
    return f"{MONTHS.get(m[1].rstrip('.').lower(), m[1])} {year(int(m[2]))}"


def _time(m: Match) -> str:
    hour, minute, second, half = int(m[1]), int(m[2]), m[3], (m[4] or "").replace(".", "").upper()
    if hour > 24 or minute > 59:
        return f"{number(m[1])} {number(m[2])}"
    said = cardinal(hour)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        said += " o'clock" if 0 < hour <= 12 else " hundred"
    if second:
        said += f" and {cardinal(int(second))} seconds"
    return f"{said} {half}".rstrip()


def _hour(m: Match) -> str:
    return f"{number(m[1])} {m[2].replace('.', '').upper()}"


def _half_day(m: Match) -> str:
    return f"{m[1].upper()}M"


def _half_day_end(m: Match) -> str:
    return f"{m[1].upper()}M."


def _money(m: Match) -> str:
    return _amount(m["sign"], m["minus"], m["whole"], m["part"], m["scale"] or m["short"])


def _money_after(m: Match) -> str:
    return _amount(CURRENCY_CODES.get(m["sign"], m["sign"]), "", m["whole"], m["part"], m["scale"] or m["short"])


def _amount(sign: str, minus: str | None, whole: str, part: str | None, scale: str | None) -> str:
    one, many, cent, cents = CURRENCIES[sign]
    minus = "minus " if minus else ""
    if scale:
        scale = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion", "t": "trillion"}.get(scale.lower(), scale)
        return f"{minus}{number(whole + (f'.{part}' if part else ''))} {scale} {many}"
    said = f"{number(whole)} {one if whole == '1' else many}"
    if part and len(part) == 2 and cent:
        hundredths = int(part)
        small = f"{cardinal(hundredths)} {cent if hundredths == 1 else cents}"
        said = said if not hundredths else small if not whole.strip('0,') else f"{said} and {small}"
    elif part:
        said = f"{number(f'{whole}.{part}')} {many}"
    return minus + said


def _unit(m: Match) -> str:
    one, many = UNITS[" ".join(m[2].split())]
    return f"{number(m[1])} {one if m[1].lstrip('+-') == '1' else many}"


def _span(m: Match) -> str:
    """A hyphen between numbers: a difference only where it is set apart and what is taken away is less."""
    apart = m[2].startswith(" ") and m[2].endswith(" ")
    return f"{m[1]} {'minus' if apart and _value(m[1]) > _value(m[3]) else 'to'} "


def _value(written: str) -> float:
    return float(written.replace(",", ""))


def _phone(m: Match) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", m[0])) + " "


def _fraction(m: Match) -> str:
    whole, top, bottom = m[1], int(m[2]), int(m[3])
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if bottom < 2 or bottom > 100 or (whole is None and top >= bottom):
        return f"{whole or ''} {cardinal(top)} over {cardinal(bottom)}"
    one, many = names.get(bottom, (ordinal(bottom), f"{ordinal(bottom)}s"))
    part = f"{cardinal(top)} {one if top == 1 else many}"
    return f"{number(whole.strip())} and {'a' + part[3:] if top == 1 and bottom == 2 else part}" if whole else part


def _decade(m: Match) -> str:
    said = year(int(m[1])) if m[1] else cardinal(int(m[2]))
    return re.sub(r"y$", "ies", said) if said.endswith("y") else f"{said}s"


def _ordinal(m: Match) -> str:
    written = m[1].replace(",", "")
    return ordinal(int(written)) if len(written) <= DIGITS else f"{digits(written)}th"


def _year(m: Match) -> str:
    return year(int(m[0]))


def _year_after(m: Match) -> str:
    return m[1] + year(int(m[2]))


def _dotted(m: Match) -> str:
    return " point ".join(number(part) for part in m[0].split("."))


def _number(m: Match) -> str:
    return f" {number(m[0])} "


def _mixed(m: Match) -> str:
    return re.sub(r"(?<=\d)(?=[^\W\d])|(?<=[^\W\d])(?=\d)", " ", m[0])


def _title(m: Match) -> str:
    return TITLES[m[1].lower()]


def _inside(m: Match) -> str:
    return INSIDE[m[1].lower()]


def _ending(m: Match) -> str:
    ends = not m[2] or m[2].lstrip(" \"'")[:1].isupper()
    return ENDING[m[1].lower()] + ("." if ends else "") + m[2]


def _initials(m: Match) -> str:
    return "-".join(m[0].rstrip(".").split(".")).upper()


def _either(table: dict[str, str] | dict[str, tuple[str, str]] | frozenset[str]) -> str:
    return "|".join(map(re.escape, sorted(table, key=len, reverse=True)))


def _alternatives(m: Match) -> str:
    return f"{m[1]} {m[2]}" if m[1].lower() == "and" or m[0].isupper() else f"{m[1]} or {m[2]}"


_SAME = str.maketrans({
    "\xa0": " ", "‘": "'", "’": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "…": "...", "−": "-", "‐": "-", "‑": "-",
    "μ": "µ", "\u2009": " ", "\u202f": " ", "´": "'", "`": " "})
_KEPT = frozenset(" ,;:.!?'-")
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONTH = "|".join(MONTH_NAMES) + "|(?:" + "|".join(month.capitalize() for month in MONTHS) + r")\."
_SIGNS = "[" + "".join(CURRENCIES) + "]"
_SCALE = r"(?:\s+(?P<scale>thousand|million|billion|trillion)|(?P<short>[kKmMbBT]|bn)(?!\w))?"
_YEAR_WORDS = "in|to|and|since|from|until|till|by|of|year|around|before|after|during|late|early|mid|circa|spring|summer|autumn|fall|winter"

Rule = tuple[str, str | Callable[[Match], str]]
_WRITTEN: tuple[Rule, ...] = (
    (r"(?i)\b(?:https?://|www\.)(?:www\.)?([\w-]+(?:\.[\w-]+)+)(?::([0-9]{2,5})\b)?(/[^\s,;!?#\"')]*(?<![.:]))?"
     r"(?:[?#][^\s,;!\"')]*[\w/])?", _url),
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _email),
    (rf"(?<![\w/])(?:{_either(ACRONYMS)})(?!\w)", lambda m: ACRONYMS[m[0]]),
    # dates
    (r"\b(\d{4})-(\d{2})-(\d{2})\b(?:T[\d:.]+Z?)?", _iso_date),
    (r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])", _us_date),
    (rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:%.]\d|,\d)(?:,? (\d{{4}})\b)?", _month_day),
    (rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})(?!\w)(?:,? (\d{{4}})\b)?", _day_month),
    (rf"\b({_MONTH}) (\d{{4}})\b", _month_year),
    (rf"\b({_either(DAYS)})\.(?=,| \w)", lambda m: DAYS[m[1]]),
    (rf"(?i)\b({_either(DAYS)})\.(?=,| \w)", lambda m: DAYS[m[1].lower()]),
    # times
    (r"(?<=:\d\d)\s?[-–—]\s?(?=\d{1,2}:\d\d)", " to "),
    (r"(?i)\b([ap])\.\s?m\.(?=\s+[\"']?(?-i:[A-Z])|\s*$)", _half_day_end),
    (r"(?i)\b([ap])\.\s?m\.", _half_day),
    (r"(?<![\d:.])(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s?([aApP]\.?[mM]\b))?(?![\d:])", _time),
    (r"(?<![\d:.])(\d{1,2})\s?([aApP]\.?[mM]\b)", _hour),
    # money
    (rf"(?<![\w.-])({_SIGNS})({_NUMBER})\s?[-–]\s?\1?(?=(?:{_NUMBER})(?![\d-]))", r"\2 to \1"),
    (rf"(?P<minus>-)?(?P<sign>{_SIGNS})\s?(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.(?P<part>\d+))?{_SCALE}(?!\w)", _money),
    (rf"(?<![\w.])(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.(?P<part>\d+))?{_SCALE}\s?(?P<sign>{_SIGNS}|{_either(frozenset(CURRENCY_CODES))})(?!\w)",
     _money_after),
    # abbreviations
    (r"(?<=[a-z] )St\.(?=,| [a-z])", "Street"), (r"(?<=[a-z] )St\.$", "Street."),
    (rf"(?i)\b({_either(TITLES)})\.(?= [^\W0-9_])", _title),
    (rf"(?i)\b({_either(BEFORE_NUMBERS)})\.(?= ?\d)", _inside),
    (rf"(?i)\b({_either(frozenset(INSIDE) - BEFORE_NUMBERS)})\.,?(?=\W|$)", _inside),
    (rf"(?i)\b({_either(ENDING)})\.((?: [\"']?\w)?)", _ending),
    (rf"(?i)\b({_either(MONTHS)})\.(?= [^\W0-9_a-z])", lambda m: MONTHS[m[1].lower()]),
    (r"\b(?:[A-Z]\.){2,}", _initials),
    (r"#(?=\d)", "number "),
    # what stands between numbers
    (r"(?<![\w.-])(?:\+?\d{1,2}[ -])?(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}\b|(?<![\w.-])\d{3}-\d{4}\b", _phone),
    (rf"(?<![\w.,-])({_NUMBER})(\s?[-–]\s?)(?=({_NUMBER})(?![\d-]))", _span),
    (r"(?<=\d)\s?[–—]\s?(?=\d)", " to "),
    (r"(?<=\d)\s?(?:x|\*|×)\s?(?=\d)", " times "),
    (r"(?<=\d) / (?=\d)", " divided by "),
    (r"(?<![\w'])(\d)'(\d{1,2})(?:\"|''|\b)", r"\1 foot \2"),
    (r"(?<=\d)\s?\^\s?(?=\d)", " to the power of "),
    (r"(?<![\w/.])(\d+ )?(\d{1,3})/(\d{1,3})(?![\w/])", _fraction),
    (r"(?<=\d):(?=\d)", " to "),
    (r"~\s?(?=\d)", "about "),
    (r"<\s?(?=[\d$])", "less than "),
    (r">\s?(?=[\d$])", "more than "),
    # numbers with something behind them
    (r"(?<!\w)'?(\d{3}0)'?s\b|(?:(?<!\w)'|\b(?<=the ))(\d0)'?s\b", _decade),
    (r"\bv(?=\d)", "version "),
    (rf"(?<![\w.])((?:(?<!\w)[-+])?(?:{_NUMBER}))\s?({_either(UNITS)})(?![\w/²³])", _unit),
    (r"\b(\d{1,3}(?:,\d{3})*|\d+)(?:st|nd|rd|th)\b", _ordinal),
    (rf"(?i)(\(|\b(?:{_YEAR_WORDS}) )((?:1[1-9]|20)\d\d)(?=$|[\s,;:.!?)])", _year_after),
    (r"\b(?:1[1-9]|20)\d\d(?= (?:was|is|has|will|saw)\b)", _year),
    (r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", _dotted),
    (r"\b(?=\w*\d)(?=\w*[^\W0-9_])\w+\b", _mixed),
    (rf"(?:(?<![\w)])[-+])?(?:{_NUMBER})|(?:(?<!\w)[-+])?(?<!\d)\.\d+", _number),
    # signs and brackets
    (r"\s--+\s|\s[-–—]\s|—", ", "),
    (r"\s?[(\[{]", ", "), (r"[)\]}](?=\s?[,;:.!?]|$)", ""), (r"[)\]}]", ", "),
    (r"(?i)\b([^\W0-9_]+)/([^\W0-9_]+)\b", _alternatives),
    (r"[" + re.escape("".join(SYMBOLS)) + "]", lambda m: SYMBOLS[m[0]]),
    (r"(?<=\w)<(?=\w)|\s<\s", " less than "), (r"\s>\s", " more than "),
)
_RULES = tuple((re.compile(pattern), replacement, r"\d" in pattern) for pattern, replacement in _WRITTEN)
"""(pattern, replacement, whether it needs a digit): most text has none, and half the rules then cost nothing."""
_TIDY = tuple((re.compile(pattern), replacement) for pattern, replacement in (
    (r"(?<!\w)'+|'+(?!\w)(?<!s')", " "),
    (r"(?<!\w)-+|-+(?!\w)", " "),
    (r"\s+", " "),
    (r"\s+(?=[,;:.!?])", ""),
    (r"[,;:]+(?=[.!?])|(?<=[.!?;:])[,;:]+|,+(?=[,;:])", ""),
    (r"\.{2,}", "..."),
    (r"(?<=[!?])\.+", ""),
    (r"(?<!\.)\.(?=[!?])", ""),
    (r"(?<=[,;:])(?=[^\W0-9_])", " "),
))
