"""What is said about timers, alarms and reminders, as orders: ``order(words, now, agenda)``.

Theory: a duration is found first, wherever it stands, and what is left is a sentence with a hole for it; a moment ("at half past six
tomorrow") is read where the sentence has its place.  A sentence is understood to its last word or not at all.  The agenda is looked at
where the words alone would not do: "how long is left for the eggs" is about a timer if there is one for eggs, and "okay" silences what
rings.

Law: nothing is changed here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from edgevoice.skills.agenda import Agenda, Sort
from edgevoice.skills.orders import Cancel, Hush, Lengthen, Name, Order, Pause, Set, Tell, Which, stems
from edgevoice.skills.whens import clock, duration, places, when

LONGEST_NAME = 4
"""words of a timer's name"""
SNOOZE_S = 300

_SET = (r"(?:(?:set|said|sat|start|make|create|begin|run|put|add|give me|get me|i need|i want|i would like|i'd like)(?: up| on)? )")
_A = r"(?:me )?(?:a |an |in |the |my |new |a new )?"
"""the third is what recognizers make of "an" before "alarm" """
_NAME = r"(?P<name>[a-z][a-z' ]*?)"
_TIMERS = tuple(re.compile(pattern) for pattern in (
    rf"{_SET}?{_A}(?:{_NAME} )?(?:timer|countdown)(?: (?:for|of|to|at|with))? <t>(?: (?P<link>for|called|named) (?P<about>[a-z' ]+))?",
    rf"{_SET}?{_A}(?:timer|countdown) (?P<link>for|called|named) (?P<about>[a-z' ]+?) (?:for|of|to|at) <t>",
    rf"{_SET}?{_A}<t> (?:{_NAME} )?(?:timer|countdown)(?: (?P<link>for|called|named) (?P<about>[a-z' ]+))?",
    rf"{_SET}{_A}time (?:for|of) <t>",
    r"<t> (?P<link>for) (?P<about>(?:the|my) [a-z' ]+)",
    r"time (?P<about>(?:the|my) [a-z' ]+) for <t>",
    r"count down(?: from)? <t>"))
_LATE_NAME = re.compile(r"(?:(?:it is |that is )?for (?P<about>(?:the|my|some) [a-z' ]+)|(?:call|name) it (?P<name>[a-z' ]+))")
_NO_NAMES = frozenset(("off", "on", "to", "for", "of", "with", "not", "never", "don't", "no", "it", "me", "you", "and", "or", "is", "be",
                       "timer", "alarm", "alarms", "timers", "in", "another", "if", "when", "that", "was", "do", "the", "all"))
_WHICH = re.compile(r"(?P<all>(?:all|both|every|all of)(?: (?:the|my|of the|of my))? )?(?:(?:the|my|this|that|our) )?(?:(?P<name>.+?) )?"
                    r"(?P<sort>timer|alarm|reminder)(?P<many>s)?(?: (?:for|called|named|at|of|set for|that|about|to)"
                    r" (?P<about>.+?))?(?: clock)?")
_CANCEL = re.compile(r"(?:(?:cancel|delete|remove|clear|stop|end|kill|forget|drop|dismiss|disable|turn off|switch off|get rid of|shut off"
                     r"|i don't need|i do not need) (?P<a>.+?)(?: any more| anymore)?|(?:turn|switch|shut) (?P<b>.+) off)")
_PAUSE = re.compile(r"(?:(?P<no>pause|hold|freeze|halt)|(?:resume|continue|unpause|start|go on with)) (?P<which>.+)")
_LENGTHEN = tuple(re.compile(pattern) for pattern in (
    r"(?:add|put|at) <t>(?: (?:to|on|onto) (?P<which>.+))?",
    r"(?:give|extend|lengthen|increase|make) (?P<which>.+?)(?: by)? <t>(?: longer)?",
    r"(?:(?:give me|i need) )?(?P<more><t>)(?: (?:for|on|to) (?P<which>.+))?"))
_SHORTEN = tuple(re.compile(pattern) for pattern in (
    r"(?:take|remove|subtract|deduct) <t> (?:off|from|away from|off of) (?P<which>.+)", r"(?:shorten|reduce|decrease) (?P<which>.+) by <t>",
    r"make (?P<which>.+) <t> shorter"))
