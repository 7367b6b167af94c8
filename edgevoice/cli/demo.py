"""``edgevoice demo``: a spoken conversation, with you if there is a microphone, otherwise with a synthetic user."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import time
from pathlib import Path

from edgevoice.cli import common
from edgevoice.errors import DeviceError, StorageError
from edgevoice.settings import Settings

SUMMARY = "hold a spoken conversation: with you where there is a microphone, otherwise with a synthetic user"
EXAMPLE = "edgevoice demo --virtual --out demo"

LIVE_S = 600
"""a live demonstration ends by itself after this"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--virtual", action="store_true", help="use the synthetic user even where there is a microphone")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("demo"),
                        help="where conversation.wav, trace.jsonl and timeline.html are written (default: demo)")


def run(args: argparse.Namespace) -> int:
    started = time.monotonic()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{args.out}: cannot be made ({error.strerror}); choose another folder with --out") from error
    settings = common.settings(args)
    reason = "--virtual" if args.virtual else _without_sound(settings)

    from edgevoice import app, demo, recording, waterfall
    from edgevoice.converse import Conversation
    from edgevoice.live_view import LiveView

    if reason is None:
        from edgevoice import daemon

        print("edgevoice: a microphone is here: say \"okay nabu\" and ask something; Ctrl-C ends it", file=sys.stderr)
        settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, barge_in="wake"))
        with LiveView(sys.stdout) as view:
            return daemon.serve(settings, view, seconds=LIVE_S, out=args.out)
    print(f"edgevoice: {reason}: a synthetic user speaks, in real time, on the virtual device", file=sys.stderr, flush=True)
    engines = app.load_engines(settings, lambda text: print(f"edgevoice: {text}", file=sys.stderr, flush=True))
    try:
        lines, noise = demo.lines(engines.tts, settings.audio.rate, engines.wake)
        print(f"edgevoice: the user begins to speak, {time.monotonic() - started:.1f} s after the start", file=sys.stderr, flush=True)
        with LiveView(sys.stdout) as view:
            made = asyncio.run(Conversation(settings, engines, noise=noise, listener=view.on_event).run(lines))
    finally:
        engines.close()
    recording.write(args.out, made.events, made.mic, made.speaker, made.rate)
    for timing in waterfall.stages(made.events):
        print(waterfall.draw(timing, 100))
    print(f"edgevoice: {args.out}/conversation.wav (left: microphone, right: loudspeaker), trace.jsonl, timeline.html", file=sys.stderr)
    return 0


def _without_sound(settings: Settings) -> str | None:
    """Why no live conversation can be held here; ``None`` where microphone and loudspeaker open."""
    from edgevoice import app

    core = app.make_core(settings)
    device = app.make_device(settings, core)
    try:
        device.start()
    except DeviceError as error:
        return str(error)
    finally:
        device.stop()
        core.close()
    return None
