"""Who vouches for a file: the catalogue, the person (--sha256), an earlier trust (models.lock), or trust on first use.

Laws: a hash given by the person comes first, for it is the latest word; then the catalogue's, then the pinned one.  A file that nobody
vouches for is refused, and the refusal says its hash.  A file that differs from its hash is refused, whoever vouched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from edgevoice.errors import ModelError, UsageError

_HEX = re.compile(r"[0-9a-f]{64}")
_RANK = ("catalogue", "given", "first-use")


def parse(texts: Sequence[str]) -> dict[str, str]:
    """``FILE=HEX`` or a bare ``HEX`` (kept under the empty name); ``UsageError`` for anything else."""
    given = {}
    for text in texts:
        file, _, value = text.rpartition("=")
        value = value.strip().lower()
        if not _HEX.fullmatch(value):
            raise UsageError(f"--sha256 {text}: expected 64 hexadecimal digits, as `sha256sum` prints them, or FILE=HEX")
        given[file] = value
    return given


class Trust:
    """What is believed during one pull; ``admitted`` collects each file that passed, and ``new`` what is to be pinned."""

    def __init__(self, name: str, given: Mapping[str, str], pinned: Mapping[str, str], first_use: bool) -> None:
        self._name, self._given, self._pinned, self._first_use = name, given, pinned, first_use
        self.admitted: dict[str, str] = {}
        self.new: dict[str, str] = {}
        self.level = "catalogue"

    def expected(self, file: str, catalogue: str = "") -> str:
        """The hash that ``file`` must have, empty if nobody knows."""
        return self._given.get(file) or self._given.get("") or catalogue or self._pinned.get(file, "")

    def foresee(self, file: str, catalogue: str = "") -> None:
        """Refuse a file that nobody will vouch for, before it is downloaded."""
        if not self.expected(file, catalogue) and not self._first_use:
            raise ModelError(f"no verified sha256 is known for {file} of {self._name}: give the publisher's with --sha256, "
                             "or --trust-first-use to trust what comes now and pin it")

    def admit(self, file: str, measured: str, catalogue: Collection[str] = ()) -> None:
        """Believe this file or raise ``ModelError``; ``catalogue``: the hashes it may have."""
        given = self._given.get(file) or self._given.get("")
        pinned = self._pinned.get(file)
        if given:
            self._compare(file, measured, given, "--sha256 says")
            self._note(file, measured, "given")
        elif measured in catalogue:
            self._note(file, measured, "catalogue")
        elif pinned:
            self._compare(file, measured, pinned, "it was pinned in models.lock as")
            self._note(file, measured, "first-use")
        elif self._first_use:
            self._note(file, measured, "first-use")
        elif catalogue:
            expected = " or ".join(sorted(catalogue))
            raise ModelError(f"{file} of {self._name} is not the catalogue's: expected sha256 {expected}, found {measured} "
                             "(--trust-first-use takes it all the same)")
        else:
            raise ModelError(f"no verified sha256 is known for {file} of {self._name} (found {measured}): "
                             "give the publisher's with --sha256, or --trust-first-use to trust this one and pin it")

    def single(self, files: Collection[str]) -> None:
        """A bare ``--sha256`` names one file; ``UsageError`` if several are to be checked."""
        if "" in self._given and len(files) > 1:
            raise UsageError(f"--sha256 must say which file it is for: {', '.join(f'{file}=HEX' for file in sorted(files))}")

    def _compare(self, file: str, measured: str, expected: str, who: str) -> None:
        if measured != expected:
            raise ModelError(f"{file} of {self._name} has sha256 {measured}, but {who} {expected}")

    def _note(self, file: str, measured: str, level: str) -> None:
        self.admitted[file] = measured
        if level != "catalogue":
            self.new[file] = measured
        self.level = max(self.level, level, key=_RANK.index)
