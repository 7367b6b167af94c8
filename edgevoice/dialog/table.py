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
    SPEECH_END = "speech_end"
    TURN_ENDED = "turn_ended"
    TURN_EMPTY = "turn_empty"
    TURN_STOP = "turn_stop"
    FIRST_AUDIO = "first_audio"
    DRAINED = "drained"
    REPLY_EMPTY = "reply_empty"
    FAILED = "failed"
    TIMEOUT = "timeout"
    STOP = "stop"
    SAY = "say"
    ASK = "ask"


Guard = Literal["", "open_mic", "barge_in", "barge_in_speech", "followup", "no_followup"]


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
    Row(_S.LISTENING, _K.SPEECH_START, _S.LISTENING, ("clear_timer",)),
    Row(_S.LISTENING, _K.TURN_ENDED, _S.THINKING, ("clear_timer", "reply")),
    Row(_S.LISTENING, _K.TURN_EMPTY, _S.LISTENING, ("listen_again",)),
    Row(_S.LISTENING, _K.TURN_STOP, _S.IDLE, ("clear_timer", "earcon_done")),
    Row(_S.LISTENING, _K.TIMEOUT, _S.IDLE, ("stop_listening", "earcon_done")),
    Row(_S.LISTENING, _K.FAILED, _S.THINKING, ("stop_listening", "apologize")),
    Row(_S.LISTENING, _K.STOP, _S.IDLE, ("stop_listening",)),
    Row(_S.LISTENING, _K.ASK, _S.THINKING, ("stop_listening", "new_turn", "reply")),
    Row(_S.THINKING, _K.FIRST_AUDIO, _S.SPEAKING),
    Row(_S.THINKING, _K.SPEECH_CONFIRMED, _S.LISTENING, ("take_back", "listen_on")),
    Row(_S.THINKING, _K.WAKE, _S.LISTENING, ("take_back", "new_turn", "listen_after_wake")),
    Row(_S.THINKING, _K.REPLY_EMPTY, _S.THINKING, ("take_back", "excuse_empty")),
    Row(_S.THINKING, _K.FAILED, _S.THINKING, ("take_back", "apologize")),
    Row(_S.THINKING, _K.DRAINED, _S.FOLLOWUP, ("commit", "open_followup"), "followup"),
    Row(_S.THINKING, _K.DRAINED, _S.IDLE, ("commit",), "no_followup"),
    Row(_S.THINKING, _K.STOP, _S.IDLE, ("take_back",)),
    Row(_S.THINKING, _K.ASK, _S.THINKING, ("take_back", "new_turn", "reply")),
    Row(_S.SPEAKING, _K.SPEECH_START, _S.HOLDING, ("pause",), "barge_in_speech"),
    Row(_S.SPEAKING, _K.WAKE, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake"), "barge_in"),
    Row(_S.SPEAKING, _K.LISTEN, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.SPEAKING, _K.DRAINED, _S.FOLLOWUP, ("commit", "open_followup"), "followup"),
    Row(_S.SPEAKING, _K.DRAINED, _S.IDLE, ("commit",), "no_followup"),
    Row(_S.SPEAKING, _K.FAILED, _S.SPEAKING, ("interrupt_failed", "apologize")),
    Row(_S.SPEAKING, _K.STOP, _S.IDLE, ("interrupt",)),
    Row(_S.SPEAKING, _K.ASK, _S.THINKING, ("interrupt", "new_turn", "reply")),
    Row(_S.HOLDING, _K.SPEECH_CONFIRMED, _S.LISTENING, ("interrupt", "new_turn", "listen_from_onset")),
    Row(_S.HOLDING, _K.SPEECH_END, _S.HOLDING, ("hold",)),
    Row(_S.HOLDING, _K.SPEECH_START, _S.HOLDING, ("clear_timer",)),
    Row(_S.HOLDING, _K.TIMEOUT, _S.SPEAKING, ("resume",)),
    Row(_S.HOLDING, _K.WAKE, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.HOLDING, _K.LISTEN, _S.LISTENING, ("interrupt", "new_turn", "listen_after_wake")),
    Row(_S.HOLDING, _K.DRAINED, _S.LISTENING, ("commit", "new_turn", "listen_from_onset")),
    Row(_S.HOLDING, _K.FAILED, _S.SPEAKING, ("interrupt_failed", "apologize")),
    Row(_S.HOLDING, _K.STOP, _S.IDLE, ("interrupt",)),
    Row(_S.HOLDING, _K.ASK, _S.THINKING, ("interrupt", "new_turn", "reply")),
    Row(_S.FOLLOWUP, _K.SPEECH_START, _S.LISTENING, ("clear_timer", "new_turn", "listen_from_onset")),
    Row(_S.FOLLOWUP, _K.WAKE, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.FOLLOWUP, _K.LISTEN, _S.LISTENING, ("new_turn", "listen_after_wake")),
    Row(_S.FOLLOWUP, _K.TIMEOUT, _S.IDLE),
    Row(_S.FOLLOWUP, _K.STOP, _S.IDLE, ("clear_timer",)),
    Row(_S.FOLLOWUP, _K.SAY, _S.SPEAKING, ("clear_timer", "new_turn", "speak")),
    Row(_S.FOLLOWUP, _K.ASK, _S.THINKING, ("clear_timer", "new_turn", "reply")),
)
