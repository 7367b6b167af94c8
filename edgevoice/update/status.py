"""What is told of updates: by the command, in health."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgevoice import config
from edgevoice.models.releases import Releases, State, version_of
from edgevoice.settings import UpdateSettings

Told = Mapping[str, Any]


def phase(state: State) -> str:
    """``probation``, ``settled``, or ``none`` without an update in force."""
    return "probation" if state.probation is not None and state.current else "settled" if state.current else "none"


def document(releases: Releases, settings: UpdateSettings) -> dict[str, Any]:
    """JSON-ready, from the disk."""
    state = releases.state()
    brought = releases.config(state.current)
    trial = None if state.probation is None else {
        **asdict(state.probation), "of_s": settings.probation_s, "of_turns": settings.probation_turns, "of_crashes": settings.crashes}
    return {"phase": phase(state), "release": version_of(state.current), "previous": version_of(state.previous),
            "staged": version_of(state.staged), "models": releases.models(), "settings": sorted(config.keys_of(brought)) if brought else [],
            "probation": trial,
            "undone": [{"release": version_of(one.id), "why": one.why, "time": one.time} for one in state.undone]}


def lines(told: Told) -> list[str]:
    """The same for a person."""
    found = [f"in force   {told['release'] or 'no update: the models of the store, and the configuration as it stands'}"
             + (" (on probation)" if told["phase"] == "probation" else "")]
    if told["models"]:
        found.append(f"models     {', '.join(told['models'])}")
    if told["settings"]:
        found.append(f"settings   {', '.join(told['settings'])}")
    if (trial := told["probation"]) is not None:
        found.append(f"probation  {trial['lived_s']:.0f} of {trial['of_s']:.0f} s and {trial['turns']} of {trial['of_turns']} answers "
                     f"before the present run; {trial['crashes']} of {trial['of_crashes']} runs without an end in order, with the "
                     "present one")
        found.append(f"before     {told['previous'] or 'no update'}")
    if told["staged"]:
        found.append(f"waiting    {told['staged']}: for a pause, or the next start")
    for one in told["undone"]:
        found.append(f"taken back {one['release']}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(one['time']))}: {one['why']}")
    return found
