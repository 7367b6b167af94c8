"""A conversation on a terminal as it happens: words as they are recognized, then settled; the reply as it is written; what became of it.

Theory: rows of the trace come in from any thread.  Inside ``with`` they are handed to a thread of the view's own, so that a terminal that
stands still holds nobody; otherwise they are printed where they come.  On a terminal, words that may still change are dim and one line is
rewritten; elsewhere (a file, a pipe, TERM=dumb) everything is whole lines and nothing is rewritten.

Laws: nothing said can command the terminal; a stream that fails ends the view (``failure``), never the conversation; what could not be
shown in time is counted and said.
"""

from __future__ import annotations

import collections
import os
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from edgevoice import waterfall

QUEUE = 5_000
"""rows that may wait for a slow terminal: minutes of conversation"""
LAST_WORDS_S = 2.0
"""at the end, how long a terminal may take to show what waits"""
KEPT_S = 90.0
"""rows of the last seconds, from which the figures of a turn are read: longer than a turn"""
MARGIN = 14
"""columns kept free at the right of a reply, so that a word that comes in pieces is seldom broken"""

_SHOWN = frozenset({
    "state", "wake", "stt_partial", "stt_final", "llm_first_token", "llm_token", "llm_done", "routed", "deed", "tts_chunk",
    "barge_in_onset", "barge_in_confirmed", "barge_in_rejected", "playback_end", "playback_silent", "underrun", "error", "cancel",
    "ladder"})
_SHORT = {"speech_end_detected": "end seen", "endpoint": "wait", "stt_final": "text", "llm_first_token": "token", "tts_chunk": "clause",
          "tts_first_chunk": "sound", "playback_first_sample": "loudspeaker"}

Row = Mapping[str, Any]


