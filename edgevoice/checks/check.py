"""What a check is, and how many of them are carried out.

Theory: a check looks at one thing and says in one line how it is, and what to do if it is not well.  It is a plain function of a ``Place``;
the table in ``table.py`` gives it a name that stays, since tickets and scripts hang on it.  Looking must not disturb: a check that opens
the sound card or loads an engine is marked, and a running device leaves it out.

Laws: a check never raises (what it raises is its result), never makes a sound, and says nothing of what anybody said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgevoice.errors import EdgeVoiceError
from edgevoice.settings import Settings

Status = Literal["ok", "warning", "problem", "skipped"]
"""well; the device works less well; it does not work, or will not; there is nothing to look at here, and why"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a check saw: one line with figures, what to do unless it is well, and the figures for programs."""

    status: Status
    text: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where is looked: the settings in force, and the root of the file system (for tests)."""

    settings: Settings
    root: Path = Path("/")
    unit: str = "edgevoice.service"


@dataclass(frozen=True, slots=True)
class Check:
    """``disturbs``: it takes the sound card, or memory and time enough to be heard in a conversation."""

    name: str
    title: str
    look: Callable[[Place], Found]
    disturbs: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A check that was carried out."""

    name: str
    title: str
    found: Found
    seconds: float

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        found = self.found
        return {"name": self.name, "title": self.title, "status": found.status, "text": found.text, "remedy": found.remedy,
                "facts": found.facts, "seconds": round(self.seconds, 3)}


def carry_out(checks: Iterable[Check], place: Place, told: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """In order; ``told`` of each as it is done."""
    made = []
    for check in checks:
        began = time.monotonic()
        try:
            found = check.look(place)
        except EdgeVoiceError as error:
            found = Found("problem", str(error), "do what the line says")
        except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others see
            found = Found("warning", f"it could not be looked at: {type(error).__name__}: {error}", "report this as a bug")
        result = Result(check.name, check.title, found, time.monotonic() - began)
        told(result)
        made.append(result)
    return made


def worst(results: Sequence[Result]) -> Status:
    """Of those that were looked at; ``ok`` for none."""
    found = {result.found.status for result in results}
    return "problem" if "problem" in found else "warning" if "warning" in found else "ok"
