"""The wake word beside the device's own voice: replies that contain it must not wake, and users who say it over a reply must.

The default voice says wake words inside sentences; that goes through simulated rooms into the microphone, and what the product's front end
leaves of it to the detector.  "No canceller": the microphone as it is.  The users' words are said by the voice at another pitch, 0 to 10 dB
over the echo of a reply without any, or in quiet.  The detector is the default one, with its default sensitivity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgevoice import app, audio, room
from edgevoice.benchmarks import Result, progress
from edgevoice.engines import wake
from edgevoice.engines.protocols import Float32, Int16, WakeWord
from edgevoice.engines.whole import speech
from edgevoice.settings import Settings
from tests.bench import echoes

RATE = 16_000
FULL, QUICK = 24, 3
LEAD = ("I have a lot to tell you about the weather of today, and of tomorrow, and of the whole week that comes after it.",
        "Let me think about that for a moment, since there are three answers, and each of them is right in its own way.")
SAYS = (
    "You can call me when you say okay nabu, and then your question.", "Okay nabu.",
    "My name is nabu, so say okay nabu whenever you like.")
PLAIN = "The kitchen light is on, the living room is at twenty one degrees, and the front door is locked, as it is every night at ten."
USER_PITCH = 1.12
ECHO_DB = -24.0


def run(quick: bool) -> list[Result]:
    settings = Settings()
    tts, vad, detector = app.load_tts(settings), app.load_vad(settings), wake.load(settings.wake)
    count = QUICK if quick else FULL
    own: dict[bool, int] = {True: 0, False: 0}
    said = 0
    for seed in range(count):
        far = np.concatenate([speech(tts, LEAD[seed % len(LEAD)], RATE), np.zeros(RATE // 2, np.float32),
                              speech(tts, SAYS[seed % len(SAYS)], RATE), np.zeros(RATE, np.float32)])
        far = room.at_level(far, RATE, -20.0)
        said += _hits(detector, audio.to_int16(far)) > 0
        near = _echo(far, seed) + room.noise(seed, len(far), RATE, -60.0)
        for cancel in own:
            judged = echoes.through_front(vad, audio.to_int16(np.clip(near, -1, 1)), audio.to_int16(far), cancel_echo=cancel)
            own[cancel] += _hits(detector, audio.to_int16(judged.clean)) > 0
        progress(f"own voice {seed + 1} of {count}: woke {own[True]}, without a canceller {own[False]}")
    found = {"in quiet": 0, "over a reply": 0, "over a reply, no canceller": 0}
    for seed in range(count):
        far = room.at_level(np.concatenate([speech(tts, LEAD[seed % 2], RATE), speech(tts, PLAIN, RATE)]), RATE, -20.0)
        word = speech(tts, "Okay nabu.", RATE, USER_PITCH)
        word = room.reverberate(word, room.impulse_response(900 + seed, RATE, rt60_s=0.25, distance_m=1.0))
        snr = float(np.random.default_rng(seed).uniform(0.0, 10.0))
        near = _echo(far, seed) + room.noise(seed, len(far), RATE, -60.0)
        at = int(6.5 * RATE)
        near[at:at + len(word)] += room.at_level(word, RATE, ECHO_DB + snr)[:len(near) - at]
        quiet = room.noise(seed, at + len(word) + RATE, RATE, -60.0)
        quiet[at:at + len(word)] += room.at_level(word, RATE, ECHO_DB + snr)
        mic, speaker = audio.to_int16(np.clip(near, -1, 1)), audio.to_int16(far)
        found["in quiet"] += _hits(detector, audio.to_int16(quiet)) > 0
        for name, cancel in (("over a reply", True), ("over a reply, no canceller", False)):
            found[name] += _hits(detector, audio.to_int16(echoes.through_front(vad, mic, speaker, cancel_echo=cancel).clean)) > 0
        progress(f"users {seed + 1} of {count}: {found}")
    for engine in (tts, vad, detector):
        engine.close()
    return [
        Result("replies with the wake word in them", count, ""),
        Result("of them heard at the loudspeaker itself", said, ""),
        Result("the device woke at its own voice", own[True], "times", "== 0", "no canceller", own[False]),
        Result("users heard in quiet", 100 * found["in quiet"] / count, "%"),
        Result("users heard over a reply, 0 to 10 dB over the echo", 100 * found["over a reply"] / count, "%", ">= 80", "no canceller",
               100 * found["over a reply, no canceller"] / count)]


def _echo(far: Float32, seed: int) -> Float32:
    chance = np.random.default_rng((seed, 21))
    response = room.impulse_response(seed, RATE, rt60_s=chance.uniform(0.15, 0.45), distance_m=chance.uniform(0.3, 1.2))
    delay = np.zeros(int(chance.uniform(0.02, 0.2) * RATE), np.float32)
    return room.at_level(room.reverberate(far, np.concatenate([delay, response]))[:len(far)], RATE, ECHO_DB)


def _hits(detector: WakeWord, samples: Int16) -> int:
    padded: Sequence[Int16] = (np.zeros(2 * RATE, np.int16), samples, np.zeros(RATE // 2, np.int16))
    hits = len(detector.process(np.concatenate(padded)))
    detector.reset()
    return hits
