"""Text to IPA by the program espeak-ng, kept running as a child process.

Why a child: espeak-ng is GPL-3, so its library cannot be linked into this program; a child that stays costs 1 ms a line where
starting one costs 15.  Why so much around it: it drops punctuation, which the voice needs, and breaks lines as it likes.  So text is
cut into clauses here, each is sent alone, followed by a sentinel word whose sound is known, and what comes before the sentinel's
sound is that clause; the punctuation is put back.  Words of the lexicon travel as another marker, and their IPA takes its place.

Laws: an answer takes ``TIMEOUT_S`` at most; a child that died or went silent is replaced, once a call, and then it is an
``EngineError``.  The child does not outlive this process (its input ends) and does not see the terminal's Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import threading
import time
import unicodedata

from edgevoice.engines.lexicon import Lexicon
from edgevoice.errors import EngineError

PROGRAM = "espeak-ng"
REMEDY = "install it with: sudo apt install espeak-ng"
TIMEOUT_S = 3.0
"""For one clause; it takes 1 ms on a desktop machine, and 24 ms the first time."""
LONGEST = 600
"""Characters sent at once.  Far below a pipe's buffer, so that writing can never wait for a child that waits for us."""
MARK = "[[?X?]]"
SENTINEL = "[[X?X]]"
"""Phonemes in espeak-ng's own notation, spoken as given in every one of its languages, and said by no word."""

_END = re.compile(r"[,;:.!?…]+[\"'”’)\]]*(?=\s|$)|—")
_SILENT = re.compile(r"[\[\]<>(){}\"“”„«»*_#~|\\^=…—,;:!?\x00-\x1f\x7f]+")
_SWITCH = re.compile(r"\([a-z-]+\)")
"""espeak-ng says in brackets where it changes its language."""
_MARK_SOUND = re.compile("ʔχʔ")


class EspeakPhonemizer:
    """A ``Phonemizer``.  ``voice`` is espeak-ng's name of a language, such as en-us.  Thread-safe."""

    def __init__(self, voice: str = "en-us", lexicon: Lexicon | None = None, *, program: str = PROGRAM,
                 timeout_s: float = TIMEOUT_S) -> None:
        path = shutil.which(program)
        if path is None:
            raise EngineError(f"the program {program!r}, which turns text into phonemes, is not installed; {REMEDY}")
        self._command = [path, "-q", "--ipa", "-b", "1", "-v", voice]
        self._voice, self._lexicon, self._timeout_s = voice, lexicon or Lexicon({}, {}), timeout_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._closed = False
        with self._lock:
            self._start()

    @property
    def pid(self) -> int:
        """The child's process id; 0 while there is none."""
        return self._child.pid if self._child is not None else 0

    def phonemes(self, text: str) -> list[str]:
        """IPA of each clause that has something to say, its punctuation at its end, NFD."""
        spoken = []
        with self._lock:
            if self._closed:
                raise EngineError("the phonemizer is closed")
            for words, punctuation in clauses(text):
                if ipa := self._clause(words):
                    spoken.append(unicodedata.normalize("NFD", ipa) + punctuation)
        return spoken

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._stop()

    def _clause(self, words: str) -> str:
        known: list[str] = []

        def mark(ipa: str) -> str:
            known.append(ipa)
            return f" {MARK} "

        lines = _lines(self._lexicon.apply(words, mark))
        heard = _SWITCH.sub("", " ".join(self._ask(line) for line in lines))
        in_order = iter(known)
        return " ".join(_MARK_SOUND.sub(lambda _: next(in_order, ""), heard).split())

    def _ask(self, line: str) -> str:
        if self._child is not None and self._child.poll() is not None:
            self._stop()
        try:
            return self._exchange(line)
        except (OSError, TimeoutError, EOFError):
            self._stop()
        try:
            return self._exchange(line)
        except (OSError, TimeoutError, EOFError) as error:
            self._stop()
            raise EngineError(f"{PROGRAM} failed twice on {line[:60]!r} ({error}); see what it says to: {PROGRAM} -q --ipa") from error

    def _exchange(self, line: str) -> str:
        if self._child is None:
            self._start()
        return self._send(line, self._sound)

    def _start(self) -> None:
        """A fresh child; learns how the sentinel sounds."""
        self._rest = b""
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                       start_new_session=True)
        try:
            self._sound = self._send("", None)
        except (OSError, TimeoutError, EOFError) as error:
            child = self._child
            child.kill()
            said = (child.communicate()[1] or b"").decode(errors="replace").strip() or str(error) or "no answer"
            self._stop()
            raise EngineError(f"{PROGRAM} cannot speak the language {self._voice!r}: {said}; see: {PROGRAM} --voices") from error

    def _send(self, line: str, until: str | None) -> str:
        """What the child says to ``line``, up to the sentinel's sound (``None``: the sentinel's own)."""
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        child.stdin.write((f"{line}\n" if line else "").encode() + f"{SENTINEL}\n".encode())
        deadline = time.monotonic() + self._timeout_s
        lines: list[str] = []
        while True:
            while b"\n" in self._rest:
                head, self._rest = self._rest.split(b"\n", 1)
                answer = head.decode(errors="replace").strip()
                if until is None and answer:
                    return answer
                if answer == until:
                    return " ".join(lines)
                if answer:
                    lines.append(answer)
            wait = deadline - time.monotonic()
            if wait <= 0 or not select.select([child.stdout], [], [], wait)[0]:
                raise TimeoutError(f"no answer in {self._timeout_s:g} s")
            more = os.read(child.stdout.fileno(), 65_536)
            if not more:
                raise EOFError("it ended")
            self._rest += more

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # unsent bytes of a child that died
                    pipe.close()


def clauses(text: str) -> list[tuple[str, str]]:
    """(words, punctuation) of each clause that holds a letter or digit.  The punctuation is one of ``, ; : . ! ?`` or nothing."""
    found = []
    start = 0
    for match in _END.finditer(text):
        found.append((text[start:match.start()].strip(), _strongest(match[0])))
        start = match.end()
    found.append((text[start:].strip(), ""))
    return [(words, mark) for words, mark in found if any(c.isalnum() for c in words)]


def _strongest(marks: str) -> str:
    for mark in "?!":
        if mark in marks:
            return mark
    if any(pause in marks for pause in ("…", "—", "..")):
        return ","
    return marks[0]


def _lines(clause: str) -> list[str]:
    """The clause in lines that espeak-ng takes whole, without what it would take for a command or a break, or name aloud."""
    kept = re.split(rf"({re.escape(MARK)})", clause)
    lines = [""]
    for word in "".join(part if part == MARK else _SILENT.sub(" ", part).replace("’", "'") for part in kept).split():
        if lines[-1] and len(lines[-1]) + len(word) > LONGEST:
            lines.append("")
        lines[-1] += f"{word[:LONGEST]} "
    return [line.strip() for line in lines if line.strip()]
