"""What is asked of the device itself: its volume, its microphone, how it does, why it was slow.  ``asked(words)`` says which deed it is.

Theory: a sentence for the device is one of few, so each is a pattern of the whole of it.  What the device knows of itself is not known
here; the deed's doer tells it (``edgevoice.doers``).

Laws: a volume is a percentage; a number that might be one out of ten is asked back.  "Mute" by itself may mean the sound of something else
in the house and is not understood.
"""

from __future__ import annotations

import re
from fractions import Fraction

from edgevoice.skills.deeds import Deed
from edgevoice.skills.numbers import number

VOLUME, MUTE, STATE, SLOW = "volume", "mute", "device_state", "slowness"
"""kinds of deeds"""

SAY_PERCENT = "Say it in percent, such as volume 50 percent."

_A_BIT = r"(?: a bit| a little(?: bit)?| a lot| some more| more| please)*"
_SOUND = r"(?:the |your )?(?:volume|sound)"
_LOUDER = re.compile(rf"(?:turn (?:it|yourself|{_SOUND}) up|turn up(?: {_SOUND})?|{_SOUND} up|(?:speak|talk|be|get|go)"
                     rf" (?:up|louder)|louder|(?:raise|increase) {_SOUND}|make (?:it|yourself) louder"
                     rf"|i can't hear you|you are too quiet){_A_BIT}")
_SOFTER = re.compile(rf"(?:turn (?:it|yourself|{_SOUND}) down|turn down(?: {_SOUND})?|{_SOUND} down|(?:speak|talk|be|get|go)"
                     rf" (?:softer|quieter|more quietly|lower)|softer|quieter|not so loud|(?:lower|decrease|reduce) {_SOUND}"
                     rf"|make (?:it|yourself) (?:quieter|softer)|you are too loud){_A_BIT}")
_TO = re.compile(rf"(?:(?:(?:set|turn|put|change|raise|lower|increase|reduce) )?{_SOUND}(?: up| down)?(?: level)?(?: to| at)?"
                 r"|turn (?:it|yourself)(?: up| down)? to) (?P<to>.+)")
_NAMED = {"maximum": 100, "max": 100, "the maximum": 100, "full": 100, "full volume": 100, "half": 50, "minimum": 5, "the minimum": 5,
          "medium": 50}
_ASKED = re.compile(rf"what is {_SOUND}(?: level| set to| now| at)*|how loud are you(?: now)?|what {_SOUND} are you at"
                    r"|what volume (?:is set|are you at|level are you at)")
_MICROPHONE = r"(?:your |the )?(?:microphone|mic|mike|microphones)"
_MUTE = re.compile(rf"mute (?:yourself|{_MICROPHONE})|(?:turn|switch) off {_MICROPHONE}|(?:turn|switch) {_MICROPHONE} off"
                   r"|stop listening(?: to (?:me|us))?|do not listen(?: to (?:me|us))?|don't listen(?: to (?:me|us))?")
_UNMUTE = re.compile(rf"unmute(?: (?:yourself|{_MICROPHONE}))?|(?:turn|switch) on {_MICROPHONE}|(?:turn|switch) {_MICROPHONE} on")
_STATE = re.compile(r"how are you(?: doing| feeling)?(?: today| now)?|are you (?:ok|okay|alright|all right|well|fine|working|healthy|online"
                    r"|there|connected|offline)(?: now)?|what is your (?:status|state|health)|is (?:anything|something) wrong with you"
                    r"|what is wrong with you|do you have (?:any )?problems|check yourself|status report")
_SLOW = re.compile(r"why (?:were|are|was|have) you(?: being| been)? (?:so |that |very )?(?:slow|late)(?: today| now| to answer| just now)?"
                   r"|why (?:did|does) (?:that|it|this|your answer|the answer) take (?:so|that|this) long|what took you so long"
                   r"|why (?:did|do) you take so long(?: to answer)?|how (?:fast|quick|slow) (?:are|were) you"
                   r"|how long did (?:that|your (?:last )?answer) take(?: you)?|what is your latency")


def asked(words: list[str]) -> Deed | str | None:
    """The deed, or what has to be said first; ``None`` where the words are not for the device itself."""
    said = " ".join(words)
    if _LOUDER.fullmatch(said):
        return Deed(VOLUME, {"louder": True})
    if _SOFTER.fullmatch(said):
        return Deed(VOLUME, {"louder": False})
    if _ASKED.fullmatch(said):
        return Deed(VOLUME)
    if _MUTE.fullmatch(said) or _UNMUTE.fullmatch(said):
        return Deed(MUTE, {"muted": _MUTE.fullmatch(said) is not None})
    if _STATE.fullmatch(said):
        return Deed(STATE, {"network": "online" in said or "offline" in said or "connected" in said})
    if _SLOW.fullmatch(said):
        return Deed(SLOW)
    match = _TO.fullmatch(said)
    return None if match is None else _to(match["to"].split())


def _to(words: list[str]) -> Deed | str | None:
    if " ".join(words) in _NAMED:
        return Deed(VOLUME, {"percent": _NAMED[" ".join(words)]})
    read = number(words, 0)
    if read is None or read.value.denominator != 1 or read.value < 0 or words[read.after:] not in ([], ["percent"]):
        return None
    if not words[read.after:] and read.value <= 10:
        return SAY_PERCENT
    return Deed(VOLUME, {"percent": int(min(read.value, Fraction(100)))})
