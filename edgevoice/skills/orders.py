"""Orders about timers, alarms and reminders, carried out on an agenda: ``obey`` gives the new one and what to say.  Sans-I/O.

Law: whatever is said names what was meant (which timer, which moment), so that a word misheard is heard; where two could be meant it is
asked which, and nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgevoice.skills import agenda as agendas
from edgevoice.skills.agenda import Agenda, Item, Now, Sort
from edgevoice.skills.agenda_told import listed, moment, title, told_left, told_length
from edgevoice.skills.whens import When

FIRST_YEAR = 2024
"""a clock that shows an earlier one was never set"""
NO_CLOCK = "I don't know what time it is yet, so I can't set that."
HOW_LONG, WHAT_TIME, WHEN = "For how long?", "At what time?", "When shall I remind you?"
TOO_MANY = f"I can't remember more than {agendas.MOST} things."
SOONEST_S, LATEST_S = 1, 7 * 86400
"""of a duration that was lengthened or shortened"""


@dataclass(frozen=True, slots=True)
class Set:
    """Something new: after ``seconds``, or ``when``.  ``waking``: an hour by itself is the morning's."""

    sort: Sort
    name: str = ""
    about: bool = False
    seconds: int | None = None
    when: When | None = None
    waking: bool = False


@dataclass(frozen=True, slots=True)
class Which:
    """Of ``sort``, those of ``name``, ``length_s`` or ``hour`` and ``minute``; all of them with ``every``."""

    sort: Sort = "timer"
    name: str = ""
    length_s: int | None = None
    time: tuple[int, int] | None = None
    every: bool = False

    @property
    def told(self) -> bool:
        """Whether anything but the sort was."""
        return bool(self.name or self.length_s or self.time or self.every)


@dataclass(frozen=True, slots=True)
class Tell:
    """What is pending, and when."""

    which: Which


@dataclass(frozen=True, slots=True)
class Cancel:
    which: Which


@dataclass(frozen=True, slots=True)
class Pause:
    which: Which
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Lengthen:
    which: Which
    seconds: int


@dataclass(frozen=True, slots=True)
class Hush:
    """Silence what rings; with ``again_s`` it rings once more after that."""

    again_s: int | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """The newest timer has this name: it was said after a pause."""

    name: str
    about: bool


Order = Set | Tell | Cancel | Pause | Lengthen | Hush | Name


@dataclass(frozen=True, slots=True)
class Obeyed:
    """The ``agenda`` after an order, what to say, and the order itself where that is a question about it, or its name may follow."""

    agenda: Agenda
    answer: str
    asked: Order | None = None


def obey(agenda: Agenda, order: Order, now: Now) -> Obeyed:
    """Carry out what is known enough of."""
    match order:
        case Set():
            question = _missing(order)
            if question:
                return Obeyed(agenda, question, order)
            return Obeyed(*_set(agenda, order, now), order if order.sort == "timer" and not order.name else None)
        case Name():
            return Obeyed(*_name(agenda, order, now))
        case Hush(again_s):
            return Obeyed(*_hush(agenda, again_s, now))
        case Tell(which):
            return Obeyed(agenda, _told(agenda, which, now))
        case Lengthen(which, seconds) if agenda.ringing and not which.told and seconds > 0:
            return Obeyed(*_hush(agenda, seconds, now))
        case Cancel(which) if not which.every and any(_fits(ring.item, which) for ring in agenda.ringing):
            return Obeyed(*_hush(agenda, None, now))
    found = _meant(agenda, order, now)
    if isinstance(found, str):
        return Obeyed(agenda, found, order if found.endswith("?") else None)
    return Obeyed(*_change(agenda, order, found, now))


def _missing(order: Set) -> str:
    """What has to be asked first."""
    when = order.when
    if order.seconds is not None or (when is not None and (order.sort == "reminder" or when.seconds or when.hour is not None)):
        return ""
    return {"timer": HOW_LONG, "alarm": WHAT_TIME, "reminder": WHEN}[order.sort]


def _set(agenda: Agenda, order: Set, now: Now) -> tuple[Agenda, str]:
    seconds = order.seconds if order.when is None else order.when.seconds
    item = Item(0, order.sort, order.name, order.about)
    if seconds is not None:
        item = replace(item, length_s=float(seconds), mono=now.mono + seconds)
    else:
        assert order.when is not None
        if now.local.year < FIRST_YEAR:
            return agenda, NO_CLOCK
        at = order.when.at(now.local, waking=order.waking)
        if at is None:
            return agenda, "That time has passed."
        item = replace(item, at=at.replace(tzinfo=None), days=order.when.days)
        if any(replace(item, id=old.id) == old for old in agenda.items):
            return agenda, _told_set(item, now)
    try:
        return agendas.added(agenda, item), _told_set(item, now)
    except OverflowError:
        return agenda, TOO_MANY


def _name(agenda: Agenda, order: Name, now: Now) -> tuple[Agenda, str]:
    newest = max((item for item in agenda.items if item.sort == "timer" and not item.name), key=lambda item: item.id, default=None)
    if newest is None:
        return agenda, "No timer is set."
    item = replace(newest, name=order.name, about=order.about)
    return agendas.changed(agenda, item), f"The {title(item, now)} has {told_left(item.left(now))} left."


