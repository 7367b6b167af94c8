"""What the language model keeps of what it has read: in its context from turn to turn, and of the system prompt on the disk."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from edgevoice.engines import llm
from edgevoice.engines.llm import LlamaLlm
from edgevoice.events import Message
from tests.contract.asking import QUESTIONS, SETTINGS, SYSTEM, Scripted, ask, conversation, user
from tests.fakes.llm import FlagCancel


class TestPrefix:
    def test_the_system_prompt_is_never_read_again(self, real: LlamaLlm) -> None:
        for question in QUESTIONS:
            usage = ask(real, conversation(question), max_tokens=2)[1].usage
            assert usage.cached_tokens >= len(real._model.tokenize(SYSTEM.content, special=False))

    def test_a_turn_is_a_prefix_of_the_next(self, real: LlamaLlm) -> None:
        texts: list[str] = []
        before = 0
        for question in QUESTIONS:
            reply, completion = ask(real, conversation(*texts, question), max_tokens=40)
            usage = completion.usage
            assert usage.cached_tokens >= before
            before = usage.prompt_tokens + usage.completion_tokens - (completion.finish == "length")
            texts += [question, reply]

    def test_words_the_tokenizer_would_have_cut_otherwise(self, real: LlamaLlm, monkeypatch: pytest.MonkeyPatch) -> None:
        odd = [token for letter in "unbelievable" for token in real._model.tokenize(letter, special=False)]
        assert odd != real._model.tokenize("unbelievable", special=False)
        with monkeypatch.context() as patch:
            patch.setattr(real, "_sampler", Scripted([*odd, real._model.eos]))
            reply, completion = ask(real, conversation("Say something odd."))
        assert reply == "unbelievable"
        usage = ask(real, conversation("Say something odd.", reply, "Again."), max_tokens=1)[1].usage
        assert usage.cached_tokens >= completion.usage.prompt_tokens + len(odd)

    def test_a_reply_cut_to_what_was_heard_costs_only_its_tail(self, real: LlamaLlm) -> None:
        reply, completion = ask(real, conversation("Why is the sky blue?"), max_tokens=40)
        heard = reply[:len(reply) // 2]
        usage = ask(real, conversation("Why is the sky blue?", heard, "Go on."), max_tokens=1)[1].usage
        assert usage.cached_tokens >= completion.usage.prompt_tokens + len(real._model.tokenize(heard, special=False)) - 3

    def test_dropped_turns_slide(self, real: LlamaLlm) -> None:
        texts = [text for question in QUESTIONS for text in (question, ask(real, conversation(question), max_tokens=20)[0])]
        first = ask(real, conversation(*texts, "What is two and two?"), max_tokens=10)
        usage = ask(real, conversation(*texts[4:], "What is two and two?", first[0], "And three?"), max_tokens=10)[1].usage
        assert usage.prompt_tokens - usage.cached_tokens < 16
        real._context.clear()
        anew = ask(real, conversation(*texts[4:], "What is two and two?", first[0], "And three?"), max_tokens=10)[1].usage
        assert anew.prompt_tokens == usage.prompt_tokens

    def test_after_a_slide_the_cache_is_as_if_read_anew(self, real: LlamaLlm) -> None:
        """With nothing attended to before the cut but the system prompt, sliding must give the same reply as evaluating."""
        kept = conversation("What is the capital of France?", "The capital of France is Paris.", "And of Italy?")
        expected = ask(real, kept, max_tokens=10)[0]
        real._context.clear()
        ask(real, conversation("Hi.", "Hello.", *(m.content for m in kept[1:])), max_tokens=10)
        slid, completion = ask(real, kept, max_tokens=10)
        assert completion.usage.cached_tokens > 30
        assert slid == expected

    def test_a_growing_message_is_read_as_it_grows(self, real: LlamaLlm) -> None:
        words = ["Why", "is", "the", "sky", "blue", "in", "the", "morning", "and", "red", "in", "the", "evening?"]
        read = [real.prefill(conversation(" ".join(words[:count])), FlagCancel(), growing=True) for count in (4, 7, 11)]
        assert read[1] == 3 and read[2] == 4, "a token a word, and nothing of the reply's opening"
        expected = ask(real, conversation("Tell me a joke.")) and ask(real, conversation(" ".join(words)))
        for count in (4, 11):
            real.prefill(conversation(" ".join(words[:count])), FlagCancel(), growing=True)
        text, completion = ask(real, conversation(" ".join(words)))
        assert text == expected[0] and completion.usage.prompt_tokens - completion.usage.cached_tokens < 10

    @pytest.mark.parametrize(("whole", "begun"), [
        ("How far away is the sun?", "How far away is the?"), ("Set a timer for ten minutes.", "Set a timer for."),
        ("Who wrote Romeo and Juliet?", "Who wrote Romeo and?"), ("Tell me a joke.", "Tell me a.")])
    def test_a_sentence_ends_where_it_is_whole_whatever_mark_stands_there(self, real: LlamaLlm, whole: str, begun: str) -> None:
        ended, open_ended = (real.ending(conversation(text), FlagCancel()) for text in (whole, begun))
        assert ended is not None and open_ended is not None
        assert ended > 0.02 > 20 * open_ended
        assert real.ending(conversation(whole.rstrip(".?")), FlagCancel()) == pytest.approx(ended, rel=0.05)

    def test_asking_for_the_ending_changes_no_reply_and_reads_the_words_for_it(self, real: LlamaLlm) -> None:
        messages = conversation("Why is the sky blue in the morning?")
        expected = ask(real, messages, max_tokens=12)[0]
        ask(real, conversation("Tell me a joke."), max_tokens=2)
        assert real.ending(messages, FlagCancel()) is not None
        text, completion = ask(real, messages, max_tokens=12)
        assert text == expected
        assert completion.usage.prompt_tokens - completion.usage.cached_tokens < 9, "the mark and the reply's opening"

    def test_a_prefilled_reply_begins_at_once(self, real: LlamaLlm) -> None:
        """Ready in the pause after a reply: everything up to the user's next first word."""
        reply = ask(real, conversation("What is the capital of France?"))[0]
        real.prefill(conversation("What is the capital of France?", reply), FlagCancel())
        usage = ask(real, conversation("What is the capital of France?", reply, "And of Spain?"), max_tokens=1)[1].usage
        new = len(real._model.tokenize("And of Spain?", special=False)) + len(
            real._model.tokenize("<|im_end|>\n<|im_start|>assistant\n", special=True))
        assert usage.prompt_tokens - usage.cached_tokens == new


