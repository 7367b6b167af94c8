"""Configuration files: TOML read into the frozen types of ``settings``, and written back with every key explained.

Laws: a file is accepted whole or refused whole; all its mistakes are reported at once, each as
``file:line: section.key = value: what is wrong; what would be right``; what a key may be is said in ``settings`` alone.

Theory: a file is first cut into statements (a header, or a key with its whole value), and each is parsed by ``tomllib`` on its own.
So each value has its line, and one bad statement does not hide the next.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
import textwrap
import tomllib
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevoice.errors import ConfigError
from edgevoice.settings import Settings
from edgevoice.settings_rules import RULES
from edgevoice.tomltext import Statement, as_toml, statements

MAX_BYTES = 1_000_000
"""No configuration is that long; something else was named (a model, a device file)."""
MAX_NAME = 200
"""Characters; names are a tenth of that."""
PLAINLY_OTHER = 10
"""Mistakes without a single known section from which on a file is called no configuration at all, instead of telling each line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.  ``line`` counts from 1, 0 for the file as a whole; ``key`` is ``section.key``, "" where there is none."""

    file: str
    line: int
    key: str
    value: str | None
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = "" if not self.key else f"{self.key}: " if self.value is None else f"{self.key} = {self.value}: "
        return f"{place}: {subject}{self.wrong}; {self.right}"


def load(path: Path) -> Settings:
    """The settings in the file, defaults where it is silent; ``ConfigError`` with every problem if there is any."""
    settings, problems = read(path)
    refuse(problems)
    return settings


def refuse(problems: Sequence[Problem]) -> None:
    """``ConfigError`` with all of them, if there is any."""
    if problems:
        lines = tuple(map(str, problems))
        raise ConfigError(lines[0], lines)


def to_toml(settings: Settings) -> str:
    """The settings as a commented configuration file; reading it gives them back."""
    blocks = []
    for name, cls in _sections().items():
        lines = [f"# {(cls.__doc__ or '').strip()}", f"[{name}]"]
        for field in dataclasses.fields(cls):
            lines += textwrap.wrap(_explain(field), 100, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{field.name} = {as_toml(getattr(getattr(settings, name), field.name), wrap=True)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


@dataclass(slots=True)
class _Reading:
    """What is known of a file while its statements are gone through."""

    file: str
    values: dict[str, dict[str, Any]]
    lines: dict[str, int]
    problems: list[Problem]
    section: str | None = ""  # "" above the first header, None under one that is not understood: its keys mean nothing

    def complain(self, line: int, key: str, value: str | None, wrong: str, right: str) -> None:
        self.problems.append(Problem(self.file, line, key, value, wrong, right))


def read(path: Path, over: Path | None = None) -> tuple[Settings, list[Problem]]:
    """What the file sets, as far as it is right, defaults elsewhere; and every mistake in it, in the order of its lines.  ``over``: a
    second file, whose keys count instead of the first one's."""
    readings = [_gathered(file) for file in (path, over) if file is not None]
    return _judged(readings)


def load_over(path: Path | None, over: Path) -> Settings:
    """As ``load`` of ``path``, or of the defaults, with the keys of ``over`` instead of its own."""
    settings, problems = read(path, over) if path is not None else read(over)
    refuse(problems)
    return settings


def keys_of(path: Path) -> dict[str, Any]:
    """``section.key`` of what the file sets, as far as it is right, and to what."""
    reading = _gathered(path)
    return {f"{section}.{name}": value for section, values in reading.values.items() for name, value in values.items()}


def _gathered(path: Path) -> _Reading:
    """What a file says, key by key."""
    text = _text(path)
    return _Reading(str(path), {}, {}, [text]) if isinstance(text, Problem) else _gathered_text(str(path), text)


def _gathered_text(file: str, text: str) -> _Reading:
    reading = _Reading(file, {name: {} for name in _sections()}, {}, [])
    for statement in statements(text):
        if len(statement.text.partition("=")[0]) > MAX_NAME:  # tomllib takes time by the square of the dots in a name
            reading.complain(statement.line, "", None, f"no setting has so long a name as '{_short(statement.text)}'", "take the line out")
            continue
        try:
            parsed = tomllib.loads(statement.text)
            if statement.is_header:
                _enter(reading, statement, parsed)
            else:
                for keys, value in _flatten(parsed, 2 if reading.section == "" else 1):
                    _take(reading, statement.line, keys, value)
        except tomllib.TOMLDecodeError as error:
            _complain_of_syntax(reading, statement, error)
        except RecursionError:
            reading.complain(statement.line, "", None, f"too many brackets, in '{_short(statement.text)}'", "take them out")
    if not reading.problems:
        _complain_of_the_whole(reading, text)
    return reading


