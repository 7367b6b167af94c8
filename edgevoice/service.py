"""The service on a machine: its units, user, folders and configuration put in place, taken away, and looked at.

Theory: the files lie in ``units/``; they are written as they are, but for the place of the program, which is where this package runs from.
A Debian package brings units, user and folders itself: then only what depends on the configuration is written here.

Laws: doing it twice changes nothing the second time; what an administrator may have changed (the configuration, other drop-ins) is never
overwritten and only removed by ``purge``; every step is told, also the ones that had nothing to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgevoice import files
from edgevoice.config import load
from edgevoice.errors import EngineError, UsageError

UNITS = Path(__file__).resolve().parent / "units"
NAME = "edgevoice.service"
MODELS = "edgevoice-models.service"
CONFIG = Path("etc/edgevoice/edgevoice.toml")
STATE = Path("var/lib/edgevoice")
DROP_IN = Path(f"etc/systemd/system/{NAME}.d/mqtt.conf")
PACKAGED = Path("usr/lib/systemd/system") / NAME
"""there if a Debian package brought the service"""
OURS = {Path("etc/sysusers.d/edgevoice.conf"): "sysusers.conf", Path("etc/tmpfiles.d/edgevoice.conf"): "tmpfiles.conf",
        Path("etc/systemd/system") / NAME: NAME, Path("etc/systemd/system") / MODELS: MODELS}
PROGRAM = "/opt/edgevoice/bin/edgevoice"
"""in the units' text"""
HOMES = ("/home", "/root", "/run/user")
"""what ProtectHome= hides"""
SHOWN = ("LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus", "MainPID", "NRestarts", "StatusText",
         "ActiveEnterTimestamp", "MemoryCurrent")
COMMAND_S = 300.0
"""the longest that systemctl may take: a start waits for the models' and the daemon's own limits elsewhere"""

Did = Literal["created", "changed", "kept", "removed", "ran", "left"]


@dataclass(frozen=True, slots=True)
class Step:
    did: Did
    what: str
    why: str


def program() -> Path:
    """The command of the environment that this runs in."""
    return Path(sys.prefix) / "bin" / "edgevoice"


def unit_text(name: str, *, at: Path | None = None, needs: Sequence[Path] | None = None) -> str:
    """A unit of ``units/`` for a program ``at`` another place.  ``needs``: folders it runs from; those under a home, which the service
    does not see otherwise, are shown to it, read-only."""
    text = (UNITS / name).read_text(encoding="utf-8")
    at = at or program()
    if needs is None:
        needs = (Path(sys.prefix), Path(__file__).resolve().parents[1], Path(sys.base_prefix))
    hidden = sorted({str(folder) for folder in needs if any(folder.is_relative_to(home) for home in HOMES)})
    text = text.replace(PROGRAM, str(at))
    if hidden:
        shown = "".join(f"BindReadOnlyPaths={folder}\n" for folder in hidden)
        text = text.replace("ProtectHome=yes\n", f"# It is installed under a home: that folder alone is shown.\nProtectHome=tmpfs\n{shown}")
    return text


def install(root: Path = Path("/"), *, config: Path | None = None, models: Path | None = None, start: bool = True) -> Iterator[Step]:
    """Put all in place under ``root`` and, with ``start``, have it start now and with the machine.  ``config``: the first configuration,
    where there is none yet; ``models``: a store or folder to take the models from.  ``UsageError`` before anything is done, where it
    cannot be."""
    live = _ready(root)
    if config is not None:
        load(config)  # a service shall not be given what it would refuse
    packaged = (root / PACKAGED).exists()
    for place, name in OURS.items():
        if not packaged:
            yield _write(root / place, unit_text(name) if name.endswith(".service") else _read(name), "systemd reads it")
    if packaged:
        yield Step("left", str(root / PACKAGED), "the Debian package looks after units, user and folders")
    place = root / CONFIG
    if place.exists():
        yield Step("kept", str(place), "the configuration is yours" if config is None or config.resolve() == place.resolve()
                   else f"it is there already; {config} was not taken")
    else:
        yield _write(place, _read("edgevoice.toml") if config is None else config.read_text(encoding="utf-8"), "the configuration")
    settings = load(place)
    whys = [f"mqtt.host is {settings.mqtt.host}"] if settings.mqtt.host else []
    whys += [f"{edge}.enabled is true" for edge in ("http", "wyoming") if getattr(settings, edge).enabled]
    if whys:
        yield _write(root / DROP_IN, _read("mqtt.conf"), f"{whys[0]}: the service gets a network")
    else:
        yield _remove(root / DROP_IN, "none of mqtt.host, http.enabled and wyoming.enabled is set: the service has no network")
    for command in ("systemd-sysusers", "systemd-tmpfiles"):
        arguments = ["--create"] if command == "systemd-tmpfiles" else []
        yield _run([command, *arguments, *([] if live else [f"--root={root}"]), "edgevoice.conf"], "its user" if not arguments else
                   "its folders")
    if models is not None:
        yield _take_models(root, models, place)
    if not live:
        if start:
            yield _run(["systemctl", f"--root={root}", "enable", NAME], "at the next start of that system")
        return
    yield _run(["systemctl", "daemon-reload"], "systemd reads the units")
    if start:
        yield _run(["systemctl", "enable", NAME], "at every start of the machine")
        yield _run(["systemctl", "restart", "--no-block", NAME], "now; `edgevoice service status` tells how it does")


