"""Updates and reload under the unit as shipped: its user, its hardening, its restarts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.appliance import CONFIG, UNIT, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ETC, STORE = "/etc/edgevoice/edgevoice.toml", "/var/lib/edgevoice/models"
PAUSES = "\n[dialog]\nfollowup_s = 0.0\n"
"""between two questions of a user who asks again and again"""


def update(service: Service, *arguments: str) -> dict[str, Any]:
    """As root, in the machine."""
    return dict(json.loads(service.machine.run(service.command, "update", *arguments, "--json")))


def test_reload_takes_what_can_be_and_refuses_what_is_wrong(service: Service) -> None:
    pid = service.pid()
    service.configure(CONFIG + "\n[dialog]\nfollowup_s = 3.0\n")
    service.machine.run("systemctl", "reload", UNIT)
    service.until(lambda: "was read anew; in force: dialog.followup_s" in service.said(), "the journal says what is in force")
    service.configure(CONFIG + "\n[dialog]\nfollowup_s = 300.0\n")
    service.machine.run("systemctl", "reload", UNIT)
    service.until(lambda: "dialog.followup_s = 300.0: is too large" in service.said(), "the journal says what is wrong")
    assert service.pid() == pid and service.status()["state"] == "active"
    service.configure(CONFIG)


def test_an_update_is_taken_at_a_pause_and_proves_itself(service: Service) -> None:
    machine = service.machine
    public = update(service, "key", "/run/maker.pem")["public_key"]
    service.configure(f'{CONFIG}{PAUSES}\n[update]\npublic_keys = ["{public}"]\nprobation_s = 5.0\nprobation_turns = 1\n')
    before = service.restart()
    machine.run("sh", "-c", "printf '[tts]\\nmodel = \"joe-2\"\\n' >/run/brought.toml")
    update(service, "make", "/run/1.0.bundle", "--version", "1.0", "--key", "/run/maker.pem", "--model", f"joe-2={STORE}/piper-en-us-joe",
           "--settings", "/run/brought.toml")
    assert update(service, "install", "/run/1.0.bundle", "--config", ETC)["new"]
    pid = service.until_well(other_than=before)
    assert json.loads(machine.run("cat", "/run/edgevoice/health.json"))["models"]["tts"] == "joe-2"
    service.until(lambda: "update 1.0 has passed its probation" in service.said(), "its probation is over")
    assert service.journal("EDGEVOICE_EVENT=update", f"_PID={pid}")[-1]["EDGEVOICE_STATE"] == "settled"
    assert update(service, "status", "--config", ETC)["phase"] == "settled"
    owners = machine.run("find", STORE, "-not", "-user", "edgevoice")
    assert owners == "", "what root installed is the service's"


def test_one_whose_process_is_killed_again_and_again_is_taken_back(service: Service) -> None:
    machine = service.machine
    public = update(service, "key", "/run/other.pem")["public_key"]
    service.configure(f'{CONFIG}{PAUSES}\n[update]\npublic_keys = ["{public}"]\nprobation_s = 3600.0\n')
    before = service.restart()
    release = update(service, "status", "--config", ETC)["release"]
    machine.run("sh", "-c", "printf '[llm]\\nmax_tokens = 12\\n' >/run/brought.toml")
    update(service, "make", "/run/2.0.bundle", "--version", "2.0", "--key", "/run/other.pem", "--settings", "/run/brought.toml")
    update(service, "install", "/run/2.0.bundle", "--config", ETC)
    pid = service.until_well(other_than=before)
    for _ in range(3):
        service.signal("KILL")
        pid = service.until_well(other_than=pid)
    assert "update 2.0 was taken back: it crashed, was killed or lost its power 3 times" in service.said()
    status = update(service, "status", "--config", ETC)
    assert status["release"] == release and status["undone"][-1]["release"] == "2.0"
    service.configure(CONFIG)
