"""Audio files of every common make come in whole or not at all; what goes out is complete; rates change without a seam."""

from __future__ import annotations

import itertools
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice import audio, files
from edgevoice.errors import AudioFileError, StorageError


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> audio.Float32:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def loudest_hertz(x: audio.Float32, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    return float(np.argmax(spectrum)) * rate / len(x)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    audio.write_wav(path, tone(16_000), 16_000)
    return path


class TestRead:
    @pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
    @pytest.mark.parametrize(("kind", "subtype"), [
        ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
        ("WAV", "ALAW"), ("WAV", "ULAW"), ("WAVEX", "PCM_16"), ("WAVEX", "PCM_24"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")])
    def test_any_rate_and_width(self, tmp_path: Path, rate: int, kind: str, subtype: str) -> None:
        path = tmp_path / "x"
        soundfile.write(path, tone(rate), rate, format=kind, subtype=subtype)
        got = audio.read(path)
        assert got.dtype == np.float32 and got.ndim == 1 and abs(len(got) - 8_000) <= 1
        assert loudest_hertz(got, 16_000) == pytest.approx(440, abs=3)
        assert np.abs(got[1000:-1000]).max() == pytest.approx(0.5, abs=0.02)

    def test_channels_are_averaged(self, tmp_path: Path) -> None:
        one = tone(16_000)
        soundfile.write(tmp_path / "x.wav", np.stack([one, np.zeros_like(one), 0.5 * one], axis=1), 16_000, subtype="FLOAT")
        np.testing.assert_allclose(audio.read(tmp_path / "x.wav"), one / 2, atol=1e-6)

    def test_another_rate_is_asked_for(self, wav: Path) -> None:
        assert len(audio.read(wav, 48_000)) == 24_000

    def test_long_files_have_no_seam_between_blocks(self, tmp_path: Path) -> None:
        x = tone(44_100, 4.0)
        soundfile.write(tmp_path / "x.wav", x, 44_100, subtype="FLOAT")
        np.testing.assert_allclose(audio.read(tmp_path / "x.wav"), audio.resample(x, 44_100, 16_000), atol=1e-6)

    def test_overshoot_is_clipped(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "x.wav", 4 * tone(16_000), 16_000, subtype="FLOAT")
        assert np.abs(audio.read(tmp_path / "x.wav")).max() == 1.0

    @pytest.mark.parametrize("length", [0xFFFF_FFFF, 0x7FFF_F000])
    def test_a_length_left_open_by_a_pipe_is_no_defect(self, wav: Path, length: int) -> None:
        data = bytearray(wav.read_bytes())
        data[40:44] = struct.pack("<I", length)
        wav.write_bytes(data)
        assert len(audio.read(wav)) == 8_000

    def test_chunks_before_the_data_are_skipped(self, wav: Path) -> None:
        data = wav.read_bytes()
        odd = b"note" + struct.pack("<I", 3) + b"abc\0"
        wav.write_bytes(b"RIFF" + struct.pack("<I", len(data) - 8 + len(odd)) + data[8:36] + odd + data[36:])
        assert len(audio.read(wav)) == 8_000


class TestRefused:
    def refused(self, path: Path, *words: str) -> None:
        with pytest.raises(AudioFileError) as caught:
            audio.read(path)
        text = str(caught.value)
        assert str(path) in text and "\n" not in text
        for word in words:
            assert word in text

    def test_absent(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "no.wav", "no such file", "check the path")

    def test_folder(self, tmp_path: Path) -> None:
        self.refused(tmp_path, "folder")

    def test_device(self) -> None:
        self.refused(Path("/dev/null"), "not a regular file")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "x.wav").touch()
        self.refused(tmp_path / "x.wav", "empty")

    def test_header_alone(self, wav: Path) -> None:
        audio.write_wav(wav, np.zeros(0, np.float32), 16_000)
        self.refused(wav, "no samples")

    @pytest.mark.parametrize("keep", [44, 45, 46, 1000, -1])
    def test_truncated_wav(self, wav: Path, keep: int) -> None:
        wav.write_bytes(wav.read_bytes()[:keep])
        self.refused(wav, "cut short", "copy or record it again")

    @pytest.mark.parametrize("keep", [1, 4, 12, 20, 30])
    def test_truncated_header(self, wav: Path, keep: int) -> None:
        wav.write_bytes(wav.read_bytes()[:keep])
        self.refused(wav)

    @pytest.mark.parametrize("share", [0.01, 0.5, 0.98])
    def test_truncated_flac(self, tmp_path: Path, share: float) -> None:
        path = tmp_path / "x.flac"
        soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 160_000), 16_000)
        path.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
        self.refused(path)

    @pytest.mark.parametrize("content", [b"hello, this is a text file\n" * 100, b"\0" * 5000, b"RIFF\0\0\0\0WAVE", b"fLaC"])
    def test_not_audio(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.wav").write_bytes(content)
        self.refused(tmp_path / "x.wav")

    @pytest.mark.parametrize("poison", [np.nan, np.inf])
    def test_nan(self, tmp_path: Path, poison: float) -> None:
        x = tone(16_000)
        x[100] = poison
        soundfile.write(tmp_path / "x.wav", x, 16_000, subtype="FLOAT")
        self.refused(tmp_path / "x.wav", "NaN")

    def test_damaged_rate(self, wav: Path) -> None:
        data = bytearray(wav.read_bytes())
        data[24:28] = struct.pack("<I", 7)
        wav.write_bytes(data)
        self.refused(wav, "7 samples a second")

    @given(data=st.binary(max_size=300))
    @settings(max_examples=150)
    def test_noise_never_escapes_as_another_error(self, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.getbasetemp() / "noise.wav"
        path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + data)
        try:
            audio.read(path)
        except AudioFileError:
            pass


class TestWriteWav:
    @pytest.mark.parametrize("channels", [1, 2])
    def test_round_trip(self, tmp_path: Path, channels: int) -> None:
        pcm = np.random.default_rng(2).integers(-32_768, 32_767, (1000, channels), np.int16)
        path = tmp_path / "x.wav"
        audio.write_wav(path, pcm if channels > 1 else pcm[:, 0], 22_050)
        got, rate = soundfile.read(path, dtype="int16", always_2d=True)
        assert rate == 22_050
        np.testing.assert_array_equal(got, pcm)
        assert os.listdir(tmp_path) == ["x.wav"]

    def test_a_view_with_strides(self, tmp_path: Path) -> None:
        pcm = np.arange(1000, dtype=np.int16)
        audio.write_wav(tmp_path / "x.wav", pcm[::2], 16_000)
        np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], pcm[::2])

    def test_a_link_is_followed_and_kept(self, tmp_path: Path) -> None:
        (tmp_path / "link.wav").symlink_to(tmp_path / "real.wav")
        audio.write_wav(tmp_path / "link.wav", tone(16_000), 16_000)
        assert (tmp_path / "link.wav").is_symlink() and len(audio.read(tmp_path / "real.wav")) == 8_000

    def test_a_device_is_not_replaced(self) -> None:
        audio.write_wav("/dev/null", tone(16_000), 16_000)
        assert Path("/dev/null").is_char_device()

    def test_a_pipe_by_the_name_of_its_number(self) -> None:
        """/dev/stdout is such a name; what it resolves to does not exist."""
        read, write = os.pipe()
        try:
            files.check_writable(f"/dev/fd/{write}")
            audio.write_wav(f"/dev/fd/{write}", np.ones(100, np.int16), 16_000)
            assert os.read(read, 1000)[44:] == bytes([1, 0]) * 100
        finally:
            os.close(read)
            os.close(write)

    @pytest.mark.parametrize(("place", "words"), [
        ("no/such/x.wav", "folder does not exist"), (".", "it is a folder"), ("file/x.wav", "is a file, not a folder")])
    def test_no_place(self, tmp_path: Path, place: str, words: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StorageError, match=words) as caught:
            audio.write_wav(tmp_path / place, tone(16_000), 16_000)
        assert str(tmp_path / place) in str(caught.value)
        assert os.listdir(tmp_path) == ["file"]

    def test_full_disk_leaves_the_old_file(self, tmp_path: Path) -> None:
        """The kernel refuses the bytes past 8 kB in a child, as a full disk does in the middle of a write."""
        path = tmp_path / "x.wav"
        audio.write_wav(path, tone(16_000, 0.1), 16_000)
        before = path.read_bytes()
        program = ("import sys, numpy, edgevoice.audio, edgevoice.errors\n"
                   "try: edgevoice.audio.write_wav(sys.argv[1], numpy.zeros(48000, numpy.int16), 16000)\n"
                   "except edgevoice.errors.StorageError as error: print(error)\n")
        done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=True,
                              cwd=Path(audio.__file__).parent.parent,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)))
        assert done.stdout.startswith(f"{path}: cannot be written") and "larger than is allowed" in done.stdout
        assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.wav"]

    def test_an_interrupt_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(descriptor: int) -> None:
            raise KeyboardInterrupt
        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            audio.write_wav(tmp_path / "x.wav", tone(16_000), 16_000)
        assert os.listdir(tmp_path) == []

    def test_three_dimensions_are_a_mistake_of_the_caller(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="frames"):
            audio.write_wav(tmp_path / "x.wav", np.zeros((2, 2, 2), np.int16), 16_000)


