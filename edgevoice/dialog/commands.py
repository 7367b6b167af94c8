"""What goes into the conversation's machine, and what comes out: events and commands.

Numbers are explained in ``machine.py``.  Samples are device frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgevoice.dialog.table import Kind

Loudness = Literal["voice", "announcement", "alarm"]
"""the channels of the mixer that a sentence may have the volume of"""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.  ``turn``, ``generation`` or ``timer`` say what it belongs to (0: to none)."""

    kind: Kind
    sample: int = 0
    turn: int = 0
    generation: int = 0
    text: str = ""
    timer: int = 0
    over: bool = False
    channel: Loudness = "announcement"
    """of SAY: whose volume it has"""
    urgent: bool = False
    """of SAY: it waits for nobody"""
    patient: bool = False
    """of ASK: it waits for whatever goes on to end"""
    origin: str = ""
    """of ASK: whose question it is, in a word of the one who asked"""
    sound: object = None
    """of SAY: what is to be heard in place of ``text``; nothing that is decided depends on it"""


EarconName = Literal["listening", "done", "error", "muted", "unmuted"]


@dataclass(frozen=True, slots=True)
class Listen:
    """Recognize from device frame ``sample`` on; ``carry`` is what the user had said of this turn before."""

    turn: int
    sample: int
    carry: str = ""
    include_preroll: bool = False
    eager: bool = False
    """its first words are waited for: recognize them sooner, at a higher cost"""


@dataclass(frozen=True, slots=True)
class StopListening:
    turn: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let the model answer ``text``; ``origin`` is the question's."""

    generation: int
    turn: int
    text: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Prefill:
    """The user's words begin with ``text``: let the model read what comes before its answer so far."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Speculate:
    """Let the model answer ``text`` in case the turn ends with it: unheard, without effect, and ready to be dropped."""

    generation: int
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """The turn did end with it: a speculative reply becomes one like any other."""

    generation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Drop:
    """It did not: nothing of a speculative reply ever was."""

    generation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Act:
    """Do what the reply is about; it is told when that is done."""

    generation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Say a fixed text: an announcement or an apology.  It is not part of the conversation's history."""

    generation: int
    turn: int
    text: str
    channel: Loudness = "voice"
    """the voice's volume, unless it is an announcement"""
    sound: object = None


@dataclass(frozen=True, slots=True)
class SayAgain:
    """Say the last answer once more; ``otherwise`` where there is none.  Nothing new for the history."""

    generation: int
    turn: int
    otherwise: str


@dataclass(frozen=True, slots=True)
class Pause:
    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    generation: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Silence a generation.  ``heard``: what was played of it belongs to the history."""

    generation: int
    turn: int
    heard: bool
    barge_in: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """The reply was played to its end."""

    generation: int
    turn: int


@dataclass(frozen=True, slots=True)
class Earcon:
    name: EarconName


@dataclass(frozen=True, slots=True)
class Filler:
    """Something short to be heard while an answer takes long; not part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """One timer at a time; setting it anew replaces it.  Counted in device time; ``TIMEOUT`` brings ``timer`` back."""

    seconds: float
    timer: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    pass


Command = (Listen | StopListening | Prefill | StartReply | Speculate | Confirm | Drop | Act | Speak | SayAgain | Pause | Resume
           | Cancel | Commit | Earcon | Filler | SetTimer | ClearTimer)
