"""The agenda on the disk: whole after a kill at any moment, put aside where it is none, and left alone while nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from edgevoice.clock import ManualClock, MonotonicClock
from edgevoice.dialog.table import Kind
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.session import Session
from edgevoice.skills.agenda import Now
from edgevoice.skills.agenda_file import loaded
from edgevoice.skills.router import Router
from edgevoice.timekeeper import NOT_KEPT, Timekeeper
from edgevoice.trace import Trace

WRITERS = 50

KILLED = """
import asyncio, json, os, random, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
from edgevoice.clock import MonotonicClock
from edgevoice.pipeline.deeds import Deeds
from edgevoice.skills.agenda import Now
from edgevoice.skills.agenda_file import loaded
from edgevoice.skills.router import Router
from edgevoice.timekeeper import Timekeeper
from edgevoice.trace import Trace

path, chance, told = Path(sys.argv[1]), random.Random(8), os.pipe()

async def write(first):
    clock = MonotonicClock()
    trace = Trace(clock, 10)
    keeper = Timekeeper(path, lambda: datetime.now(UTC), clock, trace, print)
    keeper.load()
    deeds, router = Deeds(trace), Router(lambda: datetime.now(UTC), keeper.skills)
    keeper.register(deeds)
    said = asyncio.Queue()

    async def say(text):
        deeds.begin(router.route(text).deed, said.put_nowait)
        await said.get()

    await say("clear the shopping list")  # which the one before may not have come to
    for count in range(first, 1000):
        await say("cancel all timers")
        await say(f"set a timer for {count + 5} minutes")
        await say(f"add thing {count} to the shopping list")
        os.write(told[1], count.to_bytes(4, "big"))
        await say("clear the shopping list")

