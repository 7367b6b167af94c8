"""``edgevoice converse``: recorded users talk with the appliance on the virtual device."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from pathlib import Path

import numpy as np

from edgevoice import audio, files
from edgevoice.cli import common
from edgevoice.errors import AudioFileError, UsageError
from edgevoice.settings import Settings

SUMMARY = "hold a conversation with recorded users: WAV in, WAV and trace out"
EXAMPLE = "edgevoice converse --in question.wav --in followup.wav --out speaker.wav --trace trace.jsonl --no-wake"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in", dest="inputs", metavar="F.wav", type=Path, action="append", required=True,
                        help="what the user says; the first starts at sample 0, each further one after the reply to the one before")
    parser.add_argument("--out", metavar="F.wav", type=Path, required=True, help="what the loudspeaker got, from sample 0 on")
    parser.add_argument("--record", metavar="F.wav", type=Path, help="stereo: microphone on the left, loudspeaker on the right")
    parser.add_argument("--trace", metavar="F.jsonl", type=Path, help="all events, one JSON object a line")
    parser.add_argument("--html", metavar="F.html", type=Path, help="the timeline as one page")
    parser.add_argument("--no-wake", action="store_true", help="every utterance is meant for the device")
    parser.add_argument("--no-earcons", action="store_true", help="no tones")
    parser.add_argument("--echo", metavar="RIR.wav", type=Path, help="the microphone hears the loudspeaker through this impulse response")
    parser.add_argument("--noise", metavar="F.wav", type=Path, help="background sound for the microphone, repeated")
    parser.add_argument("--fast", action="store_true", help="not in real time: the device's clock waits for the engines")
    common.add_config(parser)
    common.add_json(parser)


def run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    rate = settings.audio.rate
    inputs = [audio.to_int16(audio.read(path, rate)) for path in args.inputs]
    echo = _impulse_response(args.echo, rate) if args.echo else None
    noise = audio.to_int16(audio.read(args.noise, rate)) if args.noise else None
    _check_outputs(args)

    from edgevoice import app, timeline, trace, waterfall
    from edgevoice.converse import Conversation, Line, Recording
    from edgevoice.live_view import LiveView

    lines = [Line(samples, "start", 0.0) if k == 0 else Line(samples) for k, samples in enumerate(inputs)]
    engines = app.load_engines(settings, lambda text: print(f"edgevoice: {text}", file=sys.stderr))
    try:
        with LiveView(sys.stderr if args.json else sys.stdout) as view:
            conversation = Conversation(settings, engines, realtime=not args.fast, noise=noise, echo=echo, listener=view.on_event)
            made: Recording = asyncio.run(conversation.run(lines))
    finally:
        engines.close()
    audio.write_wav(args.out, made.speaker, rate)
    if args.record:
        audio.write_wav(args.record, np.stack([made.mic, made.speaker], axis=1), rate)
    if args.trace:
        files.write_text(args.trace, trace.lines(made.events))
    if args.html:
        timeline.write(args.html, made.events, made.mic, made.speaker, rate)
    timings = waterfall.stages(made.events)
    if args.json:
        common.print_json({"rate": rate, "seconds": len(made.mic) / rate, "starts": made.starts,
                           "turns": [dataclasses.asdict(timing) for timing in timings]})
    else:
        for timing in timings:
            print(waterfall.draw(timing, 100))
        if not timings:
            print("nobody was heard" + (": say the wake word first, or use --no-wake" if settings.wake.enabled else ""))
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    settings = common.settings(args)
    if args.no_wake:
        settings = dataclasses.replace(settings, wake=dataclasses.replace(settings.wake, enabled=False))
    if args.no_earcons:
        settings = dataclasses.replace(settings, dialog=dataclasses.replace(settings.dialog, earcons=False))
    return settings


def _check_outputs(args: argparse.Namespace) -> None:
    """Before the long work: each can be written, and none would be written over another or over what was recorded."""
    taken = {path.resolve(): name for name, paths in (("--in", args.inputs), ("--echo", [args.echo]), ("--noise", [args.noise]))
             for path in paths if path is not None}
    for name in ("out", "record", "trace", "html"):
        path = getattr(args, name)
        if path is None:
            continue
        files.check_writable(path)
        first = taken.setdefault(path.resolve(), f"--{name}")
        if first != f"--{name}" and (path.is_file() or not path.exists()):  # a device such as /dev/null takes any number
            raise UsageError(f"--{name} {path}: is what {first} names; give it a name of its own")


LONGEST_ECHO_S = 2.0
"""a room's echo is long over by then; a longer file is something else"""


def _impulse_response(path: Path, rate: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    response = audio.read(path, rate)
    if len(response) > LONGEST_ECHO_S * rate:
        raise UsageError(f"--echo {path}: {len(response) / rate:.1f} s long; an impulse response has at most {LONGEST_ECHO_S:.0f} s")
    if not np.any(response):
        raise AudioFileError(f"{path}: an impulse response without sound")
    return response
