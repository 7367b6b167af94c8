"""The conversation: what is to be done about what happened.

Laws: no thread, no clock, no I/O; ``handle`` takes what happened and returns what is to be done, in order.  Behaviour is
``table.TABLE`` and nothing beside it: an event without a row in the present state is not for us and changes nothing.  Random
event sequences are its test.

Numbers: a *turn* is one thing the user says and our answer to it; what is said over an answer has a turn of its own from its onset on,
which becomes the present one if it is meant and is never used again if it is not.  A *generation* is one attempt at an answer; it only
grows, and whatever carries a number that is not the present one is stale and ignored.  Samples are device frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgevoice.dialog.bargein import MEANT, Meaning, weigh
from edgevoice.dialog.commands import (
    Act,
    Cancel,
    ClearTimer,
    Command,
    Commit,
    Confirm,
    Drop,
    Earcon,
    EarconName,
    Event,
    Filler,
    Listen,
    Loudness,
    Pause,
    Prefill,
    Resume,
    SayAgain,
    SetTimer,
    Speak,
    Speculate,
    StartReply,
    StopListening,
)
from edgevoice.dialog.stop import is_again, is_wait
from edgevoice.dialog.table import TABLE, Guard, Kind, Row, State

BargeIn = Literal["off", "wake", "speech"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings decide of the table's guards and times."""

    open_mic: bool = False
    barge_in: BargeIn = "speech"
    listen_timeout_s: float = 6.0
    barge_in_words: int = 2
    """words over the reply, beside assent and noise, that interrupt it before they end"""
    hold_s: float = 0.35
    """after speech over the reply has ended, while it is not known what was said: how long that is waited for before the reply goes on"""
    hold_heard_s: float = 0.3
    """the same once its words are known not to be meant: time for more of them"""
    followup_s: float = 6.0
    earcons: bool = True
    speculation: bool = True
    speculations_a_turn: int = 4
    one_moment_s: float = 0.0
    """after the user's turn, with nothing heard; 0 for never"""
    one_moment: str = "One moment."
    nothing_said: str = "I have not said anything yet."
    apology: str = "Sorry, something went wrong."
    empty_reply: str = "Sorry, I have no answer to that."


SAY_QUEUE = 8
"""announcements that wait for the conversation to pause; the oldest goes first"""
ASK_QUEUE = 16
"""patient questions that wait for it; they go before announcements"""

_BARGE_INS = frozenset({Kind.WORDS, Kind.SPEECH_LASTS, Kind.TURN_ENDED, Kind.TURN_STOP, Kind.WAKE})
_SILENCING = frozenset({Kind.STOP, Kind.TURN_STOP})
"""whoever wants silence does not want to hear next what waits for a pause"""
_OF_REPLY = frozenset({Kind.FIRST_AUDIO, Kind.DRAINED, Kind.REPLY_EMPTY, Kind.DEED})
_OF_TURN = frozenset({Kind.WORDS, Kind.PARTIAL, Kind.LIKELY_END, Kind.SPEECH_RESUMED, Kind.TURN_ENDED, Kind.TURN_EMPTY, Kind.TURN_STOP})


