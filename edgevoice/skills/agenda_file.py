"""The agenda as a JSON document, and back: ``document`` and ``loaded``.  Sans-I/O.

Law: what ``loaded`` does not understand to the last field is refused whole, so that nothing half is ever acted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from edgevoice.skills.agenda import SORTS, Agenda, Item, Now

VERSION = 1


def document(agenda: Agenda, now: Now) -> dict[str, Any]:
    """JSON-ready.  ``saved``: the wall's clock now, older than which it cannot be when this is read."""
    return {"version": VERSION, "saved": round(now.wall, 3), "last_id": agenda.last_id,
            "items": [_item(item, now) for item in agenda.kept],
            "lists": {name: list(entries) for name, entries in agenda.lists.items()}}


def loaded(document: Any, now: Now) -> Agenda:
    """The agenda of a process that begins now; what rang when the last one ended is due again.  ``ValueError`` says what is wrong."""
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']!r} is not {VERSION}")
        start = max(now.wall, _finite(document["saved"]))
        if not isinstance(document["items"], list):
            raise ValueError("items are no list")
        items = tuple(_read(facts, start, now) for facts in document["items"])
        lists = {_text(name): tuple(_text(entry) for entry in entries) for name, entries in document["lists"].items()}
        last_id = max([_whole(document["last_id"]), *(item.id for item in items)])
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if len({item.id for item in items}) != len(items):
        raise ValueError("two things have one number")
    return Agenda(items, (), lists, last_id)


def _item(item: Item, now: Now) -> dict[str, Any]:
    made: dict[str, Any] = {"id": item.id, "sort": item.sort, "name": item.name, "about": item.about}
    if item.at is not None:
        return made | {"at": item.at.isoformat(timespec="minutes"), "days": list(item.days)}
    if item.left_s is not None:
        return made | {"length_s": item.length_s, "left_s": round(item.left_s, 3)}
    return made | {"length_s": item.length_s, "due": round(item.due(now), 3)}


def _read(facts: Mapping[str, Any], start: float, now: Now) -> Item:
    if facts["sort"] not in SORTS:
        raise ValueError(f"{facts['sort']!r} is neither of {', '.join(SORTS)}")
    item = Item(_whole(facts["id"]), facts["sort"], _text(facts["name"]), bool(facts["about"]))
    if "at" in facts:
        days = tuple(_whole(day) for day in facts["days"])
        if any(day > 6 for day in days):
            raise ValueError(f"weekdays {days}")
        at = datetime.fromisoformat(facts["at"])
        if at.tzinfo is not None:
            raise ValueError(f"{facts['at']} has a zone")
        return replace(item, at=at, days=days)
    item = replace(item, length_s=_finite(facts["length_s"]))
    if "left_s" in facts:
        return replace(item, left_s=_finite(facts["left_s"]))
    due = _finite(facts["due"])
    return replace(item, wall=due, mono=now.mono + max(0.0, due - start))


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number of seconds")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
