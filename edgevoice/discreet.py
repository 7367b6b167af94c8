"""Rows of the trace without the words that were said and answered: for output that ends in a file, a pipe or a log.

Law: texts are kept only under the names that are known to hold none of those words; of every other its number of characters is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HARMLESS = frozenset({
    "event", "state", "stage", "message", "model", "finish", "name", "channel", "skill", "kind", "version", "profile", "problem"})
"""facts of rows whose texts are ours: names, choices, and what is wrong"""
_NESTED = frozenset({"session", "settings", "health"})
"""rows whose facts have facts, none of them said by anybody"""


def without_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """``row``, where each text that may have been said became "(n characters)"."""
    if row["event"] in _NESTED:
        return dict(row)
    return {name: value if name in HARMLESS or value is None or isinstance(value, bool | int | float) else f"({len(str(value))} characters)"
            for name, value in row.items()}
