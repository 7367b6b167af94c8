"""Markdown to plain text while it is being written.

Theory: a transducer.  It holds text back only while what has come so far could still become a mark (``[`` until its link is complete,
``#`` at the start of a line until the space), then gives plain characters, each with the index of the source character that it stands for.

Law: what comes out depends on the text and never on how it was cut: a rule decides by a bounded look ahead, and once it decides, no
further text changes that.  Lines that end without a mark (headings, items, cells) get one, so that the voice pauses there: those
characters carry the index of the line's end.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

Plain = list[tuple[str, int]]
"""Characters and the source index of each; indices never decrease."""

LINK_CHARS = 300
"""A bracket that has not closed by then is a bracket."""
TAG_CHARS = 80
FENCES = ("```", "~~~")
BREAKS = ".!?:;,…—"
"""After one of these a line's end needs no mark of its own."""
KEPT_SYMBOLS = "°℃℉№"
"""Category So like emoji, but spoken."""

_MORE = (-1, "")
"""A rule's answer when the text so far does not decide."""
_RULE = re.compile(r"[-*_=|:+ \t]+")
_NUMBERED = re.compile(r"(\d{1,2})([.)])([ \t])")
_TAG = re.compile(r"<(/?[a-zA-Z][^<>\n]*)>")
_ENTITY = re.compile(r"&(amp|lt|gt|quot|apos|nbsp|ndash|mdash|deg|#39);")
_LINK_TEXT = re.compile(r"\[([^\[\]\n]*)\]")
_TARGET = re.compile(r"\(([^()\n]|\([^()\n]*\))*\)")


