"""``edgevoice run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Protocol, Self, TextIO

from edgevoice.cli import common
from edgevoice.errors import DeviceError, EngineError
from edgevoice.settings import Settings

SUMMARY = "listen and answer until stopped: the daemon, in the foreground"
EXAMPLE = "edgevoice run --config configs/pi5.toml"

WATCH_S = 0.25
"""how often the device and the threads are looked at"""

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

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    core = app.make_core(settings)
    device = app.make_device(settings, core)
    device.start()  # before the engines are loaded: who has no microphone shall not wait to be told
    device.stop()
    engines = await asyncio.to_thread(app.load_engines, settings, lambda text: print(f"edgevoice: {text}", file=sys.stderr, flush=True))
    if stop.is_set():
        engines.close()
        core.close()
        return 0
    trace, clock = app.make_trace(settings, kept=out is not None)
    trace.listen(view.on_event)
    recorder = Recorder(settings.audio.rate) if out is not None else None
    session = Session(core, engines, settings, trace, clock, tap=recorder.take if recorder else None)
    stuck: list[str] = []
    until = None if seconds is None else time.monotonic() + seconds
    try:
        with app.running(device):
            await session.start()
            app.announce(trace, settings, core.counters().captured)
            how = f"say \"{settings.wake.words[0].replace('_', ' ')}\"" if settings.wake.enabled else "speak"
            print(f"edgevoice: listening; {how}", file=sys.stderr, flush=True)
            while not stop.is_set() and (until is None or time.monotonic() < until):
                if device.error is not None:
                    raise DeviceError(device.error)
                if session.failure is not None:
                    raise EngineError(session.failure)
                if isinstance(view.failure, BrokenPipeError):
                    raise view.failure
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