class TestConversion:
    def test_every_int16_survives(self) -> None:
        pcm = np.arange(-32_768, 32_768, dtype=np.int32).astype(np.int16)
        np.testing.assert_array_equal(audio.to_int16(audio.to_float32(pcm)), pcm)

    def test_clips(self) -> None:
        assert audio.to_int16(np.float32([-2, -1, 0, 1, 9, np.inf])).tolist() == [-32_768, -32_768, 0, 32_767, 32_767, 32_767]

    def test_nan_has_no_sound(self) -> None:
        with pytest.raises(ValueError, match="NaN"):
            audio.to_int16(np.float32([0, np.nan]))


class TestResampler:
    @given(cuts=st.lists(st.integers(0, 3000), max_size=8),
           rates=st.sampled_from([(16_000, 48_000), (22_050, 16_000), (44_100, 16_000), (16_000, 16_000)]))
    @settings(max_examples=40)
    def test_any_cut_gives_the_whole(self, cuts: list[int], rates: tuple[int, int]) -> None:
        x = np.random.default_rng(3).normal(0, 0.1, 3000).astype(np.float32)
        stream = audio.Resampler(*rates)
        edges = [0, *sorted(cuts), 3000]
        pieces = [stream.process(x[a:b]) for a, b in itertools.pairwise(edges)]
        pieces.append(stream.process(x[:0], last=True))
        got = np.concatenate(pieces)
        assert len(got) == pytest.approx(3000 * rates[1] / rates[0], abs=1)
        np.testing.assert_allclose(got, audio.resample(x, *rates), atol=1e-6)

    def test_begins_anew_after_the_last(self) -> None:
        stream = audio.Resampler(22_050, 16_000)
        x = tone(22_050)
        np.testing.assert_array_equal(stream.process(x, last=True), stream.process(x, last=True))

    def test_aligned_with_the_input(self) -> None:
        got = audio.resample(tone(22_050), 22_050, 16_000)
        np.testing.assert_allclose(got[500:-500], tone(16_000)[500:-500], atol=1e-3)

    @pytest.mark.parametrize("rates", [(0, 16_000), (16_000, -1)])
    def test_refuses_a_rate_that_is_none(self, rates: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="positive"):
            audio.Resampler(*rates)
