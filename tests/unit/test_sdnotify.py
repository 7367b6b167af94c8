"""What systemd is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.adapters.sdnotify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(2.0)
        yield made


def heard(systemd: socket.socket) -> list[str]:
    systemd.setblocking(False)
    found = []
    try:
        while True:
            found.append(systemd.recv(4096).decode())
    except BlockingIOError:
        return found


def test_it_tells_each_state_and_a_status_only_when_it_changes(systemd: socket.socket) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.ready()
    notifier.status("listening;\nsay it")
    notifier.status("listening;\nsay it")
    notifier.alive()
    notifier.stopping()
    notifier.close()
    notifier.alive()
    assert heard(systemd) == ["READY=1", "STATUS=listening; say it", "WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0edgevoice-test-notify")
        notifier = Notifier.of({"NOTIFY_SOCKET": "@edgevoice-test-notify"})
        notifier.ready()
        notifier.close()
        assert heard(systemd) == ["READY=1"]


def test_nobody_listens_or_not_any_more_or_too_slowly(tmp_path: Path, systemd: socket.socket) -> None:
    for address in ("", str(tmp_path / "nowhere")):
        notifier = Notifier.of({"NOTIFY_SOCKET": address})
        notifier.ready()
        notifier.close()
    notifier = Notifier.of({"NOTIFY_SOCKET": systemd.getsockname()})
    for _ in range(10_000):
        notifier.alive()
    notifier.close()
    assert 0 < len(heard(systemd)) < 10_000


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, None), ({"WATCHDOG_USEC": "4000000"}, 4.0), ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "7"}, 4.0),
    ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "8"}, None), ({"WATCHDOG_USEC": "soon"}, None)])
def test_the_watchdogs_time(environment: dict[str, str], expected: float | None) -> None:
    assert Notifier.of(environment, pid=7).watchdog_s == expected
