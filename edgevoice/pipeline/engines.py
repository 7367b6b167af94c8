"""The engines of a conversation, and the places of those that may be replaced while it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from edgevoice.engines.protocols import Llm, Stt, Tts, TurnEnd, Vad, WakeWord
from edgevoice.pipeline.slot import Slot

NAMES = {"stt": "speech recognition", "llm": "the language model", "tts": "speech synthesis", "turn": "the end of a turn"}
"""what the engines with a worker of their own do, as people are told"""


@dataclass(frozen=True, slots=True)
class Engines:
    """What a conversation needs; ``wake`` is ``None`` where every utterance is meant for the device."""

    vad: Vad
    stt: Stt
    llm: Llm
    tts: Tts
    wake: WakeWord | None = None
    turn_end: TurnEnd | None = None
    """``None``: the end of a turn is told by words and silence alone"""
    far_wake: WakeWord | None = None
    """hears the loudspeaker; ``None``: a reply with the wake word in it may wake the device"""

    def close(self) -> None:
        for engine in (self.vad, self.stt, self.llm, self.tts, self.wake, self.turn_end, self.far_wake):
            if engine is not None:
                engine.close()


class Slots:
    """One for each engine that has a worker of its own."""

    def __init__(self, engines: Engines) -> None:
        self._kept = [engine for engine in (engines.vad, engines.wake, engines.far_wake) if engine is not None]
        self.stt = Slot("the recognizer", engines.stt)
        self.llm = Slot("the language model", engines.llm)
        self.tts = Slot("the synthesizer", engines.tts)
        self.turn_end = None if engines.turn_end is None else Slot("the turn-end model", engines.turn_end)

    def close(self) -> None:
        """Close all engines that are there; those that were given up are not."""
        for slot in (self.stt, self.llm, self.tts, self.turn_end):
            engine = None if slot is None else slot.take()
            if engine is not None:
                engine.close()
        for kept in self._kept:
            kept.close()
