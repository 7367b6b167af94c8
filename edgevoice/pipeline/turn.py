"""The turn's thread: what an utterance sounds like when it pauses, told as a vote on whether it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edgevoice.engines.protocols import SPEECH_RATE, Float32, TurnEnd
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.worker import Worker
from edgevoice.trace import Trace

SAMPLES = 8 * SPEECH_RATE
"""as far back as the engine listens"""
LIMIT_S = 2.0
"""a vote that takes longer does not come any more"""
QUEUE = 8
"""pauses that may wait; only the newest is looked at"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """``samples`` at 16 kHz end with the pause that began before device frame ``sample``."""

    turn: int
    sample: int
    samples: Float32


class TurnEnds(Worker[Pause]):
    """Calls ``vote(turn, sample, probability)`` on its own thread.  A vote that fails is one that is missing: the wait stays as it is."""

    name = "turn"

    def __init__(self, slot: Slot[TurnEnd], vote: Callable[[int, int, float], None], trace: Trace) -> None:
        super().__init__(QUEUE)
        self._slot, self._vote, self._trace = slot, vote, trace

    def work(self, job: Pause) -> None:
        if self._jobs.empty():
            with self.watch.call("no vote on the turn's end", LIMIT_S):
                probability = self._slot.get(0.0).probability(job.samples)
            if self.on_duty:
                self._vote(job.turn, job.sample, probability)

    def failed(self, job: Pause, error: Exception) -> None:
        self._trace.emit("error", turn=job.turn, stage="turn", message=str(error))
        log.debug("no vote", exc_info=True)
