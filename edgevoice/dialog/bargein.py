"""Whether somebody who speaks over the reply means to interrupt it.

Theory: an onset of speech has paused the reply already, which is cheap to take back; what was said decides.  A word of stopping at the
beginning is meant at once.  So are a few words of any other kind.  "Mm-hm" and "yeah" are what a listener says to keep the speaker going,
and a cough, a door or a clatter reads as nothing or as one of the words that a recognizer makes of noise (Moonshine: "You").  One word of
another kind is only believed when the speech is over and no more came, and when it was no shorter than a word is: a grunt is over sooner.

Laws: pure; ``weigh`` never goes back: what more words can only confirm further stays confirmed.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Meaning(StrEnum):
    NOTHING = "nothing"
    """no word that anybody meant"""
    BACKCHANNEL = "backchannel"
    """a listener's assent: go on"""
    DOUBTFUL = "doubtful"
    """one word; more may come"""
    WORDS = "words"
    STOP = "stop"


MEANT = frozenset({Meaning.WORDS, Meaning.STOP})

_STOPS = re.compile(
    r"(?:(?:oh|okay|ok|hey|please|no)\s+)?"
    r"(?:stop|wait|no|nope|hold on|hang on|quiet|be quiet|silence|enough|cancel|pause|shut up|never ?mind|"
    r"that's enough|excuse me|actually)\b")
_BACKCHANNELS = frozenset((
    "mm", "mmm", "mmmm", "mmmh", "mh", "mhm", "mhmm", "mmhm", "mmhmm", "hm", "hmm", "hmmm", "uh", "huh", "uhhuh", "um", "ah", "aha", "oh",
    "ooh", "wow", "yeah", "yep", "yes", "yup", "okay", "ok", "right", "sure", "good", "great", "nice", "fine", "cool", "really",
    "interesting", "exactly", "well"))
_PHRASES = ("i see", "got it", "all right", "of course", "that's right", "very good")
_NOISE = frozenset(("you", "bye", "the", "a", "i", "m", "h", "eh", "s", "thanks"))
"""what the default recognizer makes of coughs, doors and kitchens"""


def weigh(text: str, *, over: bool, enough: int = 2, brief: bool = False) -> Meaning:
    """What ``text`` (a transcript so far) means while a reply is paused; ``over``: the speech has ended and this is all of it; ``brief``:
    it was too short for a word, whatever was read.

    ``enough`` words that are neither assent nor noise are an interruption at once.
    """
    said = " ".join(re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'")).split())
    if not said:
        return Meaning.NOTHING
    if _STOPS.match(said):
        return Meaning.STOP
    rest = said
    for phrase in _PHRASES:
        rest = re.sub(rf"\b{phrase}\b", " yes ", rest)
    words = rest.split()
    others = [word for word in words if word not in _BACKCHANNELS]
    if not others:
        return Meaning.BACKCHANNEL
    if all(word in _NOISE for word in others):
        return Meaning.NOTHING if len(others) == len(words) else Meaning.BACKCHANNEL
    if (over and not brief) or len(others) >= enough:
        return Meaning.WORDS
    return Meaning.DOUBTFUL
