"""``edgevoice ask``: one question to the language model, the answer as it is written.

For programs (``--json``) each frame of the reply is one JSON document on a line of its own, as MQTT and HTTP carry it: ``generation,
turn, seq, delta, provisional`` and, where there are any, ``error``, ``finish``, ``usage``.  The last line is the closing frame.
Ctrl-C cancels the model, not only the printing of it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType

from edgevoice.cli import common
from edgevoice.dialog.history import History
from edgevoice.engines.protocols import Cancel
from edgevoice.errors import EdgeVoiceError, EngineError, UsageError
from edgevoice.events import Message
from edgevoice.pipeline.reply import Reader, ReplyStream
from edgevoice.rt.contract import Live
from edgevoice.settings import LlmSettings

SUMMARY = "put a question to the language model alone, without the exact skills, and print its answer as it is written"
EXAMPLE = """
edgevoice ask "Why is the sky blue?"
echo "Name a fruit." | edgevoice ask - --system "You answer in one word." --json
"""

LOOK_S = 0.1
END_S = 2.0
"""After a cancel the model is quiet within milliseconds; only a model that is being loaded takes longer, and is not waited for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="+", help="the question; - reads it from standard input")
    parser.add_argument("--system", metavar="S", help="what the model is told beforehand, instead of llm.system_prompt; \"\" for nothing")
    parser.add_argument("--max-tokens", metavar="N", type=int, help="longest answer; default: llm.max_tokens")
    parser.add_argument("--json", action="store_true", help="print each frame of the answer as one line of JSON, for programs")
    common.add_config(parser)


def run(args: argparse.Namespace) -> int:
    from edgevoice.models import find
    from edgevoice.rt import Live as RealLive

    settings = common.settings(args)
    llm = settings.llm if args.system is None else replace(settings.llm, system_prompt=args.system)
    if args.max_tokens is not None:
        if args.max_tokens < 1:
            raise UsageError(f"--max-tokens {args.max_tokens}: at least 1 is wanted")
        llm = replace(llm, max_tokens=args.max_tokens)
    messages = History(llm.system_prompt, max_turns=0).messages(_question(args.text))
    folder = find(settings.paths, llm.model)

    live = RealLive()
    cancel = live.begin(1)
    stream = ReplyStream(1, 1, cancel=cancel)
    reader = stream.read(hold=True)
    failures: list[EdgeVoiceError] = []
    worker = threading.Thread(target=_answer, args=(llm, folder, messages, stream, cancel, failures), name="brain", daemon=True)
    worker.start()
    interrupt = _Interrupt(live)
    try:
        with interrupt:
            _print(stream, reader, interrupt, as_json=args.json)
    finally:
        worker.join(END_S)
    if interrupt.seen:
        raise KeyboardInterrupt
    if failures:
        raise failures[0]
    return 0


def _print(stream: ReplyStream, reader: Reader, interrupt: _Interrupt, *, as_json: bool) -> None:
    patience = END_S / LOOK_S
    while not reader.over and patience > 0:
        frame = reader.get(LOOK_S)
        if frame is None:
            patience -= interrupt.seen
        elif as_json:
            common.print_json(frame.as_dict())
        elif frame.delta:
            sys.stdout.write(frame.delta)
            sys.stdout.flush()
        elif frame.finish and stream.text:
            sys.stdout.write("\n")


class _Interrupt:
    """For the length of a ``with`` block the first Ctrl-C cancels the generation, and so does leaving the block.

    A KeyboardInterrupt out of the blue could come between any two steps of a lock; a second Ctrl-C takes that risk.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._before = signal.getsignal(signal.SIGINT)
        self.seen = False

    def __enter__(self) -> _Interrupt:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.cancel(1)
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
        self._live.cancel(1)


def _question(words: list[str]) -> str:
    text = " ".join(words)
    if text == "-":
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"standard input is not UTF-8 text (byte {error.start})") from error
    if not text.strip():
        raise UsageError("the question is empty; give it as TEXT, or on standard input with -")
    return text


def _answer(settings: LlmSettings, folder: Path, messages: tuple[Message, ...], stream: ReplyStream, cancel: Cancel,
            failures: list[EdgeVoiceError]) -> None:
    """The brain's thread: everything that goes wrong ends the stream and is raised again by ``run``."""
    try:
        from edgevoice.engines.llm import load

        def emit(delta: str) -> None:
            stream.delta(delta)

        engine = load(settings, folder)
        try:
            completion = engine.generate(messages, emit, cancel)
        finally:
            engine.close()
        stream.close(completion.finish, completion.usage)
    except EdgeVoiceError as error:
        failures.append(error)
        stream.fail(str(error))
    except BaseException as error:
        failures.append(EngineError(f"the language model failed: {type(error).__name__}: {error}"))
        stream.fail(str(failures[0]))
        raise
