"""``edgevoice run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TextIO

from edgevoice.cli import common
from edgevoice.errors import EdgeVoiceError

if TYPE_CHECKING:
    from edgevoice.journal import JournalView
    from edgevoice.live_view import LiveView
    from edgevoice.settings import Settings

SUMMARY = "listen and answer until stopped: the daemon, in the foreground"
EXAMPLE = "edgevoice run --config configs/pi5.toml"

LINES = 2000
"""JSON lines that may wait for a slow reader; further ones are dropped, since nobody may hold the conversation"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON, for programs")


def run(args: argparse.Namespace) -> int:
    from edgevoice.adapters.sdnotify import Notifier

    try:
        return _serve(args)
    except EdgeVoiceError as error:
        Notifier.of().status(f"stopped: {error}")  # stays in `systemctl status` until it is started again
        raise


def _serve(args: argparse.Namespace) -> int:
    from edgevoice.daemon import serve, tell
    from edgevoice.update.life import Life, again

    life = Life(args.config, tell)
    settings = life.begin()
    try:
        with view_for(settings, sys.stdout, as_json=args.json) as view:
            code = serve(settings, view, config=args.config, life=life)
    except BrokenPipeError:  # its reader went away, which is no fault of what is on probation
        life.end()
        raise
    except Exception as error:
        if life.failed(error):
            return again()
        raise
    life.end()
    return again() if life.switching else code


def view_for(settings: Settings, stream: TextIO, *, as_json: bool) -> JsonView | JournalView | LiveView:
    """What shows the conversation on ``stream``: with its words on a terminal, elsewhere only where ``privacy.log_words`` says so."""
    from edgevoice import journal
    from edgevoice.discreet import without_words
    from edgevoice.live_view import LiveView

    words = settings.privacy.log_words or stream.isatty()
    if as_json:
        return JsonView(stream, shown=dict if words else without_words)
    if journal.listens_to(stream):
        return journal.JournalView()
    return LiveView(stream, shown=(lambda row: row) if words else without_words)


class JsonView:
    """Events as JSON lines, written by a thread of its own."""

    def __init__(self, stream: TextIO, *, shown: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> None:
        self.failure: Exception | None = None
        self._stream, self._shown = stream, shown
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
        self._lines.put(json.dumps(self._shown(row), ensure_ascii=False) + "\n")

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._stream.write(line)
                self._stream.flush()
        except (OSError, ValueError) as error:
            self.failure = error
