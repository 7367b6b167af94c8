"""A loudspeaker alone, for commands that only speak: it needs no microphone, and no reply to be cancelled within milliseconds.

Theory: PyAudio's callback takes from a bounded buffer; whoever writes waits for room, so that sound is made little faster than it is
heard.  Waiting looks at the clock: a card that takes nothing for ``STALL_S`` is gone, whatever the sound system says.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np

from edgevoice.errors import DeviceError
from edgevoice.rt.cards import Card, choose
from edgevoice.rt.contract import Int16
from edgevoice.rt.pyaudio_device import STALL_S, PyAudioLibrary
from edgevoice.rt.quiet import without_noise

BUFFER_S = 2.0
PERIOD_S = 0.02
LOOK_S = 0.05
_CONTINUE = 0


class Loudspeaker:
    """``with Loudspeaker(name, rate) as speaker``: ``speaker.rate`` is ``rate`` where the card can do it, else the card's own.

    ``write`` and ``drain`` belong to one thread.  ``DeviceError`` if there is no such card or it stops.
    """

    def __init__(self, wanted: str, rate: int) -> None:
        self._wanted = wanted
        self.rate = rate
        self.card: Card | None = None
        self._changed = threading.Condition()
        self._waiting: list[Int16] = []
        self._frames = 0
        self._taken_at = 0.0
        self._stream: Any = None

    def __enter__(self) -> Loudspeaker:
        self._silence = contextlib.ExitStack()
        self._silence.enter_context(without_noise())
        try:
            self._library = PyAudioLibrary().__enter__()
        except BaseException:
            self._silence.close()
            raise
        try:
            self.card = card = choose(self._library.cards(), self._wanted, "output")
            if not self._library.supports(card.index, "output", self.rate):
                self.rate = round(card.rate)
            try:
                self._stream = self._library.player(card, self.rate, round(PERIOD_S * self.rate), self._period)
                self._taken_at = time.monotonic()
                self._stream.start_stream()
            except OSError as error:
                raise DeviceError(f"output device {card.index} {card.name!r} cannot be opened at {self.rate} Hz: {error}") from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        """At once; what was not played yet is not heard."""
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.stop_stream()
            except OSError:  # the card is gone, so nothing plays
                pass
            stream.close()
        self._library.__exit__()
        self._silence.close()

    def write(self, samples: Int16) -> None:
        """Play after what was written before; waits while ``BUFFER_S`` are waiting."""
        with self._changed:
            self._wait_below(int(BUFFER_S * self.rate))
            self._waiting.append(samples)
            self._frames += len(samples)

    def drain(self) -> None:
        """Wait until all that was written has left the card."""
        with self._changed:
            self._wait_below(0)
        time.sleep(self._stream.get_output_latency() + 2 * PERIOD_S)

    def _wait_below(self, frames: int) -> None:
        while self._frames > frames:
            if time.monotonic() - self._taken_at > STALL_S or not self._stream.is_active():
                assert self.card is not None
                raise DeviceError(f"output device {self.card.index} {self.card.name!r} stopped while it played; is it still connected?")
            self._changed.wait(LOOK_S)

    def _period(self, _input: object, frames: int, _time: object, _status: int) -> tuple[bytes, int]:
        out = np.zeros(frames, np.int16)
        filled = 0
        with self._changed:
            self._taken_at = time.monotonic()
            while self._waiting and filled < frames:
                piece = self._waiting[0][:frames - filled]
                out[filled:filled + len(piece)] = piece
                filled += len(piece)
                rest = self._waiting[0][len(piece):]
                self._waiting[:1] = [rest] if len(rest) else []
            self._frames -= filled
            self._changed.notify()
        return out.tobytes(), _CONTINUE
