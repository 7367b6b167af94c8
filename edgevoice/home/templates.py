"""Home Assistant's templates, as far as MQTT discovery uses them: ``rendered(template, value)``.

Theory: a device says how its payloads are read and written in Jinja2 (``{{ value_json.state }}``).  Jinja2 itself renders them, in its
sandbox.  They come from the broker, so a template that loops, defines or includes something is none for us: it could keep the loop.

Source of the filters: Home Assistant's documentation of templating; only those that devices use are here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from jinja2 import Template, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_TEMPLATE = 2000
"""characters"""
_STATEMENT = re.compile(r"\{%-?\s*(\w+)")
_ALLOWED = frozenset(("if", "elif", "else", "endif", "set"))
_COSTLY = re.compile(r"\*\*|\brange\b|\*\s*\d{4,}|\b(?:center|ljust|rjust|zfill|format|indent|wordwrap|lipsum|cycler|batch|slice)\b")


def rendered(template: str, value: str, **facts: Any) -> str | None:
    """What ``template`` makes of ``value`` (and of it as JSON, where it is); ``value`` itself for no template, ``None`` where it cannot be
    told."""
    if not template:
        return value
    made = _compiled(template)
    if made is None:
        return None
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = Undefined(name="value_json")
    try:
        return str(made.render(value=value, value_json=parsed, **facts)).strip()
    except (TemplateError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RecursionError):
        return None


@functools.lru_cache(maxsize=1024)
def _compiled(template: str) -> Template | None:
    if len(template) > MOST_TEMPLATE or _COSTLY.search(template) or not set(_STATEMENT.findall(template)) <= _ALLOWED:
        return None
    try:
        return _environment().from_string(template)
    except TemplateError:
        return None


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment()
    made.filters.update(is_defined=lambda value: value, from_json=json.loads, to_json=json.dumps, iif=_iif,
                        float=_number(float), int=_number(lambda value: int(float(value))))
    made.globals = {"float": _number(float), "int": _number(lambda value: int(float(value))), "iif": _iif}
    return made


def _number(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def read(value: Any, default: Any = 0, *_: Any) -> Any:
        try:
            return kind(value)
        except (TypeError, ValueError, OverflowError):
            return default
    return read


def _iif(value: Any, if_true: Any = True, if_false: Any = False, *_: Any) -> Any:
    return if_true if value else if_false
