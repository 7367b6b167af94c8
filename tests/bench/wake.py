"""The wake word beside the device's own voice: replies that contain it must not wake, and users who say it over a reply must.

The default voice says wake words inside sentences; that goes through simulated rooms into the microphone, and what the product's front end
leaves of it to the detector, which is guarded by a second one at the loudspeaker (``pipeline.wakes``).  "No mask": without that one.  "No
canceller": the microphone as it is.  The users' words are said by the voice at another pitch, 0 to 10 dB over the echo of a reply without
any, or in quiet.  The detector is the default one, with its default sensitivity.
"""

from __future__ import annotations

import numpy as np

from edgevoice import app, audio, room
from edgevoice.benchmarks import Result, progress
from edgevoice.engines.protocols import Float32, Int16, WakeWord
from edgevoice.engines.whole import speech
from edgevoice.pipeline.wakes import Wakes
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
    tts, vad = app.load_tts(settings), app.load_vad(settings)
    detector, at_far = app.load_wake(settings), app.load_wake(settings, far_end=True)
    ways: dict[str, tuple[bool, WakeWord | None]] = {
        "all": (True, at_far), "no mask": (True, None), "no canceller": (False, at_far), "neither": (False, None)}

    def hits(mic: Int16, speaker: Int16) -> dict[str, bool]:
        ears = {cancel: audio.to_int16(echoes.through_front(vad, mic, speaker, cancel_echo=cancel).clean) for cancel in (True, False)}
        return {name: _woke(detector, far, ears[cancel], speaker) for name, (cancel, far) in ways.items()}

    count = QUICK if quick else FULL
    own = dict.fromkeys(ways, 0)
    said = 0
    for seed in range(count):
        far = np.concatenate([speech(tts, LEAD[seed % len(LEAD)], RATE), np.zeros(RATE // 2, np.float32),
                              speech(tts, SAYS[seed % len(SAYS)], RATE), np.zeros(RATE, np.float32)])
        far = room.at_level(far, RATE, -20.0)
        said += _woke(detector, None, audio.to_int16(far), np.zeros(len(far), np.int16))
        near = _echo(far, seed) + room.noise(seed, len(far), RATE, -60.0)
        for name, woke in hits(audio.to_int16(np.clip(near, -1, 1)), audio.to_int16(far)).items():
            own[name] += woke
        progress(f"own voice {seed + 1} of {count}: woke {own}")
    found = dict.fromkeys(("in quiet", *ways), 0)
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
        found["in quiet"] += _woke(detector, at_far, audio.to_int16(quiet), np.zeros(len(quiet), np.int16))
        for name, woke in hits(audio.to_int16(np.clip(near, -1, 1)), audio.to_int16(far)).items():
            found[name] += woke
        progress(f"users {seed + 1} of {count}: {found}")
    for engine in (tts, vad, detector, at_far):
        engine.close()
    share = {name: 100 * heard / count for name, heard in found.items()}
    return [
        Result("replies with the wake word in them", count, ""),
        Result("of them heard at the loudspeaker itself", said, ""),
        Result("the device woke at its own voice", own["all"], "times", "== 0", "neither canceller nor mask", own["neither"]),
        Result("woke at its own voice without the mask", own["no mask"], "times", None, "without the canceller", own["no canceller"]),
        Result("users heard in quiet", share["in quiet"], "%"),
        Result("users heard over a reply, 0 to 10 dB over the echo", share["all"], "%", ">= 80", "neither", share["neither"]),
        Result("users heard over a reply without the mask", share["no mask"], "%", None, "without the canceller", share["no canceller"])]


def _echo(far: Float32, seed: int) -> Float32:
    chance = np.random.default_rng((seed, 21))
    response = room.impulse_response(seed, RATE, rt60_s=chance.uniform(0.15, 0.45), distance_m=chance.uniform(0.3, 1.2))
    delay = np.zeros(int(chance.uniform(0.02, 0.2) * RATE), np.float32)
    return room.at_level(room.reverberate(far, np.concatenate([delay, response]))[:len(far)], RATE, ECHO_DB)


def _woke(detector: WakeWord, at_far: WakeWord | None, near: Int16, far: Int16) -> bool:
    """After two seconds of silence, in steps of 10 ms as the ears take it."""
    wakes = Wakes(detector, at_far, RATE)
    lead, hop = np.zeros(2 * RATE, np.int16), RATE // 100
    near, far = (np.concatenate([lead, end, np.zeros(RATE // 2, np.int16)]) for end in (near, far))
    for at in range(0, len(near), hop):
        wakes.loudspeaker(far[at:at + hop], at)
        wakes.microphone(near[at:at + hop])
    detector.reset()
    detector.ease(False)
    if at_far is not None:
        at_far.reset()
    return wakes.counts.heard > 0
