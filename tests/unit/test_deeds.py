"""Whoever does what words ask for: in time or not, well or not, something is said, and the next one is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgevoice.clock import MonotonicClock
from edgevoice.errors import StorageError
from edgevoice.pipeline.deeds import DONE, FAILED, NOT_HERE, TOO_LONG, Deeds
from edgevoice.skills.deeds import Deed
from edgevoice.trace import Trace


def run(doer: Callable[[Deed], object], *, kind: str = "light", within_s: float = 1.0) -> tuple[list[str], list[dict[str, object]]]:
    """What is said of one deed, and the trace."""
    trace = Trace(MonotonicClock())
    deeds, told = Deeds(trace), list[str]()

    async def act() -> None:
        deeds.register("light", doer, within_s=within_s)  # type: ignore[arg-type]
        deeds.begin(Deed(kind, {"on": True}), told.append, turn=3, generation=4)
        assert not deeds.idle
        while not deeds.idle:
            await asyncio.sleep(0.001)

    asyncio.run(act())
    return told, trace.events()


async def switched(deed: Deed) -> str:
    assert deed.arguments == {"on": True}
    return "The light is on."


async def silent(_: Deed) -> str:
    return ""


async def refuses(_: Deed) -> str:
    raise StorageError("/var: the disk is full")


async def breaks(_: Deed) -> str:
    raise ValueError("what was said")


async def hangs(_: Deed) -> str:
    await asyncio.sleep(3600)
    return "never"


async def hangs_on(_: Deed) -> str:
    """And cannot be cancelled."""
    for _ in range(30):
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue
    raise ValueError("too late")


@pytest.mark.parametrize(("doer", "kind", "said", "message"), [
    (switched, "light", "The light is on.", ""), (silent, "light", DONE, ""),
    (refuses, "light", FAILED, "light: /var: the disk is full"), (breaks, "light", FAILED, "light: ValueError"),
    (hangs, "light", TOO_LONG, "light: not done within 0.1 s"), (hangs_on, "light", TOO_LONG, "light: not done within 0.1 s"),
    (switched, "oven", NOT_HERE, "oven: nobody here does that")])
def test_something_is_said_whatever_happens(doer: Callable[[Deed], object], kind: str, said: str, message: str) -> None:
    told, rows = run(doer, kind=kind, within_s=0.1)
    assert told == [said]
    assert [row["message"] for row in rows if row["event"] == "error"] == ([message] if message else [])
    (row,) = (row for row in rows if row["event"] == "deed")
    assert (row["kind"], row["done"], row["turn"], row["generation"]) == (kind, not message, 3, 4)


def test_a_kind_has_one_doer() -> None:
    deeds = Deeds(Trace(MonotonicClock()))
    deeds.register("light", switched)
    with pytest.raises(ValueError, match="'light' have a doer"):
        deeds.register("light", silent)


def test_at_the_end_what_has_begun_is_given_a_moment_and_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgevoice.pipeline.deeds.END_S", 0.05)
    trace, told = Trace(MonotonicClock()), list[str]()

    async def act() -> None:
        deeds = Deeds(trace)
        deeds.register("light", switched)
        deeds.register("oven", hangs)
        deeds.begin(Deed("light", {"on": True}), told.append)
        deeds.begin(Deed("oven"), told.append)
        await deeds.end()
        await asyncio.sleep(0)

    asyncio.run(act())
    assert told == ["The light is on."]
