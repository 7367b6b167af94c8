"""Whole conversations on the virtual device with real engines, stepped so that a slow machine changes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib

import numpy as np
import pytest

from edgevoice import audio, room
from edgevoice.converse import Conversation, Line, Recording
from edgevoice.dialog.bargein import MEANT, weigh
from edgevoice.dialog.table import State
from edgevoice.engines.never import Never
from edgevoice.engines.protocols import WakeWord
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Engines
from edgevoice.settings import Settings
from edgevoice.trace import TURN_EVENTS
from tests.e2e.stage import Stage, alike, clearly, plain, spoken
from tests.fakes.llm import FakeLlm, Pause, words

RATE = 16_000
TRIES = 5
"""for a wake word that the detector by itself hears"""


def converse(settings: Settings, engines: Engines, *lines: Line) -> tuple[Conversation, Recording]:
    conversation = Conversation(settings, engines, realtime=False)
    return conversation, asyncio.run(conversation.run(lines))


def of(made: Recording, event: str) -> list[dict[str, object]]:
    return [row for row in made.events if row["event"] == event]


def transcript(engines: Engines, samples: np.ndarray) -> str:
    """What the recognizer hears in a recording, decoded in pieces cut at silences."""
    speech = audio.to_float32(samples)
    words = []
    for piece in np.array_split(speech, max(1, len(speech) // (8 * RATE))):
        stream = engines.stt.open()
        stream.accept(piece)
        words.append(stream.finish())
    return " ".join(words)


def test_a_question_is_heard_answered_and_remembered(settings: Settings, engines: Engines) -> None:
    question = clearly(engines, "Why is the sky blue?", RATE)
    conversation, made = converse(settings, engines, Line(question, "start", 0.5))
    (final,) = of(made, "stt_final")
    assert alike(str(final["text"]), "Why is the sky blue?")
    assert made.stuck == []
    (turn,) = conversation.session.history.turns
    (frames,) = made.replies
    assert turn.heard == "".join(frame.delta for frame in frames).strip() and not turn.interrupted
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert frames[-1].finish in ("stop", "length") and frames[-1].usage is not None and frames[-1].usage.ttft_s is not None
    heard = plain(transcript(engines, made.speaker))
    assert difflib.SequenceMatcher(None, heard, plain(turn.heard)).ratio() > 0.6, f"said {turn.heard!r}, heard {heard}"


def test_stages_overlap(settings: Settings, engines: Engines) -> None:
    question = spoken(engines.tts, "Tell me a long story about a dragon.", RATE)
    _, made = converse(settings, engines, Line(question, "start", 0.5))
    first_sound = of(made, "playback_first_sample")[0]["t"]
    assert of(made, "tts_chunk")[0]["t"] < of(made, "llm_done")[0]["t"], "the first clause waited for the whole reply"
    assert first_sound < of(made, "tts_chunk")[-1]["t"], "playback waited for the last clause"
    assert of(made, "stt_partial")[0]["t"] < of(made, "endpoint")[0]["t"], "no words before the end of the turn"


def test_a_follow_up_uses_the_kept_prefix(settings: Settings, engines: Engines) -> None:
    lines = [Line(spoken(engines.tts, text, RATE), when, 0.5)  # type: ignore[arg-type]
             for text, when in (("What is a good name for a cat?", "start"), ("And for a dog?", "after_reply"))]
    conversation, made = converse(settings, engines, *lines)
    assert len(conversation.session.history.turns) == 2
    second = of(made, "llm_done")[1]
    assert int(str(second["cached_tokens"])) > int(str(second["prompt_tokens"])) * 0.6


def test_speech_over_the_reply_silences_it_and_is_heard(settings: Settings, engines: Engines) -> None:
    lines = [Line(spoken(engines.tts, "Tell me a long story about a dragon.", RATE), "start", 0.5),
             Line(spoken(engines.tts, "Okay, stop. What is the moon made of?", RATE), "over_reply", 1.5)]
    conversation, made = converse(settings, engines, *lines)
    first, second = conversation.session.history.turns
    assert first.interrupted and len(first.heard) < len("".join(frame.delta for frame in made.replies[0]))
    assert "moon" in plain(second.user)
    (onset,), (confirmed,) = of(made, "barge_in_onset"), of(made, "barge_in_confirmed")
    assert confirmed["generation"] == onset["generation"] == 1
    assert {row["turn"] for row in made.events if row.get("generation") == 1} == {1}, "the first reply's silence came in the second turn"
    assert not [row for row in made.events if row["event"] in TURN_EVENTS and "sample" not in row]
    paused = int(str(of(made, "barge_in_paused")[0]["sample"]))
    next_sound = int(str(of(made, "playback_first_sample")[1]["sample"]))
    assert not np.any(made.speaker[paused:next_sound]), "sound between the pause and the next reply"


def test_a_turn_that_only_says_stop_gets_no_answer(settings: Settings, engines: Engines) -> None:
    lines = [Line(spoken(engines.tts, "Tell me a long story about a dragon.", RATE), "start", 0.5),
             Line(spoken(engines.tts, "Okay, stop. Thank you.", RATE), "over_reply", 1.5)]
    conversation, made = converse(settings, engines, *lines)
    assert len(of(made, "barge_in_confirmed")) == 1 and len(made.replies) == 1
    assert [turn.interrupted for turn in conversation.session.history.turns] == [True]
    assert conversation.session.machine.state is State.IDLE


def test_who_says_wait_over_the_reply_goes_on_without_the_wake_word(settings: Settings, engines: Engines) -> None:
    gap = np.zeros(2 * RATE, np.int16)
    lines = [Line(spoken(engines.tts, "Tell me a long story about a dragon.", RATE), "start", 0.5),
             Line(np.concatenate([clearly(engines, "Hold on, please.", RATE), gap,
                                  clearly(engines, "What is the moon made of?", RATE)]), "over_reply", 1.5)]
    conversation, made = converse(settings, engines, *lines)
    first, second = conversation.session.history.turns
    assert first.interrupted and "moon" in plain(second.user)
    assert "hold" in plain(of(made, "stt_final")[1]["text"]) and "moon" in plain(of(made, "stt_final")[2]["text"]), "two ends, one turn"


def test_a_cough_pauses_the_reply_and_it_goes_on_where_it_was(settings: Settings, engines: Engines) -> None:
    question = Line(spoken(engines.tts, "Tell me a long story about a dragon.", RATE), "start", 0.5)
    for _ in range(TRIES):  # some of the synthesizer's grunts are words to the recognizer
        grunt = spoken(engines.tts, "Uh!", RATE)
        grunt = grunt[np.flatnonzero(np.abs(grunt.astype(int)) > 1000)[0]:][: RATE * 2 // 10]
        if weigh(transcript(engines, grunt), over=True) not in MEANT:
            break
    conversation, made = converse(settings, engines, question, Line(grunt, "over_reply", 1.0))
    if not of(made, "barge_in_onset"):
        pytest.fail("the sound was not noticed at all: this test needs one that is")
    assert len(of(made, "barge_in_rejected")) == 1 and of(made, "barge_in_confirmed") == []
    (turn,) = conversation.session.history.turns
    assert not turn.interrupted
    (paused,), (end,) = of(made, "barge_in_paused"), of(made, "playback_end")
    resumed = next(int(str(row["sample"])) for row in of(made, "state") if row.get("frames") == paused["frames"])
    first = int(str(of(made, "playback_first_sample")[0]["sample"]))
    gap = resumed - int(str(paused["sample"]))
    assert gap > 0 and not np.any(made.speaker[int(str(paused["sample"])):resumed])
    assert int(str(end["sample"])) - first - gap == end["frames"], "something was repeated or skipped"
    written = sum(int(str(row["frames"])) for row in of(made, "tts_chunk_done"))
    assert 0 <= int(str(end["frames"])) - written < 0.05 * RATE, "the resampler's tail is all that comes after the last chunk"


def test_the_wake_word_opens_the_conversation_and_nothing_else_does(engines: Engines) -> None:
    from edgevoice.engines import wake

    settings = Settings()
    detector = wake.load(settings.wake)
    awake = dataclasses.replace(engines, wake=detector)
    response = room.impulse_response(7, RATE)
    pause = np.zeros(int(0.7 * RATE), np.int16)
    ignored = spoken(engines.tts, "What time is it, please?", RATE)
    wet = np.zeros(0, np.float32)
    for _ in range(TRIES):  # one in fifty times the synthesizer's own voice has no wake word in it
        call = np.concatenate([spoken(engines.tts, "Okay nabu.", RATE), pause, spoken(engines.tts, "What is your name?", RATE)])
        wet = room.at_level(room.reverberate(audio.to_float32(call), response), RATE, -24.0)
        if all(_heard(detector, audio.to_int16(wet), lead) for lead in (24_000, 24_077, 24_111)):  # however it falls into frames
            break
    detector.reset()
    _, silent = converse(settings, awake, Line(ignored, "start", 1.5))
    assert of(silent, "wake") == [] and of(silent, "stt_final") == [] and not np.any(silent.speaker)
    detector.reset()
    _, made = converse(settings, awake, Line(audio.to_int16(wet), "start", 1.5))
    assert [row["model"] for row in of(made, "wake")] == ["okay_nabu"]
    assert alike(str(of(made, "stt_final")[0]["text"]), "What is your name?")
    assert len(of(made, "playback_first_sample")) == 1
    detector.close()


def _heard(detector: WakeWord, samples: np.ndarray, lead: int) -> bool:
    hits = detector.process(np.concatenate([np.zeros(lead, np.int16), samples, np.zeros(RATE // 2, np.int16)]))
    detector.reset()
    return bool(hits)


def test_going_on_while_the_model_thinks_is_one_question(settings: Settings, engines: Engines) -> None:
    first, second = (clearly(engines, text, RATE) for text in ("What can I cook for dinner", "with rice and eggs?"))
    gap = np.zeros(int(0.8 * RATE), np.int16)
    slow = FakeLlm([[Pause(5.0), "Never heard."], words("An omelette.")])
    conversation = Conversation(settings, dataclasses.replace(engines, llm=slow))
    made = asyncio.run(conversation.run([Line(np.concatenate([first, gap, second]), "start", 0.2)]))
    (turn,) = conversation.session.history.turns
    assert alike(turn.user, "What can I cook for dinner with rice and eggs?")
    assert turn.heard == "An omelette."
    assert [frames[-1].finish for frames in made.replies] == ["cancelled", "stop"]


def test_an_announcement_and_a_typed_question_are_spoken(settings: Settings, engines: Engines) -> None:
    async def act() -> Stage:
        async with Stage(settings, engines) as stage:
            machine = stage.session.machine
            stage.session.say("The washing machine is done.")
            assert await stage.until(lambda: machine.state is State.FOLLOWUP)
            stage.session.ask("Hello!")
            assert await stage.until(lambda: machine.generation == 2)
            assert await stage.until(lambda: machine.state is State.FOLLOWUP, within_s=60.0)
        return stage

    stage = asyncio.run(act())
    _, speaker = stage.device.recording()
    assert "washing machine" in " ".join(plain(transcript(engines, speaker[: 4 * RATE])))
    assert [turn.user for turn in stage.session.history.turns] == ["Hello!"], "an announcement is no part of the history"


def test_a_full_pipeline_holds_the_model(settings: Settings, engines: Engines) -> None:
    """With the device standing still, ring and stream fill up and the model waits; nothing grows."""

    settings = dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, playback_ms=500))
    endless = dataclasses.replace(engines, llm=FakeLlm([words("one more word of a story without an end. " * 60)]))

    async def act() -> tuple[int, int, int]:
        async with Stage(settings, endless) as stage:
            streams: list[ReplyStream] = []
            stage.session.listen_replies(streams.append)
            stage.session.ask("Tell me a very long story about a dragon, a princess and a clever cat.")
            while not stage.session.at_rest or stage.core.queued(1) == 0:  # at rest: everybody waits for the loudspeaker
                await asyncio.sleep(0.01)
            waiting, (frames,) = stage.core.queued(1), [stream.read().poll() for stream in streams]
            return waiting, stage.core.playback_frames, len(frames)

    waiting, room_for, frames = asyncio.run(act())
    assert room_for * 0.9 < waiting <= room_for
    assert frames < 80, "the model ran on"


def test_a_question_over_a_reply_that_fills_the_ring_is_answered(settings: Settings, engines: Engines) -> None:
    """The dead reply's samples leave the ring with the next period: whoever waits for room waits for the device, not for work."""
    settings = dataclasses.replace(settings, audio=dataclasses.replace(settings.audio, playback_ms=500))
    endless = dataclasses.replace(engines, llm=FakeLlm([words("one more word of a story without an end. " * 20), words("Two.")]))

    async def act() -> bool:
        async with Stage(settings, endless) as stage:
            machine = stage.session.machine
            stage.session.ask("Tell me a long story.")
            assert await stage.until(lambda: machine.state is State.SPEAKING)
            while not (stage.session.at_rest and stage.core.full):
                await asyncio.sleep(0.001)
            stage.session.ask("How much is one and one?")
            return await asyncio.wait_for(stage.until(lambda: machine.generation == 2 and machine.state is State.FOLLOWUP), 60.0)

    assert asyncio.run(act())


def test_engines_stop_within_a_clause_when_cancelled(engines: Engines) -> None:
    class After(Never):
        def __init__(self, pieces: int) -> None:
            self.left = pieces

        def cancelled(self) -> bool:
            return self.left <= 0

    cancel = After(1)
    pieces: list[np.ndarray] = []

    def emit(piece: np.ndarray) -> None:
        pieces.append(piece)
        cancel.left -= 1

    engines.tts.synthesize("One, two, three, four. Five, six, seven.", emit, cancel)
    assert len(pieces) == 1