_LEFT = re.compile(
    r"how (?:long|much time|much longer|many minutes|many seconds|much more time)(?: is| are| do i have| do we have| have i got| is there"
    r"| does| do| has| have)?(?: still)?(?P<left1> left| remaining| to go)?(?: still)?(?: (?:on|for|with|until|till|in|of))?"
    r"(?: (?P<which>(?:the|my) .+?|[a-z ]*timer))?(?: still)?(?: have| has| got| run)?(?P<left2> left| remaining| to go)?"
    r"(?: is done| is up| ends| goes off| rings| are done| are ready| is ready)?")
_TELL = tuple(re.compile(pattern) for pattern in (
    r"(?P<which>(?:the |my )?(?:[a-z]+ )?(?:timer|alarm|reminder)s?) status",
    r"(?:what|which) (?P<which>(?:timer|alarm|reminder)s?)(?: do i have| do we have| are| is| have i| did i)?(?: there)?(?: still)?"
    r"(?: set| running| pending| active| on| left)?",
    r"(?:list|read|read out|show me|show|check|tell me about|what about|what are|what is the status of|status of)(?: all)?(?: of)?"
    r" (?P<which>(?:the |my )?.*(?:timer|alarm|reminder)s?(?: for .+)?)",
    r"(?:do i have|do we have|are there|is there|have i got|have i set|how many|is)(?: any| a| an)?"
    r" (?P<which>(?:the |my )?(?:[a-z]+ )?(?:timer|alarm|reminder)s?)(?: do i have| do we have| are there| are| have i)?"
    r"(?: set| running| pending| active| on| going| left)*",
    r"(?:when|what time|at what time) (?:is|does|will|are|do) (?P<which>(?:the |my )?.*(?:timer|alarm|reminder)s?)(?: set| going)?"
    r"(?: for| go off| ring| end| be done| up| over| to go off| off)*"))
_RINGING = frozenset((
    "okay", "ok", "thanks", "thank you", "got it", "i heard you", "i hear you", "alright", "all right", "i'm up", "i am up", "i'm awake",
    "i am awake", "turn it off", "turn that off", "switch it off", "shut it off", "silence", "dismiss", "yes", "done", "off",
    "stop ringing", "yeah"))
_AGAIN = re.compile(r"snooze(?: it)?(?: (?:for )?(?P<t><t>))?|(?:remind me |ring |wake me )?again in <t>|(?:in )?<t>(?: later)?")
_OURS = {"my": "your", "me": "you", "i": "you", "i'm": "you're", "mine": "yours", "myself": "yourself", "our": "your", "am": "are",
         "i've": "you've", "i'll": "you'll"}


_WANTS = re.compile(
    r"(?:set|start|make|create)(?: up)? (?:an?|the|my|another) (?:[a-z]+ )?(?:timer|alarm|reminder)\b.*|wake (?:me|us)(?: up)? .+")
NOT_UNDERSTOOD = "Sorry, I did not understand the time, so nothing is set."


def wanted(words: list[str]) -> bool:
    """Whether they are an order for a timer or an alarm all the same, where ``order`` understood none: the model must not
    answer as if there were one."""
    return _WANTS.fullmatch(" ".join(words)) is not None


def order(words: list[str], now: datetime, agenda: Agenda, asked: Order | None = None) -> Order | None:
    """The order, or ``None`` where the words are not for timers.  ``asked``: an order that a question was asked about just now."""
    words = [word for word in words if word != "?-"]  # "10-minute"
    if asked is not None and (complete := _completed(asked, words, now, agenda)) is not None:
        return complete
    bare = [word for word in words if word not in ("more", "another", "extra", "additional")]
    said, seconds = _with_hole(bare)
    if agenda.ringing and (hush := _while_ringing(" ".join(words), said, seconds)) is not None:
        return hush
    if seconds is not None:
        found = _of_duration(said, seconds, agenda, more=len(bare) < len(words))
        if found is not None:
            return found
    found = _without_length(said) if seconds is None else None
    return found or _reminder(words, now) or _alarm(words, now) or _about_pending(" ".join(words), said, seconds, agenda)


