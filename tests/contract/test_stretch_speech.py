"""Stretched speech must be understood: a real recognizer hears real recordings, as they are and stretched."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgevoice.audio import read, resample, to_float32, to_int16
from edgevoice.engines import stt
from edgevoice.engines.protocols import SPEECH_RATE
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import find
from edgevoice.rt._core import stretch
from edgevoice.settings import PathSettings, SttSettings
from tests.bench.wer import count

SENTENCES = {
    "voice2json_etc_test_what_time_is_it": "what time is it",
    "azure_samples_python_console_whatstheweatherlike": "what's the weather like",
    "speechbrain_tests_samples_ASR_spk1_snt1": "the child almost hurt the small dog",
    "rhasspy3_etc_whats_the_date_today": "what's the date today",
    "pocketsphinx_test_data_goforward": "go forward ten meters",
}


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("factor", [0.9, 1.25])
def test_a_recognizer_understands_it(shared: Path, rate: int, factor: float) -> None:
    try:
        engine = stt.load(SttSettings(), find(PathSettings(), "moonshine-tiny-en"))
    except EdgeVoiceError as error:
        pytest.skip(f"{error}")
    pairs = []
    try:
        for name, text in SENTENCES.items():
            sound = to_int16(read(shared / "audio/stt" / f"{name}.flac", rate))
            stretched = stretch(sound, rate, factor)
            assert len(stretched) == pytest.approx(len(sound) * factor, rel=0.02)
            stream = engine.open()
            stream.accept(resample(to_float32(stretched), rate, SPEECH_RATE))
            pairs.append((text, stream.finish()))
    finally:
        engine.close()
    assert count(pairs).errors <= 1, pairs
