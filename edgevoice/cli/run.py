"""``edgevoice run``: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
from typing import Any, Self, TextIO

from edgevoice.cli import common
from edgevoice.errors import EdgeVoiceError

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
    from edgevoice import journal
    from edgevoice.daemon import serve
    from edgevoice.live_view import LiveView

    settings = common.settings(args)
    with (JsonView(sys.stdout) if args.json else journal.JournalView() if journal.listens_to(sys.stdout)
          else LiveView(sys.stdout)) as view:
        return serve(settings, view, config=args.config)


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