def _completed(asked: Order, words: list[str], now: datetime, agenda: Agenda) -> Order | None:
    """The order with what its question was about."""
    if isinstance(asked, Hush | Name):
        return None
    if not isinstance(asked, Set):
        name = " ".join(word for word in words if word not in ("the", "timer", "alarm", "reminder", "one", "for"))
        fits = any(item.sort == asked.which.sort and name and stems(name) <= stems(item.name) for item in agenda.items)
        length = duration(words, words[:1] == ["the"])
        if length is not None and words[length[1]:] in ([], ["timer"], ["one"]):
            return replace(asked, which=replace(asked.which, length_s=length[0]))
        return replace(asked, which=replace(asked.which, name=name)) if fits else None
    if asked.seconds is not None:
        match = _LATE_NAME.fullmatch(" ".join(words))
        named = _name(match["about"] or match["name"]) if match is not None else None
        return Name(named, bool(match["about"])) if match is not None and named else None
    words = words[words[:1] in (["for"], ["at"]):]
    if asked.sort == "timer":
        found = duration(words, 0)
        return replace(asked, seconds=found[0]) if found is not None and found[1] == len(words) else None
    time = when(words, 0, now, before=("", "at", "by"))
    plain = clock(words, 0)
    if plain is not None and plain[1] == len(words):
        return replace(asked, when=plain[0])
    return replace(asked, when=time[0]) if time is not None and time[1] == len(words) else None


def _without_length(said: str) -> Order | None:
    match = re.fullmatch(rf"{_SET}{_A}(?:{_NAME} )?(?:timer|countdown)(?: (?P<link>for|called|named) (?P<about>.+))?", said)
    if match is None:
        return None
    name, about = _name(match["name"]), _name(match["about"])
    if name is None or about is None:
        return None
    return Set("timer", name or about, bool(about and not name and match["link"] == "for"))


def _with_hole(words: list[str]) -> tuple[str, int | None]:
    """The sentence with "<t>" for its first duration, and that in seconds."""
    for at in range(len(words)):
        if words[at:at + 2] == ["a", "second"] and words[at + 2:at + 3] == ["timer"]:
            continue
        found = duration(words, at)
        if found is not None:
            return " ".join([*words[:at], "<t>", *words[found[1]:]]), found[0]
    return " ".join(words), None


def _while_ringing(said: str, holed: str, seconds: int | None) -> Hush | None:
    if said in _RINGING:
        return Hush()
    return Hush(seconds or SNOOZE_S) if _AGAIN.fullmatch(holed) else None


def _of_duration(said: str, seconds: int, agenda: Agenda, *, more: bool) -> Order | None:
    for pattern in _TIMERS:
        match = pattern.fullmatch(said)
        if match is None or (more and match.re is _TIMERS[4]):
            continue
        parts = match.groupdict()
        name, about = _name(parts.get("name")), _name(parts.get("about"))
        if name is None or about is None:
            continue
        return Set("timer", name or about, bool(about and not name and parts.get("link", "for") == "for"), seconds)
    if re.fullmatch(r"wake (?:me|us)(?: up)? in <t>", said):
        return Set("alarm", seconds=seconds)
    for sign, patterns in ((1, _LENGTHEN), (-1, _SHORTEN)):
        for pattern in patterns:
            match = pattern.fullmatch(said)
            if match is None or ("more" in match.groupdict() and not more):
                continue
            bare = match["which"] in (None, "it", "that", "me")
            if (bare and not any(item.sort == "timer" for item in agenda.kept)) or (match["which"] == "me" and not more):
                continue
            which = Which() if bare else _which(match["which"], agenda)
            if which is not None and which.sort != "reminder":
                return Lengthen(which, sign * seconds)
    return None


def _about_pending(said: str, holed: str, seconds: int | None, agenda: Agenda) -> Order | None:
    match = _CANCEL.fullmatch(said)
    if match is not None and (which := _which(match["a"] or match["b"], agenda, seconds, holed, many=True)) is not None:
        return Cancel(which)
    match = _PAUSE.fullmatch(said)
    if match is not None and (which := _which(match["which"], agenda, seconds, holed, many=True)) is not None and which.sort == "timer":
        return Pause(which, resume=match["no"] is None)
    match = _LEFT.fullmatch(said)
    if match is not None and (match["which"] or match["left1"] or match["left2"] or said.startswith("how much longer")):
        which = Which() if match["which"] is None else _which(match["which"], agenda)
        return None if which is None else Tell(which)
    for pattern in _TELL:
        match = pattern.fullmatch(said)
        if match is not None and (which := _which(match["which"], agenda)) is not None:
            return Tell(which)
    return None


