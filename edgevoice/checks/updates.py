"""Updates: what is in force, and whether one was taken back."""

from __future__ import annotations

from edgevoice.checks.check import Found, Place
from edgevoice.update import in_force, status


def state(place: Place) -> Found:
    """As ``edgevoice update status`` tells it."""
    told = status.document(in_force.releases_of(place.settings), place.settings.update)
    if told["undone"]:
        last = told["undone"][-1]
        return Found("warning", f"the update {last['release']} was taken back: {last['why']}",
                     "`edgevoice update status`; the next update that is installed ends this warning", told)
    if told["staged"]:
        return Found("ok", f"{told['staged']} waits for a pause or the next start", facts=told)
    if told["release"]:
        return Found("ok", f"{told['release']} is in force{', on probation' if told['probation'] else ''}", facts=told)
    return Found("skipped", "none was installed")
