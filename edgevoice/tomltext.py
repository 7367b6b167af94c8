"""TOML as text: cut into statements that know their lines, and values written out.

Theory: ``tomllib`` gives no lines and stops at its first error.  The scanner here knows just enough of TOML (strings, brackets,
comments) to say where each statement ends, so that each can be parsed on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or a key with its value, as it stands in the file from ``line`` on."""

    line: int
    text: str

    @property
    def is_header(self) -> bool:
        return self.text.startswith("[")


_KEY = r"""(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_STARTS_ANEW = re.compile(rf"\s*(?:\[\[?[A-Za-z_][\w. -]*\]\]?\s*(?:\#.*)?$|{_KEY}(?:\s*\.\s*{_KEY})*\s*=)")
"""A line that can only be a new statement, even inside brackets; where a bracket was never closed, reading goes on there."""


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file with ``\\n`` line ends, in order; blank lines and comments left out."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        stripped = lines[number].strip()
        if not stripped or stripped.startswith("#"):
            number += 1
            continue
        end = number + 1
        if not stripped.startswith("["):
            end = _value_end(lines, number)
        yield Statement(number + 1, "\n".join(lines[number:end]).strip())
        number = end


def _value_end(lines: list[str], start: int) -> int:
    """The index after the last line of the statement that begins at ``start``."""
    depth, quote = _scan(lines[start], 0, "")
    end = start + 1
    while quote or depth > 0:
        if end == len(lines):
            return start + 1 if quote else end  # a long text never closed: only its first line is surely part of it
        if not quote and _STARTS_ANEW.match(lines[end]):
            return end
        depth, quote = _scan(lines[end], depth, quote)
        end += 1
    return end


_TOKEN = re.compile(r'''\#.*|"""|\'\'\'|"(?:[^"\\]|\\.)*"?|'[^']*'?|[\[\]{}]''')
_CLOSING = {'"""': re.compile(r'(?:[^"\\]|\\.?|"(?!""))*"{3,5}'), "'''": re.compile(r"(?:[^']|'(?!''))*'{3,5}")}


def _scan(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Follow one line: how many brackets are open after it, and which long quote, if any."""
    at = 0
    while at < len(line):
        if quote:
            closed = _CLOSING[quote].match(line, at)
            if not closed:
                return depth, quote
            at, quote = closed.end(), ""
            continue
        token = _TOKEN.search(line, at)
        if not token:
            break
        at = token.end()
        if token[0] in _CLOSING:
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, quote


def as_toml(value: Any, *, wrap: bool = False) -> str:
    """A value as TOML; a long text on several lines if ``wrap``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {as_toml(item)}' for name, item in value.items())}}}"
    if not isinstance(value, str):
        return str(value)
    text = "".join(_ESCAPES.get(char) or (f"\\u{ord(char):04x}" if ord(char) < 0x20 or ord(char) == 0x7F else char) for char in value)
    if not wrap or len(text) <= 100:
        return f'"{text}"'
    pieces = re.findall(r".{1,96}(?: (?! )|$)|.+", text)
    if any(piece.startswith(" ") for piece in pieces):
        return f'"{text}"'  # a break would swallow blanks
    return '"""\\\n' + "".join(f"    {piece}\\\n" for piece in pieces) + '    """'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
