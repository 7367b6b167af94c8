"""The conversation's table: what each row does."""

from __future__ import annotations

import pytest

from edgevoice.dialog.bargein import Meaning, weigh
from edgevoice.dialog.commands import (
    Cancel,
    ClearTimer,
    Commit,
    Confirm,
    Drop,
    Earcon,
    Event,
    Listen,
    Pause,
    Prefill,
    Resume,
    SetTimer,
    Speak,
    Speculate,
    StartReply,
    StopListening,
)
from edgevoice.dialog.machine import Machine, Policy
from edgevoice.dialog.table import TABLE, Kind, State

OVERHEAR = Listen(2, 9000, include_preroll=True, eager=True)


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
    assert machine.handle(Event(Kind.SPEECH_START, sample=9000)) == [Pause(generation), OVERHEAR]
    (timer,) = machine.handle(Event(Kind.SPEECH_END, sample=9900))
    assert isinstance(timer, SetTimer) and timer.seconds == machine.policy.hold_s and machine.state is State.HOLDING
    assert machine.handle(Event(Kind.TIMEOUT, timer=timer.timer)) == [StopListening(2), ClearTimer(), Resume(generation)]
    assert machine.state is State.SPEAKING


def test_short_words_one_after_another_are_one_interruption_from_the_first_on() -> None:
    machine = Machine(Policy())
    generation = answered(machine)
    machine.handle(Event(Kind.SPEECH_START, sample=9000))
    (timer,) = machine.handle(Event(Kind.SPEECH_END, sample=9900))
    assert isinstance(timer, SetTimer)
    machine.handle(Event(Kind.SPEECH_START, sample=12000))
    assert machine.handle(Event(Kind.TIMEOUT, timer=timer.timer)) == [] and machine.state is State.HOLDING
    assert machine.handle(Event(Kind.SPEECH_LASTS, sample=9000)) == [
        Cancel(generation, 1, heard=True, barge_in=True), ClearTimer()]
    assert machine.state is State.LISTENING and machine.turn == 2


def test_a_turn_that_only_says_stop_is_obeyed_without_an_answer() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.WAKE))
    assert Earcon("done") in machine.handle(Event(Kind.TURN_STOP, turn=1, text="stop"))
    assert machine.state is State.IDLE and machine.generation == 0


def test_who_says_wait_is_listened_to() -> None:
    machine = Machine(Policy(earcons=False))
    machine.handle(Event(Kind.WAKE))
    listen, timer = machine.handle(Event(Kind.TURN_STOP, turn=1, sample=700, text="Wait a second."))
    assert listen == Listen(1, 700) and isinstance(timer, SetTimer) and machine.state is State.LISTENING
    held, generation = spoken_over()
    commands = held.handle(Event(Kind.TURN_STOP, turn=2, sample=900, text="Wait."))
    assert commands[0] == Cancel(generation, 1, heard=True, barge_in=True) and Listen(2, 900) in commands
    assert held.state is State.LISTENING


def spoken_over() -> tuple[Machine, int]:
    """A machine whose reply, of the returned generation, is paused."""
    machine = Machine(Policy(earcons=False))
    generation = answered(machine)
    assert machine.handle(Event(Kind.SPEECH_START, sample=9000)) == [Pause(generation), OVERHEAR]
    return machine, generation


@pytest.mark.parametrize("text", ["can I have", "Stop", "wait", "yeah but no"])
def test_words_that_are_meant_interrupt_while_they_are_spoken(text: str) -> None:
    machine, generation = spoken_over()
    assert machine.handle(Event(Kind.WORDS, turn=1, text=text)) == [], "words of the turn that is answered"
    if weigh(text, over=False) is Meaning.WORDS:
        assert machine.handle(Event(Kind.WORDS, turn=2, text=text)) == [], "one reading of half a word is not enough"
    assert machine.handle(Event(Kind.WORDS, turn=2, text=text)) == [Cancel(generation, 1, heard=True, barge_in=True), ClearTimer()]
    assert machine.state is State.LISTENING and machine.turn == 2
    assert machine.handle(Event(Kind.TURN_ENDED, turn=2, text=text))[-1] == StartReply(2, 2, text)