def uninstall(root: Path = Path("/"), *, purge: bool = False) -> Iterator[Step]:
    """Stop it and take its files away; with ``purge`` its configuration, models and state too."""
    live = _ready(root)
    if (root / PACKAGED).exists():
        raise UsageError(f"service uninstall: the Debian package brought it: apt {'purge' if purge else 'remove'} edgevoice")
    if (root / "etc/systemd/system" / NAME).exists():
        yield _run(["systemctl", *(["disable", "--now"] if live else [f"--root={root}", "disable"]), NAME], "it ends in order")
    if live and (root / "etc/systemd/system" / MODELS).exists():
        yield _run(["systemctl", "stop", MODELS], "nothing is fetched any more")
    for place in (DROP_IN, *reversed(OURS)):
        yield _remove(root / place, "it is not a service any more")
    if live:
        yield _run(["systemctl", "daemon-reload"], "systemd forgets the units")
    for folder in (root / CONFIG.parent, root / STATE):
        if not folder.exists():
            continue
        if purge:
            shutil.rmtree(folder)
            yield Step("removed", str(folder), "asked for by --purge")
        else:
            yield Step("left", str(folder), "yours; --purge removes it")


def status() -> dict[str, str | int | float | None]:
    """What systemd says of the service, JSON-ready; ``exposure`` is systemd-analyze's, 0 to 10, less is better."""
    if shutil.which("systemctl") is None:
        raise UsageError("service: there is no systemd on this machine")
    shown = subprocess.run(["systemctl", "show", NAME, f"--property={','.join(SHOWN)}"], capture_output=True, text=True, timeout=COMMAND_S)
    facts = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
    if shown.returncode or not facts:
        raise UsageError(f"service status: systemd does not answer: {' '.join(shown.stderr.split()) or 'no reason given'}")
    number = {name: int(value) for name, value in facts.items() if value.isdecimal()}
    return {"installed": int(facts.get("LoadState") == "loaded"), "at_boot": facts.get("UnitFileState", ""),
            "state": facts.get("ActiveState", ""), "detail": facts.get("SubState", ""), "says": facts.get("StatusText", ""),
            "result": facts.get("Result", ""), "exit_code": number.get("ExecMainStatus"), "pid": number.get("MainPID") or None,
            "restarts": number.get("NRestarts"), "since": facts.get("ActiveEnterTimestamp", ""),
            "memory_bytes": number.get("MemoryCurrent"), "exposure": _exposure()}


def _exposure() -> float | None:
    made = subprocess.run(["systemd-analyze", "security", "--no-pager", NAME], capture_output=True, text=True, timeout=COMMAND_S)
    for line in made.stdout.splitlines():
        if "Overall exposure level" in line:
            return float(line.rpartition(": ")[2].split()[0])
    return None


def _ready(root: Path) -> bool:
    """Whether ``root`` is the running system; ``UsageError`` where it is and we may not change it."""
    live = root.resolve() == Path("/")
    if live and os.geteuid() != 0:
        raise UsageError("service: wants root: sudo edgevoice service …")
    if live and not Path("/run/systemd/system").is_dir():
        raise UsageError("service: this machine was not started by systemd (--root DIR prepares another system's folder)")
    if not live and not root.is_dir():
        raise UsageError(f"service: --root {root}: there is no such folder")
    return live


def _read(name: str) -> str:
    return (UNITS / name).read_text(encoding="utf-8")


def _write(path: Path, text: str, why: str) -> Step:
    old = path.read_text(encoding="utf-8") if path.exists() else None
    if old == text:
        return Step("kept", str(path), why)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as file:
        file.write(text.encode())
    path.chmod(0o644)
    return Step("created" if old is None else "changed", str(path), why)


def _remove(path: Path, why: str) -> Step:
    if not path.exists():
        return Step("kept", str(path), f"is not there; {why}")
    path.unlink()
    if path.parent.name.endswith(".d") and path.parent.name != "conf.d" and not any(path.parent.iterdir()):
        path.parent.rmdir()
    return Step("removed", str(path), why)


def _take_models(root: Path, source: Path, config: Path) -> Step:
    """As root, and then given to the service's user: it may not read where they come from."""
    store = root / STATE / "models"
    _run([str(program()), "models", "pull", "--config", str(config), "--store", str(store), "--from", str(source)], "")
    owner = (root / STATE).stat()
    for path in (store, *store.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return Step("ran", f"models pull --from {source}", f"models in {store}")


def _run(command: Sequence[str], why: str) -> Step:
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S)
    except FileNotFoundError:
        raise EngineError(f"service: {command[0]} is missing: apt install systemd") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"service: {' '.join(command)} did not end within {COMMAND_S:g} s") from None
    if made.returncode:
        why = " ".join(made.stderr.split()) or "no reason given"
        raise EngineError(f"service: {' '.join(command)} ended with {made.returncode}: {why}")
    return Step("ran", " ".join(command), why)
