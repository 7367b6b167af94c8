"""What a daemon lets be changed while it runs: its configuration at SIGHUP, and what an update brought at a pause."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable

from edgevoice import journal
from edgevoice.adapters.house import Failed
from edgevoice.controls import Controls
from edgevoice.dialog.table import State
from edgevoice.pipeline.session import Session
from edgevoice.settings import Settings
from edgevoice.timekeeper import Timekeeper
from edgevoice.trace import Trace
from edgevoice.update.life import Life, Tell, Ways

SOON_S = 20.0
"""before something rings nobody ends to be started again"""


@contextlib.asynccontextmanager
async def reloading(controls: Controls, tell: Tell) -> AsyncIterator[None]:
    """SIGHUP reads the configuration anew, as the verb does; on a terminal it says that the terminal was closed."""
    tasks: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            made = await controls.reload({})
        except Failed as refusal:
            for line in refusal.problems or (str(refusal),):
                tell(f"the configuration is refused, the one before stays in force: {line}", journal.ERROR)
            return
        parts = [f"{text}: {', '.join(names)}" for text, names in (("in force", made["applied"]), ("waits for a restart",
                                                                                                 made["needs_restart"])) if names]
        tell(f"the configuration was read anew; {'; '.join(parts) or 'nothing in it is other than before'}", journal.NOTICE)

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if sys.stderr.isatty():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, begin)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes while it ends changes nothing any more
        for task in tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def updated(life: Life | None, made: Callable[[], Ways], tell: Tell) -> AsyncIterator[None]:
    """Updates are looked after while the block runs; should that end by a bug, the conversation goes on."""
    if life is None:
        yield
        return
    task = asyncio.create_task(life.watch(made()))
    task.add_done_callback(lambda ended: None if ended.cancelled() else tell(
        f"bug: updates are not looked after any more: {ended.exception()!r}", journal.ERROR))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait((task,))


def ways(session: Session, controls: Controls, trace: Trace, timekeeper: Timekeeper | None, settings: Settings, asked_rate: int,
          restart: Callable[[], None]) -> Ways:
    """What updates see of the device.  ``asked_rate``: the device rate of the settings before it was fitted to the card."""
    def quiet() -> bool:
        pending = timekeeper.pending() if timekeeper else {"ringing": 0, "next_due": None}
        soon = pending["next_due"] is not None and pending["next_due"] - time.time() < SOON_S
        return (session.machine.state is State.IDLE and session.deeds.idle and not any(session.queues.values())
                and not pending["ringing"] and not soon)

    async def take(wanted: Settings) -> list[str]:
        if wanted.audio.rate == asked_rate:
            wanted = dataclasses.replace(wanted, audio=dataclasses.replace(wanted.audio, rate=settings.audio.rate))
        try:
            made = await controls.take(wanted)
        except Failed as error:
            return [str(error)]
        return list(made["needs_restart"])

    return Ways(quiet=quiet, engines=lambda: session.engines, take=take, restart=restart, emit=trace.emit)
