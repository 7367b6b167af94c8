"""The demonstration: a user who does not need to be there.

Theory: the synthesizer speaks the user's lines too, a little higher and in a synthetic room with noise, and they are played in real time
through the real callback on the virtual device.  Three turns show what matters: a question after the wake word, a follow-up without
it, and a long answer that the user interrupts.  Everything after the loudspeaker of that user is the product itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevoice import audio, room
from edgevoice.converse import Line, Moment
from edgevoice.engines.protocols import Float32, Tts

Int16 = NDArray[np.int16]

SEED = 20
"""of the room and its noise: every demonstration sounds the same"""

PITCH = 1.06
"""the user's voice is this much higher and faster than the device's, so that an ear can tell them apart"""

LEVEL_DB = -24.0
"""of the user's speech at the microphone (RMS, dB of full scale)"""

SNR_DB = 22.0
"""a quiet living room"""

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


SCRIPT = (
    Turn(("Okay nabu.", "Why is the sky blue?"), "start", 0.5),
    Turn(("And why is it red in the evening?",), "after_reply", 0.8),
    Turn(("Tell me a long story about a dragon and a princess.",), "after_reply", 0.8),
    Turn(("Okay, stop. Thank you.",), "over_reply", 3.0),
)


class _Never:
    def cancelled(self) -> bool:
        return False

    def abort_pointers(self) -> None:
        return None


def lines(tts: Tts, rate: int) -> tuple[list[Line], Int16]:
    """The user's lines at ``rate``, and the room's noise to play under all of it."""
    response = room.impulse_response(SEED, rate)
    made = []
    for turn in SCRIPT:
        pause = np.zeros(int(WAKE_PAUSE_S * rate), np.float32)
        dry = np.concatenate([piece for text in turn.says for piece in (_speak(tts, text, rate), pause)][:-1])
        wet = room.at_level(room.reverberate(dry, response), rate, LEVEL_DB)
        made.append(Line(audio.to_int16(wet), turn.when, turn.delay_s))
    noise = room.noise(SEED, NOISE_S * rate, rate, LEVEL_DB - SNR_DB)
    return made, audio.to_int16(noise)


def _speak(tts: Tts, text: str, rate: int) -> Float32:
    pieces: list[Float32] = []
    tts.synthesize(text, pieces.append, _Never())
    return audio.resample(np.concatenate(pieces), round(tts.rate * PITCH), rate)