def _which(text: str, agenda: Agenda, seconds: int | None = None, holed: str = "", *, many: bool = False) -> Which | None:
    """``many``: the plural without a name means all."""
    match = _WHICH.fullmatch(text)
    if match is None:  # "the eggs": if there is a timer for them
        wanted = stems(text)
        found = wanted and any(item.sort == "timer" and wanted <= stems(item.name) for item in agenda.kept)
        return Which(name=text) if found and len(text.split()) <= LONGEST_NAME else None
    sort: Sort = match["sort"]  # type: ignore[assignment]
    named = match["about"] or match["name"] or ""
    every = match["all"] is not None or (many and match["many"] is not None and not named)
    if not named:
        return Which(sort, every=every)
    words = named.split()
    length = duration(words, 0)
    if sort != "reminder" and length is not None and length[1] == len(words):
        return Which(sort, length_s=length[0], every=every)
    time = clock(words, 0)
    if sort == "alarm" and time is not None and time[1] == len(words) and time[0].hour is not None:
        return Which(sort, time=(time[0].hour, time[0].minute), every=every)
    if len(words) > (12 if sort == "reminder" else LONGEST_NAME) or any(word in ("music", "radio", "and") for word in words):
        return None
    return Which(sort, name=_yours(words) if sort == "reminder" else named, every=every)


def _alarm(words: list[str], now: datetime) -> Order | None:
    said = " ".join(words)
    match = re.match(r"wake (?:me|us)(?: up)?(?: |$)", said)
    waking = match is not None
    if match is None:
        match = re.match(rf"{_SET}?{_A}(?:(?P<name>[a-z0-9.' ]*?) )?alarm(?: clock)?(?: |$)", said)
        if match is None:
            return None
        name = _name(match["name"])
        if name:
            hour = when(name.split(), 0, now, before=("",))  # "a seven a m alarm"
            if hour is not None and hour[1] == len(name.split()):
                return Set("alarm", when=hour[0], waking=True) if match.end() >= len(said) else None
        if name is None or (match.end() >= len(said) and not re.match(_SET, said)):
            return None
    else:
        name = ""
    rest = said[match.end():].split()
    if not rest:
        return Set("alarm", name or "", waking=waking)
    found = when(rest, 0, now, before=("at", "for", "by", "to"))
    if found is None and rest[0] == "for":
        found = when(rest[1:], 0, now)
        rest = rest[1:]
    if found is None or found[1] != len(rest):
        return None
    return Set("alarm", name or "", when=found[0], waking=waking or found[0].day is not None or bool(found[0].days))


def _reminder(words: list[str], now: datetime) -> Order | None:
    said = " ".join(words)
    match = re.match(rf"(?:remind|reminds) (?:me|us)(?: |$)|{_SET}{_A}reminder(?: for me)?(?: |$)", said)
    if match is None:
        return None
    rest = said[match.end():].split()
    if rest[:1] == ["for"]:
        rest[0] = "at"
        rest = rest if when(rest, 0, now) is not None else rest[1:]  # "for tomorrow at five"
    first = when(rest, 0, now) if rest else None
    if first is not None:
        body = rest[first[1]:]
        return Set("reminder", _yours(body), when=first[0]) if not body or body[0] in ("to", "about", "that", "of") else None
    if rest[:1] not in (["to"], ["about"], ["that"], ["of"]) or len(rest) < 2:
        return Set("reminder") if not rest else None
    for at, found in places(rest, now):
        if at >= 2:
            return Set("reminder", _yours(rest[:at]), when=found)
    return None if rest[0] == "of" else Set("reminder", _yours(rest))


def _yours(words: list[str]) -> str:
    """What the user said of himself, said to him."""
    return " ".join(_OURS.get(word, word) for word in words)


def _name(text: str | None) -> str | None:
    """A name without its article, "" for none, and ``None`` for what cannot be one."""
    words = (text or "").split()
    while words and words[0] in ("the", "a", "an", "my", "some"):
        words = words[1:]
    return None if len(words) > LONGEST_NAME or any(word in _NO_NAMES for word in words) else " ".join(words)
