"""The laws of the reply stream, under one thread, many threads, and random orders of calls."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.events import FINISH_REASONS, ReplyFrame, Usage
from edgevoice.pipeline.reply import ReplyStream
from tests.fakes.llm import FlagCancel

ENDINGS = [reason for reason in FINISH_REASONS if reason != "error"]
CALLS = st.one_of(
    st.tuples(st.just("delta"), st.text(max_size=5)),
    st.tuples(st.just("settle"), st.just("")),
    st.tuples(st.just("close"), st.sampled_from(ENDINGS)),
    st.tuples(st.just("fail"), st.text(max_size=5)),
)


def check(frames: list[ReplyFrame], generation: int, turn: int) -> None:
    """The laws that hold for every closed stream."""
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert {(frame.generation, frame.turn) for frame in frames} == {(generation, turn)}
    assert [frame.finish is not None for frame in frames] == [False] * (len(frames) - 1) + [True]
    errors = [frame for frame in frames if frame.error is not None]
    assert len(errors) == (frames[-1].finish == "error")
    assert not errors or errors[0] is frames[-2]
    flags = [frame.provisional for frame in frames]
    assert flags == sorted(flags, reverse=True)  # once settled, settled
    assert all(frame.usage is None for frame in frames[:-1])


class TestLaws:
    @given(st.lists(CALLS, max_size=30), st.booleans(), st.integers(0, 30))
    def test_any_order_of_calls(self, calls: list[tuple[str, str]], provisional: bool, late_at: int) -> None:
        stream = ReplyStream(7, 3, provisional=provisional)
        early, late = stream.read(), None
        said, waiting, closed, settled = "", None, None, not provisional
        for number, (name, value) in enumerate(calls):
            if number == late_at:
                late = stream.read()
            open_for_text = closed is None and waiting is None
            if name == "delta":
                assert stream.delta(value) is open_for_text
                said += value if open_for_text else ""
            elif name == "settle":
                assert stream.settle() is (closed is None and not settled)
                if closed is None:
                    settled, closed = True, waiting
            elif name == "close" and not settled and value != "cancelled":
                assert stream.close(value, Usage(prompt_tokens=5)) is open_for_text  # type: ignore[arg-type]
                waiting = waiting or value
            else:
                did = stream.fail(value) if name == "fail" else stream.close(value, Usage(prompt_tokens=5))  # type: ignore[arg-type]
                assert did is (closed is None)
                closed = closed or ("error" if name == "fail" else value)
            assert stream.closed is (closed is not None)
        if closed is None:
            assert stream.close("cancelled")
            closed = "cancelled"
        frames = early.poll()
        check(frames, 7, 3)
        assert "".join(frame.delta for frame in frames) == said == stream.text
        assert frames[-1].finish == closed == stream.finish
        assert frames[-1].provisional is not settled
        assert (late or stream.read()).poll() == frames
        assert list(stream.read()) == frames

    def test_a_provisional_reply_that_is_written_closes_when_it_is_settled(self) -> None:
        stream = ReplyStream(1, 1, provisional=True)
        ahead, other = stream.read(ahead=True), stream.read()
        stream.delta("Yes.")
        assert not ahead.complete
        assert stream.close("stop", Usage(completion_tokens=1)) and not stream.closed
        first = ahead.get(10)
        assert first is not None and first.delta == "Yes." and ahead.complete
        assert ahead.get(10) is None, "it does not wait for the settling"
        assert [frame.delta for frame in other.poll()] == ["Yes."] and not other.over
        assert not stream.delta("No.") and stream.settle()
        assert [(frame.delta, frame.provisional, frame.finish) for frame in other.poll()] == [("", False, None), ("", False, "stop")]
        assert stream.usage == Usage(completion_tokens=1)

    def test_a_written_reply_may_still_be_taken_back(self) -> None:
        stream = ReplyStream(1, 1, provisional=True)
        stream.delta("Yes.")
        assert stream.close("stop") and stream.close("cancelled") and not stream.settle()
        assert [(frame.provisional, frame.finish) for frame in stream.read()] == [(True, None), (True, "cancelled")]

    def test_an_empty_reply_is_one_closing_frame(self) -> None:
        stream = ReplyStream(1, 1)
        stream.close("stop", Usage(prompt_tokens=9))
        assert list(stream.read()) == [ReplyFrame(1, 1, 0, finish="stop", usage=Usage(prompt_tokens=9))]
        assert stream.usage == Usage(prompt_tokens=9)

    def test_error_is_not_a_finish_to_close_with(self) -> None:
        with pytest.raises(ValueError, match="fail"):
            ReplyStream(1, 1).close("error")

    def test_a_depth_without_room_is_refused(self) -> None:
        with pytest.raises(ValueError, match="depth"):
            ReplyStream(1, 1).read(depth=0)

    def test_frames_as_json(self) -> None:
        stream = ReplyStream(1, 2)
        stream.delta("é")
        stream.fail("no")
        assert [frame.as_dict() for frame in stream.read()] == [
            {"generation": 1, "turn": 2, "seq": 0, "delta": "é", "provisional": False},
            {"generation": 1, "turn": 2, "seq": 1, "delta": "", "provisional": False, "error": "no"},
            {"generation": 1, "turn": 2, "seq": 2, "delta": "", "provisional": False, "finish": "error"}]


class TestReaders:
    def test_many_readers_on_threads_see_the_same(self) -> None:
        stream = ReplyStream(1, 1)
        seen: list[list[ReplyFrame]] = [[] for _ in range(6)]
        readers = [stream.read(hold=index % 2 == 0, depth=index + 1) for index in range(6)]
        threads = [threading.Thread(target=lambda i=index: seen[i].extend(readers[i])) for index in range(6)]
        for thread in threads:
            thread.start()
        for number in range(300):
            assert stream.delta(f"{number} ")
        stream.close("stop")
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        check(seen[0], 1, 1)
        assert len(seen[0]) == 301
        assert all(frames == seen[0] for frames in seen)

    def test_a_holding_reader_holds_the_writer_at_its_depth(self) -> None:
        stream = ReplyStream(1, 1)
        reader = stream.read(hold=True, depth=3)
        slow = stream.read()
        written = threading.Semaphore(0)

        def write() -> None:
            for _ in range(10):
                stream.delta("x")
                written.release()
            stream.close("stop")

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            assert written.acquire(timeout=5)
        assert not written.acquire(timeout=0.05)
        for _ in range(7):
            assert reader.get(5) is not None
            assert written.acquire(timeout=5)
        writer.join(5)
        assert not writer.is_alive()
        assert len(reader.poll()) == 4
        assert len(slow.poll()) == 11

    @pytest.mark.parametrize("how", ["cancel", "reader", "close", "fail"])
    def test_a_held_writer_is_freed(self, how: str) -> None:
        cancel = FlagCancel()
        stream = ReplyStream(1, 1, cancel=cancel)
        reader = stream.read(hold=True, depth=1)
        assert stream.delta("a")
        results: list[bool] = []
        writer = threading.Thread(target=lambda: results.append(stream.delta("b")))
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        {"cancel": cancel.cancel, "reader": reader.close, "close": lambda: stream.close("cancelled"),
         "fail": lambda: stream.fail("broken")}[how]()
        writer.join(5)
        assert results == [how == "reader"]
        stream.close("cancelled")
        check(list(stream.read()), 1, 1)

    def test_the_closing_frame_never_waits(self) -> None:
        stream = ReplyStream(1, 1)
        stream.read(hold=True, depth=1)
        stream.delta("a")
        assert stream.fail("broken")
        assert stream.text == "a"

    def test_a_reader_that_waits_is_woken_by_its_close(self) -> None:
        reader = ReplyStream(1, 1).read(hold=True)
        got: list[ReplyFrame | None] = []
        thread = threading.Thread(target=lambda: got.append(reader.get()))
        thread.start()
        reader.close()
        thread.join(5)
        assert got == [None]
        assert reader.poll() == []

    def test_get_gives_up_after_its_time(self) -> None:
        assert ReplyStream(1, 1).read().get(0.01) is None

    def test_a_listener_is_told_of_each_change_and_of_those_it_missed(self) -> None:
        stream = ReplyStream(1, 1)
        counts = [0, 0]

        def bump(index: int) -> None:
            counts[index] += 1

        stream.listen(lambda: bump(0))
        stream.delta("a")
        stream.listen(lambda: bump(1))
        stream.close("stop")
        assert counts == [2, 2]