def _told_set(item: Item, now: Now) -> str:
    length = told_length(item.length_s)
    if item.sort == "reminder":
        when = f"in {length}" if item.at is None else f"at {moment(item, now)}"
        return f"I will remind you {when}{' ' + item.name if item.name else ''}."
    if item.at is not None:
        return f"The {item.name + ' ' if item.name else ''}alarm is set for {moment(item, now)}."
    if item.sort == "alarm":
        return f"I will wake you in {length}."
    return f"The {title(item, now)} is set for {length}." if item.name else f"{length}, starting now."


def _hush(agenda: Agenda, again_s: int | None, now: Now) -> tuple[Agenda, str]:
    if not agenda.ringing:
        return agenda, "Nothing is ringing."
    rung = [ring.item for ring in agenda.ringing]
    agenda = agendas.silenced(agenda)
    if again_s is None:
        return agenda, "Okay."
    if len(agenda.items) + len(rung) > agendas.MOST:
        return agenda, TOO_MANY
    for item in rung:
        agenda = agendas.added(agenda, replace(item, at=None, days=(), wall=None, length_s=float(again_s), mono=now.mono + again_s))
    return agenda, f"Again in {told_length(again_s)}."


def _told(agenda: Agenda, which: Which, now: Now) -> str:
    items = sorted((item for item in agenda.items if _fits(item, which)), key=lambda item: item.left(now))
    if not items:
        return _none(agenda, which, now)
    if which.sort == "timer":
        if len(items) == 1:
            return f"The {title(items[0], now)} {_state(items[0], now)}."
        return f"You have {len(items)} timers: {listed([f'the {title(item, now)} {_state(item, now)}' for item in items])}."
    if which.sort == "alarm":
        if len(items) == 1:
            return f"The {items[0].name + ' ' if items[0].name else ''}alarm is set {_time(items[0], now, 'for')}."
        return f"You have {len(items)} alarms: {listed([_time(item, now, 'for') for item in items])}."
    told = listed([f"{_time(item, now, 'at')}{' ' + item.name if item.name else ''}" for item in items])
    return f"You have {len(items)} reminder{'s' if len(items) > 1 else ''}: {told}."


def _state(item: Item, now: Now) -> str:
    return f"{'is paused with' if item.left_s is not None else 'has'} {told_left(item.left(now))} left"


def _time(item: Item, now: Now, before: str) -> str:
    return f"{before} {moment(item, now)}" if item.at is not None else f"in {told_left(item.left(now))}"


def _none(agenda: Agenda, which: Which, now: Now) -> str:
    others = [item for item in agenda.items if item.sort == which.sort]
    if not others:
        return f"No {which.sort} is set."
    return f"There is none of that name. There is {listed(['the ' + title(item, now) for item in others[:4]])}."


def _meant(agenda: Agenda, order: Cancel | Pause | Lengthen, now: Now) -> tuple[Item, ...] | str:
    """Those that an order is for, or what to say instead."""
    which = order.which
    found = [item for item in agenda.items if _fits(item, which)]
    if isinstance(order, Pause) and len(found) > 1:  # the others are as they shall be
        found = [item for item in found if (item.left_s is None) != order.resume] or found
    if not found:
        return _none(agenda, which, now)
    titles = list(dict.fromkeys(f"the {title(item, now)}" for item in found))
    if len(titles) > 1 and not which.every:
        return f"Which one: {listed(titles, 'or')}?"
    found.sort(key=lambda item: item.left(now))
    return tuple(found if which.every else found[:1])


def _change(agenda: Agenda, order: Cancel | Pause | Lengthen, found: tuple[Item, ...], now: Now) -> tuple[Agenda, str]:
    one = f"The {title(found[0], now)}"
    match order:
        case Cancel():
            many = f"{len(found)} {order.which.sort}s are"
            return agendas.without(agenda, found), f"{many if len(found) > 1 else one + ' is'} cancelled."
        case Pause(_, resume):
            for item in found:
                if resume and item.left_s is not None:
                    agenda = agendas.changed(agenda, agendas.resumed(item, now))
                elif not resume and item.left_s is None and item.at is None:
                    agenda = agendas.changed(agenda, agendas.paused(item, now))
            told = f"goes on with {told_left(found[0].left(now))} left" if resume else "is paused"
            return agenda, f"{one} {told}." if len(found) == 1 else f"{len(found)} timers {'go on' if resume else 'are paused'}."
        case Lengthen(_, seconds):
            if found[0].at is not None:
                return agenda, f"{one} stays: say at what time it shall be instead."
            if not SOONEST_S <= found[0].left(now) + seconds <= LATEST_S:
                return agenda, f"{one} has {told_left(found[0].left(now))} left; that can't be done."
            item = agendas.longer(found[0], seconds, now)
            return agendas.changed(agenda, item), f"{one} has {told_left(item.left(now))} left now."


def _fits(item: Item, which: Which) -> bool:
    if item.sort != which.sort or (which.length_s is not None and round(item.length_s) != which.length_s):
        return False
    if which.time is not None and (item.at is None or (item.at.hour % 12, item.at.minute) != (which.time[0] % 12, which.time[1])):
        return False
    wanted = stems(which.name)
    return not wanted or wanted <= stems(item.name)


def stems(name: str) -> set[str]:
    """Its words so that one egg is eggs, without those that mean nothing."""
    return {_stem(word) for word in name.split()} - {"the", "a", "an", "my", "some", "to", "about", "of"}


def _stem(word: str) -> str:
    if word.endswith("oes"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
