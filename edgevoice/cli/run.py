"""``edgevoice run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from edgevoice.cli import common
from edgevoice.errors import DeviceError, EngineError
from edgevoice.settings import Settings

SUMMARY = "listen and answer until stopped: the daemon, in the foreground"
EXAMPLE = "edgevoice run --config configs/pi5.toml"

WATCH_S = 0.25
"""how often the device and the threads are looked at"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    from edgevoice.live_view import LiveView

    settings = common.settings(args)
    return serve(settings, _printer(sys.stdout) if args.json else LiveView(sys.stdout).on_event)


def serve(settings: Settings, listener: Callable[[dict[str, Any]], None], *, seconds: float | None = None, out: Path | None = None) -> int:
    """Run until SIGINT or SIGTERM, or for ``seconds``; with ``out``, record both sides and write recording, trace and timeline there."""
    return asyncio.run(_serve(settings, listener, seconds, out))


async def _serve(settings: Settings, listener: Callable[[dict[str, Any]], None], seconds: float | None, out: Path | None) -> int:
    from edgevoice import app
    from edgevoice.pipeline.session import Session
    from edgevoice.recording import Recorder

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    core = app.make_core(settings)
    device = app.make_device(settings, core)
    engines = await asyncio.to_thread(app.load_engines, settings, lambda text: print(f"edgevoice: {text}", file=sys.stderr, flush=True))
    trace, clock = app.make_trace(settings)
    trace.listen(listener)
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


def _printer(out: TextIO) -> Callable[[dict[str, Any]], None]:
    def show(row: dict[str, Any]) -> None:
        if row["event"] != "vad":
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            out.flush()

    return show