class LiveView:
    """Prints to ``stream``.  ``waterfalls``: draw each turn's waterfall when its reply has ended, in place of one line of figures.
    ``shown``: what of each row may be."""

    def __init__(self, stream: TextIO, *, waterfalls: bool = False, width: int | None = None,
                 shown: Callable[[Row], Row] = lambda row: row) -> None:
        self.failure: Exception | None = None
        """why nothing is printed any more"""
        self.dropped = 0
        """rows that a stalled terminal left no room for"""
        self._stream, self._waterfalls, self._fixed_width, self._shown = stream, waterfalls, width, shown
        self._encoding = getattr(stream, "encoding", None) or "ascii"
        self._unicode = waterfall.can_draw(self._encoding)
        self._live = _is_terminal(stream)
        self._color = self._live and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()
        self._queue: queue.Queue[Row | None] | None = None
        self._thread: threading.Thread | None = None
        self._session: Row | None = None
        self._rows: collections.deque[Row] = collections.deque()
        self._line = ""
        """what the open line is: "", "you" (may be rewritten) or "reply\""""
        self._column = 0
        self._generation: int | None = None
        self._partial = ""
        self._measured = 0

    def __enter__(self) -> Self:
        self._queue = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._print_all, name="edgevoice-view", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Print what waits, for at most 2 s, and end the last line.  Raises ``failure`` unless it is the stream's."""
        assert self._queue is not None and self._thread is not None
        try:
            self._queue.put(None, timeout=LAST_WORDS_S)
            self._thread.join(LAST_WORDS_S)
        except queue.Full:
            self.dropped += self._queue.qsize()
        if error is None and self.failure is not None and not isinstance(self.failure, OSError | ValueError):
            raise self.failure

    def on_event(self, row: Row) -> None:
        """Any thread: one row of the trace.  Never raises."""
        if self.failure is not None:
            return
        if self._queue is None:
            self._show_safely(row)
            return
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            self.dropped += 1

    # The printing side.

    def _print_all(self) -> None:
        assert self._queue is not None
        while (row := self._queue.get()) is not None:
            self._show_safely(row)
        if self.failure is None:
            self._safely(self._end)

    def _show_safely(self, row: Row) -> None:
        with self._lock:
            self._safely(lambda: self._show(self._shown(row)))

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the worker that told us what happened must not end because we cannot show it
            self.failure = error

    def _end(self) -> None:
        self._fresh()
        if self.dropped:
            self._say(f"{self.dropped} events could not be shown in time")
        self._stream.flush()

    def _show(self, row: Row) -> None:
        self._keep(row)
        name = row["event"]
        if name not in _SHOWN:
            return
        match name:
            case "state":
                self._state(str(row.get("state", "")))
            case "wake":
                self._say(f'heard "{_words(row, "model").replace("_", " ")}"')
            case "stt_partial":
                self._heard(_words(row, "text"), int(waterfall.number(row, "stable") or 0))
            case "stt_final":
                self._settled(_words(row, "text"))
            case "llm_first_token" | "llm_token":
                self._written(str(row.get("text", "")), row.get("generation"))
            case "routed" | "deed" if row.get("text"):
                self._written(str(row["text"]), row.get("generation"))
            case "tts_chunk":
                self._spoken(_words(row, "text"), row.get("generation"))
            case "barge_in_onset":
                self._say("you speak over the reply: paused")
            case "barge_in_rejected":
                self._say("not meant as an interruption: the reply goes on")
            case "barge_in_confirmed":
                self._say("interrupted")
            case "underrun":
                self._say("a gap in the sound: synthesis is late")
            case "ladder":
                self._say(f"answers from now on: {_words(row, 'level')}{f' ({why})' if (why := _words(row, 'why')) else ''}")
            case "error":
                self._say(" ".join(filter(None, ("error:", _words(row, "stage"), _words(row, "message")))), "31")
            case "llm_done" if row.get("finish") in ("length", "error"):
                self._say("the reply was cut at its greatest length" if row["finish"] == "length" else "the reply failed")
            case "playback_end" | "playback_silent":
                self._figures(row.get("generation"))
        self._stream.flush()

    def _state(self, state: str) -> None:
        if state == "listening" and self._live:
            self._partial = ""
            self._rewrite("you   ", "", self._mark("…", "..."))
        elif state in ("idle", "followup") and self._line == "you":
            self._fresh()

    def _heard(self, text: str, stable: int) -> None:
        if text == self._partial:
            return
        self._partial = text
        if self._live:
            self._rewrite("you   ", text[:stable], text[stable:])
        else:
            self._whole("you ~ ", text)

    def _settled(self, text: str) -> None:
        self._partial = ""
        if text:
            self._whole("you   ", text, "1")
        else:
            self._say("nothing understood")

    def _written(self, piece: str, generation: int | None) -> None:
        """A piece of the reply; on a terminal at once, elsewhere ``_spoken`` says it clause by clause."""
        self._generation = generation
        if not self._live:
            return
        piece = self._fit(waterfall.printable(piece))
        if self._line != "reply":
            self._fresh()
            self._put("reply ")
            self._line, piece = "reply", piece.lstrip()
            self._column = 6
        if self._column + waterfall.columns(piece) > self._width() - MARGIN and piece[:1] == " " and self._column > 6:
            self._put("\n      ")
            self._column, piece = 6, piece.lstrip()
        self._put(piece)
        self._column += waterfall.columns(piece)

    def _spoken(self, text: str, generation: int | None) -> None:
        if not self._live or generation != self._generation:  # a fixed text was never written by the model
            self._whole("reply ", text)

    def _figures(self, generation: int | None) -> None:
        """What the turn took, once for each generation that was heard."""
        if generation is None or generation <= self._measured:  # generations only grow
            return
        self._measured = generation
        rows = [*([self._session] if self._session else []), *self._rows]
        timing = next((timing for timing in waterfall.stages(rows) if timing.generation == generation), None)
        if timing is None or timing.v2v_s is None:
            return
        if self._waterfalls:
            self._fresh()
            self._put(waterfall.draw(timing, min(100, self._width()), unicode=self._unicode))
            return
        steps, before = [], 0.0
        for name, value in sorted(((n, v) for n in waterfall.STAGES if (v := getattr(timing, n)) is not None), key=lambda item: item[1]):
            steps.append(f"{_SHORT[name]} {(value - before) * 1000:.0f}")
            before = value
        self._say(f"{timing.v2v_s * 1000:.0f} ms voice to voice: {', '.join(steps)}")

    def _keep(self, row: Row) -> None:
        if row["event"] == "session":
            self._session = row
            return
        self._rows.append(row)
        while self._rows[0]["t"] < row["t"] - KEPT_S:
            self._rows.popleft()

    # How it gets onto the screen.

    def _rewrite(self, head: str, settled: str, loose: str) -> None:
        """The open line anew: its end, where it is too long."""
        if self._line != "you":
            self._fresh()
        room = self._width() - len(head) - 1
        settled, loose = self._fit(settled), self._fit(loose)
        while waterfall.columns(settled + loose) > room and settled + loose:
            settled, loose = (settled[1:], loose) if settled else ("", loose[1:])
        self._put(f"\r\x1b[K{head}{settled}{self._tint(loose, '2')}")
        self._line = "you"

    def _whole(self, head: str, text: str, color: str = "") -> None:
        self._fresh()
        self._put(f"{head}{self._tint(self._fit(text), color)}\n")

    def _say(self, text: str, color: str = "2") -> None:
        """A remark beside the conversation."""
        self._whole(f"   {self._mark('·', '-')}  ", text, color)

    def _fresh(self) -> None:
        """Begin a line.  Words that may still change go: they come again with the next ones, or settled."""
        if self._line == "you":
            self._put("\r\x1b[K")
        elif self._line:
            self._put("\n")
        self._line = ""

    def _put(self, text: str) -> None:
        self._stream.write(text)

    def _tint(self, text: str, color: str) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if color and text and self._color else text

    def _fit(self, text: str) -> str:
        """``text`` as the stream's encoding can hold it."""
        try:
            return text.encode(self._encoding, "replace").decode(self._encoding)
        except LookupError:
            return text.encode("ascii", "replace").decode()

    def _mark(self, unicode: str, ascii_: str) -> str:
        return unicode if self._unicode else ascii_

    def _width(self) -> int:
        return max(30, self._fixed_width or shutil.get_terminal_size((100, 24)).columns)


def _words(row: Row, name: str) -> str:
    return waterfall.plain(str(row.get(name, "")))


def _is_terminal(stream: TextIO) -> bool:
    """Whether lines can be rewritten there."""
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except (AttributeError, ValueError):
        return False
