"""The unit as shipped, in a real systemd: ready, a conversation, and whatever goes wrong ends in a state that is told or is healed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.appliance import CONFIG, UNIT, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STATE = "/var/lib/edgevoice"


def test_is_ready_says_so_and_answers(service: Service) -> None:
    facts = service.status()
    assert facts["says"] == 'listening; say "okay nabu"' and facts["exposure"] <= 1.5 and facts["at_boot"] == "enabled"
    turn: dict[str, Any] = service.turns(facts["pid"])[-1]
    assert turn["EDGEVOICE_BY"] == "model" and int(turn["EDGEVOICE_V2V_MS"]) > 0 and turn["PRIORITY"] == "6"
    assert json.loads(service.machine.run("cat", "/run/edgevoice/health.json"))["counts"]["replies"] >= 1


def test_runs_as_nobody_else_with_no_rights_and_tells_no_words(service: Service) -> None:
    process = Path(f"/proc/{service.machine.process(service.pid())}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert {status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert service.machine.run("stat", "--format=%U", f"/proc/{service.pid()}").strip() == "edgevoice"
    assert "moon" not in service.said().lower()


def test_ends_in_order(service: Service) -> None:
    service.machine.run("systemctl", "stop", UNIT)  # after TimeoutStopSec= it would be killed, and its result "timeout"
    facts = service.status()
    assert (facts["state"], facts["result"], facts["exit_code"]) == ("inactive", "success", 0)


@pytest.mark.parametrize("thread", ["", "edgevoice-ears", "edgevoice-front"], ids=["the loop", "ears", "front end"])
def test_a_thread_that_stands_still_starves_the_watchdog(service: Service, thread: str) -> None:
    before = service.status()
    service.freeze(thread)
    service.until_well(other_than=before["pid"])
    assert service.status()["restarts"] == before["restarts"] + 1
    assert "Watchdog timeout" in service.said()
    assert "(most recent call first)" in service.said()  # what each thread did


def test_a_process_that_stands_still_starves_the_watchdog(service: Service) -> None:
    pid = service.pid()
    service.signal("STOP")
    service.until_well(other_than=pid)


@pytest.mark.parametrize("name", ["KILL", "SEGV"])
def test_is_back_after_a_crash(service: Service, name: str) -> None:
    pid = service.pid()
    service.signal(name)
    service.until_well(other_than=pid)


def test_is_back_after_the_memory_ran_out(service: Service) -> None:
    """The kernel's own killer, by a control group made for it, since a container cannot always set MemoryMax= itself."""
    pid = service.pid()
    group = "/run/memory/edgevoice-test"
    service.machine.run("sh", "-c", f"mkdir -p /run/memory && mount -t cgroup -o memory none /run/memory && mkdir {group}")
    try:
        service.machine.run("sh", "-c", f"echo 2M >{group}/memory.limit_in_bytes && echo {pid} >{group}/cgroup.procs")
        service.until_well(other_than=pid)
        assert "oom_kill 1" in service.machine.run("cat", f"{group}/memory.oom_control")
    finally:
        service.machine.run("sh", "-c", f"rmdir {group}; umount /run/memory", check=False)


def test_a_missing_model_is_told_and_not_tried_again(service: Service) -> None:
    service.configure(CONFIG + '\n[vad]\nmodel = "no-such-model"\n')
    service.machine.run("systemctl", "restart", UNIT, check=False)
    facts = service.until_down()
    assert facts["exit_code"] == 4 and facts["says"].startswith("stopped: ") and "no-such-model" in facts["says"]


def test_a_wrong_configuration_is_told_with_its_line(service: Service) -> None:
    service.configure(CONFIG.rstrip() + "\n\n[vad]\nonset = 7\n")
    service.machine.run("systemctl", "restart", UNIT, check=False)
    facts = service.until_down()
    assert facts["exit_code"] == 3 and "edgevoice.toml:13: vad.onset = 7" in facts["says"]
    errors = [row["MESSAGE"] for row in service.journal("PRIORITY=3")]
    assert any("vad.onset = 7" in line for line in errors)


def test_models_that_are_missing_and_cannot_be_fetched_are_told(service: Service) -> None:
    machine = service.machine
    machine.run("systemctl", "stop", UNIT, "edgevoice-models.service")
    machine.run("mv", f"{STATE}/models/silero-vad", f"{STATE}/elsewhere")
    try:
        machine.run("systemctl", "start", UNIT, check=False)
        facts = service.until_down()
        assert facts["exit_code"] == 4 and "silero-vad" in facts["says"]
        fetching = machine.run("journalctl", "--unit=edgevoice-models", "--output=cat", "--no-pager")
        assert "silero-vad" in fetching
    finally:
        machine.run("mv", f"{STATE}/elsewhere", f"{STATE}/models/silero-vad")
    service.until_well()  # the fetching unit tries again by itself, finds all there, and starts the daemon


@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_goes_on_with_a_disk_that_takes_nothing(service: Service, kind: str) -> None:
    machine = service.machine
    machine.run("systemctl", "stop", UNIT)
    machine.run("mkdir", "-p", "/run/kept")
    small = f"mount -t tmpfs -o size=290M,mode=750,uid=edgevoice,gid=edgevoice none {STATE}"
    machine.run("sh", "-c", f"mount --bind {STATE} /run/kept && mount --make-private /run/kept")
    machine.run("sh", "-c", f"{small} && cp -a /run/kept/models {STATE}/")
    try:
        if kind == "full":
            machine.run("sh", "-c", f"cat /dev/zero >{STATE}/filling", check=False)
        else:
            machine.run("mount", "-o", "remount,ro", STATE)
        machine.run("systemctl", "start", UNIT)
        service.until_well()
    finally:
        machine.run("systemctl", "stop", UNIT)
        machine.run("umount", STATE, check=False)
        machine.run("umount", "/run/kept", check=False)


def test_a_broker_in_the_configuration_wants_a_network_and_install_gives_it(service: Service) -> None:
    service.configure(CONFIG + '\n[mqtt]\nhost = "127.0.0.1"\n')
    service.restart()
    assert "edgevoice service install gives it one" in service.said()
    service.machine.run(service.command, "service", "install")
    pid = service.until_well()
    assert "PrivateNetwork=no" in service.machine.run("systemctl", "show", "--property=PrivateNetwork", UNIT)
    assert service.machine.run("ls", f"/run/credentials/{UNIT}").split() == ["mqtt-password"], "an empty one, where there is none"
    assert service.turns(pid)
    service.configure(CONFIG)
    service.machine.run(service.command, "service", "install")
    service.until_well(other_than=pid)
    assert "PrivateNetwork=yes" in service.machine.run("systemctl", "show", "--property=PrivateNetwork", UNIT)