def _judged(readings: Sequence[_Reading]) -> tuple[Settings, list[Problem]]:
    """What they set together, the last first, as far as it is right, and what is wrong with it."""
    values = {name: {key: value for reading in readings for key, value in reading.values.get(name, {}).items()} for name in _sections()}
    settings = Settings(**{name: cls(**values[name]) for name, cls in _sections().items()})
    bad = {problem.key for reading in readings for problem in reading.problems}
    unread = any(problem.line == 0 for reading in readings for problem in reading.problems)
    for rule in () if unread else RULES:
        if not bad.intersection(rule.keys) and rule.broken(settings):
            section, name = rule.keys[0].split(".")
            set_here = any(rule.keys[0] in reading.lines for reading in readings)
            value = as_toml(getattr(getattr(settings, section), name)) + ("" if set_here else " (the default)")
            at = next((reading, reading.lines[key]) for key in rule.keys for reading in reversed(readings) if key in reading.lines)
            at[0].complain(at[1], rule.keys[0], value, rule.wrong(settings), rule.right(settings))
    for reading in readings:
        if len(reading.problems) >= PLAINLY_OTHER and not reading.lines:
            wrong = f"is not a configuration file ({len(reading.problems)} lines of it mean nothing here)"
            reading.problems[:] = [Problem(reading.file, 0, "", None, wrong, _REMEDY)]
        reading.problems.sort(key=lambda problem: problem.line)
    return settings, [problem for reading in readings for problem in reading.problems]