last = first = 0
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        asyncio.run(write(first))
        os._exit(1)
    last = int.from_bytes(os.read(told[0], 4), "big")  # it has begun
    time.sleep(chance.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    os.set_blocking(told[0], False)
    try:
        while more := os.read(told[0], 4):
            last = int.from_bytes(more, "big")
    except BlockingIOError:
        pass
    os.set_blocking(told[0], True)
    agenda = loaded(json.loads(path.read_bytes()), Now(1.0, datetime.now(UTC)))
    timers, things = [item.length_s / 60 - 5 for item in agenda.items], agenda.lists.get("shopping", ())
    # what was answered last is there, or what was said after it: each of them whole
    whole = [([last], (f"thing {last}",)), ([last], ()), ([], ()), ([last + 1], ()), ([last + 1], (f"thing {last + 1}",))]
    assert (timers, things) in whole, (last, timers, things)
    first = last + 2
"""


class FakeSession:
    """What a timekeeper wants of a session."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.watchers: list[Callable[[Kind], None]] = []

    def watch(self, watcher: Callable[[Kind], None]) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def ring(self) -> None:
        self.done.append("ring")

    def stop_ringing(self, text: str) -> None:
        self.done.append("silence")

    def say(self, text: str, *, channel: str = "announcement") -> None:
        self.done.append(text)

    def happens(self, kind: Kind) -> None:
        for watcher in self.watchers:
            watcher(kind)


class Desk:
    """A timekeeper whose time is ours, and whose words go through the router."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.wall_s, self.told = ManualClock(50.0), 1_800_000_000.0, list[str]()
        self.trace, self.session, self.path = Trace(self.clock), FakeSession(), folder / "state" / "agenda.json"
        self.keeper = Timekeeper(self.path, self.local, self.clock, self.trace, self.told.append)
        self.keeper.load()
        self.deeds, self.router = Deeds(self.trace), Router(self.local, self.keeper.skills)
        self.keeper.register(self.deeds)

    def local(self) -> datetime:
        return datetime.fromtimestamp(self.wall_s + self.clock.now(), UTC)

    async def say(self, text: str) -> str:
        deed = self.router.route(text).deed
        if deed is None:
            return ""
        said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.deeds.begin(deed, said.set_result)
        return await said

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.keeper._changed.set()  # the task sleeps on the real clock
        for _ in range(200):
            await asyncio.sleep(0.001)
            if self.keeper._state() == self.keeper._written:
                break
        await asyncio.sleep(0.01)

    def run(self, act: Callable[[], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            async with self.keeper.running(cast(Session, self.session)):
                await act()

        asyncio.run(all_of_it())


def test_killed_between_any_two_writes_it_finds_all_that_was_answered_and_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "agenda.json"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(WRITERS)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert loaded(json.loads(path.read_bytes()), Now(1.0, datetime.now(UTC)))


def test_a_file_that_is_none_is_put_aside_and_told_of(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "agenda.json").write_text('{"version": 1, "sav')
    desk = Desk(tmp_path)
    assert len(desk.told) == 1 and "put aside" in desk.told[0] and "agenda.json" in desk.told[0]
    assert (tmp_path / "state" / "agenda.unreadable").read_text().startswith('{"version')

    async def act() -> None:
        assert await desk.say("set a timer for one minute") == "1 minute, starting now."

    desk.run(act)
    assert len(json.loads(desk.path.read_text())["items"]) == 1


def test_a_disk_that_fails_is_told_of_and_the_timer_rings_for_all_that(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    desk = Desk(tmp_path / "state")

    async def act() -> None:
        assert await desk.say("set a timer for one minute") == f"1 minute, starting now. {NOT_KEPT}"
        assert [alert.name for alert in desk.keeper.health()[1]] == ["timers_not_kept"]
        await desk.wait(61)
        assert desk.session.done.count("ring") == 1

    desk.run(act)
    assert len([line for line in desk.told if "cannot be written" in line]) == 1


def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def act() -> None:
        await desk.wait(100)
        assert not desk.path.exists()
        await desk.say("set a timer for one hour")
        stamp = desk.path.stat().st_mtime_ns
        for _ in range(5):
            await desk.wait(40)
        await desk.say("how long is left")
        assert desk.path.stat().st_mtime_ns == stamp
        due = json.loads(desk.path.read_text())["items"][0]["due"]
        desk.wall_s += 7200.0
        await desk.wait(1)
        assert json.loads(desk.path.read_text())["items"][0]["due"] == pytest.approx(due + 7200.0), "it is kept on the clock as it is now"

    desk.run(act)


@pytest.mark.parametrize("kind", [Kind.WAKE, Kind.LISTEN, Kind.STOP, Kind.TURN_STOP])
def test_what_rings_falls_silent_and_what_is_said_then_is_about_it(tmp_path: Path, kind: Kind) -> None:
    desk = Desk(tmp_path)

    async def act() -> None:
        await desk.say("set an egg timer for one minute")
        await desk.say("set a pizza timer for ten minutes")
        await desk.wait(61)
        assert desk.session.done[-1] == "ring" and desk.keeper.pending()["ringing"] == 1
        desk.session.happens(Kind.SPEECH_START)
        assert desk.keeper.pending()["ringing"] == 1
        desk.session.happens(kind)
        assert desk.session.done[-1] == "silence" and desk.keeper.pending()["ringing"] == 0
        assert await desk.say("stop the timer") == "Okay."
        assert desk.keeper.pending()["timers"] == 1, "the pizza's goes on"
        await desk.wait(16)
        assert await desk.say("stop the timer") == "The pizza timer is cancelled."

    desk.run(act)


def test_it_rings_again_until_it_is_given_up_and_tells_of_no_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def act() -> None:
        await desk.say("set a secret timer for one minute")
        assert desk.keeper.pending() == {"timers": 1, "alarms": 0, "reminders": 0, "ringing": 0,
                                         "next_due": pytest.approx(desk.wall_s + desk.clock.now() + 60, abs=0.1)}
        await desk.wait(61)
        for _ in range(40):
            await desk.wait(10)

    desk.run(act)
    assert 6 <= desk.session.done.count("ring") <= 10 and json.loads(desk.path.read_text())["items"] == []
    rows: list[dict[str, Any]] = [row for row in desk.trace.events() if row["event"] in ("timer_set", "timer_done")]
    assert [row["event"] for row in rows] == ["timer_set", "timer_done"] and "secret" not in str(rows)


def test_a_restart_keeps_what_rang(tmp_path: Path) -> None:
    first = Desk(tmp_path)

    async def act() -> None:
        await first.say("set an egg timer for one minute")
        await first.wait(61)

    first.run(act)
    second = Desk(tmp_path)
    second.clock.advance(65.0)
    clock = MonotonicClock()
    assert clock.now() > 0

    async def again() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.05)
        assert second.session.done == ["silence", "ring"]

    second.run(again)
