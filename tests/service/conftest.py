"""One booted machine with the service in it, ready and answering before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.appliance import CONFIG, Service, booted
from tests.fakes.machine import Machine, missing


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := missing():
        pytest.skip(why)
    with booted(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture(scope="session")
def installed(machine: Machine) -> Service:
    service = Service(machine)
    service.install()
    service.until_well()
    return service


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    facts = installed.status()
    if facts["state"] != "active" or not installed.turns(facts["pid"]):
        installed.configure(CONFIG)
        installed.restart()
    yield installed
    installed.let_go()
