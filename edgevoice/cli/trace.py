"""``edgevoice trace``: where the time of a recorded conversation went, as text, as data or as a page."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import statistics
import sys
from pathlib import Path

from edgevoice.cli.common import add_json, print_json
from edgevoice.errors import EXIT_OK, AudioFileError, UsageError

SUMMARY = "show where the time of a conversation went, from its trace"
EXAMPLE = """\
edgevoice trace trace.jsonl
edgevoice trace trace.jsonl --audio recording.wav --html timeline.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="F.jsonl", type=Path, help="a trace, as written by converse, demo or run")
    parser.add_argument("--html", metavar="F.html", type=Path, help="write the timeline there, as one page that needs nothing else")
    parser.add_argument("--audio", metavar="F.wav", type=Path,
                        help="the stereo recording that belongs to it (microphone left, loudspeaker right), for the page")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    from edgevoice import files, trace, waterfall

    if args.audio is not None and args.html is None:
        raise UsageError("trace: --audio is for the page; name one with --html F.html")
    if args.html is not None:
        files.check_writable(args.html)
    try:
        events = trace.load(args.file)
    except OSError as error:
        raise UsageError(f"{args.file}: cannot be read ({error.strerror}); name a trace file (F.jsonl)") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not events:
        raise UsageError(f"{args.file}: is empty; wants a trace with one event a line")
    timings = waterfall.stages(events)
    if args.html is not None:
        _page(args.html, args.audio, events)
    if args.json:
        print_json({"turns": [dataclasses.asdict(timing) for timing in timings]})
        return EXIT_OK
    width = min(120, shutil.get_terminal_size((100, 24)).columns)
    sys.stdout.write("\n".join(waterfall.draw(timing, width) for timing in timings) or f"{args.file}: no turn in this trace\n")
    heard = sorted(timing.v2v_s for timing in timings if timing.v2v_s is not None)
    if len(heard) > 1:
        sys.stdout.write(f"\nvoice to voice, {len(heard)} turns: fastest {heard[0]:.3f} s, median {statistics.median(heard):.3f} s, "
                         f"slowest {heard[-1]:.3f} s\n")
    if args.html is not None:
        sys.stdout.write(f"\npage: {args.html}\n")
    return EXIT_OK


def _page(target: Path, recording: Path | None, events: list[dict[str, object]]) -> None:
    from edgevoice import timeline

    if recording is None:
        timeline.write(target, events, None, None)
        return
    import soundfile

    from edgevoice import audio

    audio.read(recording)  # tells all that can be wrong with it
    samples, rate = soundfile.read(recording, dtype="int16", always_2d=True)
    if samples.shape[1] != 2:
        raise AudioFileError(f"{recording}: has {samples.shape[1]} channel(s); wants two, the microphone left and the loudspeaker right")
    timeline.write(target, events, samples[:, 0], samples[:, 1], rate)
