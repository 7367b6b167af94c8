"""The store of events: in order, nothing lost within the bound, nothing twice but by id, whatever the broker and the disk do."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.adapters.mqtt.store import WINDOW, EventStore, Kept


def event(number: int) -> Kept:
    return Kept(f"b-{number}", "wake", str(number).encode())


def numbers(events: list[Kept]) -> list[int]:
    return [int(each.payload) for each in events]


def drained(store: EventStore) -> list[int]:
    """All that comes out while everything is acknowledged."""
    got: list[int] = []
    while events := store.next():
        got += numbers(events)
        for each in events:
            store.acked(each.id)
    return got


def test_online_nothing_touches_the_disk(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite", 100)
    store.online()
    store.add([event(k) for k in range(40)])
    assert store._rows == 0 and len(store) == 40
    assert numbers(store.next()) == list(range(WINDOW)) and store.next() == []
    store.acked("b-0")
    assert numbers(store.next()) == [WINDOW] and len(store) == 39
    store.close()


def test_a_process_that_ends_leaves_what_was_not_acknowledged(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite", 100)
    store.online()
    store.add([event(k) for k in range(30)])
    for each in store.next()[:5]:
        store.acked(each.id)
    store.close()
    again = EventStore(tmp_path / "e.sqlite", 100)
    assert len(again) == 25 and again.next() == [], "it is not online yet"
    again.online()
    again.add([event(30)])
    assert drained(again) == list(range(5, 31)) and len(again) == 0
    again.close()
    assert len(EventStore(tmp_path / "e.sqlite", 100)) == 0


def test_the_oldest_go_first_and_are_counted(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite", 10)
    for k in range(25):
        store.add([event(k)])
    assert (len(store), store.dropped) == (10, 15)
    store.online()
    assert drained(store) == list(range(15, 25))


def test_none_are_kept_where_none_shall_be() -> None:
    store = EventStore(None, 0)
    store.add([event(0)])
    assert (len(store), store.dropped) == (0, 1)


def test_an_event_that_came_twice_is_kept_once(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite", 10)
    store.add([event(1), event(1)])
    store.add([event(1)])
    assert len(store) == 1


@pytest.mark.parametrize("content", [b"this is no database, and long enough to be looked at as one" * 40, b""])
def test_a_file_that_is_none_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "e.sqlite").write_bytes(content)
    store = EventStore(tmp_path / "e.sqlite", 10)
    store.add([event(1)])
    store.close()
    assert store.problem is None and len(EventStore(tmp_path / "e.sqlite", 10)) == 1


def test_without_a_disk_events_are_kept_in_memory_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = EventStore(tmp_path / "file" / "e.sqlite", 10)
    assert "not kept on the disk" in str(store.problem)
    store.add([event(1)])
    store.online()
    assert drained(store) == [1]


def test_a_disk_that_fails_later_costs_no_event(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite", 100)
    store.add([event(k) for k in range(5)])
    store._base.execute("PRAGMA query_only = 1")  # every write fails from now on, as on a card that went read-only
    store.add([event(k) for k in range(5, 8)])
    assert "not kept on the disk" in str(store.problem)
    store.online()
    assert drained(store) == list(range(8)) and store.dropped == 0


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(20, 60))
def test_whatever_breaks_when_order_and_count_hold(seed: int, limit: int) -> None:
    """An event that left twice left in order each time; what never left was counted as dropped; the first times are in order."""
    chance = random.Random(seed)
    store = EventStore(None, limit)
    made, left, flying = 0, [], []
    for _ in range(120):
        what = chance.random()
        if what < 0.5:
            count = chance.randrange(1, 6)
            store.add([event(made + k) for k in range(count)])
            made += count
        elif what < 0.6:
            store.offline()
            flying = []
        elif what < 0.75:
            store.online()
        elif what < 0.9:
            sent = store.next()
            left += numbers(sent)
            flying += sent
        elif flying:
            for each in flying[:chance.randrange(1, len(flying) + 1)]:
                store.acked(each.id)
                flying.remove(each)
        assert len(store) <= limit + WINDOW
    store.online()
    for each in flying:
        store.acked(each.id)
    left += drained(store)
    first = list(dict.fromkeys(left))
    assert first == sorted(first)
    assert len(set(left)) + store.dropped >= made and len(store) == 0
    assert len(set(left)) >= min(made, limit)
