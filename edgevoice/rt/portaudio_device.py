"""Sound cards with the callback in C: PortAudio linked directly, one stream for both ends, or one each for cards with two clocks."""

from __future__ import annotations

from edgevoice.errors import DeviceError
from edgevoice.rt._core import Core, PortAudioStream, SoundLibrary
from edgevoice.rt.cards import Card, Streams, choose, pair, streams
from edgevoice.rt.contract import Clocks
from edgevoice.rt.quiet import quiet, without_noise

FALLBACK_RATES = (48000, 32000, 44100, 96000)
"""Hz; the core resamples from any to 16 kHz, the first with the least work"""


def rate_for(wanted: int, input: str = "", output: str = "") -> int:
    """``wanted`` where both cards can do it, else the best rate that both can; ``wanted`` again where there is none, or no card yet."""
    quiet()
    with without_noise(), SoundLibrary() as library:
        cards = [Card(*row) for row in library.cards()]
        try:
            capture, playback = choose(cards, input, "input"), choose(cards, output, "output")
        except DeviceError:
            return wanted
        for rate in (wanted, *FALLBACK_RATES):
            if library.supports(capture.index, "input", rate) and library.supports(playback.index, "output", rate):
                return rate
    return wanted


class PortAudioDevice:
    """A microphone and a loudspeaker.  ``input`` and ``output`` are an index or part of a name, empty for the system's default.

    ``latency_ms`` is asked of the sound system for capture: how late its thread may come before audio is lost.  Playback gets
    half of that, since it delays every reply and every silence after a cancel.  Of ``channels`` that are captured ``channel`` is heard,
    the first being 1; 0 for their mean.  ``clocks``: "one" stream for both ends, "two", or "auto" (``cards.streams``).
    """

    def __init__(self, core: Core, *, input: str = "", output: str = "", latency_ms: int = 100, channels: int = 1,
                 channel: int = 0, clocks: str = "auto") -> None:
        self._core = core
        self._clocks = clocks
        self._wanted = (input, output)
        self._channels, self._channel = channels, channel
        self._latency_s = latency_ms / 1000
        self._library: SoundLibrary | None = None
        self._stream: PortAudioStream | None = None
        self._failure: str | None = None
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
        self._stream = self._library = None
        if stream is None or library is None:
            return
        self._failure = stream.error
        stream.stop()
        if not stream.abandoned:
            library.__exit__(None, None, None)

    @property
    def running(self) -> bool:
        stream = self._stream
        return stream is not None and stream.running

    @property
    def error(self) -> str | None:
        stream = self._stream
        return self._failure if stream is None else stream.error

    @property
    def clocks(self) -> Clocks | None:
        """Of two streams, while they are open."""
        stream = self._stream
        return None if stream is None else stream.clocks

    def _open(self) -> None:
        quiet()
        library = SoundLibrary()
        library.__enter__()
        stream = None
        try:
            cards = [Card(*row) for row in library.cards()]
            self.input, self.output = capture, playback = pair(cards, self._wanted, self._core.rate, self._channels, library.supports)
            first, *others = streams(capture, playback, self._clocks)
            stream = self._streams(capture, playback, first)
            try:
                stream.start()
            except DeviceError:
                if not others or stream.abandoned:
                    raise
                stream = self._streams(capture, playback, others[0])
                stream.start()
        except BaseException:
            if stream is None or not stream.abandoned:
                library.__exit__(None, None, None)
            raise
        self._library, self._stream = library, stream

    def _streams(self, capture: Card, playback: Card, number: Streams) -> PortAudioStream:
        return PortAudioStream(self._core, input=capture.index, output=playback.index, period=self._core.hop,
                               input_latency_s=self._latency_s, output_latency_s=self._latency_s / 2, channels=self._channels,
                               channel=self._channel, two=number == "two")
