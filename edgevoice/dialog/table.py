"""The conversation's table: in which state what event leads where, and what is done on the way.

Law: this is data, all of it and nothing else; ``machine.Machine`` carries it out and has no behaviour beside it.  The diagram in
README.md is drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class State(StrEnum):
    IDLE = "idle"
    LISTENING = "listening"
    SPECULATING = "speculating"
    """the user may be done: an answer is being made that nobody hears before that is sure"""
    THINKING = "thinking"
    SPEAKING = "speaking"
    HOLDING = "holding"
    """the reply is paused while it is decided whether the user means to interrupt"""
    FOLLOWUP = "followup"


class Kind(StrEnum):
    """What can happen."""

    WAKE = "wake"
    LISTEN = "listen"
    SPEECH_START = "speech_start"
    SPEECH_CONFIRMED = "speech_confirmed"
    """long enough to be no cough"""
    SPEECH_LASTS = "speech_lasts"
    """long enough to be meant, whatever its words"""
    SPEECH_END = "speech_end"
    WORDS = "words"
    """``text`` is what was said so far, down to a word that may be half; ``over``: a pause, and all that was said before it"""
    PARTIAL = "partial"
    """``text`` is what was probably said so far, and more comes"""
    LIKELY_END = "likely_end"
    """a pause at ``sample``; ``text`` is all that was said before it"""
    SPEECH_RESUMED = "speech_resumed"
    TURN_ENDED = "turn_ended"
    TURN_EMPTY = "turn_empty"
    TURN_STOP = "turn_stop"
    FIRST_AUDIO = "first_audio"
    DRAINED = "drained"
    REPLY_EMPTY = "reply_empty"
    DEED = "deed"
    """the answer is something to be done"""
    FAILED = "failed"
    TIMEOUT = "timeout"
    STOP = "stop"
    UNHEARD = "unheard"
    """nobody shall be listened to any more: the microphone was muted"""
    RESUME = "resume"
    """whoever spoke over the reply did not mean to interrupt it, says somebody elsewhere"""
    SAY = "say"
    ASK = "ask"


Guard = Literal["", "open_mic", "barge_in", "barge_in_speech", "followup", "no_followup", "speculation", "may_speculate",
                "same_words", "urgent", "at_once", "of_speculation", "meant", "all_heard", "not_yet_heard", "no_assent", "again",
                "wait"]


@dataclass(frozen=True, slots=True)
class Row:
    """In ``state``, on ``event``, where ``guard`` holds: do ``actions`` (methods of Machine) and go to ``next``."""

    state: State
    event: Kind
    next: State
    actions: tuple[str, ...] = ()
    guard: Guard = ""


_S, _K = State, Kind
TABLE: tuple[Row, ...] = (
    Row(_S.IDLE, _K.WAKE, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.IDLE, _K.LISTEN, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.IDLE, _K.SPEECH_START, _S.LISTENING, ("new_turn", "listen_from_onset"), "open_mic"),
    Row(_S.IDLE, _K.SAY, _S.SPEAKING, ("new_turn", "speak")),
    Row(_S.IDLE, _K.ASK, _S.THINKING, ("new_turn", "reply")),
    Row(_S.LISTENING, _K.WAKE, _S.LISTENING, ("listen_after_wake",)),
    Row(_S.LISTENING, _K.LISTEN, _S.LISTENING, ("listen_after_wake",)),
    Row(_S.LISTENING, _K.SPEECH_START, _S.LISTENING, ("clear_timer",)),
    Row(_S.LISTENING, _K.TURN_ENDED, _S.THINKING, ("clear_timer", "say_again"), "again"),
    Row(_S.LISTENING, _K.TURN_ENDED, _S.THINKING, ("clear_timer", "reply")),
    Row(_S.LISTENING, _K.TURN_EMPTY, _S.LISTENING, ("listen_again",)),
    Row(_S.LISTENING, _K.TURN_STOP, _S.LISTENING, ("listen_again",), "wait"),
    Row(_S.LISTENING, _K.TURN_STOP, _S.IDLE, ("clear_timer", "earcon_done")),
    Row(_S.LISTENING, _K.TIMEOUT, _S.IDLE, ("stop_listening", "earcon_done")),
    Row(_S.LISTENING, _K.FAILED, _S.THINKING, ("stop_listening", "apologize")),
    Row(_S.LISTENING, _K.STOP, _S.IDLE, ("stop_listening",)),
    Row(_S.LISTENING, _K.UNHEARD, _S.IDLE, ("stop_listening",)),
    Row(_S.LISTENING, _K.SAY, _S.SPEAKING, ("stop_listening", "new_turn", "speak"), "urgent"),
    Row(_S.LISTENING, _K.ASK, _S.THINKING, ("stop_listening", "new_turn", "reply"), "at_once"),
    Row(_S.LISTENING, _K.PARTIAL, _S.LISTENING, ("prefill",), "speculation"),
    Row(_S.LISTENING, _K.LIKELY_END, _S.SPECULATING, ("clear_timer", "speculate"), "may_speculate"),
    Row(_S.SPECULATING, _K.TURN_ENDED, _S.THINKING, ("confirm",), "same_words"),
    Row(_S.SPECULATING, _K.TURN_ENDED, _S.THINKING, ("drop", "say_again"), "again"),
    Row(_S.SPECULATING, _K.TURN_ENDED, _S.THINKING, ("drop", "reply")),
    Row(_S.SPECULATING, _K.SPEECH_RESUMED, _S.LISTENING, ("drop",)),
    Row(_S.SPECULATING, _K.SPEECH_START, _S.LISTENING, ("drop",)),
    Row(_S.SPECULATING, _K.WAKE, _S.LISTENING, ("drop", "listen_after_wake")),
    Row(_S.SPECULATING, _K.LISTEN, _S.LISTENING, ("drop", "listen_after_wake")),
    Row(_S.SPECULATING, _K.TURN_EMPTY, _S.LISTENING, ("drop", "listen_again")),
    Row(_S.SPECULATING, _K.TURN_STOP, _S.LISTENING, ("drop", "listen_again"), "wait"),
    Row(_S.SPECULATING, _K.TURN_STOP, _S.IDLE, ("drop", "earcon_done")),
    Row(_S.SPECULATING, _K.REPLY_EMPTY, _S.LISTENING, ("drop",)),
    Row(_S.SPECULATING, _K.FAILED, _S.LISTENING, ("drop",), "of_speculation"),
    Row(_S.SPECULATING, _K.FAILED, _S.THINKING, ("drop", "stop_listening", "apologize")),
    Row(_S.SPECULATING, _K.STOP, _S.IDLE, ("drop", "stop_listening")),
    Row(_S.SPECULATING, _K.UNHEARD, _S.IDLE, ("drop", "stop_listening")),
    Row(_S.SPECULATING, _K.SAY, _S.SPEAKING, ("drop", "stop_listening", "new_turn", "speak"), "urgent"),
    Row(_S.SPECULATING, _K.ASK, _S.THINKING, ("drop", "stop_listening", "new_turn", "reply"), "at_once"),
    Row(_S.THINKING, _K.FIRST_AUDIO, _S.SPEAKING, ("heard_sound",)),
    Row(_S.THINKING, _K.DEED, _S.THINKING, ("act",)),
    Row(_S.THINKING, _K.TIMEOUT, _S.THINKING, ("one_moment",)),
    Row(_S.THINKING, _K.SPEECH_CONFIRMED, _S.LISTENING, ("take_back", "listen_on")),
    Row(_S.THINKING, _K.WAKE, _S.LISTENING, ("take_back", "new_turn", "listen_after_wake")),
    Row(_S.THINKING, _K.LISTEN, _S.LISTENING, ("take_back", "new_turn", "listen_after_wake")),
    Row(_S.THINKING, _K.REPLY_EMPTY, _S.THINKING, ("take_back", "excuse_empty")),
    Row(_S.THINKING, _K.FAILED, _S.THINKING, ("take_back", "apologize")),
    Row(_S.THINKING, _K.DRAINED, _S.FOLLOWUP, ("commit", "open_followup"), "followup"),
    Row(_S.THINKING, _K.DRAINED, _S.IDLE, ("commit",), "no_followup"),
    Row(_S.THINKING, _K.STOP, _S.IDLE, ("take_back",)),
    Row(_S.THINKING, _K.SAY, _S.SPEAKING, ("take_back", "new_turn", "speak"), "urgent"),
    Row(_S.THINKING, _K.ASK, _S.THINKING, ("take_back", "new_turn", "reply"), "at_once"),
    Row(_S.SPEAKING, _K.SPEECH_START, _S.HOLDING, ("pause", "overhear"), "barge_in_speech"),
    Row(_S.SPEAKING, _K.WAKE, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake"), "barge_in"),
    Row(_S.SPEAKING, _K.LISTEN, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.SPEAKING, _K.DRAINED, _S.FOLLOWUP, ("commit", "open_followup"), "followup"),
    Row(_S.SPEAKING, _K.DRAINED, _S.IDLE, ("commit",), "no_followup"),
    Row(_S.SPEAKING, _K.FAILED, _S.SPEAKING, ("interrupt_failed", "apologize")),
    Row(_S.SPEAKING, _K.STOP, _S.IDLE, ("interrupt",)),
    Row(_S.SPEAKING, _K.SAY, _S.SPEAKING, ("interrupt", "new_turn", "speak"), "urgent"),
    Row(_S.SPEAKING, _K.ASK, _S.THINKING, ("interrupt", "new_turn", "reply"), "at_once"),
    Row(_S.HOLDING, _K.WORDS, _S.LISTENING, ("interrupt", "take_over"), "meant"),
    Row(_S.HOLDING, _K.WORDS, _S.HOLDING, ("hold_on_heard",), "all_heard"),
    Row(_S.HOLDING, _K.SPEECH_LASTS, _S.LISTENING, ("interrupt", "take_over"), "no_assent"),
    Row(_S.HOLDING, _K.SPEECH_END, _S.HOLDING, ("hold",), "not_yet_heard"),
    Row(_S.HOLDING, _K.SPEECH_START, _S.HOLDING, ("clear_timer",)),
    Row(_S.HOLDING, _K.SPEECH_RESUMED, _S.HOLDING, ("clear_timer",)),
    Row(_S.HOLDING, _K.TURN_ENDED, _S.THINKING, ("interrupt", "take_over", "say_again"), "again"),
    Row(_S.HOLDING, _K.TURN_ENDED, _S.THINKING, ("interrupt", "take_over", "reply"), "meant"),
    Row(_S.HOLDING, _K.TURN_ENDED, _S.SPEAKING, ("stop_overhearing", "resume")),
    Row(_S.HOLDING, _K.TURN_EMPTY, _S.SPEAKING, ("stop_overhearing", "resume")),
    Row(_S.HOLDING, _K.TURN_STOP, _S.LISTENING, ("interrupt", "take_over", "listen_again"), "wait"),
    Row(_S.HOLDING, _K.TURN_STOP, _S.IDLE, ("interrupt", "take_over", "earcon_done")),
    Row(_S.HOLDING, _K.TIMEOUT, _S.SPEAKING, ("stop_overhearing", "resume")),
    Row(_S.HOLDING, _K.RESUME, _S.SPEAKING, ("stop_overhearing", "resume")),
    Row(_S.HOLDING, _K.WAKE, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.HOLDING, _K.LISTEN, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.HOLDING, _K.DRAINED, _S.LISTENING, ("commit", "take_over")),
    Row(_S.HOLDING, _K.FAILED, _S.SPEAKING, ("interrupt_failed", "stop_overhearing", "apologize")),
    Row(_S.HOLDING, _K.STOP, _S.IDLE, ("interrupt", "stop_overhearing")),
    Row(_S.HOLDING, _K.SAY, _S.SPEAKING, ("interrupt", "stop_overhearing", "new_turn", "speak"), "urgent"),
    Row(_S.HOLDING, _K.ASK, _S.THINKING, ("interrupt", "stop_overhearing", "new_turn", "reply"), "at_once"),
    Row(_S.FOLLOWUP, _K.SPEECH_START, _S.LISTENING, ("clear_timer", "new_turn", "listen_from_onset")),
    Row(_S.FOLLOWUP, _K.WAKE, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.FOLLOWUP, _K.LISTEN, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.FOLLOWUP, _K.TIMEOUT, _S.IDLE),
    Row(_S.FOLLOWUP, _K.STOP, _S.IDLE, ("clear_timer",)),
    Row(_S.FOLLOWUP, _K.SAY, _S.SPEAKING, ("clear_timer", "new_turn", "speak")),
    Row(_S.FOLLOWUP, _K.ASK, _S.THINKING, ("clear_timer", "new_turn", "reply")),
)
