"""A deed: something that words ask the device to do, as far as it can be told without doing it.

Law: whoever makes one has done nothing.  It is a value, so that a question may be routed before it is known whether it has ended; who does
it, and when, is for ``pipeline.deeds``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Deed:
    """``kind`` names the doer; ``arguments`` are its own."""

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
