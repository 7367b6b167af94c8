"""Turns of phrase: how what is said to a house begins and ends, what is yes and no, what is plainly a command."""

from __future__ import annotations

import re

from edgevoice.skills import yes

YES = yes.YES | {
    "yup", "do so", "i confirm", "yes okay", "okay", "ok", "affirmative", "correct"}
NO = yes.NO | {
    "nah", "do not", "neither", "none", "none of them", "nevermind", "forget it", "stop", "not now", "no never mind"}
"""an "okay" is enough for what the house has just asked, which names the thing"""
ONE = ("turn on the {}", "turn on {}", "turn on {} lights", "open {}", "lock {}")
"""sentences in which a phrase that names something is understood"""

_POLITE = ("please", "pleas", "hey", "okay", "ok", "um", "uh", "oh", "so", "well", "and", "now", "then", "can you", "could you",
           "would you",
           "will you", "i want you to", "i'd like you to", "i need you to", "go ahead and", "kindly", "the", "a", "just", "also", "in",
           "on")
_BEGIN = (
    r"turn\w*", r"switch\w*", "set", "make", "change", "dim", "brighten", r"open\w*", "close[sd]?", "shut", "raise", "lift", "lower",
    "lock",
    "unlock", "start", "stop", "activate", "deactivate", "run", "press", "push", "increase", "decrease", "adjust", "bring", "lights?",
    "lamps?",
    "illuminate", "heat", "is", "are", "did", "do", "does", "any", "what", "what's", "whats", "which", "how", "how's", "when", "tell",
    "all",
    "every", "everything", "brightness", "transition", "clean", "vacuum", "return",
    # what recognizers make of those
    "tern", "term", "torn", "tune", "during", "churn", "witch", "swish", "sets", "sat", "said", "sit", "send", "dem", "damn", "them",
    "clothes",
    "cloth", "our", "his", "as", "ease")
STARTS = re.compile(rf"(?:(?:{'|'.join(_POLITE)}) )*(?:{'|'.join(_BEGIN)})\b")
_ACTING = (
    r"turn\w*", r"switch\w*", "set", "make", "change", "dim", "brighten", r"open\w*", r"clos\w+", "shut", "raise", "lower", "lock",
    "unlock", "stop", "activate", "deactivate", "start", "run", "light", "illuminate", "tern", "term", "torn", "tune", "during", "churn",
    "witch", "twitch", "swish", "sets", "sat", "said", "sit", "send", "dem", "damn", "them", "clothes", "cloth", "it's which")
ACTING = re.compile(rf"(?:(?:{'|'.join(_POLITE)}) )*(?:{'|'.join(_ACTING)})\b")
"""how commands begin, misheard or not"""
ASKING = re.compile(rf"(?:(?:{'|'.join(_POLITE)}) )*(?:is|are|his|as|ease|our|any|which|how many|what's|whats|what is|how)\b")
NOUNS = re.compile(r"\b(?:lights?|lighting|lamps?|blinds?|curtains?|fans?|thermostat|scene)\b")
ENDS = re.compile(r"\b(?:on|off|out|of|percent|%|degrees|brightness|red|green|blue|white|yellow|orange|purple|pink|turquoise|open|closed|"
                  r"locked|unlocked)$")

_NOUNS = ("lights?", "lamps?", "blinds?", "curtains?", "shutters?", "shades?", "windows?", "doors?", "gate", "garage", "fans?", "heater",
          "heating", "switch", "plug", "valve")
_NAME = r"(?P<name>(?:(?:the|my|our|all|every) )?(?!left |right |around )[\w']{2,20}(?: (?!and )[\w']{1,20}){0,3})"
_ASKING = r"(?:can you |could you |please )*"
COMMANDS = tuple(re.compile(pattern) for pattern in (
    rf"{_ASKING}(?:turn|switch) (?:on|off) {_NAME}(?: please)?",
    rf"{_ASKING}(?:turn|switch) {_NAME} (?:on|off)(?: please)?",
    rf"{_ASKING}(?:dim|brighten|unlock|lock) {_NAME}(?: to \w+(?: percent)?)?",
    rf"{_ASKING}(?:open|close|shut|raise|lower|set|is|are) (?P<name>(?:(?:the|my|our) )?(?:[\w']+ ){{0,4}}(?:{'|'.join(_NOUNS)}))"
    r"(?: (?:to|on|off|open|closed)\b.*)?",
    rf"{_ASKING}(?:set|make|turn) {_NAME} to [\w.]+ ?(?:percent|degrees|%)"))
"""commands (and questions) that are meant for a house alone, whatever is named"""
