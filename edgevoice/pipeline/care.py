"""Engines are looked after: one that does not answer in time is told of, left, and loaded anew; one that fails again and again, too.

Theory: an engine that hangs cannot be ended inside a process.  First whoever waits is told, and the generation is cancelled, which frees
an engine that is only slow.  If it does not come back within the grace, its thread is left with it, and a new engine is loaded beside
the old one; where memory does not allow that, ``failure`` says so, and whoever runs us ends in order, to be started afresh.

Law: all of it happens on the loop's thread, but for the loading.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgevoice.clock import Clock
from edgevoice.host import give_back_memory, memory_free_mb
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.watch import Breaker, Watch
from edgevoice.pipeline.worker import Worker
from edgevoice.settings import FaultSettings
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""how often the engines are looked at"""
SPARE_BYTES = 64 << 20
"""left to the rest of the machine when an engine is loaded beside one that hangs"""


@dataclass(frozen=True, slots=True)
class Loader:
    """How to get another engine.  ``size``: bytes of memory it takes, about."""

    load: Callable[[], Any]
    size: int = 0


@dataclass(frozen=True, slots=True)
class EngineState:
    """For health: how an engine does."""

    name: str
    breaker: str
    hung: int
    """times that it did not answer in time"""
    loaded_anew: int


@dataclass(slots=True)
class _Ward:
    name: str
    worker: Worker[Any]
    slot: Slot[Any]
    breaker: Breaker
    grace_s: float
    """after the time is up: an engine that can be cancelled comes back within it"""
    spared: bool
    """the conversation can do without"""
    told: tuple[Watch, int] | None = None
    counted: tuple[Watch, int] | None = None
    hung: int = 0
    reloads: int = 0
    loading: asyncio.Task[None] | None = None


class Care:
    """``watch`` before the workers start, ``run`` as a task; ``loaders`` by the names of the wards."""

    def __init__(self, loaders: Mapping[str, Loader], clock: Clock, trace: Trace, limits: FaultSettings) -> None:
        self.failure: str | None = None
        """why the conversation cannot go on"""
        self._loaders, self._clock, self._trace, self._limits = loaders, clock, trace, limits
        self._wards: list[_Ward] = []

    def watch(self, name: str, worker: Worker[Any], slot: Slot[Any], *, grace_s: float = 0.0, spared: bool = False) -> None:
        limits = self._limits
        breaker = Breaker(slot.name, self._clock, failures=limits.failures, first_s=limits.retry_s, most_s=limits.retry_most_s)
        worker.watch = Watch(self._clock, breaker)
        self._wards.append(_Ward(name, worker, slot, breaker, grace_s, spared))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        for ward in self._wards:
            self._look_at(ward)

    def states(self) -> Sequence[EngineState]:
        return [EngineState(ward.name, ward.breaker.state, ward.hung, ward.reloads) for ward in self._wards]

    async def end(self, timeout_s: float = 3.0) -> None:
        """Wait for what is being loaded: an engine should not come to life behind our back."""
        loading = [ward.loading for ward in self._wards if ward.loading is not None]
        if loading:
            await asyncio.wait(loading, timeout=timeout_s)

    def _look_at(self, ward: _Ward) -> None:
        watch = ward.worker.watch
        late = watch.overdue_s()
        if late is None:
            if ward.breaker.due and ward.loading is None:
                self._renew(ward, hangs=False)
            return
        if ward.told != (watch, watch.calls):
            ward.told = watch, watch.calls
            if ward.worker.give_up():
                self._count(ward, watch)
        if late >= ward.grace_s and ward.loading is None:
            engine = ward.slot.take()
            if ward.worker.leave(None if engine is None else functools.partial(_close, engine)):
                if ward.counted != ward.told:
                    self._count(ward, watch)
                self._renew(ward, hangs=True)
            elif engine is not None:
                ward.slot.fill(engine)

    def _count(self, ward: _Ward, watch: Watch) -> None:
        ward.counted = ward.told
        ward.hung += 1
        ward.breaker.failed()
        log.warning("%s hangs: %s", ward.slot.name, watch.told)

    def _renew(self, ward: _Ward, *, hangs: bool) -> None:
        """Load the engine anew, beside one that hangs or in place of one that fails."""
        loader = self._loaders.get(ward.name)
        if loader is None:
            if hangs and not ward.spared:
                self.failure = f"{ward.slot.name} hangs, and nobody knows how to get another one"
            ward.breaker.trial()
            return
        free_mb = memory_free_mb()  # a machine that does not say is taken to have enough
        if hangs and free_mb is not None and free_mb * (1 << 20) < loader.size + SPARE_BYTES:
            why = f"{ward.slot.name} hangs, and there is no memory for another one ({loader.size >> 20} MiB)"
            self._trace.emit("error", stage=ward.name, message=why)
            if not ward.spared:
                self.failure = why
            return
        ward.loading = asyncio.get_running_loop().create_task(self._load(ward, loader, hangs))

    async def _load(self, ward: _Ward, loader: Loader, hangs: bool) -> None:
        try:
            engine = await asyncio.to_thread(loader.load)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no engine
            self._trace.emit("error", stage=ward.name, message=f"{ward.slot.name} could not be loaded anew: {error}")
            ward.breaker.failed()
            if hangs and not ward.spared:
                self.failure = f"{ward.slot.name} hangs and could not be loaded anew: {error}"
        else:
            before = ward.slot.take()
            ward.slot.fill(engine)
            ward.reloads += 1
            ward.breaker.trial()
            self._trace.emit("engine", name=ward.name, loaded_anew=ward.reloads)
            if before is not None:
                await asyncio.to_thread(_close, before)
        finally:
            ward.loading = None


def _close(engine: Any) -> None:
    """On any thread; its memory goes to whoever needs it: engines that come and go would leave the heap full of holes."""
    engine.close()
    give_back_memory()
