"""What the mouth makes of a synthesizer that is late: orders to the loudspeaker, figures, and a warning; on one thread, in stepped time."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

import numpy as np
import pytest

from edgevoice.clock import ManualClock
from edgevoice.dialog.ledger import Ledger
from edgevoice.engines.protocols import Cancel, Float32
from edgevoice.pipeline.mouth import Mouth, Utter
from edgevoice.pipeline.phrases import Phrases
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.slot import Slot
from edgevoice.rt.twin import Core
from edgevoice.settings import AudioSettings, DialogSettings, FaultSettings, TtsSettings
from edgevoice.trace import Trace

RATE = 16_000
SENTENCE_S = 0.5


class Slow:
    """Half a second for each sentence, made in ``takes_s`` while the loudspeaker plays."""

    rate = RATE

    def __init__(self, core: Core, clock: ManualClock) -> None:
        self._core, self._clock = core, clock
        self.takes_s = 0.0

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel) -> None:
        self._clock.advance(self.takes_s)
        for _ in range(round(100 * self.takes_s)):
            self._core.process(None, RATE // 100)
        emit((0.2 * np.sin(np.arange(int(SENTENCE_S * RATE)) / 16)).astype(np.float32))

    def close(self) -> None: ...


class Stage:
    def __init__(self, *, stretch: bool = True) -> None:
        self.core, self.clock = Core(RATE, 160, playback_ms=60_000), ManualClock()
        self.voice = Slow(self.core, self.clock)
        self.mouth = Mouth(Slot("the synthesizer", self.voice), self.core, lambda event: None, Trace(self.clock), self.clock,
                           tts_settings=TtsSettings(),
                           dialog=DialogSettings(), audio=dataclasses.replace(AudioSettings(), stretch=stretch), limits=FaultSettings(),
                           phrases=Phrases(self.core.rate, 0.0))
        self._generation = 0

    def reply(self, takes_s: float) -> None:
        """Six sentences, heard to their end."""
        self._generation += 1
        self.voice.takes_s = takes_s
        token = self.core.live.begin(self._generation)
        stream = ReplyStream(self._generation, 1)
        reader = stream.read(hold=False)
        stream.delta("The first one comes now. " * 6)
        stream.close("stop")
        self.mouth.work(Utter(self._generation, 1, reader, token, Ledger()))
        while self.core.queued(self._generation):
            self.core.process(None, RATE // 100)
            self.clock.advance(0.01)


def test_a_voice_that_keeps_up_is_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    for _ in range(3):
        stage.reply(0.1)
    health = stage.mouth.playout
    assert (health.mode, health.underruns, health.jitter_p95_s, health.stretch_share) == ("ahead", 0, 0.0, 0.0)
    assert health.depth_least_s is not None and health.depth_least_s >= 0.3
    assert not caplog.records


def test_a_voice_that_is_late_is_told_in_figures_and_once_in_words(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            stage.reply(0.8)
    health = stage.mouth.playout
    assert health.underruns_per_minute == health.underruns == stage.core.counters().underruns > 3
    assert health.jitter_p95_s == pytest.approx(0.3, abs=0.02) and health.target_s == pytest.approx(0.32, abs=0.02)
    assert health.stretch_share > 0.05
    (record,) = caplog.records
    assert "playback ran dry" in record.getMessage()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            stage.reply(0.1)
        stage.clock.advance(61.0)
        stage.reply(0.1)
        assert len(caplog.records) == 1
        stage.reply(0.8)
    assert len(caplog.records) == 2


def test_without_stretching_it_is_measured_all_the_same() -> None:
    stage = Stage(stretch=False)
    stage.reply(0.8)
    assert stage.core.counters().stretched == 0
    assert stage.mouth.playout.jitter_p95_s == pytest.approx(0.3, abs=0.02)
