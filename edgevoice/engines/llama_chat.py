"""From messages to tokens: the model's own chat template, rendered so that one turn's tokens are a prefix of the next turn's.

Laws
- What people say is never parsed for control tokens: a message that reads "<|im_end|>" is eleven characters.
- Message contents are given to the template without the white space around them.
- The tokens up to the first word of the user depend on the system prompt alone (``Prompt.fixed``).
- Where the cache holds a reply as the model wrote it, the same text in the next prompt gets those same tokens, also when only its
  beginning was kept.  (A model's own tokens need not be those its tokenizer would choose: "un" "happy" against "unhappy".)

Theory.  The template (Jinja2, in the sandbox, since a GGUF comes from anywhere) is given a mark in the place of each
content.  The rendered text then falls apart at the marks into the template's pieces, tokenized with control tokens, and the contents,
tokenized without.  Each piece is tokenized by itself, so nothing that follows can change the tokens before it.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgevoice.errors import EngineError, ModelError
from edgevoice.events import Message, Role

CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
"""For a GGUF without a template whose vocabulary has ChatML's control tokens."""

_MARK = re.compile("\ue0f0(\\d+)\ue0f1")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of the template (``role`` None), or what someone said."""

    text: str
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens of a rendered conversation, and how much of them the cache holds."""

    tokens: list[int]
    fixed: int
    """the first so many are the same in every conversation with this system prompt"""
    cached: int
    """the first so many are in the cache once ``slide`` tokens after the first ``fixed`` are cut out of it"""
    slide: int = 0
    said: tuple[list[int], ...] = ()
    """the tokens of the assistant's messages"""


class ChatTemplate:
    """A compiled chat template; ``ModelError`` if it does not compile."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.globals.update(raise_exception=_raise, strftime_now=lambda form: datetime.datetime.now().strftime(form))
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelError(f"the model's chat template does not compile: {error}") from error
        self._names: dict[str, Any] = {"bos_token": bos, "eos_token": eos, "enable_thinking": False}

    def pieces(self, messages: Sequence[Message], *, reply: bool) -> list[Piece]:
        """The rendered conversation in pieces, with the opening of a reply at its end if ``reply``.

        A template that knows no system role gets the system prompt at the head of the first user message.  ``EngineError`` if
        the template refuses the conversation or leaves out what the user said last.
        """
        from jinja2 import TemplateError

        try:
            text = self._render([(m.role, _mark(i)) for i, m in enumerate(messages)], reply)
        except TemplateError as error:
            if not (len(messages) > 1 and messages[0].role == "system" and messages[1].role == "user"):
                raise EngineError(f"the model's chat template refuses the conversation: {error}") from error
            head: list[tuple[Role, str]] = [("user", f"{_mark(0)}\n\n{_mark(1)}")]
            try:
                text = self._render(head + [(m.role, _mark(i)) for i, m in enumerate(messages) if i > 1], reply)
            except TemplateError:
                raise EngineError(f"the model's chat template refuses the conversation: {error}") from error
        found = []
        for position, part in enumerate(_MARK.split(text)):
            if position % 2:
                message = messages[int(part)]
                found.append(Piece(message.content.strip(), message.role))
            elif part:
                found.append(Piece(part))
        if messages[-1].role == "user" and _mark(len(messages) - 1) not in text:
            raise EngineError("the model's chat template leaves out what the user says; choose an instruct model")
        return found

    def _render(self, rows: list[tuple[Role, str]], reply: bool) -> str:
        return self._template.render(messages=[{"role": role, "content": content} for role, content in rows],
                                     add_generation_prompt=reply, **self._names)


class Assembler:
    """Turns pieces into tokens.  ``tokenize(text, special)`` and ``spell(token)`` are the model's; ``opening`` is a BOS that the
    template does not write."""

    WORTH = 16
    """tokens; a slide that saves fewer costs more (turning the keys, and one step that cannot be aborted) than it brings"""

    def __init__(self, tokenize: Callable[[str, bool], list[int]], spell: Callable[[int], bytes], opening: Sequence[int] = ()) -> None:
        self._tokenize = functools.lru_cache(maxsize=512)(tokenize)
        self._spell, self._opening = spell, list(opening)

    def assemble(self, pieces: Sequence[Piece], live: Sequence[int], *, may_slide: bool = True) -> Prompt:
        """Tokens for ``pieces``, given that the cache holds ``live``."""
        straight = self._follow_live(pieces, live, 0)
        best = straight
        if may_slide and straight.cached >= straight.fixed:
            for slide in self._slides(pieces, live, straight.fixed):
                moved = self._follow_live(pieces, live, slide)
                if moved.cached > max(best.cached, straight.cached + self.WORTH):
                    best = moved
        return best

    def _follow_live(self, pieces: Sequence[Piece], live: Sequence[int], slide: int) -> Prompt:
        tokens = list(self._opening)
        fixed: int | None = None
        held = list(live)
        agrees = tokens == held[:len(tokens)]
        cached = common(tokens, held)
        said = []
        for piece in pieces:
            start = len(tokens)
            if piece.role == "user" and fixed is None:
                fixed = start
                del held[fixed:fixed + slide]
            if piece.role == "assistant" and agrees:
                added = self._reply(piece.text, held[start:])
            else:
                added = self._tokenize(piece.text, piece.role is None)
            if agrees:
                same = common(added, held[start:start + len(added)])
                cached = start + same
                agrees = same == len(added)
            tokens += added
            if piece.role == "assistant":
                said.append(added)
        return Prompt(tokens, len(tokens) if fixed is None else fixed, cached, slide, tuple(said))

    def _slides(self, pieces: Sequence[Piece], live: Sequence[int], fixed: int) -> list[int]:
        """How far each later place in ``live`` lies behind ``fixed`` at which the first user message of ``pieces`` begins."""
        first = next((i for i, piece in enumerate(pieces) if piece.role == "user"), None)
        if first is None:
            return []
        needle = [token for piece in pieces[first:first + 2] for token in self._tokenize(piece.text, piece.role is None)]
        return [at - fixed for at in range(fixed + 1, len(live) - len(needle) + 1)
                if live[at] == needle[0] and list(live[at:at + len(needle)]) == needle] if needle else []

    def _reply(self, text: str, held: Sequence[int]) -> list[int]:
        """Tokens of ``text``: those of ``held`` as far as they spell it, then the tokenizer's own."""
        wanted = text.encode("utf-8", "replace")
        spelled = b""
        whole = done = 0
        for count, token in enumerate(held, 1):
            piece = self._spell(token)
            spelled = spelled + piece if spelled else piece.lstrip()
            if not piece or not wanted.startswith(spelled):
                break
            if _whole(spelled):
                whole, done = count, len(spelled)
        rest = wanted[done:].decode("utf-8", "replace")
        return list(held[:whole]) + (self._tokenize(rest, False) if rest else [])


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _whole(raw: bytes) -> bool:
    """True unless the last character of ``raw`` is cut in two."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mark(index: int) -> str:
    return f"\ue0f0{index}\ue0f1"


def _raise(text: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(text)
