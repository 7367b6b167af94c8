"""The messages that cross layers: frozen, slotted, never subclassed.

``ReplyFrame`` is the one reply stream of the product: speech, MQTT and HTTP all consume this type and no other.
Laws of a stream: ``seq`` counts 0, 1, 2 … without gaps inside a generation; exactly one frame, the last, has ``finish``;
an ``error`` frame may come before it, and then ``finish`` is ``"error"``; concatenated deltas are the reply's text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

FinishReason = Literal["stop", "length", "cancelled", "filtered", "error"]
FINISH_REASONS: tuple[FinishReason, ...] = ("stop", "length", "cancelled", "filtered", "error")

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as the language model is given it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn: 0 for the likeliest, and the share of the likeliest that are drawn from."""

    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a generation cost.  Seconds; a rate that was never measured is ``None``, not zero."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    ttft_s: float | None = None
    inter_token_p50_s: float | None = None
    inter_token_max_s: float | None = None
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReplyFrame:
    """One frame of a reply.  ``provisional`` text may still be taken back (speculation); settled text may not."""

    generation: int
    turn: int
    seq: int
    delta: str = ""
    provisional: bool = False
    error: str | None = None
    finish: FinishReason | None = None
    usage: Usage | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; absent things left out."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, slots=True)
class Partial:
    """A transcript while speech goes on: the first ``stable`` characters of ``text`` will not change any more."""

    text: str
    stable: int


@dataclass(frozen=True, slots=True)
class WakeHit:
    """A wake word heard.  ``sample`` is the 16 kHz index of its last sample, counted from the detector's reset."""

    model: str
    score: float
    sample: int
