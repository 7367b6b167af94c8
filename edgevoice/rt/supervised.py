"""A sound card that comes and goes: whoever uses it keeps one device for ever, and time goes on without a card.

Theory: a thread looks at the card four times a second.  One that failed is let go of and opened anew, again and again, each time from a
fresh list of cards; until that succeeds the thread calls the core itself at the pace of a real card, without input and into nothing, so
that frame indices and timers run on and a reply ends in order.  The hops of that time are marked as deaf, and the echo canceller learns
nothing from them.

Laws: exactly one of card and stand-in calls the core at any time; no failure of a card leaves this thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgevoice.errors import DeviceError
from edgevoice.rt.contract import Clocks, Device, Processor

LOOK_S = 0.25
"""between two looks at a card that runs"""
RETRY_S, RETRY_MOST_S = 0.25, 1.0
"""between two attempts to open one: doubled after each, so that a card is back a second after it returned at the latest"""
BEHIND_S = 1.0
"""a stand-in that was held up (opening a card may hang) makes up for so much of it"""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How the sound card does."""

    open: bool
    problem: str | None
    """why there is none, in one line with the remedy; ``None`` while there is one"""
    losses: int
    """times that a card was lost"""
    reopened: int
    """times that one came back"""
    away_s: float
    """seconds without a card, all together"""
    clocks: Clocks | None = None
    """of a microphone and a loudspeaker with a clock each, while they are open; counted since they were opened"""


class SupervisedDevice:
    """A ``Device`` that never gives up.  ``make`` makes a card that is not yet started; ``told`` gets each change, on any thread."""

    def __init__(self, core: Processor, make: Callable[[], Device], told: Callable[[DeviceState], None] = lambda state: None) -> None:
        self._core, self._make, self._told = core, make, told
        self._card: Device | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._state = DeviceState(open=False, problem="not started", losses=0, reopened=0, away_s=0.0)
        self._away_since = 0.0

    @property
    def state(self) -> DeviceState:
        with self._lock:
            state = self._state
        away = 0.0 if state.open or self._thread is None else time.monotonic() - self._away_since
        card = self._card
        return DeviceState(state.open, state.problem, state.losses, state.reopened, state.away_s + away,
                           None if card is None else card.clocks)

    def start(self) -> None:
        """Opens the card now if it is there; goes on looking for it otherwise, and raises nothing."""
        if self._thread is not None:
            return
        self._stop.clear()
        self._away_since = time.monotonic()
        self._open(first=True)
        self._thread = threading.Thread(target=self._run, name="edgevoice-device", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        card, self._card = self._card, None
        if card is not None:
            card.stop()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> str | None:
        """A card that is gone is no error of this device: see ``state``."""
        return None

    @property
    def clocks(self) -> Clocks | None:
        return self.state.clocks

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._card is None:
                self._stand_in()
            elif self._card.error is None:
                self._stop.wait(LOOK_S)
            else:
                self._lose(self._card)

    def _open(self, *, first: bool = False) -> bool:
        card = self._make()
        try:
            card.start()
        except DeviceError as error:
            card.stop()
            self._change(open=False, problem=str(error))
            return False
        self._card = card
        with self._lock:
            away, reopened = self._state.away_s, self._state.reopened
        self._change(open=True, problem=None, reopened=reopened + (not first), away_s=away + time.monotonic() - self._away_since)
        return True

    def _lose(self, card: Device) -> None:
        problem = card.error
        self._card = None
        card.stop()
        self._away_since = time.monotonic()
        self._change(open=False, problem=problem, losses=self.state.losses + 1)

    def _stand_in(self) -> None:
        """Be the clock until a card opens."""
        core = self._core
        period = core.hop / core.rate
        wait, retry_at = RETRY_S, time.monotonic() + RETRY_S
        due = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= retry_at:
                if self._open():
                    return
                wait = min(2 * wait, RETRY_MOST_S)
                now = time.monotonic()
                retry_at = now + wait
            due = max(due, now - BEHIND_S)
            while due <= now and not self._stop.is_set():
                core.process(None, core.hop)
                due += period
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _change(self, *, open: bool, problem: str | None, losses: int | None = None, reopened: int | None = None,
                away_s: float | None = None) -> None:
        with self._lock:
            old = self._state
            self._state = DeviceState(open, problem, old.losses if losses is None else losses,
                                      old.reopened if reopened is None else reopened, old.away_s if away_s is None else away_s)
            changed = (old.open, old.problem) != (open, problem)
        if changed:
            self._told(self._state)
