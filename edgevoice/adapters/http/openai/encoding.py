"""Sound into a file's bytes while it is still being made.

Theory: libsndfile writes into a file in which it can go back, to put sizes into its head at the end.  What was sent cannot be changed any
more, so what it writes over the beginning is dropped: a FLAC, MP3 or Ogg stream is whole without it.  A WAV file is not, so its head is
written here, with the size that stands for "until it ends".
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from edgevoice.audio import Float32, Resampler, to_int16

RATE = 24_000
"""Hz, one channel, 16 bit: what clients expect of ``pcm``, which says nothing of itself"""
TYPES = {"mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}
_WRITERS = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}


class Encoder:
    """One sound.  ``from_rate``: Hz of what it is fed with."""

    def __init__(self, form: str, from_rate: int) -> None:
        self._resampler = Resampler(from_rate, RATE)
        self._sent = _Sent()
        self._file: Any = None
        if form in _WRITERS:
            import soundfile

            kind, subtype = _WRITERS[form]
            self._file = soundfile.SoundFile(self._sent, "w", samplerate=RATE, channels=1, format=kind, subtype=subtype)
        elif form == "wav":
            self._sent.write(struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 0xFFFF_FFFF, b"WAVEfmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data",
                                         0xFFFF_FFFF))

    def feed(self, samples: Float32) -> bytes:
        """float32, mono; what is ready of it."""
        return self._put(self._resampler.process(samples))

    def finish(self) -> bytes:
        made = self._put(self._resampler.process(np.zeros(0, np.float32), last=True))
        if self._file is not None:
            self._file.close()
            made += self._sent.take()
        return made

    def _put(self, samples: Float32) -> bytes:
        if self._file is None:
            self._sent.write(to_int16(samples).astype("<i2").tobytes())
        elif len(samples):
            self._file.write(to_int16(samples))
        return self._sent.take()


class _Sent(io.RawIOBase):
    """A file whose beginning has left."""

    def __init__(self) -> None:
        self._kept, self._gone, self._at = bytearray(), 0, 0

    def write(self, data: Any) -> int:
        raw = bytes(data)
        late = raw[max(0, self._gone - self._at):]
        start = max(0, self._at - self._gone)
        self._kept[start:start + len(late)] = late
        self._at += len(raw)
        return len(raw)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._gone + len(self._kept)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        made = bytes(self._kept)
        self._gone += len(made)
        self._kept.clear()
        return made
