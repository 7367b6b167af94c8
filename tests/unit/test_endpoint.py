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
    assert [mark for _, mark in run([0.9, 0.9] + [0.4] * 40)] == [Mark.SPEECH]
    assert run([0.4] * 40) == []


def test_a_monologue_is_closed() -> None:
    marks = run([0.9] * 400)
    assert marks == [(1, Mark.SPEECH), (312, Mark.END)]


def test_frames_before_the_start_do_not_count() -> None:
    assert run([0.9] * 10 + [0.0] * 40, start=10 * FRAME) == []
