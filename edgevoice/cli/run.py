"""``edgevoice run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from edgevoice.cli import common
from edgevoice.errors import DeviceError, EngineError
from edgevoice.settings import Settings

if TYPE_CHECKING:
    from edgevoice.pipeline.sound_health import SoundHealth
    from edgevoice.rt import DeviceState
    from edgevoice.trace import Trace

SUMMARY = "listen and answer until stopped: the daemon, in the foreground"
EXAMPLE = "edgevoice run --config configs/pi5.toml"

WATCH_S = 0.25
"""how often the device and the threads are looked at"""

HEALTH_S = 10.0
"""how often the sound path's health is told"""
FIRST_LOOK_S = 3.0
"""after the start, when there is something to tell of"""

LINES = 2000
"""JSON lines that may wait for a slow reader; further ones are dropped, since nobody may hold the conversation"""


class View(Protocol):
    """What is shown of the conversation; ``on_event`` never raises and never waits."""

    failure: Exception | None

    def on_event(self, row: dict[str, Any]) -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    from edgevoice.live_view import LiveView

    settings = common.settings(args)
    with JsonView(sys.stdout) if args.json else LiveView(sys.stdout) as view:
        return serve(settings, view)


def serve(settings: Settings, view: View, *, seconds: float | None = None, out: Path | None = None) -> int:
    """Run until SIGINT or SIGTERM, or for ``seconds``; with ``out``, record both sides and write recording, trace and timeline there."""
    return asyncio.run(_serve(settings, view, seconds, out))


async def _serve(settings: Settings, view: View, seconds: float | None, out: Path | None) -> int:
    from edgevoice import app
    from edgevoice.pipeline.session import Session
    from edgevoice.recording import Recorder
    from edgevoice.rt import SupervisedDevice

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted = settings.audio.rate
    settings = app.fit_rate(settings)
    if settings.audio.rate != wanted:
        _tell(f"the sound card cannot do {wanted} Hz; it runs at {settings.audio.rate} Hz and is resampled")
    core = app.make_core(settings)
    try:
        card = app.make_device(settings, core)
        card.start()  # before the engines are loaded: who has no microphone shall not wait to be told
        card.stop()
    except DeviceError as error:
        _tell(f"no sound yet: {error}; it is looked for until it comes")
    engines = await asyncio.to_thread(app.load_engines, settings, _tell)
    if stop.is_set():
        engines.close()
        core.close()
        return 0
    trace, clock = app.make_trace(settings, kept=out is not None)
    trace.listen(view.on_event)
    device = SupervisedDevice(core, lambda: app.make_device(settings, core), lambda state: _sound_changed(trace, state))
    recorder = Recorder(settings.audio.rate) if out is not None else None
    session = Session(core, engines, settings, trace, clock, tap=recorder.take if recorder else None, may_rest=True)
    stuck: list[str] = []
    until = None if seconds is None else time.monotonic() + seconds
    try:
        with app.running(device):
            await session.start()
            app.announce(trace, settings, core.counters().captured)
            how = f"say \"{settings.wake.words[0].replace('_', ' ')}\"" if settings.wake.enabled else "speak"
            front = core.front()
            if not core.locked or (front is not None and not front.fifo):
                _tell("no real-time rights here: sound may be lost while the machine is busy (allow RLIMIT_RTPRIO and RLIMIT_MEMLOCK; the "
                      "systemd unit does)")
            look = _Look(trace, lambda: session.sound(device.state))
            _tell(f"listening; {how}")
            while not stop.is_set() and (until is None or time.monotonic() < until):
                if not device.running:
                    raise EngineError("the thread that looks after the sound card ended by itself")
                if session.failure is not None:
                    raise EngineError(session.failure)
                if isinstance(view.failure, BrokenPipeError):
                    raise view.failure
                look.now_and_then()
                try:
                    await asyncio.wait_for(stop.wait(), WATCH_S)
                except TimeoutError:
                    continue
    finally:
        stuck = await session.stop()
        core.close()
        if not stuck:
            engines.close()
    if recorder is not None and out is not None:
        recorder.write(out, trace.events())
    if stuck:
        raise EngineError(f"did not end within 3 s: {', '.join(stuck)}")
    return 0


class _Look:
    """Tells how the sound path does: all of it to the trace every ``HEALTH_S``, and on stderr what is newly wrong with it."""

    def __init__(self, trace: Trace, health: Callable[[], SoundHealth]) -> None:
        self._trace, self._health = trace, health
        self._due = time.monotonic() + FIRST_LOOK_S
        self._told: set[str] = set()

    def now_and_then(self) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + HEALTH_S
        health = self._health()
        self._trace.emit("health", **health.document())
        away = health.device is not None and not health.device.open  # which is told as it happens
        kinds = {} if away else {_figureless(alert): alert for alert in health.alerts}
        for kind in kinds.keys() - self._told:
            _tell(kinds[kind])
        self._told = set(kinds)


def _figureless(alert: str) -> str:
    """What an alert is about, whatever its figures are by now."""
    return "".join(c for c in alert if not c.isdigit())


def _sound_changed(trace: Trace, state: DeviceState) -> None:
    trace.emit("device", open=state.open, problem=state.problem, losses=state.losses, reopened=state.reopened)
    if not state.open:
        _tell(f"no sound: {state.problem}; looking for it")
    elif state.losses or state.reopened:
        _tell("the sound is back")


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        print(f"edgevoice: {text}", file=sys.stderr, flush=True)


class JsonView:
    """Events as JSON lines, written by a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        self.failure: Exception | None = None
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES)
        self._thread = threading.Thread(target=self._write, name="edgevoice-json", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.failure is None:
            self._lines.put(None)
            self._thread.join(2.0)

    def on_event(self, row: dict[str, Any]) -> None:
        if row["event"] == "vad" or self.failure is not None or self._lines.full():
            return
        self._lines.put(json.dumps(row, ensure_ascii=False) + "\n")

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._stream.write(line)
                self._stream.flush()
        except (OSError, ValueError) as error:
            self.failure = error