class TestPromptCache:
    def load(self, folder: Path, **changes: object) -> LlamaLlm:
        return llm.load(dataclasses.replace(SETTINGS, **changes), folder)  # type: ignore[arg-type]

    def counts(self, engine: LlamaLlm) -> tuple[int, ...]:
        assert engine.cache is not None
        return dataclasses.astuple(engine.cache.counts)

    def test_round_trip(self, fresh: Path) -> None:
        first = self.load(fresh)
        expected = ask(first, conversation("How do I boil an egg?"), max_tokens=20)[0]
        evaluated = first._context.evaluated
        assert self.counts(first) == (0, 1, 0, 1, 0)
        first.close()
        second = self.load(fresh)
        assert ask(second, conversation("How do I boil an egg?"), max_tokens=20)[0] == expected
        assert self.counts(second) == (1, 0, 0, 0, 0)
        assert second._context.evaluated < evaluated
        second.close()

    @pytest.mark.parametrize("damage", ["empty", "head", "truncated", "bit", "tokens", "foreign", "folder"])
    def test_a_damaged_file_is_replaced(self, fresh: Path, damage: str) -> None:
        first = self.load(fresh)
        expected = ask(first, conversation("How do I boil an egg?"), max_tokens=12)[0]
        first.close()
        (path,) = fresh.glob("prompt-*.kv")
        raw = bytearray(path.read_bytes())
        good = bytes(raw)
        if damage == "bit":
            raw[len(raw) // 2] ^= 4
        elif damage == "tokens":
            raw[52] ^= 1
        elif damage == "foreign":
            raw[20] ^= 1
        cut = {"empty": 0, "head": 30, "truncated": len(raw) - 1000}.get(damage, len(raw))
        path.write_bytes(bytes(raw[:cut]))
        if damage == "folder":
            path.unlink()
            path.mkdir()
        second = self.load(fresh)
        assert self.counts(second)[:3] == (0, 0, 1)
        assert ask(second, conversation("How do I boil an egg?"), max_tokens=12)[0] == expected
        if damage == "folder":
            assert self.counts(second)[3:] == (0, 1)
        else:
            assert self.counts(second)[3:] == (1, 0)
            assert path.read_bytes() == good
        assert not list(fresh.glob(".prompt-*"))
        second.close()

    def test_a_state_that_llama_cpp_refuses(self, fresh: Path) -> None:
        first = self.load(fresh)
        assert first.cache is not None
        tokens = first._fit([SYSTEM], 1).tokens
        expected = ask(first, conversation("How do I boil an egg?"), max_tokens=12)[0]
        assert first.cache.save(tokens, b"no state at all" * 100)
        first.close()
        second = self.load(fresh)
        assert self.counts(second) == (0, 0, 1, 1, 0)
        assert ask(second, conversation("How do I boil an egg?"), max_tokens=12)[0] == expected
        second.close()

    @pytest.mark.parametrize("changes", [{"system_prompt": "You are a pirate."}, {"context": 512}])
    def test_other_prompts_and_shapes_have_files_of_their_own(self, fresh: Path, changes: dict[str, object]) -> None:
        self.load(fresh).close()
        other = self.load(fresh, **changes)
        assert self.counts(other) == (0, 1, 0, 1, 0)
        assert len(list(fresh.glob("prompt-*.kv"))) == 2
        other.close()

    def test_another_model_file_makes_it_stale(self, fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        source = (fresh / "model.gguf").resolve()
        (fresh / "model.gguf").unlink()
        (fresh / "model.gguf").write_bytes(source.read_bytes())
        self.load(fresh).close()
        os.utime(fresh / "model.gguf", (1, 1))
        other = self.load(fresh)
        assert self.counts(other) == (0, 1, 0, 1, 0)
        other.close()

    def test_switched_off(self, fresh: Path) -> None:
        engine = self.load(fresh, prompt_cache=False)
        assert engine.cache is None
        assert ask(engine, conversation("Hello."), max_tokens=2)[0]
        assert not list(fresh.glob("*.kv"))
        engine.close()

    def test_another_system_prompt_in_between(self, fresh: Path) -> None:
        engine = self.load(fresh)
        expected = ask(engine, conversation("How do I boil an egg?"), max_tokens=12)
        ask(engine, [Message("system", "You are a pirate."), user("Hello.")], max_tokens=2)
        again = ask(engine, conversation("How do I boil an egg?"), max_tokens=12)
        assert again[0] == expected[0]
        assert again[1].usage.cached_tokens == expected[1].usage.cached_tokens
        engine.close()