@pytest.mark.parametrize("text", ["", "Mm-hm.", "yeah, right", "You"])
def test_assent_and_noise_let_the_reply_go_on_soon(text: str) -> None:
    machine, generation = spoken_over()
    assert machine.handle(Event(Kind.WORDS, turn=2, text=text)) == []
    (timer,) = machine.handle(Event(Kind.WORDS, turn=2, text=text, over=True))
    assert isinstance(timer, SetTimer) and timer.seconds == machine.policy.hold_heard_s
    assert machine.handle(Event(Kind.SPEECH_END, sample=9900)) == [], "the timer runs already"
    assert machine.handle(Event(Kind.TIMEOUT, timer=timer.timer)) == [StopListening(2), ClearTimer(), Resume(generation)]
    assert machine.state is State.SPEAKING and machine.turn == 1
    assert machine.handle(Event(Kind.WORDS, turn=2, text="can I have")) == [], "nobody listens any more"
    again = machine.handle(Event(Kind.SPEECH_START, sample=19000))
    assert again == [Pause(generation), Listen(3, 19000, include_preroll=True, eager=True)], "a turn's number is never used again"


def test_one_word_interrupts_once_it_is_all() -> None:
    machine, _ = spoken_over()
    assert machine.handle(Event(Kind.WORDS, turn=2, text="lights")) == []
    assert machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=9000)) == []
    assert machine.handle(Event(Kind.WORDS, turn=2, text="lights", over=True))
    assert machine.state is State.LISTENING


def test_a_grunt_that_reads_as_a_word_lets_the_reply_go_on() -> None:
    machine, generation = spoken_over()
    (timer,) = machine.handle(Event(Kind.WORDS, turn=2, text="That.", over=True))
    assert isinstance(timer, SetTimer) and machine.state is State.HOLDING
    assert machine.handle(Event(Kind.TURN_ENDED, turn=2, text="That."))[-1] == Resume(generation)
    assert machine.handle(Event(Kind.SPEECH_START, sample=19000))
    assert machine.handle(Event(Kind.WORDS, turn=3, text="Stop", over=True))[0] == Cancel(generation, 1, heard=True, barge_in=True)


def test_assent_may_last_and_what_nobody_understands_may_not() -> None:
    machine, _ = spoken_over()
    machine.handle(Event(Kind.WORDS, turn=2, text="yeah yeah okay"))
    assert machine.handle(Event(Kind.SPEECH_LASTS, sample=9000)) == [] and machine.state is State.HOLDING
    silent, _ = spoken_over()
    assert silent.handle(Event(Kind.SPEECH_LASTS, sample=9000)) and silent.state is State.LISTENING


def test_a_turn_that_ended_over_the_reply_is_weighed_whole() -> None:
    machine, generation = spoken_over()
    machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=9000))
    assert machine.handle(Event(Kind.TURN_ENDED, turn=2, text="Lights")) == [
        Cancel(generation, 1, heard=True, barge_in=True), ClearTimer(), StartReply(2, 2, "Lights")]
    assenting, generation = spoken_over()
    assert assenting.handle(Event(Kind.TURN_ENDED, turn=2, text="Yeah.")) == [StopListening(2), ClearTimer(), Resume(generation)]
    stopped, generation = spoken_over()
    assert stopped.handle(Event(Kind.TURN_STOP, turn=2, text="Stop.")) == [Cancel(generation, 1, heard=True, barge_in=True), ClearTimer()]
    assert stopped.state is State.IDLE


def test_a_recognizer_that_fails_over_the_reply_is_spoken_of() -> None:
    machine, generation = spoken_over()
    commands = machine.handle(Event(Kind.FAILED, turn=2))
    assert commands[:3] == [Cancel(generation, 1, heard=True, barge_in=False), StopListening(2), ClearTimer()]
    assert isinstance(commands[-1], Speak) and machine.state is State.SPEAKING


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
    machine.handle(Event(Kind.SPEECH_LASTS, sample=1))
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