def _complain_of_the_whole(reading: _Reading, text: str) -> None:
    """What is right statement by statement may still be no TOML: a section opened twice, as ``audio.rate = …`` and ``[audio]``."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column \d+\)|\(at end of document\)", str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        wrong = re.sub(r"\s*\(at .*\)$", "", str(error))
        reading.complain(line, "", None, f"is not TOML here: {wrong[:1].lower()}{wrong[1:]}", "write each section once, with all its keys")


def _text(path: Path) -> str | Problem:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Problem(str(path), 0, "", None, (error.strerror or str(error)).lower(), _REMEDY)
    if len(raw) > MAX_BYTES:
        return Problem(str(path), 0, "", None, f"is over {MAX_BYTES:,} bytes long", _REMEDY)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return Problem(str(path), raw.count(b"\n", 0, error.start) + 1, "", None, "is not UTF-8 text", "save the file as UTF-8")


_REMEDY = "name a configuration file (TOML) such as configs/default.toml"
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def _complain_of_syntax(reading: _Reading, statement: Statement, error: tomllib.TOMLDecodeError) -> None:
    message = str(error)
    place = _PLACE.search(message)
    line = statement.line + (int(place[1]) - 1 if place and place[1] else 0)
    wrong = "not TOML: " + _lower(_PLACE.sub("", message))
    if statement.is_header:
        reading.section = None
        reading.complain(line, "", None, f"{wrong}, in '{_short(statement.text)}'", "a section is written [name]")
        return
    key, equals, value = (part.strip() for part in statement.text.partition("="))
    right = "a setting is written key = value"
    if equals:
        word = value.split("#")[0].strip()
        if word.lower() in ("true", "false"):
            right = f"write {word.lower()}"
        elif not word:
            right = "give a value, or take the line out"
        elif re.fullmatch(r"[A-Za-z_~/.][^\"'\[\]{}\n]*", word):
            right = f'text stands in quotes: {key} = "{word}"'
        else:
            right = "see that quotes and brackets are closed and items are parted by commas"
    prefix = f"{reading.section}." if reading.section else ""
    known = bool(equals) and re.fullmatch(r"[\w.-]+", key)
    reading.complain(line, f"{prefix}{key}" if known else "", _short(value) if known else None,
                     wrong if known else f"{wrong}, in '{_short(statement.text)}'", right)


def _enter(reading: _Reading, statement: Statement, parsed: dict[str, Any]) -> None:
    """Take a header."""
    path: list[str] = []
    inner: Any = parsed
    while isinstance(inner, dict) and inner:
        path.append(next(iter(inner)))
        inner = inner[path[-1]]
    name = ".".join(path)
    reading.section = None
    if isinstance(inner, list):
        reading.complain(statement.line, "", None, f"[[{name}]] makes a list of sections", f"write [{name}]")
    elif name not in _sections():
        reading.complain(statement.line, "", None, f"[{name}] is not a section", _nearest_section(name))
    elif f"[{name}]" in reading.lines:
        reading.complain(statement.line, "", None, f"[{name}] stands twice (first on line {reading.lines[f'[{name}]']})", "join the two")
        reading.section = name
    else:
        reading.lines[f"[{name}]"] = statement.line
        reading.section = name


def _flatten(parsed: dict[str, Any], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in parsed.items():
        if isinstance(value, dict) and depth > 1:
            for keys, inner in _flatten(value, depth - 1):
                yield (name, *keys), inner
        else:
            yield (name,), value


def _take(reading: _Reading, line: int, keys: tuple[str, ...], value: Any) -> None:
    """Check one value and keep it if it is right."""
    if reading.section is None:
        return
    path = keys if reading.section == "" else (reading.section, *keys)
    key, shown = ".".join(path), _short(as_toml(value))
    if len(path) == 1:
        homes = [name for name, cls in _sections().items() if key in _fields(cls)]
        reading.complain(line, key, shown, "stands above the first section",
                         f"put it under [{homes[0]}]" if homes else _nearest_section(key))
        return
    section, name = path
    if section not in _sections():
        reading.complain(line, key, shown, f"[{section}] is not a section", _nearest_section(section))
        return
    fields = _fields(_sections()[section])
    if name not in fields:
        homes = [other for other, cls in _sections().items() if name in _fields(cls)]
        hint = f"it belongs to [{homes[0]}]" if homes else f"[{section}] knows {', '.join(fields)}"
        reading.complain(line, key, shown, "is not a setting", _nearest(name, list(fields), hint))
        return
    if key in reading.lines:
        reading.complain(line, key, shown, f"stands twice (first on line {reading.lines[key]})", "keep one")
        return
    reading.lines[key] = line
    wrong = _wrong(fields[name], _types(section)[name], value)
    if wrong:
        reading.complain(line, key, shown, *wrong)
    else:
        reading.values[section][name] = float(value) if isinstance(fields[name].default, float) else value


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes", list[str]: "a list of texts in quotes"}


def _wrong(field: dataclasses.Field[Any], kind: Any, value: Any) -> tuple[str, str] | None:
    """What is wrong with a value and what would be right; ``None`` if it is fine."""
    meta = field.metadata
    low, high, choices = meta["low"], meta["high"], meta["choices"]
    if kind is bool:
        fits = isinstance(value, bool)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif kind is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    elif kind is str:
        fits = isinstance(value, str)
    else:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not fits:
        bounds = _bounds(field)
        right = f"{_KINDS[kind]}{f', {bounds}' if bounds else ''}, such as {_short(as_toml(_default(field)))}"
        return f"is not {_KINDS[kind]}", right
    if choices and value not in choices:
        return "is not one of the choices", _nearest(value, list(choices), _bounds(field))
    if low is not None and value < low:
        return "is too small", f"must be {_bounds(field)}"
    if high is not None and value > high:
        return "is too large", f"must be {_bounds(field)}"
    return None


def _nearest(word: str, known: list[str], otherwise: str) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else otherwise


def _nearest_section(name: str) -> str:
    return _nearest(name, list(_sections()), f"sections are {', '.join(_sections())}")


def _bounds(field: dataclasses.Field[Any]) -> str:
    """The values allowed, in words; "" where all are."""
    low, high, choices, unit = (field.metadata[name] for name in ("low", "high", "choices", "unit"))
    if choices:
        return " or ".join([", ".join(map(as_toml, choices[:-1])), as_toml(choices[-1])])
    if low is None or high is None:
        return str(unit)
    return f"{low} to {high} {unit}".rstrip()


def _explain(field: dataclasses.Field[Any]) -> str:
    bounds = _bounds(field)
    return f"{field.metadata['doc']}{f' ({bounds})' if bounds else ''}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


@functools.cache
def _sections() -> dict[str, type[Any]]:
    return typing.get_type_hints(Settings)


@functools.cache
def _types(section: str) -> dict[str, Any]:
    return typing.get_type_hints(_sections()[section])


def _fields(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls)}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default is not dataclasses.MISSING else typing.cast(Any, field.default_factory)()
