"""The conversation: what is to be done about what happened.

Laws: no thread, no clock, no I/O; ``handle`` takes what happened and returns what is to be done, in order.  Behaviour is
``table.TABLE`` and nothing beside it: an event without a row in the present state is not for us and changes nothing.  Random
event sequences are its test.

Numbers: a *turn* is one thing the user says and our answer to it.  A *generation* is one attempt at an answer; it only grows, and
whatever carries a number that is not the present one is stale and ignored.  Samples are device frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgevoice.dialog.table import TABLE, Guard, Kind, Row, State


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.  ``turn``, ``generation`` or ``timer`` say what it belongs to (0: to none)."""

    kind: Kind
    sample: int = 0
    turn: int = 0
    generation: int = 0
    text: str = ""
    timer: int = 0


EarconName = Literal["listening", "done", "error"]


@dataclass(frozen=True, slots=True)
class Listen:
    """Recognize from device frame ``sample`` on; ``carry`` is what the user had said of this turn before."""

    turn: int
    sample: int
    carry: str = ""
    include_preroll: bool = False


@dataclass(frozen=True, slots=True)
class StopListening:
    turn: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Let the model answer ``text``."""

    generation: int
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Speak:
    """Say a fixed text: an announcement or an apology.  It is not part of the conversation's history."""

    generation: int
    turn: int
    text: str


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
class SetTimer:
    """One timer at a time; setting it anew replaces it.  Counted in device time; ``TIMEOUT`` brings ``timer`` back."""

    seconds: float
    timer: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    pass


Command = Listen | StopListening | StartReply | Speak | Pause | Resume | Cancel | Commit | Earcon | SetTimer | ClearTimer


