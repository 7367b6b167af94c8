"""A child of the soak: the daemon itself, with its edges, timers and supervised sound card, in a room where people talk and things break.

Theory: what is real is ``daemon.serve`` and everything it makes.  Put in its place are the sound card (a scripted one that can be pulled
out), in compressed time the clocks (``clock.py``), and the engines, which are wrapped so that they can break (``faults.py``); in
compressed time those that understand, think and speak answer at once (``quick.py``).  The soak enters where the edges do and leaves with
them.  What has to be done outside the process (a broker, clients) is asked of the parent: a row ``outside`` on stdout, answered by its
number on stdin.

Rows on stdout, JSON: ``begun``, ``outside``, ``conversation`` with a sample of what the process holds, ``finding``, ``ended``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import faulthandler
import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgevoice import clock as clocks
from tests.soak.clock import CompressedLoop, DeviceClock, WallClock
from tests.soak.faults import Faults, FaultyLlm, FaultyStt, FaultyTts, FaultyTurnEnd
from tests.soak.people import Soak, found, tell
from tests.soak.quick import Quick
from tests.soak.room import Card, Room, View


def main(folder: Path, compressed: bool, quick_engines: bool, seconds: float, seed: int, sabotage: str) -> int:
    """Run it; what it needs lies in ``folder``: the configuration and the lines."""
    faulthandler.enable()
    device = DeviceClock()
    now = device.now if compressed else time.monotonic
    wall = WallClock(now)
    clocks.wall_clock = lambda zone="": wall  # before anybody takes it from there
    from edgevoice import app, config, daemon
    from edgevoice.pipeline import ears
    from edgevoice.pipeline.care import Loader

    settings = config.load(folder / "soak.toml")
    room, view, faults = Room(folder, compressed), View(), Faults()
    quick = Quick(seed) if quick_engines else None
    soak = Soak(room, view, faults, quick, wall, seconds=seconds, seed=seed, sabotage=sabotage)
    make_core, load_engines, loaders, make_trace = app.make_core, app.load_engines, app.loaders, app.make_trace

    def core(settings: Any) -> Any:
        room.core = device.core = make_core(settings)
        return room.core

    def engines(settings: Any, progress: Any = None) -> Any:
        if quick is None:
            made = load_engines(settings)
        else:
            made = app.Engines(vad=app.load_vad(settings), stt=quick.stt(), llm=quick.llm(), tts=quick.tts(), wake=app.load_wake(settings),
                               far_wake=app.load_wake(settings, far_end=True), turn_end=app.load_turn_end(settings))
            app.spare_memory()
        return dataclasses.replace(made, stt=FaultyStt(made.stt, faults), llm=FaultyLlm(made.llm, faults), tts=FaultyTts(made.tts, faults),
                                   turn_end=None if made.turn_end is None else FaultyTurnEnd(made.turn_end, faults))

    def again(settings: Any) -> dict[str, Loader]:
        kinds: dict[str, Any] = {"stt": FaultyStt, "llm": FaultyLlm, "tts": FaultyTts, "turn": FaultyTurnEnd}
        fresh = {} if quick is None else {"stt": quick.stt, "llm": quick.llm, "tts": quick.tts}

        def load(name: str, load: Callable[[], Any]) -> Any:
            return kinds[name](load(), faults)

        return {name: Loader(functools.partial(load, name, fresh.get(name, loader.load)), loader.size)
                for name, loader in loaders(settings).items()}

    app.make_core, app.load_engines, app.loaders = core, engines, again
    app.make_device = lambda settings, core: Card(room, core)
    if compressed:
        app.make_trace = lambda settings, kept=True: make_trace(settings, device, kept=kept)
        ears.REST_S = 0.0  # the ears' thread would wait in real time
    daemon.edges = functools.partial(soak.edges, daemon.edges)
    loop = (lambda: CompressedLoop(device.now)) if compressed else asyncio.new_event_loop
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            code = runner.run(daemon._serve(settings, view, seconds=None, out=None, config=folder / "soak.toml", life=None))
    except Exception as error:  # noqa: BLE001 - whatever ended the daemon is what we look for
        found("the daemon ended by itself", error=repr(error))
        code = 1
    left = sorted(thread.name for thread in threading.enumerate() if thread.name not in ("MainThread", "soak-stdin"))
    tell("ended", code=code, events=dict(view.counts), errors=dict(view.errors), faults=faults.happened, threads=left)
    return code


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    sys.exit(main(Path(arguments["folder"]), arguments["compressed"], arguments["quick"], arguments["seconds"], arguments["seed"],
                  arguments["sabotage"]))
