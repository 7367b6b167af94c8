"""What the device leaves out where its machine cannot bear everything, step by step, down to recorded sentences.  Sans-I/O.

Theory: a hot board and a full memory do not get better by going on; each step takes work off them.  Readings cross a row's ``over`` to make
it count and must fall to its ``under`` before it stops, so that a figure that trembles about a limit moves nothing.  Downwards there is one
step each ``STEP_S``, so that each has time to help; upwards one each ``hold_s`` of a machine that asked for no more than that.

Laws: an engine that is not asked (its breaker is open) counts at once and for as long as that lasts, since breakers have pauses of their
own.  What cannot be read asks for nothing.  When all is well for ``hold_s`` times the steps, nothing is left out.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgevoice.settings import FaultSettings

STEP_S = 5.0
"""between two steps downwards"""


class Level(enum.IntEnum):
    """What is still done; each leaves out what those before it do."""

    FULL = 0
    SHORTER = 1
    """the model's answers end early, and none is begun before the question is over"""
    SKILLS = 2
    """the language model rests"""
    RECORDED = 3
    """the synthesizer rests, too: sentences that were made ahead"""


@dataclass(frozen=True, slots=True)
class Row:
    """``reading`` at ``over`` or more asks for ``level``, until it is at ``under`` or less."""

    reading: str
    level: Level
    over: float
    under: float
    why: str
    """``{value}`` is the reading"""


ENGINES: Mapping[str, tuple[Level, str]] = {
    "llm": (Level.SKILLS, "the language model fails"), "tts": (Level.RECORDED, "speech synthesis fails")}
"""what an open breaker asks for"""


def table(limits: FaultSettings) -> Sequence[Row]:
    """The rows, gentle ones first: degrees Celsius, and shares of one."""
    hot, full = limits.hot_c, limits.memory_share
    rest = 1 - full
    heat = "the processor is at {value:.0f} degrees Celsius"
    memory = "{value:.0%} of the memory that there is for it is in use"
    stalled = "programs wait for memory for {value:.0%} of the time"
    return (
        Row("temperature_c", Level.SHORTER, hot, hot - 5, heat),
        Row("temperature_c", Level.SKILLS, hot + 5, hot, heat),
        Row("temperature_c", Level.RECORDED, hot + 10, hot + 5, heat),
        Row("throttled", Level.SHORTER, 1.0, 0.0, "the processor is slowed down"),
        Row("memory_share", Level.SHORTER, full, full - rest / 2, memory),
        Row("memory_share", Level.SKILLS, full + rest / 2, full, memory),
        Row("memory_share", Level.RECORDED, full + rest * 0.8, full + rest / 2, memory),
        Row("memory_pressure", Level.SHORTER, 0.1, 0.05, stalled),
        Row("memory_pressure", Level.SKILLS, 0.3, 0.1, stalled))


class Ladder:
    """``look`` now and then, with a time in seconds that only grows."""

    def __init__(self, limits: FaultSettings) -> None:
        self.level = Level.FULL
        self.why = ""
        """of the last look that asked for anything; empty at ``FULL``"""
        self._rows, self._hold_s = table(limits), limits.hold_s
        self._counting: set[Row] = set()
        self._strained = Level.FULL
        self._moved: float | None = None
        self._eased: float | None = None
        """since when less is asked for"""

    def look(self, now: float, readings: Mapping[str, float | None], broken: Sequence[str] = ()) -> bool:
        """Whether the level changed.  ``broken``: engines whose breakers are open."""
        before = self.level
        asked, why = self.asked(readings)
        self._step(now, asked)
        floor, failing = max((ENGINES[name] for name in broken if name in ENGINES), default=(Level.FULL, ""))
        self.level = max(self._strained, floor)
        if self.level is Level.FULL:
            self.why = ""
        elif floor > self._strained:
            self.why = failing
        elif asked or not self.why:
            self.why = why
        return self.level is not before

    def asked(self, readings: Mapping[str, float | None]) -> tuple[Level, str]:
        """What the readings ask for, and why; each reading counts from its ``over`` to its ``under``."""
        asked, why = Level.FULL, ""
        for row in self._rows:
            value = readings.get(row.reading)
            if value is None or value <= row.under:
                self._counting.discard(row)
            elif value >= row.over:
                self._counting.add(row)
            if row in self._counting and row.level > asked and value is not None:
                asked, why = row.level, row.why.format(value=value)
        return asked, why

    def _step(self, now: float, asked: Level) -> None:
        if asked >= self._strained:
            self._eased = None
        if asked > self._strained and (self._moved is None or now - self._moved >= STEP_S):
            self._strained, self._moved = Level(self._strained + 1), now
        elif asked < self._strained:
            if self._eased is None:
                self._eased = now
            elif now - self._eased >= self._hold_s:
                self._strained, self._moved, self._eased = Level(self._strained - 1), now, now
