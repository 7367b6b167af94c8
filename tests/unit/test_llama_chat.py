"""Chat templates and token prefixes, with a tokenizer of one token a character (and a few longer ones)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.engines.llama_chat import CHATML, Assembler, ChatTemplate, Piece, Prompt
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import Message

NO_SYSTEM = ("{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
             "[{{ m.role }}]{{ m.content | trim }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}")
PAIR = 1_000_000
"""Tokens from here on are pairs of equal letters, as some models write "oo" where their tokenizer would not."""


def tokenize(text: str, special: bool) -> list[int]:
    """A character a token; control text is told from plain text by its sign."""
    return [-ord(c) if special else ord(c) for c in text]


def spell(token: int) -> bytes:
    if token >= PAIR:
        return chr(token - PAIR).encode() * 2
    return chr(abs(token)).encode()


def talk(*texts: str, system: str = "Be brief.") -> list[Message]:
    return [Message("system", system)] + [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts)]


def prompt(live: list[int], *texts: str) -> Prompt:
    return Assembler(tokenize, spell).assemble(ChatTemplate(CHATML).pieces(talk(*texts), reply=True), live)


def written(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


class TestTemplate:
    def test_chatml(self) -> None:
        pieces = ChatTemplate(CHATML).pieces(talk(" Hi.\n", "Hello."), reply=False)
        assert written(pieces) == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n"
                                   "<|im_start|>assistant\nHello.<|im_end|>\n")
        assert [piece.role for piece in pieces if piece.role] == ["system", "user", "assistant"]

    def test_the_opening_of_a_reply(self) -> None:
        assert ChatTemplate(CHATML).pieces(talk("Hi."), reply=True)[-1].text.endswith("<|im_start|>assistant\n")

    def test_a_template_without_system_role(self) -> None:
        assert written(ChatTemplate(NO_SYSTEM).pieces(talk("Hi.", "Hello.", "So?"), reply=True)) == (
            "[user]Be brief.\n\nHi.\n[assistant]Hello.\n[user]So?\n[assistant]")

    def test_special_texts_are_given(self) -> None:
        template = ChatTemplate("{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}", bos="<s>", eos="</s>")
        assert written(template.pieces([Message("user", "x")], reply=True)) == "<s>x</s>"

    def test_a_date_can_be_asked_for(self) -> None:
        template = ChatTemplate("{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}")
        assert template.pieces([Message("user", "x")], reply=True)[0].text.isdigit()

    @pytest.mark.parametrize("source", ["{% for", "{{ ''.__class__.__mro__ }}{% endif %}"])
    def test_one_that_does_not_compile(self, source: str) -> None:
        with pytest.raises(ModelError, match="chat template"):
            ChatTemplate(source)

    @pytest.mark.parametrize(("source", "says"), [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ ''.__class__.__mro__ }}", "refuses"), ("nothing of it", "leaves out")])
    def test_one_that_does_not_render(self, source: str, says: str) -> None:
        with pytest.raises(EngineError, match=says):
            ChatTemplate(source).pieces(talk("Hi."), reply=True)


TEXTS = st.lists(st.text(alphabet="ao b", min_size=1, max_size=6).filter(lambda text: bool(text.strip())), min_size=1, max_size=7).map(
    lambda texts: texts if len(texts) % 2 else texts[:-1])


class TestAssembler:
    @given(TEXTS, st.text(alphabet="ao b", max_size=6), st.text(alphabet="ao b", max_size=6))
    def test_a_turn_is_a_prefix_of_the_next(self, texts: list[str], reply: str, more: str) -> None:
        first = prompt([], *texts)
        live = first.tokens + tokenize(reply.strip(), False)
        second = prompt(live, *texts, reply, more)
        assert second.tokens[:len(live)] == live
        assert second.cached >= len(live)
        assert second.slide == 0
        assert second.fixed == first.fixed

    @given(TEXTS, TEXTS)
    def test_tokens_do_not_depend_on_the_cache_where_it_holds_what_the_tokenizer_writes(self, texts: list[str], others: list[str]) -> None:
        live = prompt([], *others).tokens
        found = prompt(live, *texts)
        assert found.tokens == prompt([], *texts).tokens
        held = live[:found.fixed] + live[found.fixed + found.slide:]
        assert found.tokens[:found.cached] == held[:found.cached]

    def test_a_reply_keeps_the_tokens_it_was_written_with(self) -> None:
        live = [*prompt([], "Where?").tokens, ord("f"), PAIR + ord("o"), ord("d")]
        assert prompt(live, "Where?", "food", "So?").tokens[:len(live)] == live
        assert prompt(live, "Where?", "foo…", "So?").tokens[:len(live)] == [*live[:-1], ord("…")]
        assert prompt(live, "Where?", "fo", "So?").tokens[len(live) - 3:len(live)] == [ord("f"), ord("o"), -ord("<")]
        assert prompt(live, "When?", "food", "So?").tokens == prompt([], "When?", "food", "So?").tokens

    def test_white_space_before_a_reply_does_not_count(self) -> None:
        live = prompt([], "Where?").tokens + tokenize(" \nHere", False)
        assert prompt(live, "Where?", "Here", "So?").cached == len(live)

    def test_oldest_turns_slide_out(self) -> None:
        live = prompt([], "one?", "One.", "two?", "Two.", "three?").tokens
        found = prompt(live, "two?", "Two.", "three?", "Three.", "four?")
        assert found.slide == len("one?") + len("One.") + 2 * len("<|im_end|>\n<|im_start|>user\n") + len("assistant") - len("user")
        assert found.cached == len(live) - found.slide
        assert found.tokens[:found.cached] == live[:found.fixed] + live[found.fixed + found.slide:]
        assert found.tokens == prompt([], "two?", "Two.", "three?", "Three.", "four?").tokens

    def test_of_two_places_the_one_that_saves_more(self) -> None:
        live = prompt([], "x?", "A.", "so?", "B.", "so?", "C.", "last?").tokens
        assert prompt(live, "so?", "C.", "last?", "D.", "end?").cached > prompt(live, "so?", "Z.", "last?").cached
        assert prompt(live, "so?", "C.", "last?", "D.", "end?").slide > prompt(live, "so?", "B.", "so?").slide > 0

    def test_no_slide_under_another_system_prompt(self) -> None:
        live = prompt([], "one?", "One.", "two?").tokens
        pieces = ChatTemplate(CHATML).pieces(talk("two?", system="Be long."), reply=True)
        assert Assembler(tokenize, spell).assemble(pieces, live).slide == 0

    def test_no_slide_where_the_cache_cannot(self) -> None:
        live = prompt([], "one?", "One.", "two?").tokens
        pieces = ChatTemplate(CHATML).pieces(talk("two?"), reply=True)
        assert Assembler(tokenize, spell).assemble(pieces, live, may_slide=False).slide == 0

    def test_what_was_said(self) -> None:
        assert prompt([], "a", "bc", "d", "e", "f").said == (tokenize("bc", False), tokenize("e", False))

    def test_an_opening_comes_first(self) -> None:
        pieces = ChatTemplate(CHATML).pieces(talk("Hi."), reply=True)
        assert Assembler(tokenize, spell, [7]).assemble(pieces, [7]).cached == 1
        assert Assembler(tokenize, spell, [7]).assemble(pieces, [8]).cached == 0