BargeIn = Literal["off", "wake", "speech"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings decide of the table's guards and times."""

    open_mic: bool = False
    barge_in: BargeIn = "speech"
    listen_timeout_s: float = 6.0
    hold_s: float = 0.35
    """after speech over the reply has ended unconfirmed: how long more of it may come before the reply goes on"""
    followup_s: float = 6.0
    earcons: bool = True
    apology: str = "Sorry, something went wrong."
    empty_reply: str = "Sorry, I have no answer to that."


SAY_QUEUE = 8
"""announcements that wait for the conversation to pause; the oldest goes first"""

_OF_REPLY = frozenset({Kind.FIRST_AUDIO, Kind.DRAINED, Kind.REPLY_EMPTY})
_OF_TURN = frozenset({Kind.TURN_ENDED, Kind.TURN_EMPTY, Kind.TURN_STOP})


class Machine:
    """Holds the state; ``handle`` is its only verb."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state = State.IDLE
        self.turn = 0
        self.generation = 0
        self.waiting: deque[Event] = deque(maxlen=SAY_QUEUE)
        self._alive = 0
        self._speaks_fixed = False
        self._onset = 0
        self._timer = 0
        self._user_text = ""
        self._out: list[Command] = []
        self._rows: dict[tuple[State, Kind], list[Row]] = {}
        for row in TABLE:
            self._rows.setdefault((row.state, row.event), []).append(row)

    def handle(self, event: Event) -> list[Command]:
        """What to do about ``event``; empty where it is stale or no row of the table is for it."""
        if self._stale(event):
            return []
        if event.kind is Kind.SPEECH_START and self.state is not State.HOLDING:
            self._onset = event.sample
        row = self._row(event)
        self._out = []
        if row is None:
            if event.kind is Kind.SAY:
                self.waiting.append(event)
            return []
        for action in row.actions:
            getattr(self, "_" + action)(event)
        self.state = row.next
        out = self._out
        if self.state in (State.IDLE, State.FOLLOWUP) and self.waiting:
            out = out + self.handle(self.waiting.popleft())
        return out

    def _row(self, event: Event) -> Row | None:
        for row in self._rows.get((self.state, event.kind), ()):
            if self._holds(row.guard):
                return row
        return None

    def _holds(self, guard: Guard) -> bool:
        policy = self.policy
        tests: dict[Guard, Callable[[], bool]] = {
            "": lambda: True,
            "open_mic": lambda: policy.open_mic,
            "barge_in": lambda: policy.barge_in != "off",
            "barge_in_speech": lambda: policy.barge_in == "speech",
            "followup": lambda: policy.followup_s > 0,
            "no_followup": lambda: policy.followup_s <= 0,
        }
        return tests[guard]()

    def _stale(self, event: Event) -> bool:
        if event.kind in _OF_REPLY:
            return event.generation != self._alive
        if event.kind in _OF_TURN:
            return event.turn != self.turn
        if event.kind is Kind.TIMEOUT:
            return event.timer != self._timer
        if event.kind is Kind.FAILED:
            return event.generation not in (0, self._alive) or event.turn not in (0, self.turn)
        return False

    # Actions: each appends commands; their order in a row is the order in which things are done.

    def _new_turn(self, _: Event) -> None:
        self.turn += 1
        self._user_text = ""

    def _listen_after_wake(self, event: Event) -> None:
        self._earcon("listening")
        self._out += [Listen(self.turn, event.sample), self._timer_for(self.policy.listen_timeout_s)]

    def _listen_from_onset(self, _: Event) -> None:
        self._out.append(Listen(self.turn, self._onset, include_preroll=True))

    def _listen_on(self, _: Event) -> None:
        self._out.append(Listen(self.turn, self._onset, carry=self._user_text, include_preroll=True))

    def _listen_again(self, event: Event) -> None:
        self._out += [Listen(self.turn, event.sample), self._timer_for(self.policy.listen_timeout_s)]

    def _stop_listening(self, _: Event) -> None:
        self._out.append(StopListening(self.turn))
        self._clear_timer(_)

    def _timer_for(self, seconds: float) -> SetTimer:
        self._timer += 1
        return SetTimer(seconds, self._timer)

    def _clear_timer(self, _: Event) -> None:
        self._timer += 1
        self._out.append(ClearTimer())

    def _reply(self, event: Event) -> None:
        self._next_generation()
        self._speaks_fixed = False
        self._user_text = event.text
        self._out.append(StartReply(self.generation, self.turn, event.text))

    def _speak(self, event: Event) -> None:
        self._fixed(event.text)

    def _apologize(self, _: Event) -> None:
        self._earcon("error")
        if not self._speaks_fixed:
            self._fixed(self.policy.apology)
        else:  # the apology itself failed: an earcon has to do
            self._next_generation()
            self._out.append(Speak(self.generation, self.turn, ""))

    def _excuse_empty(self, _: Event) -> None:
        self._fixed(self.policy.empty_reply)

    def _next_generation(self) -> None:
        self.generation += 1
        self._alive = self.generation

    def _fixed(self, text: str) -> None:
        self._next_generation()
        self._speaks_fixed = True
        self._out.append(Speak(self.generation, self.turn, text))

    def _pause(self, _: Event) -> None:
        self._out.append(Pause(self.generation))

    def _hold(self, _: Event) -> None:
        self._out.append(self._timer_for(self.policy.hold_s))

    def _resume(self, _: Event) -> None:
        self._out.append(Resume(self.generation))

    def _take_back(self, _: Event) -> None:
        self._cancel(heard=False, barge_in=False)

    def _interrupt(self, event: Event) -> None:
        barge_in = event.kind in (Kind.SPEECH_CONFIRMED, Kind.WAKE)
        self._cancel(heard=not self._speaks_fixed, barge_in=barge_in)

    def _interrupt_failed(self, _: Event) -> None:
        self._cancel(heard=not self._speaks_fixed, barge_in=False)

    def _cancel(self, *, heard: bool, barge_in: bool) -> None:
        self._out.append(Cancel(self.generation, self.turn, heard, barge_in))
        self._alive = 0

    def _commit(self, _: Event) -> None:
        self._alive = 0
        self._out.append(Commit(self.generation, self.turn))

    def _open_followup(self, _: Event) -> None:
        self._out.append(self._timer_for(self.policy.followup_s))

    def _earcon_done(self, _: Event) -> None:
        self._earcon("done")

    def _earcon(self, name: EarconName) -> None:
        if self.policy.earcons:
            self._out.append(Earcon(name))
