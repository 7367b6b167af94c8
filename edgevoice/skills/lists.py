"""Lists by voice: "add milk, eggs and bread to the shopping list".  ``order(text, lists)`` and ``obey``; sans-I/O.

Theory: what stands on a list is anybody's words, so the text is read as it was written down, with its commas, and not as ``hear`` leaves
it.  A list comes to be with the first thing on it.  "Take milk off" is about whichever list has milk.  "At" and "claire" are
what recognizers make of "add" and "clear".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgevoice.skills.agenda_told import listed
from edgevoice.skills.hearing import without_courtesy
from edgevoice.skills.orders import stems

Lists = Mapping[str, tuple[str, ...]]

USUAL = "shopping"
"""the list that is meant by "the list" """
MOST_LISTS, MOST_ENTRIES, LONGEST = 20, 200, 60
"""lists, entries of one, characters of an entry"""

_TOKEN = re.compile(r"[a-z0-9][a-z0-9'&/%-]*(?:\.[0-9]+)?|,")
_NAMED = r"(?!the |my |our |a |what )[a-z0-9'-]+(?: [a-z0-9'-]+)?"
_LIST = rf"(?:(?:the|my|our|a) )?(?:(?P<list>{_NAMED}) )?list"
_ADD = re.compile(rf"(?:add|at|put|write|place|note(?: down)?|stick|jot down) (?P<what>.+) (?:down on|to|on|onto|in|into) {_LIST}")
_TAKE = re.compile(rf"(?:take|remove|delete|cross|strike|scratch|tick|check) (?:off )?(?P<what>.+) (?:off of|off|from|away from|out of)"
                   rf" {_LIST}")
_TAKE_OFF = re.compile(r"(?:take|cross|tick|check|strike) (?:(?P<what>.+) off|off (?P<also>.+))")
_TELL = re.compile(rf"(?:what is|what's|whats|what do i have|what do we have|what have i got|what have we got|what are|read|read out"
                   rf"|read me|tell me|show|show me|list|how many things are|what things are)(?: (?:still|all|there))?(?: on| in)? {_LIST}")
_CLEAR = re.compile(rf"(?:clear|claire|empty|delete|erase|wipe|reset)(?: out)?(?: everything (?:from|on|off))? {_LIST}"
                    rf"|(?:remove|delete|take|clear) everything (?:from|off|on) (?:(?:the|my|our) )?(?:(?P<of>{_NAMED}) )?list")
_HAS = re.compile(rf"(?:is|are|do i have|do we have)(?: there)?(?: any)? (?P<what>.+) on {_LIST}")


@dataclass(frozen=True, slots=True)
class ListOrder:
    """``entries`` are for ``add``, ``take`` and ``has``."""

    do: Literal["add", "take", "tell", "clear", "has"]
    name: str
    entries: tuple[str, ...] = ()


def order(text: str, lists: Lists) -> ListOrder | None:
    """The order; ``None`` where ``text`` is not about a list."""
    said = " ".join(without_courtesy(_TOKEN.findall(text.lower().replace("’", "'"))))
    said = re.sub(r"\b(?:to do|todo|to-do's|to-dos) list\b", "to-do list", said).replace(" ,", ",")
    match = _CLEAR.fullmatch(said)
    if match is not None:
        return ListOrder("clear", match["list"] or match["of"] or USUAL)
    match = _TELL.fullmatch(said)
    if match is not None:
        return ListOrder("tell", match["list"] or USUAL)
    for do, pattern in (("add", _ADD), ("take", _TAKE), ("has", _HAS)):
        match = pattern.fullmatch(said)
        if match is not None and (entries := _entries(match["what"])):
            return ListOrder(do, match["list"] or USUAL, entries)  # type: ignore[arg-type]
    match = _TAKE_OFF.fullmatch(said)
    if match is not None and (entries := _entries(match["what"] or match["also"])):
        found = [name for name, present in lists.items() if all(_at(entry, present) is not None for entry in entries)]
        return ListOrder("take", found[0], entries) if len(found) == 1 else None
    return None


def obey(lists: Lists, what: ListOrder) -> tuple[Lists, str]:
    """The lists after it, and the answer."""
    present = lists.get(what.name, ())
    title = f"the {what.name} list"
    match what.do:
        case "add":
            new = [entry for entry in what.entries if _at(entry, present) is None]
            if len(present) + len(new) > MOST_ENTRIES or (what.name not in lists and len(lists) >= MOST_LISTS):
                return lists, f"There is no more room on {title}." if what.name in lists else "I can't keep more lists."
            told = f"I have put {listed(new)} on {title}." if new else f"That is on {title} already."
            return {**lists, what.name: (*present, *new)}, told
        case "tell":
            return lists, f"On {title}: {listed(list(present))}." if present else f"There is nothing on {title}."
        case "clear":
            return {name: entries for name, entries in lists.items() if name != what.name}, f"The {what.name} list is empty now."
        case "has":
            there = [entry for entry in what.entries if _at(entry, present) is not None]
            if len(there) == len(what.entries):
                return lists, f"Yes, on {title}."
            return lists, f"Only {listed(there)}, on {title}." if there else f"No, not on {title}."
        case "take":
            gone = {_at(entry, present) for entry in what.entries} - {None}
            if not gone:
                return lists, f"There is no {listed(list(what.entries), 'or')} on {title}."
            left = tuple(entry for at, entry in enumerate(present) if at not in gone)
            names = [entry for at, entry in enumerate(present) if at in gone]
            return {**lists, what.name: left}, f"I have taken {listed(names)} off {title}."


def _entries(text: str) -> tuple[str, ...]:
    """"milk, some eggs and the bread": three; none where one is too long."""
    parts = [re.sub(r"^(?:some|the|a|an|my|and) +", "", part.strip()) for part in re.split(r",(?: and)? | and |,", text)]
    found = tuple(dict.fromkeys(part for part in parts if part))
    return () if any(len(part) > LONGEST for part in found) or "everything" in found else found


def _at(entry: str, present: tuple[str, ...]) -> int | None:
    """Where it stands: by all of its words, or, as "milk" for "two liters of milk", by some."""
    wanted = stems(entry)
    exact = [at for at, other in enumerate(present) if stems(other) == wanted]
    return exact[0] if exact else next((at for at, other in enumerate(present) if wanted and wanted <= stems(other)), None)
