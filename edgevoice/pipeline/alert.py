"""Something that is wrong, for a person and for a program at once."""

from __future__ import annotations

from typing import Self


class Alert(str):
    """The sentence says what is wrong and what to do, with its figures; ``name`` stays the same whatever those are, and in every release:
    dashboards and tickets hang on it."""

    __slots__ = ("name", "severe")

    name: str
    severe: bool
    """the device does not do its work; otherwise it does it less well"""

    def __new__(cls, name: str, text: str, *, severe: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.name, made.severe = name, severe
        return made

    def __deepcopy__(self, memo: object) -> Self:
        return self
