"""What an answer must not say: looked for while it is written, before anybody hears or sees it.

Theory: text is let through as far as no rule can still match what comes next.  The end of a text that may be the beginning of a hit (the
``regex`` package tells of such partial matches) is held back until it is none, so that nothing of a hit is ever let through, also
where it is written in pieces.  Without rules everything passes at once.

Laws: pure; what was let through is never taken back; a rule that fails or takes too long is a hit, since silence is safer than speech.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import regex

log = logging.getLogger(__name__)

Hook = Callable[[str], bool]
"""whether a clause may be said"""

TIMEOUT_S = 0.05
"""of one pattern over one piece: a pattern that backtracks without end must not hold the reply"""

_CLAUSE = re.compile(r"[.!?;:,\n]+(?=\s|$)")


class Safety:
    """The rules, compiled; ``ValueError`` names a pattern that does not compile.  ``begin`` for each answer."""

    def __init__(self, words: Sequence[str] = (), patterns: Sequence[str] = (), hook: Hook | None = None, substitute: str = "") -> None:
        self.substitute, self._hook = substitute, hook
        self._rules: list[tuple[str, Any]] = []
        phrases = [r"\s+".join(regex.escape(part) for part in word.split()) for word in words if word.split()]
        for name, source in [*zip(words, (rf"(?<!\w){phrase}(?!\w)" for phrase in phrases), strict=False), *((p, p) for p in patterns)]:
            try:
                self._rules.append((name, regex.compile(source, regex.IGNORECASE)))
            except regex.error as error:
                raise ValueError(f"{name!r} is no regular expression: {error}") from error

    @property
    def empty(self) -> bool:
        return not self._rules and self._hook is None

    def begin(self) -> SafeText:
        return SafeText(self._rules, self._hook)


class SafeText:
    """One answer on its way; ``hit`` names the rule that ended it."""

    def __init__(self, rules: Sequence[tuple[str, Any]], hook: Hook | None) -> None:
        self.hit: str | None = None
        self._rules, self._hook = rules, hook
        self._text = ""
        self._through = 0

    def feed(self, delta: str) -> str:
        """What may be said now."""
        if not self._rules and self._hook is None:
            return delta
        self._text += delta
        return self._let_through(final=False)

    def end(self) -> str:
        """The rest, where nothing more comes."""
        return self._let_through(final=True) if self._through < len(self._text) else ""

    def _let_through(self, *, final: bool) -> str:
        if self.hit is not None:
            return ""
        until = len(self._text)
        for name, rule in self._rules:
            found = self._search(name, rule, final)
            if found is not None and found[0] < until:
                until, self.hit = found[0], found[1]
        if self._hook is not None:
            until = self._ask(self._hook, until, final)
        safe, self._through = self._text[self._through:until], until
        return safe

    def _search(self, name: str, rule: Any, final: bool) -> tuple[int, str | None] | None:
        """Where a hit begins, or may begin (then without a name)."""
        try:
            found = rule.search(self._text, self._through, partial=not final, timeout=TIMEOUT_S)
        except TimeoutError:
            log.warning("the safety rule %r takes too long", name)
            return self._through, name
        if found is None or found.start() == found.end() == len(self._text):
            return None
        sure = final or not (found.partial or found.end() == len(self._text))
        return found.start(), name if sure else None

    def _ask(self, hook: Hook, until: int, final: bool) -> int:
        """As far as the hook lets whole clauses through."""
        ends = [match.end() for match in _CLAUSE.finditer(self._text, self._through, until) if final or match.end() < len(self._text)]
        if (final or self.hit is not None) and until > (ends[-1] if ends else self._through):
            ends.append(until)
        start = self._through
        for end in ends:
            try:
                fine = hook(self._text[start:end])
            except Exception as error:  # noqa: BLE001 - somebody else's code, and what it did not allow is not said
                log.warning("the safety hook failed: %s", error)
                fine = False
            if not fine:
                self.hit = "hook"
                return start
            start = end
        return start
