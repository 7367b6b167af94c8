"""The conversation's table: what each row does, and what no sequence of events can break."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgevoice.dialog.machine import Cancel, Commit, Earcon, Event, Listen, Machine, Pause, Policy, Resume, SetTimer, Speak, StartReply
from edgevoice.dialog.table import TABLE, Kind, State


def answered(machine: Machine, text: str = "hello") -> int:
    """Bring a fresh machine to SPEAKING; the generation that speaks."""
    machine.handle(Event(Kind.WAKE, sample=100))
    machine.handle(Event(Kind.TURN_ENDED, turn=machine.turn, text=text))
    machine.handle(Event(Kind.FIRST_AUDIO, generation=machine.generation))
    assert machine.state is State.SPEAKING
    return machine.generation


def kinds(commands: list[object]) -> list[type]:
    return [type(command) for command in commands]


def test_wake_listens_from_the_wake_words_end_and_sets_a_timer() -> None:
    machine = Machine(Policy(earcons=False))
    commands = machine.handle(Event(Kind.WAKE, sample=4800))
    assert commands == [Listen(1, 4800), SetTimer(6.0, 1)]
    assert machine.state is State.LISTENING


def test_a_turn_becomes_a_reply_with_a_new_generation() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.WAKE))
    commands = machine.handle(Event(Kind.TURN_ENDED, turn=1, text="why is the sky blue"))
    assert StartReply(1, 1, "why is the sky blue") in commands
    assert machine.state is State.THINKING


def test_speech_over_the_reply_pauses_and_its_end_resumes_after_a_moment() -> None:
    machine = Machine(Policy())
    generation = answered(machine)
    assert machine.handle(Event(Kind.SPEECH_START, sample=9000)) == [Pause(generation)]
    (timer,) = machine.handle(Event(Kind.SPEECH_END, sample=9900))
    assert isinstance(timer, SetTimer) and timer.seconds == machine.policy.hold_s and machine.state is State.HOLDING
    assert machine.handle(Event(Kind.TIMEOUT, timer=timer.timer)) == [Resume(generation)]
    assert machine.state is State.SPEAKING


def test_short_words_one_after_another_are_one_interruption_from_the_first_on() -> None:
    machine = Machine(Policy())
    generation = answered(machine)
    machine.handle(Event(Kind.SPEECH_START, sample=9000))
    (timer,) = machine.handle(Event(Kind.SPEECH_END, sample=9900))
    assert isinstance(timer, SetTimer)
    machine.handle(Event(Kind.SPEECH_START, sample=12000))
    assert machine.handle(Event(Kind.TIMEOUT, timer=timer.timer)) == [] and machine.state is State.HOLDING
    assert machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=9000)) == [
        Cancel(generation, 1, heard=True, barge_in=True), Listen(2, 9000, include_preroll=True)]


def test_a_turn_that_only_says_stop_is_obeyed_without_an_answer() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.WAKE))
    assert Earcon("done") in machine.handle(Event(Kind.TURN_STOP, turn=1, text="stop"))
    assert machine.state is State.IDLE and machine.generation == 0


def test_confirmed_speech_interrupts_and_listens_from_its_onset() -> None:
    machine = Machine(Policy())
    generation = answered(machine)
    machine.handle(Event(Kind.SPEECH_START, sample=9000))
    commands = machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=9000))
    assert commands == [Cancel(generation, 1, heard=True, barge_in=True), Listen(2, 9000, include_preroll=True)]


def test_policy_wake_ignores_speech_over_the_reply() -> None:
    machine = Machine(Policy(barge_in="wake"))
    generation = answered(machine)
    assert machine.handle(Event(Kind.SPEECH_START, sample=9000)) == []
    assert Cancel(generation, 1, heard=True, barge_in=True) in machine.handle(Event(Kind.WAKE, sample=9500))


def test_policy_off_ignores_the_wake_word_over_the_reply() -> None:
    machine = Machine(Policy(barge_in="off"))
    answered(machine)
    assert machine.handle(Event(Kind.WAKE, sample=9500)) == []
    assert machine.state is State.SPEAKING


def test_going_on_while_we_think_keeps_what_was_said() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.WAKE))
    machine.handle(Event(Kind.TURN_ENDED, turn=1, text="turn on the"))
    machine.handle(Event(Kind.SPEECH_START, sample=7000))
    commands = machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=7000))
    assert commands == [Cancel(1, 1, heard=False, barge_in=False), Listen(1, 7000, carry="turn on the", include_preroll=True)]


def test_a_dead_generation_changes_nothing() -> None:
    machine = Machine(Policy())
    generation = answered(machine)
    machine.handle(Event(Kind.SPEECH_START, sample=1))
    machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=1))
    for kind in (Kind.DRAINED, Kind.FIRST_AUDIO, Kind.REPLY_EMPTY, Kind.FAILED):
        assert machine.handle(Event(kind, generation=generation)) == []
    assert machine.state is State.LISTENING


def test_a_timer_that_was_replaced_does_not_ring() -> None:
    machine = Machine(Policy())
    (old,) = [c for c in machine.handle(Event(Kind.WAKE)) if isinstance(c, SetTimer)]
    machine.handle(Event(Kind.SPEECH_START))
    assert machine.handle(Event(Kind.TIMEOUT, timer=old.timer)) == []
    assert machine.state is State.LISTENING


def test_a_reply_without_words_and_a_failure_are_spoken_of() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.ASK, text="?"))
    empty = machine.handle(Event(Kind.REPLY_EMPTY, generation=machine.generation))
    assert any(isinstance(c, Speak) and c.text == machine.policy.empty_reply for c in empty)
    failed = machine.handle(Event(Kind.FAILED, generation=machine.generation))
    assert Earcon("error") in failed and any(isinstance(c, Speak) and c.text == "" for c in failed)


def test_announcements_wait_for_a_pause_in_the_conversation() -> None:
    machine = Machine(Policy(followup_s=0))
    generation = answered(machine)
    assert machine.handle(Event(Kind.SAY, text="the door is open")) == []
    commands = machine.handle(Event(Kind.DRAINED, generation=generation))
    assert Commit(generation, 1) in commands and any(isinstance(c, Speak) for c in commands)
    assert machine.state is State.SPEAKING


def test_every_state_can_be_stopped_and_every_row_is_reachable_by_name() -> None:
    assert {row.state for row in TABLE if row.event is Kind.STOP} == set(State) - {State.IDLE}
    for row in TABLE:
        for action in row.actions:
            assert callable(getattr(Machine, "_" + action))


EVENTS = st.builds(Event, st.sampled_from(list(Kind)), sample=st.integers(0, 10**6), turn=st.integers(0, 6), generation=st.integers(0, 6),
                   text=st.sampled_from(["", "a question"]), timer=st.integers(0, 8))
POLICIES = st.builds(Policy, open_mic=st.booleans(), barge_in=st.sampled_from(["off", "wake", "speech"]),
                     followup_s=st.sampled_from([0.0, 6.0]), earcons=st.booleans())


@settings(max_examples=300, deadline=None)
@given(POLICIES, st.lists(EVENTS, max_size=60))
def test_no_sequence_of_events_breaks_the_laws(policy: Policy, events: list[Event]) -> None:
    machine = Machine(policy)
    alive: int = 0
    listening: int = 0
    for event in events:
        before_turn, before_generation = machine.turn, machine.generation
        for command in machine.handle(event):
            if isinstance(command, StartReply | Speak):
                assert alive == 0, "a reply began while another was alive"
                assert command.generation > before_generation
                alive = command.generation
                before_generation = command.generation
                listening = 0 if isinstance(command, StartReply) else listening
            elif isinstance(command, Cancel | Commit):
                assert command.generation == alive
                alive = 0
            elif isinstance(command, Pause | Resume):
                assert command.generation == alive
            elif isinstance(command, Listen):
                listening = command.turn
                assert command.turn == machine.turn
        if event.kind is Kind.DRAINED and machine.state in (State.IDLE, State.FOLLOWUP, State.LISTENING):
            alive = 0
        assert machine.turn >= before_turn
        assert (machine.state in (State.THINKING, State.SPEAKING, State.HOLDING)) == (alive > 0)
        assert machine.state is not State.LISTENING or listening == machine.turn
