"""The demonstration: a user who does not need to be there.

Theory: the synthesizer speaks the user's lines too, a little higher and in a synthetic room with noise, and they are played in real time
through the real callback on the virtual device.  Three turns show what matters: a question after the wake word, a follow-up without
it, and a long answer that the user interrupts.  Everything after the loudspeaker of that user is the product itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio, room
from edgevoice.converse import Line, Moment
from edgevoice.engines.protocols import SPEECH_RATE, Tts, WakeWord
from edgevoice.engines.whole import speech

Int16 = NDArray[np.int16]

SEED = 20
"""of the room and its noise: every demonstration sounds the same"""

PITCH = 1.06
"""the user's voice is this much higher and faster than the device's, so that an ear can tell them apart"""

LEVEL_DB = -24.0
"""of the user's speech at the microphone (RMS, dB of full scale)"""

SNR_DB = 25.0
RT60_S = 0.2
DISTANCE_M = 1.0
"""a quiet living room, the device on the table before the user"""

TRIES = 5
"""one in fifty wake words goes unheard"""

NOISE_S = 20
"""the room's noise is repeated after this"""

WAKE_PAUSE_S = 0.7
"""between the wake word and the question, as people leave one for the tone"""


@dataclass(frozen=True, slots=True)
class Turn:
    says: tuple[str, ...]
    """pieces with a pause between them"""
    when: Moment
    delay_s: float


LEAD_S = 1.5
"""of quiet before the first word: a picture of the room by itself, and what a detector that was not primed needs"""

SCRIPT = (
    Turn(("Okay nabu.", "What is the moon made of?"), "start", LEAD_S),
    Turn(("And how far away is the moon?",), "after_reply", 0.8),
    Turn(("Tell me a long story about a dragon and a princess.",), "after_reply", 0.8),
    Turn(("Okay, stop. Thank you.",), "over_reply", 3.0),
)


def lines(tts: Tts, rate: int, wake: WakeWord | None = None) -> tuple[list[Line], Int16]:
    """The user's lines at ``rate``, and the room's noise to play under all of it.

    The synthesizer speaks a text a little differently each time, and now and then no wake word is in it: like a person, the user then
    says it again, but before the show.
    """
    noise = quiet_room(rate)
    return [Line(said(tts, turn.says, rate, wake if k == 0 else None), turn.when, turn.delay_s) for k, turn in enumerate(SCRIPT)], noise


def quiet_room(rate: int) -> Int16:
    """Its noise, for ``NOISE_S``."""
    return audio.to_int16(room.noise(SEED, NOISE_S * rate, rate, LEVEL_DB - SNR_DB))


def said(tts: Tts, says: Sequence[str], rate: int, wake: WakeWord | None = None) -> Int16:
    """Pieces with a pause between them as the microphone of that room hears them; said again until ``wake`` hears its word."""
    samples = _placed(tts, says, rate)
    noise = quiet_room(rate)
    tries = TRIES if wake is not None else 0
    while tries and wake is not None and not _wakes(wake, samples, noise, rate):
        samples = _placed(tts, says, rate)
        tries -= 1
    return samples


def _placed(tts: Tts, says: Sequence[str], rate: int) -> Int16:
    """A line as it reaches the microphone, without the room's noise."""
    pause = np.zeros(int(WAKE_PAUSE_S * rate), np.float32)
    dry = np.concatenate([piece for text in says for piece in (speech(tts, text, rate, PITCH), pause)][:-1])
    response = room.impulse_response(SEED, rate, rt60_s=RT60_S, distance_m=DISTANCE_M)
    return audio.to_int16(room.at_level(room.reverberate(dry, response), rate, LEVEL_DB))


def _wakes(wake: WakeWord, samples: Int16, noise: Int16, rate: int) -> bool:
    said = np.concatenate([np.zeros(int(LEAD_S * rate), np.int16), samples])
    heard = audio.to_float32(said) + audio.to_float32(noise[:len(said)])
    hits = wake.process(audio.to_int16(audio.resample(heard, rate, SPEECH_RATE)))
    wake.reset()
    return bool(hits)


