"""Service: how long the appliance is away when something breaks, in a real systemd: until it is ready, and until a question is answered.

The unit as shipped, in a container of its own with the virtual card (``tests/fakes/machine.py``), where somebody asks as soon as it
listens.  Times are systemd's and the journal's, on one clock, from the moment of the fault.  The baseline is a restart by hand in the same
container.  Wants root, systemd-nspawn and mmdebstrap.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from edgevoice.benchmarks import Result, median, progress
from tests.fakes.appliance import Service, booted
from tests.fakes.machine import missing

TARGET_S = 10.0
REPEATS = 3


def run(quick: bool) -> list[Result]:
    faults: dict[str, Callable[[Service], None]] = {
        "SIGKILL": lambda service: service.signal("KILL"), "SIGSEGV": lambda service: service.signal("SEGV"),
        "SIGSTOP": lambda service: service.signal("STOP"),
        "the ears' thread stands still": lambda service: service.freeze("edgevoice-ears"),
        "the loop stands still": lambda service: service.freeze("")}
    if quick:
        faults = {name: faults[name] for name in ("SIGSTOP",)}
    if why := missing():
        progress(why)
        return [Result(f"{name}: back and ready, longest", None, "s", f"<= {TARGET_S:g}") for name in faults]
    with tempfile.TemporaryDirectory(prefix="edgevoice-bench-") as folder, booted(Path(folder)) as machine:
        service = Service(machine)
        progress("it is installed")
        service.install()
        service.until_well()
        byhand = [_away(service, lambda service: service.machine.run("systemctl", "restart", "--no-block", "edgevoice"))[0]
                  for _ in range(1 if quick else REPEATS)]
        results = []
        for name, fault in faults.items():
            progress(name)
            times = [_away(service, fault) for _ in range(1 if quick else REPEATS)]
            results += [Result(f"{name}: back and ready, longest", max(ready for ready, _ in times), "s", f"<= {TARGET_S:g}",
                               "a restart by hand, p50", median(byhand)),
                        Result(f"{name}: the first question's answer sounds, p50", median([answer for _, answer in times]), "s")]
    return results


def _away(service: Service, fault: Callable[[Service], None]) -> tuple[float, float]:
    """Seconds from the fault to READY and to the first sound of the next process's first answer."""
    pid = service.pid()
    begun = service.now()
    fault(service)
    after = service.until_well(other_than=pid)
    service.let_go()
    answered = int(service.turns(after)[0]["__MONOTONIC_TIMESTAMP"]) / 1e6
    return service.ready_at() - begun, answered - begun