def speculating(text: str = "turn on the light", *, policy: Policy | None = None) -> Machine:
    machine = Machine(policy or Policy(earcons=False))
    machine.handle(Event(Kind.WAKE, sample=100))
    machine.handle(Event(Kind.SPEECH_START, sample=200))
    commands = machine.handle(Event(Kind.LIKELY_END, sample=9000, turn=1, text=text))
    assert commands == [ClearTimer(), Speculate(1, 1, text)] and machine.state is State.SPECULATING
    return machine


def test_a_turn_that_ends_as_it_was_guessed_has_its_answer() -> None:
    machine = speculating("turn on the light")
    assert machine.handle(Event(Kind.TURN_ENDED, turn=1, text="Turn on the light.")) == [Confirm(1, 1)]
    assert machine.state is State.THINKING
    machine.handle(Event(Kind.FIRST_AUDIO, generation=1))
    assert machine.handle(Event(Kind.DRAINED, generation=1))[0] == Commit(1, 1)


def test_a_turn_that_ends_otherwise_is_answered_anew() -> None:
    machine = speculating("turn on the")
    assert machine.handle(Event(Kind.TURN_ENDED, turn=1, text="turn on the light")) == [Drop(1, 1), StartReply(2, 1, "turn on the light")]


def test_speech_that_goes_on_drops_the_answer_and_a_pause_makes_another() -> None:
    machine = speculating("turn on the")
    assert machine.handle(Event(Kind.SPEECH_RESUMED, sample=9500, turn=1)) == [Drop(1, 1)]
    assert machine.state is State.LISTENING
    assert machine.handle(Event(Kind.LIKELY_END, sample=9000, turn=1, text="turn on the")) == [], "a pause of before it went on"
    assert machine.handle(Event(Kind.LIKELY_END, sample=15000, turn=1, text="turn on the light")) == [
        ClearTimer(), Speculate(2, 1, "turn on the light")]


def test_going_on_after_a_confirmed_answer_keeps_what_was_said() -> None:
    machine = speculating("turn on the")
    machine.handle(Event(Kind.TURN_ENDED, turn=1, text="turn on the"))
    machine.handle(Event(Kind.SPEECH_START, sample=12000))
    commands = machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=12000))
    assert commands == [Cancel(1, 1, heard=False, barge_in=False), Listen(1, 12000, carry="turn on the", include_preroll=True)]


def test_an_answer_that_fails_unheard_is_no_failure_yet() -> None:
    machine = speculating()
    assert machine.handle(Event(Kind.FAILED, turn=1, generation=1)) == [Drop(1, 1)] and machine.state is State.LISTENING
    assert machine.handle(Event(Kind.TURN_ENDED, turn=1, text="turn on the light")) == [ClearTimer(), StartReply(2, 1, "turn on the light")]


def test_a_recognizer_that_fails_meanwhile_is_spoken_of() -> None:
    machine = speculating()
    commands = machine.handle(Event(Kind.FAILED, turn=1))
    assert commands[0] == Drop(1, 1) and isinstance(commands[-1], Speak) and machine.state is State.THINKING


def test_a_turn_has_so_many_answers_and_a_device_as_it_can_afford() -> None:
    machine = speculating(policy=Policy(earcons=False, speculations_a_turn=2))
    for sample in (10_000, 20_000):
        machine.handle(Event(Kind.SPEECH_RESUMED, sample=sample, turn=1))
        machine.handle(Event(Kind.LIKELY_END, sample=sample + 5000, turn=1, text="and"))
    assert machine.generation == 2 and machine.state is State.LISTENING
    poor = Machine(Policy(), affordable=lambda: False)
    poor.handle(Event(Kind.WAKE))
    assert poor.handle(Event(Kind.LIKELY_END, sample=1, turn=1, text="and")) == [] and poor.state is State.LISTENING