class Machine:
    """Holds the state; ``handle`` is its only verb.  ``affordable`` says whether the device can spare work that may be for nothing."""

    def __init__(self, policy: Policy, *, affordable: Callable[[], bool] = lambda: True) -> None:
        self.policy = policy
        self._affordable = affordable
        self.state = State.IDLE
        self.turn = 0
        self.generation = 0
        self.waiting: deque[Event] = deque(maxlen=SAY_QUEUE)
        self.questions: deque[Event] = deque(maxlen=ASK_QUEUE)
        self._alive = 0
        self._speaks_fixed = False
        self._acted = 0
        self._newest = 0
        self._overheard = 0
        """turn of what is said over the reply"""
        self._heard = Meaning.NOTHING
        self._all_heard = False
        self._brief = True
        """whether what is said over the reply was too short so far to be a word"""
        self._meant_once = False
        """whether the last reading of those words was an interruption"""
        self._onset = 0
        self._timer = 0
        self._resumed = 0
        self._speculations = 0
        self._speculative_text = ""
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
        if event.kind in (Kind.SPEECH_START, Kind.SPEECH_RESUMED):
            self._resumed = max(self._resumed, event.sample)
        if self.state is State.HOLDING:
            self._overhear_words(event)
        if event.kind in _SILENCING:
            self.waiting.clear()
            self.questions.clear()
        row = self._row(event)
        self._out = []
        if row is None:
            if event.kind is Kind.SAY:
                self.waiting.append(event)
            elif event.kind is Kind.ASK:
                self.questions.append(event)
            return []
        for action in row.actions:
            getattr(self, "_" + action)(event)
        self.state = row.next
        out = self._out
        if self.state in (State.IDLE, State.FOLLOWUP) and (waiting := self.questions or self.waiting):
            out = out + self.handle(waiting.popleft())
        return out

    def _overhear_words(self, event: Event) -> None:
        if event.kind is Kind.WORDS:
            self._heard = weigh(event.text, over=event.over, enough=self.policy.barge_in_words, brief=self._brief)
            before, self._meant_once = self._meant_once, self._heard is Meaning.WORDS
            if self._heard is Meaning.WORDS and not event.over and not before:
                self._heard = Meaning.DOUBTFUL  # the first quarter of a second is often misread: the next reading must say so, too
            self._all_heard = event.over
        elif event.kind is Kind.TURN_ENDED:
            self._heard = weigh(event.text, over=True, enough=self.policy.barge_in_words, brief=self._brief)
        elif event.kind is Kind.SPEECH_CONFIRMED:
            self._brief = False
        elif event.kind in (Kind.SPEECH_START, Kind.SPEECH_RESUMED):
            self._all_heard = False

    def _row(self, event: Event) -> Row | None:
        for row in self._rows.get((self.state, event.kind), ()):
            if self._holds(row.guard, event):
                return row
        return None

    def _holds(self, guard: Guard, event: Event) -> bool:
        policy = self.policy
        tests: dict[Guard, Callable[[], bool]] = {
            "": lambda: True,
            "open_mic": lambda: policy.open_mic,
            "barge_in": lambda: policy.barge_in != "off",
            "barge_in_speech": lambda: policy.barge_in == "speech",
            "followup": lambda: policy.followup_s > 0,
            "no_followup": lambda: policy.followup_s <= 0,
            "speculation": lambda: policy.speculation,
            "may_speculate": lambda: policy.speculation and self._speculations < policy.speculations_a_turn and self._affordable(),
            "same_words": lambda: same_words(event.text, self._speculative_text),
            "urgent": lambda: event.urgent,
            "at_once": lambda: not event.patient,
            "of_speculation": lambda: event.generation == self._alive,
            "meant": lambda: self._heard in MEANT,
            "all_heard": lambda: event.over,
            "not_yet_heard": lambda: not self._all_heard,
            "again": lambda: is_again(event.text),
            "wait": lambda: is_wait(event.text),
            "no_assent": lambda: self._heard is not Meaning.BACKCHANNEL,
        }
        return tests[guard]()

    def _stale(self, event: Event) -> bool:
        if event.kind in _OF_REPLY:
            return event.generation != self._alive or (event.kind is Kind.DEED and event.generation == self._acted)
        if event.kind in _OF_TURN:
            listened_to = self._overheard if self.state is State.HOLDING else self.turn
            return event.turn != listened_to or (event.kind is Kind.LIKELY_END and event.sample < self._resumed)
        if event.kind is Kind.TIMEOUT:
            return event.timer != self._timer
        if event.kind is Kind.FAILED:
            return event.generation not in (0, self._alive) or event.turn not in (0, self.turn, self._overheard)
        return False

    # Actions: each appends commands; their order in a row is the order in which things are done.

    def _new_turn(self, _: Event) -> None:
        self._newest += 1
        self._begin_turn(self._newest)

    def _take_over(self, event: Event) -> None:
        """What is said over the reply is the present turn."""
        self._clear_timer(event)
        self._begin_turn(self._overheard)

    def _begin_turn(self, turn: int) -> None:
        self.turn, self._overheard = turn, 0
        self._user_text = ""
        self._speculations = 0

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
        self._out.append(StartReply(self.generation, self.turn, event.text, event.origin))
        self._await_sound()

    def _act(self, _: Event) -> None:
        """What is said from now on is not added to the words that are being carried out: nothing shall be done twice."""
        self._user_text, self._acted = "", self.generation
        self._out.append(Act(self.generation, self.turn))

    def _prefill(self, event: Event) -> None:
        self._out.append(Prefill(self.turn, event.text))

    def _speculate(self, event: Event) -> None:
        self._next_generation()
        self._speaks_fixed = False
        self._speculations += 1
        self._speculative_text = event.text
        self._out.append(Speculate(self.generation, self.turn, event.text))

    def _confirm(self, event: Event) -> None:
        self._user_text = event.text
        self._out.append(Confirm(self.generation, self.turn))
        self._await_sound()

    def _say_again(self, _: Event) -> None:
        self._next_generation()
        self._speaks_fixed = True
        self._out.append(SayAgain(self.generation, self.turn, self.policy.nothing_said))

    def _await_sound(self) -> None:
        if self.policy.one_moment_s > 0:
            self._out.append(self._timer_for(self.policy.one_moment_s))

    def _one_moment(self, _: Event) -> None:
        self._out.append(Filler(self.policy.one_moment))

    def _heard_sound(self, event: Event) -> None:
        if self.policy.one_moment_s > 0:
            self._clear_timer(event)

    def _drop(self, _: Event) -> None:
        self._out.append(Drop(self.generation, self.turn))
        self._alive = 0

    def _speak(self, event: Event) -> None:
        self._fixed(event.text, event.channel, event.sound)

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

    def _fixed(self, text: str, channel: Loudness = "voice", sound: object = None) -> None:
        self._next_generation()
        self._speaks_fixed = True
        self._out.append(Speak(self.generation, self.turn, text, channel, sound))

    def _pause(self, _: Event) -> None:
        self._out.append(Pause(self.generation))

    def _overhear(self, _: Event) -> None:
        self._newest += 1
        self._overheard, self._heard, self._all_heard = self._newest, Meaning.NOTHING, False
        self._meant_once, self._brief = False, True
        self._out.append(Listen(self._overheard, self._onset, include_preroll=True, eager=True))

    def _stop_overhearing(self, event: Event) -> None:
        self._out.append(StopListening(self._overheard))
        self._clear_timer(event)
        self._overheard = 0

    def _hold(self, _: Event) -> None:
        self._out.append(self._timer_for(self.policy.hold_s))

    def _hold_on_heard(self, _: Event) -> None:
        self._out.append(self._timer_for(self.policy.hold_heard_s))

    def _resume(self, _: Event) -> None:
        self._out.append(Resume(self.generation))

    def _take_back(self, event: Event) -> None:
        self._heard_sound(event)
        self._cancel(heard=False, barge_in=False)

    def _interrupt(self, event: Event) -> None:
        barge_in = event.kind in _BARGE_INS
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


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts say the same, whatever their punctuation and capitals."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    spelled = ("".join(c for c in word.casefold() if c.isalnum()) for word in text.split())
    return [word for word in spelled if word]
