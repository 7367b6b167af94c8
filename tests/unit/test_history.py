"""History: strict alternation, whole turns, what was heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.dialog.history import CUT, OVERHEAD_TOKENS, History, Turn
from edgevoice.events import Message

TURNS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20), st.booleans()), max_size=20)


def count(text: str) -> int:
    return len(text.split())


def roles(messages: tuple[Message, ...]) -> str:
    return "".join(message.role[0] for message in messages)


class TestLaws:
    @given(TURNS, st.integers(0, 6), st.one_of(st.none(), st.integers(1, 120)), st.sampled_from(["", "Be brief."]), st.text(max_size=20))
    def test_messages(self, turns: list[tuple[str, str, bool]], max_turns: int, budget: int | None, system: str, text: str) -> None:
        history = History(system, max_turns=max_turns, max_tokens=budget, count=count)
        for user, heard, interrupted in turns:
            history.commit(user, heard, interrupted=interrupted)
            assert len(history.turns) <= max_turns
        messages = history.messages(text)
        talk = roles(messages)[1 if system else 0:]
        assert roles(messages).startswith("s") is bool(system)
        assert talk == "ua" * (len(talk) // 2) + "u"
        assert messages[-1].content.endswith(text.strip())
        assert all(message.content for message in messages if message.role == "assistant")
        kept = [Turn(user.strip(), heard.strip(), interrupted) for user, heard, interrupted in turns]
        assert list(history.turns) == kept[len(kept) - len(history.turns):]
        if budget is not None and len(messages) > 1 + bool(system):
            assert sum(count(m.content) + OVERHEAD_TOKENS for m in messages) <= budget

    @given(TURNS, st.text(max_size=20))
    def test_asking_changes_nothing(self, turns: list[tuple[str, str, bool]], text: str) -> None:
        history = History("Be brief.", max_turns=4, max_tokens=60, count=count)
        for user, heard, interrupted in turns:
            history.commit(user, heard, interrupted=interrupted)
        before = history.turns
        assert history.messages(text) == history.messages(text)
        assert history.turns == before


class TestTurns:
    def test_a_conversation_grows_at_its_end(self) -> None:
        history = History("Be brief.", max_turns=5)
        first = history.messages("Hello.")
        assert first == (Message("system", "Be brief."), Message("user", "Hello."))
        history.commit("Hello.", "Good day.")
        second = history.messages("How are you?")
        assert second == (*first, Message("assistant", "Good day."), Message("user", "How are you?"))
        assert history.context() == second[:-1]

    def test_without_turns_there_is_no_memory(self) -> None:
        history = History("", max_turns=0)
        history.commit("Hello.", "Good day.")
        assert history.messages("Who?") == (Message("user", "Who?"),)

    def test_the_oldest_turn_leaves_whole(self) -> None:
        history = History("", max_turns=2)
        for number in range(4):
            history.commit(f"q{number}", f"a{number}")
        assert [m.content for m in history.messages("q4")] == ["q2", "a2", "q3", "a3", "q4"]

    def test_the_budget_counts_the_question_too(self) -> None:
        history = History("Be brief.", max_turns=9, max_tokens=60, count=count)
        history.commit("one two three", "four five six")
        assert roles(history.messages("seven")) == "suau"
        assert roles(history.messages("word " * 30)) == "su"
        assert roles(history.messages("word " * 100)) == "su"
        assert len(history.turns) == 1

    def test_an_interrupted_reply_shows_where_it_was_cut(self) -> None:
        history = History("", max_turns=9)
        history.commit("Tell me.", "Once upon a time,", interrupted=True)
        history.commit("Go on.", "There was a king.", interrupted=True)
        assert [m.content for m in history.messages("And?")][1::2] == ["Once upon a time" + CUT, "There was a king."]

    def test_an_unheard_reply_leaves_its_question_to_the_next(self) -> None:
        history = History("", max_turns=9)
        history.commit("My name is Sam.", "", interrupted=True)
        history.commit("I like tea.", "")
        assert history.messages("What do I like?") == (Message("user", "My name is Sam.\nI like tea.\nWhat do I like?"),)
        history.commit("What do I like?", "Tea.")
        assert roles(history.messages("Thanks.")) == "uau"

    def test_clear(self) -> None:
        history = History("Be brief.", max_turns=9)
        history.commit("a", "b")
        history.clear()
        assert roles(history.messages("c")) == "su"

    @pytest.mark.parametrize("arguments", [{"max_turns": -1}, {"max_turns": 1, "max_tokens": 5},
                                           {"max_turns": 1, "max_tokens": 0, "count": count}])
    def test_nonsense_is_refused(self, arguments: dict[str, object]) -> None:
        with pytest.raises(ValueError):
            History("", **arguments)  # type: ignore[arg-type]
