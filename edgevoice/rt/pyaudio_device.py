"""Sound cards through PyAudio: the portable fallback, for where the C core cannot be built.

Its callback is Python, so a thread that holds the GIL makes sound late; that shows in the device's own xruns.  PyAudio cannot ask the
sound system for a latency.  Callback mode only: PyAudio's blocking reads die or lose audio silently after one overflow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevoice.errors import DeviceError
from edgevoice.rt.cards import Card, Direction, pair
from edgevoice.rt.contract import Int16, Processor
from edgevoice.rt.quiet import quiet, without_noise

CLOSE_S = 2.0
"""A sound system that lives closes a stream in a few ms."""
STALL_S = 2.0
"""A card that was silent for so long is gone, whatever the sound system says."""

_INPUT_OVERFLOW = 2
_OUTPUT_UNDERFLOW = 4
_CONTINUE = 0
_ABORT = 2


class PyAudioLibrary:
    """PyAudio, open between ``__enter__`` and ``__exit__``: what cards there are and what they can do."""

    def __enter__(self) -> PyAudioLibrary:
        try:
            import pyaudio
        except ImportError as error:
            raise DeviceError(f"PyAudio is not installed ({error}): pip install pyaudio (needs portaudio19-dev)") from error
        quiet()
        try:
            self._audio: Any = pyaudio.PyAudio()
        except OSError as error:
            raise DeviceError(f"the sound system cannot be reached: {error}") from error
        self._format = pyaudio.paInt16
        return self

    def __exit__(self, *unused: object) -> None:
        self._audio.terminate()

    def cards(self) -> list[Card]:
        defaults = [self._default(self._audio.get_default_input_device_info), self._default(self._audio.get_default_output_device_info)]
        found = []
        for index in range(self._audio.get_device_count()):
            info = self._audio.get_device_info_by_index(index)
            system = self._audio.get_host_api_info_by_index(info["hostApi"])["name"]
            found.append(Card(index, str(info["name"]), str(system), int(info["maxInputChannels"]), int(info["maxOutputChannels"]),
                              float(info["defaultSampleRate"]), index == defaults[0], index == defaults[1]))
        return found

    def supports(self, index: int, direction: Direction, rate: float) -> bool:
        """Whether the card can do int16 mono at ``rate``."""
        end = {f"{direction}_device": index, f"{direction}_channels": 1, f"{direction}_format": self._format}
        try:
            return bool(self._audio.is_format_supported(rate, **end))
        except ValueError:  # PyAudio's way to say no
            return False

    def stream(self, core: Processor, capture: Card, playback: Card, callback: Callable[..., tuple[bytes, int]],
               channels: int = 1) -> Any:
        """Opened and not yet started; ``OSError`` if it cannot be.  ``channels`` both ways: PyAudio has one number for them."""
        return self._audio.open(
            rate=core.rate, channels=channels, format=self._format, input=True, output=True, frames_per_buffer=core.hop, start=False,
            input_device_index=capture.index, output_device_index=playback.index, stream_callback=callback)

    def player(self, card: Card, rate: int, period: int, callback: Callable[..., tuple[bytes, int]]) -> Any:
        """A loudspeaker alone, opened and not yet started; ``OSError`` if it cannot be."""
        return self._audio.open(rate=rate, channels=1, format=self._format, output=True, frames_per_buffer=period, start=False,
                                output_device_index=card.index, stream_callback=callback)

    @staticmethod
    def _default(ask: Callable[[], Any]) -> int:
        try:
            return int(ask()["index"])
        except OSError:  # there is none
            return -1


class PyAudioDevice:
    """A microphone and a loudspeaker.  ``input`` and ``output`` are an index or part of a name, empty for the system's default."""

    def __init__(self, core: Processor, *, input: str = "", output: str = "", latency_ms: int = 100, channels: int = 1,
                 channel: int = 0, clocks: str = "auto") -> None:
        del latency_ms  # PyAudio has no way to ask for it
        self._channels, self._channel = channels, channel
        self._core = core
        self._wanted = (input, output)
        self._library: PyAudioLibrary | None = None
        self._stream: Any = None
        self._seen = (0, 0.0)
        self._failure: str | None = None
        self._going = threading.Event()
        self._inside = threading.Lock()
        self.input: Card | None = None
        """The cards in use, once started."""
        self.output: Card | None = None

    def start(self) -> None:
        if self._stream is not None:
            return
        self._failure = None
        with without_noise():
            self._open()

    def stop(self) -> None:
        stream, library = self._stream, self._library
        if stream is None or library is None:
            return
        self._failure = self.error
        self._going.clear()  # from here on the callback leaves the core alone
        with self._inside:
            self._stream = self._library = None
        closer = threading.Thread(target=_close, args=(stream, library), name="pyaudio-close", daemon=True)
        closer.start()
        closer.join(CLOSE_S)

    @property
    def running(self) -> bool:
        return self._stream is not None and self.error is None

    @property
    def clocks(self) -> None:
        """PyAudio opens one stream for both ends."""
        return None

    @property
    def error(self) -> str | None:
        stream = self._stream
        if stream is None or self.input is None:
            return self._failure
        try:
            active = stream.is_active()
        except OSError:  # what a stream says whose card is gone
            active = False
        if not active:
            return f"sound device {self.input.name!r} stopped by itself: it was unplugged, or its sound server went away"
        callbacks, now = self._core.counters().callbacks, time.monotonic()
        if callbacks != self._seen[0]:
            self._seen = (callbacks, now)
        elif now - self._seen[1] > STALL_S:
            return f"sound device {self.input.name!r} has given no sound for {STALL_S:.0f} s: it was unplugged, or its sound server hangs"
        return None

    def _open(self) -> None:
        library = PyAudioLibrary().__enter__()
        try:
            self.input, self.output = pair(library.cards(), self._wanted, self._core.rate, self._channels, library.supports)
            try:
                stream = library.stream(self._core, self.input, self.output, self._period, self._channels)
                self._seen = (-1, time.monotonic())
                self._going.set()
                stream.start_stream()
            except OSError as error:
                raise DeviceError(f"sound device {self.input.name!r} with {self.output.name!r} cannot be opened at "
                                  f"{self._core.rate} Hz: {error}") from error
        except BaseException:
            library.__exit__()
            raise
        self._library, self._stream = library, stream

    def _period(self, captured: bytes | None, frames: int, clock: Any, status: int) -> tuple[bytes, int]:
        """On PortAudio's thread, with the GIL."""
        with self._inside:
            if not self._going.is_set():
                return bytes(2 * frames * self._channels), _ABORT
            near = np.frombuffer(captured, np.int16) if captured is not None else None
            if near is not None and self._channels > 1:
                near = one_channel(near.reshape(-1, self._channels), self._channel)
            out = self._core.process(near, frames, overflow=bool(status & _INPUT_OVERFLOW), underflow=bool(status & _OUTPUT_UNDERFLOW),
                                     now_s=clock["current_time"])
            if self._channels > 1:
                out = np.repeat(out, self._channels)
        return out.tobytes(), _CONTINUE


def one_channel(captured: NDArray[np.int16], channel: int) -> Int16:
    """(frames, channels) int16 to the ``channel``-th, the first being 1, or for 0 to the mean of all, cut towards 0."""
    if channel:
        return np.ascontiguousarray(captured[:, channel - 1])
    total: NDArray[np.int32] = captured.sum(axis=1, dtype=np.int32)
    mean: Int16 = np.fix(total / captured.shape[1]).astype(np.int16)
    return mean


def _close(stream: Any, library: PyAudioLibrary) -> None:
    """On a thread of its own, as a sound system that died may never come back; then the thread is abandoned."""
    try:
        stream.stop_stream()
    except OSError:  # the card is gone, so nothing runs
        pass
    stream.close()
    library.__exit__()
