"""The conversation's table: what no sequence of events can break."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.dialog.commands import (
    Act,
    Cancel,
    Command,
    Commit,
    Confirm,
    Drop,
    Event,
    Listen,
    Pause,
    Resume,
    SetTimer,
    Speak,
    Speculate,
    StartReply,
    StopListening,
)
from edgevoice.dialog.machine import Machine, Policy, same_words
from edgevoice.dialog.table import Kind, State

EVENTS = st.builds(Event, st.sampled_from(list(Kind)), sample=st.integers(0, 10**6), turn=st.integers(0, 6), generation=st.integers(0, 6),
                   text=st.sampled_from(["", "a question", "yeah"]), timer=st.integers(0, 8), over=st.booleans(), urgent=st.booleans())
POLICIES = st.builds(Policy, open_mic=st.booleans(), barge_in=st.sampled_from(["off", "wake", "speech"]),
                     followup_s=st.sampled_from([0.0, 6.0]), earcons=st.booleans(), speculation=st.booleans(),
                     speculations_a_turn=st.integers(1, 3))


class Laws:
    """Watches a machine's commands; each law that no sequence of events may break is an assertion here."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.alive = 0
        self.speculative: dict[int, str] = {}
        """text of each speculative reply that is neither confirmed nor dropped; at most one"""
        self.dead: set[int] = set()
        self.acted: set[int] = set()
        self.listening = 0
        self.turns: dict[int, int] = {}

    def handle(self, event: Event) -> list[Command]:
        machine = self.machine
        before = machine.turn, machine.generation, machine.state
        commands = machine.handle(event)
        for command in commands:
            self._see(command, event)
        if event.kind is Kind.DRAINED and machine.state in (State.IDLE, State.FOLLOWUP, State.LISTENING):
            self.alive = 0
        assert machine.turn >= before[0] and machine.generation >= before[1]
        assert (machine.state in (State.THINKING, State.SPEAKING, State.HOLDING)) == (self.alive > 0 and not self.speculative)
        assert (machine.state is State.SPECULATING) == bool(self.speculative)
        assert machine.state not in (State.LISTENING, State.SPECULATING) or self.listening == machine.turn
        assert machine.state is not State.HOLDING or self.listening > machine.turn, "nobody hears what is said over the reply"
        if event.kind is Kind.STOP and not any(isinstance(command, Speak) for command in commands):
            assert machine.state is State.IDLE
        if before[2] is State.SPECULATING and event.kind in (Kind.SPEECH_START, Kind.WAKE):
            assert not self.speculative, "it went on over the user's words"
        return commands

    def _see(self, command: Command, event: Event) -> None:
        generation = getattr(command, "generation", None)
        assert generation not in self.dead, "a dead generation was spoken of"
        if isinstance(command, StartReply | Speak | Speculate):
            assert self.alive == 0, "a reply began while another was alive"
            assert command.generation > max(self.dead, default=0)
            self.alive = command.generation
            if isinstance(command, Speculate):
                self.speculative[command.generation] = command.text
                self.turns[command.turn] = self.turns.get(command.turn, 0) + 1
                assert self.turns[command.turn] <= self.machine.policy.speculations_a_turn and self.machine.policy.speculation
                assert event.kind is Kind.LIKELY_END and event.text == command.text
        elif isinstance(command, Confirm):
            assert event.kind is Kind.TURN_ENDED and same_words(event.text, self.speculative.pop(command.generation))
        elif isinstance(command, Drop):
            del self.speculative[command.generation]
            self._dies(command.generation)
        elif isinstance(command, Cancel | Commit):
            assert command.generation not in self.speculative, "what nobody heard became history"
            self._dies(command.generation)
        elif isinstance(command, Pause | Resume | Act):
            assert command.generation == self.alive and not self.speculative
            if isinstance(command, Act):
                assert command.generation not in self.acted, "it was done twice"
                self.acted.add(command.generation)
        elif isinstance(command, Listen):
            assert command.turn > self.listening or command.turn == self.machine.turn, "a number was used again"
            self.listening = command.turn
        elif isinstance(command, StopListening):
            assert command.turn == self.listening

    def _dies(self, generation: int) -> None:
        assert generation == self.alive
        self.alive = 0
        self.dead.add(generation)


@settings(max_examples=300)
@given(POLICIES, st.lists(EVENTS, max_size=60))
def test_no_sequence_of_events_breaks_the_laws(policy: Policy, events: list[Event]) -> None:
    laws = Laws(Machine(policy))
    for event in events:
        laws.handle(event)


@settings(max_examples=500)
@given(POLICIES, st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(0, 9), st.integers(0, 3)), min_size=100, max_size=100))
def test_no_conversation_breaks_the_laws(policy: Policy, steps: list[tuple[Kind, int, int]]) -> None:
    """50,000 events that mostly belong to the present turn and reply, and so get deep into the table."""
    laws = Laws(Machine(policy, affordable=lambda: steps[0][1] < 8))
    machine = laws.machine
    timer = 0
    for at, (kind, stale, text) in enumerate(steps):
        present = stale > 0
        listening = laws.listening if machine.state is State.HOLDING else machine.turn
        event = Event(kind, sample=at * 1000 if present else 0, turn=listening if present else listening - 1, over=at % 2 > 0,
                      generation=machine.generation if present else machine.generation - 1,
                      text=("yeah", "Go on.", "turn on the light", "")[text], timer=timer if present else timer - 1)
        for command in laws.handle(event):
            if isinstance(command, SetTimer):
                timer = command.timer
