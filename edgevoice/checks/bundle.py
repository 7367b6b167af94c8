"""An archive for whoever helps: what the checks found, the settings and versions, the last warnings, and no secret and no word said."""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import tarfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from edgevoice.adapters.mqtt.adapter import board
from edgevoice.checks.check import Place, Result
from edgevoice.checks.redacted import Scrubber, settings_document
from edgevoice.files import atomic
from edgevoice.models import Store, default_root
from edgevoice.models.inventory import items

FOLDER = "edgevoice-support"
LINES = 300
"""of the journal, warnings and worse: what was said is never among them"""
JOURNAL_S = 20.0
PACKAGES = ("edgevoice", "llama-cpp-python", "sherpa-onnx", "onnxruntime", "pymicro-wakeword", "numpy", "paho-mqtt", "PyAudio")
ABOUT = """\
What `edgevoice doctor --bundle` found.  Texts of the settings are told by their length alone; the password, the host's name, the user's and
whatever stands in those settings were taken out of all files.  No sound and nothing that was said or answered is in here.

checks.json     what was looked at, how it is, what to do
settings.json   the settings in force
machine.json    versions of what runs here
models.json     which models are installed
health.json     the last snapshot, where health.json_file keeps one
journal.txt     the last warnings of the service, where there is a journal
"""


def write(path: Path, place: Place, results: Sequence[Result]) -> None:
    """``StorageError`` if it cannot be written.  Only its owner may read it."""
    scrub = Scrubber(place.settings)
    files = {"README.txt": ABOUT}
    documents: dict[str, Any] = {
        "checks.json": [result.document() for result in results], "settings.json": settings_document(place.settings),
        "machine.json": _machine(), "models.json": _models(place), "health.json": _health(place)}
    files |= {name: json.dumps(scrub.document(value), indent=2, ensure_ascii=False) + "\n" for name, value in documents.items()
              if value is not None}
    files["journal.txt"] = scrub.text(_journal(place))
    with atomic(path) as raw:
        os.fchmod(raw.fileno(), 0o600)
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for name, text in files.items():
                data = text.encode("utf-8", "replace")
                entry = tarfile.TarInfo(f"{FOLDER}/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(data))


def _machine() -> dict[str, Any]:
    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "not installed"

    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return {"board": board(), "system": system, "kernel": platform.release(), "machine": platform.machine(), "cores": os.cpu_count(),
            "python": platform.python_version(), "packages": {name: version(name) for name in PACKAGES}}


def _models(place: Place) -> list[dict[str, Any]]:
    found = items(Store(default_root(place.settings.paths)))
    return [{"name": item.name, "state": item.state, "family": item.family, "bytes": item.size, "trust": item.trust,
             "problem": item.problem} for item in found if item.state != "available"]


def _health(place: Place) -> Any:
    """The daemon's last snapshot; what its last error said is left out, since an engine may have said it of somebody's words."""
    file = place.settings.health.json_file
    if not file:
        return None
    try:
        found = json.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(found, dict) and isinstance(found.get("last_error"), dict):
        found["last_error"].pop("message", None)
    return found


def _journal(place: Place) -> str:
    try:
        return subprocess.run(["journalctl", "-u", place.unit, "-p", "warning", "-n", str(LINES), "--no-pager", "-o", "short-iso"],
                              capture_output=True, text=True, errors="replace", timeout=JOURNAL_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