class Stripper:
    """``feed`` text in pieces, then ``flush``."""

    def __init__(self) -> None:
        self._held = ""
        self._at = 0
        self._final = False
        self._line_start = True
        self._block = False
        """the line is a heading, an item or a row of a table, whose end is a sentence's end"""
        self._row = False
        self._cells = 0
        self._fence = ""
        self._skip_line = False
        self._target = 0
        """inside a link's text: how many characters follow its closing bracket"""
        self._before = ""
        """the source character before the present one"""
        self._last = ""
        """the last plain character that was no space"""

    def feed(self, text: str) -> Plain:
        self._held += text
        return self._run()

    def flush(self) -> Plain:
        """No text follows: decide the rest."""
        self._final = True
        return self._run()

    def _run(self) -> Plain:
        out: Plain = []
        while self._held:
            used, plain = self._step()
            if used < 0:
                break
            out.extend((c, self._at + min(i, used - 1)) for i, c in enumerate(plain))
            self._before = self._held[used - 1]
            self._held = self._held[used:]
            self._at += used
            if stripped := plain.rstrip():
                self._last = stripped[-1]
        return out

    def _step(self) -> tuple[int, str]:
        """(characters used, plain text) of the next thing, or ``_MORE``."""
        if self._fence or self._skip_line:
            return self._skipped()
        if self._line_start:
            return self._begin()
        rule = _INLINE.get(self._held[0])
        if rule is not None:
            return rule(self)
        return self._other()

    # the start of a line

    def _begin(self) -> tuple[int, str]:
        c = self._held[0]
        if c in " \t\r":
            return 1, " "
        if c == "\n":
            return self._newline()
        if c in "`~":
            return self._open_fence()
        if c == "#":
            return self._heading()
        if c == ">":
            return 1, ""
        if c in "-*_=|+:":
            return self._rule_or_item()
        if c == "•":
            self._line_start, self._block = False, True
            return 1, ""
        if c.isdigit():
            return self._numbered()
        self._line_start = False
        return self._step()

    def _heading(self) -> tuple[int, str]:
        marks = len(self._held) - len(self._held.lstrip("#"))
        if marks == len(self._held) and not self._final and marks <= 6:
            return _MORE
        self._line_start = False
        if marks <= 6 and self._held[marks:marks + 1] in (" ", "\t"):
            self._block = True
            return marks + 1, ""
        return self._step()

    def _rule_or_item(self) -> tuple[int, str]:
        """A line of marks alone (a rule, an underline, the line under a table's head) is nothing; one mark and a space begin an item."""
        held = self._held
        marks = _RULE.match(held)
        assert marks is not None  # the first character is one of them
        if marks.end() == len(held) and not self._final:
            return _MORE
        if held[marks.end():marks.end() + 1] in ("\n", "") and len(marks[0].replace(" ", "")) >= 3:
            return marks.end(), ""
        self._line_start = False
        if held[0] in "-*+" and held[1:2] in (" ", "\t"):
            self._block = True
            return 2, ""
        if held[0] == "|":
            self._block = self._row = True
            self._cells = 0
        return self._step()

    def _numbered(self) -> tuple[int, str]:
        found = _NUMBERED.match(self._held)
        if found is None and not self._final and re.fullmatch(r"\d{1,2}[.)]?", self._held):
            return _MORE
        self._line_start = False
        if found is None:
            return self._other()
        self._block = True
        return found.end(), f"{found[1]}, "

    def _open_fence(self) -> tuple[int, str]:
        if len(self._held) < 3 and not self._final and any(fence.startswith(self._held) for fence in FENCES):
            return _MORE
        self._line_start = False
        if self._held[:3] in FENCES:
            self._fence, self._skip_line = self._held[:3], True
            return 3, self._pause()
        return self._step()

    def _skipped(self) -> tuple[int, str]:
        """The rest of a line, or the inside of a fence: code is shown, not spoken."""
        if self._skip_line:
            self._skip_line = self._held[0] != "\n"
            self._line_start = not self._skip_line
            return 1, ""
        stripped = self._held.lstrip(" \t")
        if self._line_start and len(stripped) < 3 and self._fence.startswith(stripped) and not self._final:
            return _MORE
        if self._line_start and stripped.startswith(self._fence):
            self._fence, self._skip_line = "", True
            return 1, ""
        self._line_start = self._held[0] == "\n"
        return 1, ""

    # inside a line

    def _newline(self) -> tuple[int, str]:
        if len(self._held) == 1 and not self._final:
            return _MORE
        following = self._held[1:2]
        if self._block or not following or following in "\n#>-*+|`~•=_" or following.isdigit():
            pause = self._pause()
        else:
            pause = ", " if following.isupper() and self._last.isalnum() else " "
        self._line_start, self._block, self._row = True, False, False
        return 1, pause

    def _pause(self) -> str:
        return ". " if self._last and self._last not in BREAKS else " "

    def _escape(self) -> tuple[int, str]:
        if len(self._held) == 1 and not self._final:
            return _MORE
        following = self._held[1:2]
        return (2, following) if following and following in "\\`*_{}[]()#+-.!|~<>" else (1, " ")

    def _stars(self) -> tuple[int, str]:
        run = len(self._held) - len(self._held.lstrip("*"))
        following = self._held[run:run + 1]
        if not following and not self._final:
            return _MORE
        if self._before.isdigit() and following.isdigit():
            return run, "*" if run == 1 else "^"
        if run == 1 and (self._before.isspace() or self._before.isdigit()) and following.isspace():
            return 1, "*"
        return run, ""

    def _underscores(self) -> tuple[int, str]:
        run = len(self._held) - len(self._held.lstrip("_"))
        following = self._held[run:run + 1]
        if not following and not self._final:
            return _MORE
        return run, " " if self._before.isalnum() and following.isalnum() else ""

    def _tildes(self) -> tuple[int, str]:
        if len(self._held) == 1 and not self._final:
            return _MORE
        return (2, "") if self._held.startswith("~~") else (1, "~")

    def _angle(self) -> tuple[int, str]:
        held = self._held[:TAG_CHARS]
        tag = _TAG.match(held)
        if tag is None:
            undecided = len(held) < TAG_CHARS and re.fullmatch(r"<(/?([a-zA-Z][^<>\n]*)?)?", held)
            return _MORE if undecided and not self._final else (1, "<")
        inner = tag[1]
        if "://" in inner or ("@" in inner and " " not in inner):
            return tag.end(), inner
        return tag.end(), " " if inner.lower().rstrip(" /") in ("br", "p", "li", "hr") else ""

    def _image(self) -> tuple[int, str]:
        if len(self._held) == 1 and not self._final:
            return _MORE
        return (1, "") if self._held[1:2] == "[" else (1, "!")

    def _bracket(self) -> tuple[int, str]:
        """A link gives its text, a footnote or a tick box nothing; any other bracket stays."""
        held = self._held[:LINK_CHARS]
        text = _LINK_TEXT.match(held)
        if text is None:
            undecided = len(held) < LINK_CHARS and re.fullmatch(r"\[[^\[\]\n]*", held)
            return _MORE if undecided and not self._final else (1, "[")
        if re.fullmatch(r"\^.*|\d{1,3}|[ xX]?", text[1]):
            return text.end(), ""
        after = held[text.end():]
        if not after and len(held) < LINK_CHARS and not self._final:
            return _MORE
        target = _TARGET.match(after) or re.match(r"\[[^\[\]\n]*\]", after)
        if target is None:
            open_yet = after[:1] in ("(", "[") and len(held) < LINK_CHARS and "\n" not in after
            return _MORE if open_yet and not self._final else (1, "[")
        self._target = target.end()
        return 1, ""

    def _closing_bracket(self) -> tuple[int, str]:
        if not self._target:
            return 1, "]"
        used, self._target = 1 + self._target, 0
        return used, ""

    def _bar(self) -> tuple[int, str]:
        if not self._row:
            return 1, " "
        spaces = re.match(r"\|[ \t]*", self._held)
        assert spaces is not None
        if spaces.end() == len(self._held) and not self._final:
            return _MORE
        if self._held[spaces.end():spaces.end() + 1] in ("\n", ""):
            return spaces.end(), ""
        self._cells += 1
        return spaces.end(), ", " if self._cells > 1 else " "

    def _entity(self) -> tuple[int, str]:
        found = _ENTITY.match(self._held)
        if found:
            return found.end(), html.unescape(found[0]).replace("\xa0", " ")
        if not self._final and len(self._held) < 7 and re.fullmatch(r"&[#a-z0-9]*", self._held):
            return _MORE
        return 1, "&"

    def _nothing(self) -> tuple[int, str]:
        return 1, ""

    def _dash(self) -> tuple[int, str]:
        return 1, " — "

    def _other(self) -> tuple[int, str]:
        c = self._held[0]
        if c.isspace():
            return 1, " "
        if c.isascii():
            return (1, c) if c.isprintable() else (1, "")
        category = unicodedata.category(c)
        if (category == "So" and c not in KEPT_SYMBOLS) or category in ("Cf", "Cc", "Cs", "Co", "Cn", "Me") or "\ufe00" <= c <= "\ufe0f":
            return 1, ""
        return (1, "") if "\U0001f3fb" <= c <= "\U0001f3ff" else (1, c)


_INLINE: dict[str, Callable[[Stripper], tuple[int, str]]] = {
    "\n": Stripper._newline, "\\": Stripper._escape, "*": Stripper._stars, "_": Stripper._underscores, "~": Stripper._tildes,
    "<": Stripper._angle, "!": Stripper._image, "[": Stripper._bracket, "]": Stripper._closing_bracket, "|": Stripper._bar,
    "&": Stripper._entity, "`": Stripper._nothing, "—": Stripper._dash,
}


def plain(text: str) -> str:
    """All of ``text`` without its marks."""
    stripper = Stripper()
    return "".join(c for c, _ in stripper.feed(text) + stripper.flush())