def test_what_is_sure_is_read_ahead() -> None:
    machine = Machine(Policy())
    machine.handle(Event(Kind.WAKE))
    assert machine.handle(Event(Kind.PARTIAL, turn=1, text="turn on")) == [Prefill(1, "turn on")]
    assert machine.handle(Event(Kind.PARTIAL, turn=0, text="turn on")) == []
    plain = Machine(Policy(speculation=False))
    plain.handle(Event(Kind.WAKE))
    assert plain.handle(Event(Kind.PARTIAL, turn=1, text="turn on")) == []


def test_silence_drops_what_waits_and_muting_does_not() -> None:
    for silencing, left in ((Event(Kind.STOP), 0), (Event(Kind.TURN_STOP, turn=1), 0), (Event(Kind.UNHEARD), 1)):
        machine = Machine(Policy())
        machine.handle(Event(Kind.WAKE))
        assert machine.handle(Event(Kind.SAY, text="the kettle boils")) == [] and len(machine.waiting) == 1
        spoken = [command for command in machine.handle(silencing) if isinstance(command, Speak)]
        assert len(spoken) == left and not machine.waiting
        assert machine.state is (State.SPEAKING if left else State.IDLE)


def test_what_is_urgent_waits_in_no_state() -> None:
    assert {row.state for row in TABLE if row.event is Kind.SAY} == set(State)
    machine = Machine(Policy())
    machine.handle(Event(Kind.ASK, text="how are you"))
    machine.handle(Event(Kind.SAY, text="the kettle boils"))
    commands = machine.handle(Event(Kind.SAY, text="fire", urgent=True, channel="alarm"))
    assert commands == [Cancel(1, 1, heard=False, barge_in=False), Speak(2, 2, "fire", "alarm")]
    assert [event.text for event in machine.waiting] == ["the kettle boils"]


def test_every_state_can_be_told_to_listen() -> None:
    assert {row.state for row in TABLE if row.event is Kind.LISTEN} == set(State)


def test_every_state_can_be_stopped_and_every_row_is_reachable_by_name() -> None:
    assert {row.state for row in TABLE if row.event is Kind.STOP} == set(State) - {State.IDLE}
    for row in TABLE:
        for action in row.actions:
            assert callable(getattr(Machine, "_" + action))




def test_no_deed_is_ordered_before_the_turn_is_over_nor_after_it_was_taken_back() -> None:
    machine = speculating()
    assert machine.handle(Event(Kind.DEED, turn=1, generation=1)) == []
    machine.handle(Event(Kind.TURN_ENDED, turn=1, text="turn on the"))
    machine.handle(Event(Kind.SPEECH_CONFIRMED, sample=12000))
    assert machine.state is State.LISTENING and machine.handle(Event(Kind.DEED, turn=1, generation=1)) == []


def test_a_patient_question_waits_and_goes_before_announcements() -> None:
    machine = Machine(Policy(followup_s=0))
    generation = answered(machine)
    machine.handle(Event(Kind.SAY, text="the door is open"))
    for origin in ("one", "two"):
        assert machine.handle(Event(Kind.ASK, text="who was Ada", patient=True, origin=origin)) == []
    for origin in ("one", "two"):
        commands = machine.handle(Event(Kind.DRAINED, generation=generation))
        (begun,) = [command for command in commands if isinstance(command, StartReply)]
        assert begun.origin == origin and machine.state is State.THINKING
        generation = begun.generation
        machine.handle(Event(Kind.FIRST_AUDIO, generation=generation))
    assert any(isinstance(command, Speak) for command in machine.handle(Event(Kind.DRAINED, generation=generation)))


def test_a_patient_question_waits_for_nobody_where_nothing_goes_on_and_is_dropped_by_silence() -> None:
    machine = Machine(Policy())
    assert any(isinstance(c, StartReply) for c in machine.handle(Event(Kind.ASK, text="who was Ada", patient=True)))
    machine.handle(Event(Kind.ASK, text="who was Charles", patient=True))
    assert len(machine.questions) == 1
    machine.handle(Event(Kind.STOP))
    assert not machine.questions and machine.state is State.IDLE
