"""Models: whether those of the settings are there, and every byte of them as it was accepted."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgevoice.checks.check import Found, Place
from edgevoice.engines import wake
from edgevoice.errors import ModelError
from edgevoice.models import Store, default_root, find
from edgevoice.models.inventory import items, verify, versions
from edgevoice.settings import Settings


def names(settings: Settings) -> dict[str, str]:
    """Which model each part uses; parts that need none are left out."""
    wanted = {"vad": settings.vad.model, "stt": settings.stt.model, "final": settings.stt.final_model, "llm": settings.llm.model,
              "tts": settings.tts.model, "turn": settings.dialog.turn_model if settings.dialog.hears_turn_ends else "",
              "keywords": settings.wake.keyword_model if settings.wake.keywords else ""}
    return {part: name for part, name in wanted.items() if name}


def present(place: Place) -> Found:
    """Every model is there, with files of the right size; wake words are known, and the phonemizer is a program."""
    settings = place.settings
    wanted = names(settings)
    store = Store(default_root(settings.paths))
    states = {item.name: item for item in items(store)}
    missing, damaged = [], []
    for name in dict.fromkeys(wanted.values()):
        item = states.get(name)
        if item is not None and item.state == "damaged":
            damaged.append(name)
            continue
        try:
            if item is None or item.state != "installed":
                find(settings.paths, name)
        except ModelError:
            missing.append(name)
    facts = {"models": wanted, "versions": versions(store, wanted), "missing": missing, "damaged": damaged}
    if missing or damaged:
        what = "; ".join(f"{word}: {', '.join(found)}" for word, found in (("missing", missing), ("damaged", damaged)) if found)
        return Found("problem", what, f"`edgevoice models pull {' '.join([*missing, *damaged])}`", facts)
    try:
        wake.check_words(settings.wake)
    except ModelError as error:
        return Found("problem", str(error), "`edgevoice wake --help` says which there are; wake.words, wake.folder", facts)
    if shutil.which("espeak-ng") is None:
        return Found("problem", "the program espeak-ng is missing, which turns words into sounds", "apt install espeak-ng", facts)
    return Found("ok", f"{len(wanted)} models are there: {', '.join(dict.fromkeys(wanted.values()))}", facts=facts)


def verified(place: Place) -> Found:
    """Every file hashed; models that the owner keeps elsewhere have no hash."""
    store = Store(default_root(place.settings.paths))
    installed = {*store.names(), *store.releases.models()}
    wanted = [name for name in dict.fromkeys(names(place.settings).values()) if name in installed]
    reports = verify(store, wanted) if wanted else []
    faults = {report.name: [f"{fault.file} {fault.problem}" for fault in report.faults] for report in reports if not report.ok}
    if faults:
        told = "; ".join(f"{name}: {', '.join(found)}" for name, found in faults.items())
        return Found("problem", told, f"`edgevoice models pull {' '.join(faults)}`", {"faults": faults})
    if not reports:
        return Found("skipped", f"nothing is installed in {Path(store.root)}")
    return Found("ok", f"{sum(report.files for report in reports)} files of {len(reports)} models are as they were accepted")
