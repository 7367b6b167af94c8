"""Everybody's slips: what recognizers make of the words of commands, as patterns with what was said instead.

Theory: short words at the beginning are misheard the most ("turn" as "tern", "set" as "said"), then endings ("closed" as "close").  Each
pattern looks at what stands around it, so that a sentence that is no command is left as it is; they are applied in order.

Source: transcripts of the default recognizer of sentences spoken by the default voice, in quiet and in noise.
"""

from __future__ import annotations

import re

_SLIPS = (
    # the beginning
    (r",? (?:huh|ah|uh|um|hm)$", ""),
    (r"^(?:and |a |the |so |uh |um |oh )+(?=(?:turn|switch|set|open|close|dim|make|is|are)\b)", ""),
    (r"\b(?:turned|turns|turning|tern|term|torn|tune|during|churn|darn|turner) (?=(?:on|off|of|up|down|the|all|every)\b)", "turn "),
    (r"\b(?:switched|which|witch|swish) (?=(?:on|off|of)\b)", "switch "),
    (r"^(?:it's|its) which\b", "switch"),
    (r"^twitch\b", "switch"),
    (r"^(?:the|he|be) activates? ", "deactivate "),
    (r"^like (?=this\b|up\b|the\b)", "light "),
    (r"^(?:said|sat|sit|sets|send|setting) (?=.* to\b)", "set "),
    (r"\b(?:dem|deem|damn|them|dimmed|dime) (?=the\b|all\b)", "dim "),
    (r"\b(?:clothes|closed|cloth|closes|clothe) (?=the\b|all\b)", "close "),
    (r"\b(?:opened|opens|opening|oh pen) (?=the\b|all\b)", "open "),
    (r"^(?:his|ease|as) (?=the\b|there\b|any\b)|^his ", "is "),
    (r"^(?:our|or|r) (?=the\b|there\b|any\b|all\b)", "are "),
    # on and off
    (r"\bturnoff\b", "turn off"),
    (r"\b(turn|switch) (?:of|off of|oft|soft|up off|our|or)(?= (?:the|all|my|every|\w+ (?:light|lamp|fan)))", r"\1 off"),
    (r"\b(turn|switch) of\b", r"\1 off"),
    (r"\b(turn|switch) (?:an|and|in|own|one|un|arm|aunt)\b", r"\1 on"),
    (r"\bturn on the (.+) off$", r"turn the \1 off"),
    (r"\boften (?=here\b|the\b|this\b)", "off in "),
    (r"\b(lights?|lamps?|fans?|switch) (?:of|oft|or|our|are|on off)$", r"\1 off"),
    (r"\b(lights?|lamps?|fans?|switch) (?:an|own|in)$", r"\1 on"),
    # what things are called
    (r"\b(?:lice|light's|lites|lied|lie|lies|likes|lightes|rights|nights|flights|lates|lads|lights')\b", "lights"),
    (r"\b(?:lite|right|night|like)\b(?= (?:on|off|to)\b|$)", "light"),
    (r"\b(?:lambs|lamb|lap|land|lump)\b(?= (?:on|off|to)\b|$)", "lamp"),
    (r"\b(?:blindes|blind's|lines|binds|blinks|blends)\b", "blinds"),
    (r"\b(?:curtain's|courtains|certains?)\b", "curtains"),
    (r"\b(?:fun|van|fen)\b(?= (?:on|off|to)\b|$)", "fan"),
    # states
    (r"^(which|how many) (.+) (?:her|our|or|ah|go|in) (?=on\b|off\b|open\b|closed\b|locked\b)", r"\1 \2 are "),
    (r"^(is|are) (.+) close$", r"\1 \2 closed"),
    (r"^(is|are) (.+?) (?:in |un)lock$", r"\1 \2 unlocked"),
    (r"^(is|are) (.+) lock$", r"\1 \2 locked"),
    (r"^(is|are|which|how many) (.+) trigger$", r"\1 \2 triggered"),
    # numbers and places
    (r"\b(?:fifty|50) (?:per cent|persons?|present|% percent)\b", "50 percent"),
    (r"\bper cent\b", "percent"),
    (r"\b(\d+|ten|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred) (?:present|persons?|percents|purse and)\b", r"\1 percent"),
    (r"\bthe the\b", "the"),
    (r"\bin (?:their|they're)$", "in there"))

SLIPS = tuple((re.compile(pattern), right) for pattern, right in _SLIPS)
