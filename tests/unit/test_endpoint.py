"""The end of a turn, frame by frame."""

from __future__ import annotations

from edgevoice.dialog.endpoint import EndpointRule, Mark, Utterance

FRAME = 512
RULE = EndpointRule(onset=0.5, offset=0.35, min_speech=1024, pause=2560, endpoint=9600, longest=160_000)


def run(pattern: list[float], rule: EndpointRule = RULE, start: int = 0) -> list[tuple[int, Mark]]:
    utterance = Utterance(start, rule)
    out = []
    for k, probability in enumerate(pattern):
        out += [(k, mark) for mark in utterance.feed(probability, (k + 1) * FRAME, FRAME)]
    return out


def test_silence_never_ends_a_turn() -> None:
    assert run([0.0] * 200) == []


def test_speech_pause_end() -> None:
    marks = run([0.9] * 10 + [0.0] * 20)
    assert marks == [(1, Mark.SPEECH), (14, Mark.PAUSE), (28, Mark.END)]  # pause after 5 silent frames, the end after 18.75


def test_speech_that_goes_on_takes_the_pause_back() -> None:
    marks = [mark for _, mark in run([0.9] * 10 + [0.0] * 8 + [0.9] * 3 + [0.0] * 20)]
    assert marks == [Mark.SPEECH, Mark.PAUSE, Mark.RESUME, Mark.PAUSE, Mark.END]


def test_a_click_is_not_speech() -> None:
    assert run([0.9] + [0.0] * 60) == []


def test_hysteresis_keeps_weak_speech_going() -> None:
    assert [mark for _, mark in run([0.55, 0.55] + [0.43] * 40)] == [Mark.SPEECH]
    assert run([0.4] * 40) == []


def test_who_was_heard_clearly_is_not_thought_to_go_on_in_a_murmur() -> None:
    assert (14, Mark.PAUSE) in run([0.95] * 10 + [0.6] * 10), "a kitchen, by its probability"
    assert [mark for _, mark in run([0.6] * 20)] == [Mark.SPEECH], "a voice, where no other is clearer"


def test_a_monologue_is_closed() -> None:
    marks = run([0.9] * 400)
    assert marks == [(1, Mark.SPEECH), (312, Mark.END)]


def test_frames_before_the_start_do_not_count() -> None:
    assert run([0.9] * 10 + [0.0] * 40, start=10 * FRAME) == []


PATIENT = EndpointRule(onset=0.5, offset=0.35, min_speech=1024, pause=2560, endpoint=9600, longest=160_000, resume=2048)


def test_a_rattle_after_the_last_word_neither_takes_the_pause_back_nor_begins_the_wait_anew() -> None:
    marks = run([0.9] * 10 + [0.0] * 8 + [0.8] * 3 + [0.0] * 20, PATIENT)
    assert marks == [(1, Mark.SPEECH), (14, Mark.PAUSE), (28, Mark.END)], "as if there had been silence"


def test_speech_that_goes_on_counts_from_its_first_frame() -> None:
    utterance = Utterance(0, PATIENT)
    marks = []
    for k, probability in enumerate([0.9] * 10 + [0.0] * 8 + [0.9] * 6 + [0.0] * 30):
        marks += [(k, mark) for mark in utterance.feed(probability, (k + 1) * FRAME, FRAME)]
    assert marks == [(1, Mark.SPEECH), (14, Mark.PAUSE), (21, Mark.RESUME), (28, Mark.PAUSE), (42, Mark.END)]
    assert utterance.pauses == [8 * FRAME]


def test_the_turn_does_not_end_while_it_is_not_known_whether_somebody_speaks_again() -> None:
    speech = [0.9] * 10 + [0.0] * 17
    assert run([*speech, *[0.9] * 6], PATIENT)[-1] == (30, Mark.RESUME), "the wait ran out at frame 28"
    assert run([*speech, 0.9, 0.9, 0.9, 0.0], PATIENT)[-1] == (30, Mark.END)


def test_a_monologue_of_rattles_is_closed_too() -> None:
    assert run([0.9] * 5 + [0.0] * 6 + [0.9] * 400, EndpointRule(0.5, 0.35, 1024, 2560, 9600, 160_000, resume=10**9))[-1] == (312, Mark.END)
