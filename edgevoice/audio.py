"""Audio files and sample rates: any common file in, honest int16 WAV out, and resampling whole or as a stream.

Laws: inside the product a signal is one-dimensional float32 in [-1, 1] or int16, with its rate beside it.  Reading gives all of a
file or an ``AudioFileError`` that names it and the remedy: half a file is never taken for a whole one.  Writing is atomic: the file
that was there before stays until the new one is complete on the disk.

libsndfile (through soundfile, BSD) decodes; it takes a WAV file that was cut short without a word, so the chunk sizes are compared
with the file's length first.  The resampler is soxr at its high quality: a linear-phase filter, aligned with the input.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import wave
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgevoice import files
from edgevoice.errors import AudioFileError

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]

INT16_SCALE = 32_768.0
"""int16 units in a sample of 1.0, so that int16 → float32 → int16 changes nothing."""
UNKNOWN_LENGTH = 0x7FFF_F000
"""A RIFF size from here on was written by a program that could not seek back (sox 0x7FFFF000, ffmpeg 0xFFFFFFFF): read to the end."""
BLOCK = 65_536
"""Frames decoded at a time, so that an hour of stereo never lies in memory at its own rate."""
RATES = (1_000, 768_000)
"""Hz; a header that says anything else is damaged."""
FORMATS = "wants WAV or FLAC"


def read(path: Path | str, rate: int = 16_000) -> Float32:
    """The file's sound, mono (mean of its channels) at ``rate`` Hz, shape (samples,), in [-1, 1].

    Takes WAV (8, 16, 24, 32 bit, float, double, A-law, µ-law, extensible), FLAC, and what else libsndfile knows.
    Raises ``AudioFileError`` when it is absent, a folder, unreadable, empty, cut short, not audio, or holds no sample or a NaN.
    """
    path = Path(path)
    _check_container(path)
    return _decode(path, str(path), rate, None)


def decode(data: bytes, rate: int = 16_000, longest_s: float | None = None) -> Float32:
    """The same of a file's bytes; also ``AudioFileError`` where it lasts longer than ``longest_s``."""
    file = io.BytesIO(data)
    if not data or (missing := _missing_bytes(file, len(data))):
        raise AudioFileError("the sound is empty" if not data else f"the sound is cut short: {missing} bytes of it are missing")
    file.seek(0)
    return _decode(file, "the sound", rate, longest_s)


def _decode(source: Path | IO[bytes], path: str, rate: int, longest_s: float | None) -> Float32:
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise AudioFileError(f"{path}: says it has {file.samplerate} samples a second; wants {RATES[0]} to {RATES[1]}")
            frames = 0
            resampler = Resampler(file.samplerate, rate)
            pieces = []
            for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                frames += len(block)
                if longest_s is not None and frames > longest_s * file.samplerate:
                    raise AudioFileError(f"{path}: lasts longer than {longest_s:g} s")
                mono = block.mean(axis=1)
                if not np.isfinite(mono).all():
                    raise AudioFileError(f"{path}: holds samples that are not numbers (NaN or infinity); export it again as 16-bit WAV")
                pieces.append(resampler.process(mono))
            expected = file.frames
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", "")).strip().rstrip(".") or "cannot be decoded"
        raise AudioFileError(f"{path}: not audio that can be read ({reason}); {FORMATS}") from error
    if frames == 0:
        raise AudioFileError(f"{path}: holds no samples; record it again")
    if frames < expected:
        raise AudioFileError(f"{path}: cut short: {frames} of {expected} frames are there; copy or record it again")
    pieces.append(resampler.process(np.zeros(0, np.float32), last=True))
    return np.clip(np.concatenate(pieces), -1.0, 1.0)


def write_wav(path: Path | str, samples: NDArray[Any], rate: int) -> None:
    """Write int16 WAV: ``samples`` float32 or int16, shape (frames,) or (frames, channels).  Atomic and synced to the disk.

    Raises ``StorageError`` when the place cannot be written or the disk is full; then nothing new is left there.
    A device or pipe (/dev/null) is written to directly, since it must not be replaced by a file.
    """
    pcm = samples if samples.dtype == np.int16 else to_int16(samples)
    if pcm.ndim not in (1, 2):
        raise ValueError(f"samples must be (frames,) or (frames, channels), not {pcm.shape}")
    with files.atomic(path) as file:
        _write(file, pcm, rate)


def to_int16(samples: NDArray[Any]) -> Int16:
    """Float samples to int16, rounded, clipped at full scale.  ``ValueError`` for a NaN, which has no sound."""
    scaled = np.asarray(samples, np.float32) * np.float32(INT16_SCALE)
    if np.isnan(scaled).any():
        raise ValueError("samples hold NaN")
    pcm: Int16 = np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16)
    return pcm


def to_float32(samples: Int16) -> Float32:
    """int16 to float32 in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(INT16_SCALE)


def resample(samples: Float32, from_rate: int, to_rate: int) -> Float32:
    """The whole signal at another rate; ``round(len · to / from)`` samples, aligned with the input."""
    resampler = Resampler(from_rate, to_rate)
    return resampler.process(samples, last=True)


class Resampler:
    """A stream at another rate: pieces of any length in, what is ready out; together exactly what ``resample`` gives.

    ``last=True`` ends the stream and gives the rest; after it the resampler begins a new stream.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        if from_rate <= 0 or to_rate <= 0:
            raise ValueError(f"rates must be positive, not {from_rate} and {to_rate}")
        self._stream: Any = None
        if from_rate != to_rate:
            import soxr

            self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")

    def process(self, samples: Float32, last: bool = False) -> Float32:
        """``samples``: float32, shape (n,), n ≥ 0."""
        samples = np.ascontiguousarray(samples, np.float32)
        if self._stream is None:
            return samples
        out: Float32 = self._stream.resample_chunk(samples, last=last)
        if last:
            self._stream.clear()
        return out


def _check_container(path: Path) -> None:
    """``AudioFileError`` for what libsndfile would not say clearly, or not say at all."""
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise AudioFileError(f"{path}: not a regular file; {FORMATS}")
            if info.st_size == 0:
                raise AudioFileError(f"{path}: is empty (0 bytes); record or copy it again")
            missing = _missing_bytes(file, info.st_size)
    except FileNotFoundError as error:
        raise AudioFileError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise AudioFileError(f"{path}: is a folder; name an audio file in it") from error
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if missing:
        raise AudioFileError(f"{path}: cut short: {missing} bytes of its audio are missing; copy or record it again")


def _missing_bytes(file: IO[bytes], size: int) -> int:
    """How many bytes of a WAV file's data chunk lie beyond the end of the file; 0 for whole files and for other formats."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    while len(chunk := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            return 0 if length >= UNKNOWN_LENGTH else max(0, file.tell() + length - size)
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _write(file: IO[bytes], pcm: Int16, rate: int) -> None:
    with wave.open(file, "wb") as out:
        out.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.setnframes(len(pcm))
        out.writeframesraw(np.ascontiguousarray(pcm, "<i2").tobytes())
