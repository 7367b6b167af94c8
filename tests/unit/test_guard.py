"""Who may do what over HTTP: wrong tokens cost a wait that doubles, tables are bounded, names are known."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from edgevoice.adapters.http import guard
from edgevoice.adapters.http.guard import LONGEST_WAIT_S, Hosts, Peers, Tokens


def test_each_wrong_token_doubles_the_wait_and_a_right_one_ends_it() -> None:
    peers, now, waits = Peers(0), 100.0, []
    for _ in range(12):
        peers.wrong("a", now)
        waits.append(peers.waits_s("a", now))
        now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, *[LONGEST_WAIT_S] * 4]
    assert peers.waits_s("b", now) == 0, "others do not wait for it"
    peers.right("a")
    peers.wrong("a", now + 100)
    assert peers.waits_s("a", now + 100) == 0


def test_addresses_are_forgotten_past_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PEERS", 10)
    peers = Peers(1)
    for number in range(1000):
        peers.may(f"10.0.0.{number}", 0.0)
    assert len(peers._known) == 10


def test_all_tokens_are_compared_each_time_and_in_constant_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("first-0123456789abcdef\nsecond-0123456789abcdef listen\nthird-0123456789abcdef speak\n", encoding="utf-8")
    compared: list[bytes] = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda known, given: compared.append(given) or real(known, given))
    tokens = Tokens(str(file))
    for token, scopes in (("first-0123456789abcdef", frozenset(guard.SCOPES)), ("second-0123456789abcdef", frozenset({"listen"})),
                          ("second-0123456789abcdeF", None), ("", None)):
        compared.clear()
        assert tokens.scopes(token) == scopes
        assert len(compared) == 3, "one that is found early takes as long as one that is not there"


def test_a_name_that_a_stranger_could_own_is_not_the_devices() -> None:
    hosts = Hosts(["kitchen.example"])
    assert all(map(hosts.knows, ("127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:1", "KITCHEN.example:443", "192.168.1.7")))
    assert not any(map(hosts.knows, ("", "evil.example", "localhost.evil.example", "kitchen.example.evil", "127.0.0.1.evil.example:80")))
