"""Families: which files make a model of each kind, and how a folder is recognized by them.

Theory: an engine needs *roles* filled (an encoder, a token list).  A role is a list of glob patterns in order of preference; the first
pattern with a match fills it.  A folder is of a family when every required role is filled.  The table is read top down, so the family
whose files are a subset of another's stands below it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Role:
    """One thing an engine needs of a folder; ``patterns`` in order of preference."""

    name: str
    patterns: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of model; ``raw`` are roles as publishers ship them, ``installed`` as the engines read them."""

    name: str
    installed: tuple[Role, ...]
    raw: tuple[Role, ...] = ()


_LISTENING = (
    Role("encoder", ("encoder_model.ort",)),
    Role("decoder", ("decoder_model_merged.ort",)),
)
TERMS = ("LICENSE", "MODEL_CARD")
"""Files of terms: kept beside a model where its source has them, never needed by an engine."""
_LICENCE = Role("licence", TERMS, required=False)

FAMILIES: tuple[Family, ...] = (
    Family("silero", (Role("model", ("silero_vad_16k_op15.onnx",)), _LICENCE)),
    Family("smart-turn", (Role("model", ("smart-turn-v3*.onnx",)), _LICENCE)),
    Family(
        "moonshine-v2",
        (*_LISTENING, Role("tokens", ("tokens.txt",)), _LICENCE),
        (*_LISTENING, Role("tokenizer", ("tokenizer.bin",)), _LICENCE),
    ),
    Family("zipformer-transducer", (
        Role("encoder", ("encoder*.int8.onnx", "encoder*.onnx")),
        Role("decoder", ("decoder.onnx", "decoder*[!8].onnx", "decoder*.onnx")),
        Role("joiner", ("joiner*.int8.onnx", "joiner*.onnx")),
        Role("tokens", ("tokens.txt",)),
        Role("bpe", ("bpe.vocab",), required=False),
        _LICENCE,
    )),
    Family(
        "piper-vits",
        (Role("model", ("model.onnx",)), Role("tokens", ("tokens.txt",)), Role("config", ("config.json",)), _LICENCE),
        (Role("model", ("*.onnx",)), Role("config", ("*.onnx.json",)), _LICENCE),
    ),
    Family("gguf", (Role("model", ("model.gguf",)), _LICENCE), (Role("model", ("*.gguf",)), _LICENCE)),
)

NAMES = tuple(family.name for family in FAMILIES)


def get(name: str) -> Family | None:
    return next((family for family in FAMILIES if family.name == name), None)


def fill(roles: tuple[Role, ...], files: Iterable[str]) -> dict[str, str] | None:
    """Role to file name, or ``None`` if a required role stays empty."""
    names = sorted(files)
    filled = {}
    for role in roles:
        match = next((name for pattern in role.patterns for name in names if fnmatchcase(name, pattern)), None)
        if match is not None:
            filled[role.name] = match
        elif role.required:
            return None
    return filled


def recognize(files: Iterable[str]) -> tuple[Family, dict[str, str]] | None:
    """The family that these file names make, and which file fills which role; installed forms before publishers' forms."""
    names = list(files)
    for family in FAMILIES:
        for roles in (family.installed, family.raw):
            filled = fill(roles, names) if roles else None
            if filled is not None:
                return family, filled
    return None
